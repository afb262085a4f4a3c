"""Ray Data on this machine, with real worker processes. All tests share one Ray, which takes seconds to start."""

from __future__ import annotations

import os
import random
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
from faults.server import Exchange, FaultServer, every, on_text, refuse
from jina_client import JinaError
from jina_jobs import JobError, JobUsageError
from loopback import Recorder, vector_of

# Before Ray is imported: no statistics are sent, and the workers run in the environment of the test.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"

ray = pytest.importorskip("ray", reason="Ray is not installed: uv run --group ray pytest tests/jina-jobs-ray")
from jina_jobs.ray import EmbedBatches, SharedLimits, classify, embed, embed_multi_vector, rerank
from ray.data import ActorPoolStrategy, Dataset

MODEL = {"model": "jina-embeddings-v3", "dimensions": 64}


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    # The path of a socket must be short.
    folder = tempfile.mkdtemp(prefix="ray-")
    ray.init(
        num_cpus=2,
        object_store_memory=80 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        _temp_dir=folder,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


class Window:
    """Counts the requests of every window of some seconds, as a service does."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.times: list[float] = []

    def __call__(self, exchange: Exchange) -> None:
        self.times.append(time.monotonic())
        exchange.send(exchange.right())

    @property
    def most(self) -> int:
        return max(sum(start <= each < start + self.seconds for each in self.times) for start in self.times)


def rows(count: int) -> Dataset:
    return ray.data.from_items([{"id": number, "text": f"text {number}"} for number in range(count)])


def processes(name: str) -> list[psutil.Process]:
    """Return the processes of this test's Ray that run actors of a class."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if f"ray::{name}" in " ".join(process.cmdline()):
                found.append(process)
    return found


def columns(dataset: Dataset) -> dict[str, list[Any]]:
    return pa.concat_tables(ray.get(dataset.to_arrow_refs())).to_pydict()


def test_every_row_gets_its_own_vector_and_failed_rows_an_error() -> None:
    rejection = refuse(400, {"detail": "this text is not allowed"})
    with FaultServer(on_text("text 77", rejection)) as server:
        limits = SharedLimits(max_concurrency=4)
        dataset = embed(rows(300), column="text", **MODEL, client={"base_url": server.url}, limits=limits)
        result = columns(dataset)
    assert sorted(result["id"]) == list(range(300))
    for number, vector, error in zip(result["id"], result["embedding"], result["error"], strict=True):
        if number == 77:
            assert vector is None
            assert "this text is not allowed" in error
        else:
            assert error is None
            np.testing.assert_allclose(vector, vector_of(f"text {number}", 64), atol=1e-6)
    assert limits.totals.requests == len(server.seen)
    assert limits.totals.tokens == 2 * 299


def test_a_block_without_any_text_has_an_error_in_each_row(server: Recorder) -> None:
    texts = [{"text": f"text {number}" if number < 6 else None} for number in range(12)]
    options: dict[str, Any] = {**MODEL, "column": "text", "client": {"base_url": server.url}, "concurrency": 1}
    result = columns(embed(ray.data.from_items(texts), rows_per_task=6, **options))
    assert sorted(result["error"], key=str) == [None] * 6 + ["text is null"] * 6


def test_killed_processes_lose_no_row_and_the_limits_hold() -> None:
    service = Window(1.0)
    chance = random.Random(5)
    limits = SharedLimits(40, None, 4, window=1.1, lease=2)
    killed: set[int] = set()

    def kill(exchange: Exchange) -> None:
        if exchange.number in (11, 31, 51, 71):
            # The third is the process that keeps the limits.
            victim = chance.choice(processes("LimitsKeeper" if exchange.number == 51 else "MapWorker"))
            killed.add(victim.pid)
            victim.kill()
        service(exchange)

    with FaultServer(every(5, refuse(503), kill)) as server:
        client = {"base_url": server.url}
        dataset = embed(
            rows(600), column="text", **MODEL, client=client, batch_size=10, rows_per_task=50, limits=limits
        )
        result = columns(dataset)
    assert len(killed) == 4
    assert sorted(result["id"]) == list(range(600))
    assert result["error"] == [None] * 600
    assert service.most <= 40 * 1.02


def test_late_chunking_sends_the_rows_of_each_document_in_order() -> None:
    chunks = [{"doc": number % 3, "place": number // 3, "text": f"{number % 3} {number // 3}"} for number in range(12)]
    random.Random(3).shuffle(chunks)
    with FaultServer() as server:
        options = {"group_column": "doc", "order_column": "place", "partitions": 2, "concurrency": 1}
        dataset = embed(ray.data.from_items(chunks), column="text", **MODEL, client={"base_url": server.url}, **options)
        result = columns(dataset)
    assert sorted(seen.texts for seen in server.seen) == [[f"{doc} {place}" for place in range(4)] for doc in range(3)]
    for text, vector in zip(result["text"], result["embedding"], strict=True):
        np.testing.assert_allclose(vector, vector_of(text, 64), atol=1e-6)


def test_functions_follow_each_other_with_the_same_limits(server: Recorder) -> None:
    limits = SharedLimits()
    client = {"base_url": "local"}
    table = pa.table({"query": ["a cat"] * 2, "documents": [["a dog", "a cat"], ["the sea"]]})
    options: dict[str, Any] = {"client": client, "limits": limits, "concurrency": 1}
    dataset = rerank(ray.data.from_arrow(table), model="jina-reranker-v3", error_column="rerank_error", **options)
    dataset = embed_multi_vector(
        dataset, model="jina-colbert-v2", column="query", error_column="vector_error", **options
    )
    dataset = classify(dataset, model="jina-embeddings-v3", column="query", labels=["animal", "place"], **options)
    result = columns(dataset)
    assert [ranked[0]["index"] for ranked in result["results"]] == [1, 0]
    assert [len(matrix[0]) for matrix in result["embedding"]] == [128, 128]
    assert set(result["prediction"]) <= {"animal", "place"}
    assert result["error"] == result["rerank_error"] == result["vector_error"] == [None, None]
    assert limits.totals.requests >= 3


def test_a_second_run_sends_only_the_rows_that_the_first_has_not_written(tmp_path: Path) -> None:
    with FaultServer() as server:
        options: dict[str, Any] = {**MODEL, "column": "text", "client": {"base_url": server.url}, "concurrency": 1}
        for count in (30, 50):
            dataset = embed(rows(count), resume=tmp_path / "vectors", id_column="id", **options)
            dataset.write_parquet(str(tmp_path / "vectors"))
        assert sum(len(seen.texts) for seen in server.seen) == 50
    ids = ray.data.read_parquet(str(tmp_path / "vectors")).take_all()
    assert sorted(row["id"] for row in ids) == list(range(50))
    (tmp_path / "vectors" / "cut.parquet").write_bytes(b"PAR1")
    with pytest.raises(JobError, match=r"cut.parquet is not a complete Parquet file .* Delete it"):
        embed(rows(50), resume=tmp_path / "vectors", id_column="id", **options)


def test_the_classes_work_in_map_batches() -> None:
    with FaultServer() as server:
        arguments = {**MODEL, "column": "text", "client": {"base_url": server.url}, "limits": SharedLimits()}
        dataset = rows(20).map_batches(
            EmbedBatches,
            fn_constructor_kwargs=arguments,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=1),
            num_cpus=0.5,
        )
        assert len(columns(dataset)["embedding"]) == 20


def test_an_error_that_all_rows_share_ends_the_job() -> None:
    with FaultServer(refuse(401, {"detail": "the key is wrong"})) as server:
        dataset = embed(rows(10), column="text", **MODEL, client={"base_url": server.url}, concurrency=1)
        with pytest.raises(Exception, match="the key is wrong"):
            dataset.materialize()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column": "title"}, "there is no column 'title'; the columns are: id, text, nothing"),
        ({"column": "nothing"}, "column 'nothing' holds only nulls"),
        ({"column": "id"}, "column 'id' must hold texts, got the type int64"),
        ({"column": "text", "concurrency": 0}, "concurrency must be a whole number of 1 or more, got 0"),
        ({"column": "text", "concurrency": (3, 2)}, "or the smallest and the largest, got (3, 2)"),
        ({"column": "text", "rows_per_task": -1}, "rows_per_task must be a whole number of 1 or more, got -1"),
        ({"column": "text", "client": {"max_concurrency": 1}}, "concurrency=2 actors cannot share max_concurrency=1"),
        ({"column": "text", "client": {"requests_per_minute": 0}}, "requests_per_minute must be a whole number"),
        (
            {"column": "text", "client": {"base_url": ["http://a/v1", "http://b/v1"], "tokens_per_minute": 5}},
            "base_url has 2 servers, and the actors share the limits of one account",
        ),
        ({"column": "text", "concurrences": 3}, "embed has no argument 'concurrences'; did you mean 'concurrency'?"),
        ({"column": "text", "limits": 5}, "limits must be a SharedLimits of jina_jobs.ray, got int"),
        ({"column": "text", "group_column": "id"}, "group_column= needs order_column="),
        ({"column": "text", "order_column": "id"}, "order_column= and partitions= are for late chunking"),
        ({"column": "text", "resume": "vectors"}, "resume= and id_column= belong together"),
        ({"column": "text", "resume": "vectors", "id_column": "key"}, "there is no column 'key'"),
        ({"column": "text", "dimension": 64}, "embed has no argument 'dimension'; did you mean 'dimensions'?"),
        ({"column": "text", "model": "jina-colbert-v2"}, "gives one vector per token: call embed_multi_vector()"),
    ],
)
def test_bad_input_is_rejected_before_a_request(server: Recorder, options: dict[str, Any], message: str) -> None:
    dataset = ray.data.from_arrow(pa.table({"id": [1], "text": ["a"], "nothing": pa.nulls(1)}))
    client = {"base_url": server.url, **options.get("client", {})}
    arguments = {"model": "jina-embeddings-v3", **options, "client": client}
    with pytest.raises(JinaError, match=re.escape(message)):
        embed(dataset, **arguments)
    assert not server.sent


def test_a_node_without_the_package_is_named(tmp_path: Path, server: Recorder) -> None:
    (tmp_path / "jina_client.py").write_text("raise ImportError('No module named jina_client')")
    environment = {"env_vars": {"PYTHONPATH": str(tmp_path)}}
    client = {"base_url": server.url}
    with pytest.raises(JobError, match=r"cannot import jina_jobs.ray \(No module named jina_client\): run pip install"):
        embed(rows(2), column="text", **MODEL, client=client, runtime_env=environment)


def test_something_other_than_a_dataset_is_rejected(server: Recorder) -> None:
    with pytest.raises(JobUsageError, match="dataset must be a dataset of Ray Data, got list"):
        embed([{"text": "a"}], column="text", **MODEL)  # type: ignore[arg-type]
