"""``jina-jobs embed`` with files: every format of input and output, and every bad input."""

from __future__ import annotations

import bz2
import gzip
import itertools
import json
import lzma
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from jina_jobs.errors import JobError
from jina_jobs.inputs import open_source
from jina_jobs.inputs.files import InputFile
from jina_jobs.inputs.tables import columns_of, rows_of
from job_runs import RunJob, texts, write_lines
from loopback import Answer, Recorder, Sent, embeddings, vector_of
from pictures import encoded, of_media

ROWS = texts(300)


def _vectors(table: pa.Table) -> np.ndarray:
    return np.stack(table["embedding"].to_numpy())


def _expected(rows: list[dict[str, Any]]) -> np.ndarray:
    return np.stack([vector_of(row["text"]) for row in rows])


def test_a_parquet_file_has_ids_vectors_and_kept_columns_in_order(jobs: RunJob, tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", ROWS)
    done = jobs("embed", "in.jsonl", "out.parquet", "--id-column", "key", "--keep", "more", "--keep", "text")
    assert done.code == 0, done.err
    table = pq.ParquetFile(tmp_path / "out.parquet").read()
    assert table.column_names == ["id", "more", "text", "embedding"]
    assert table["id"].to_pylist() == [row["key"] for row in ROWS]
    assert table["more"].to_pylist() == [row["more"] for row in ROWS]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 1024)
    np.testing.assert_array_equal(_vectors(table), _expected(ROWS))
    manifest = json.loads((tmp_path / "out.parquet.manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["counts"]["results"] == 300
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.parquet", "out.parquet.manifest.json"]


def test_the_checksums_of_the_manifest_are_those_of_the_files(jobs: RunJob, tmp_path: Path) -> None:
    import hashlib

    write_lines(tmp_path / "in.jsonl", ROWS[:5])
    assert jobs("embed", "in.jsonl", "out.npy").code == 0
    files = json.loads((tmp_path / "out.npy.manifest.json").read_text())["files"]
    assert {Path(file["path"]).name for file in files} == {"out.npy", "out.ids.jsonl"}
    for file in files:
        assert hashlib.sha256((tmp_path / file["path"]).read_bytes()).hexdigest() == file["sha256"]


def _parquet(rows: list[dict[str, Any]], path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=70)


def _csv(rows: list[dict[str, Any]], path: Path) -> None:
    pa.csv.write_csv(pa.Table.from_pylist(rows), path)


def _tsv(rows: list[dict[str, Any]], path: Path) -> None:
    path.write_text("".join("\t".join(map(str, line)) + "\n" for line in [rows[0].keys(), *(r.values() for r in rows)]))


# Parquet compresses its own content.
FORMATS = [
    *itertools.product(["in.csv", "in.tsv", "in.ndjson"], ["", ".gz", ".bz2", ".xz", ".zst"]),
    ("in.parquet", ""),
]


@pytest.mark.parametrize(("name", "ending"), FORMATS)
def test_every_format_is_read_compressed_or_not(jobs: RunJob, tmp_path: Path, name: str, ending: str) -> None:
    write = {"in.parquet": _parquet, "in.csv": _csv, "in.tsv": _tsv}.get(
        name, lambda rows, path: write_lines(path, rows)
    )
    path = tmp_path / name
    write(ROWS[:200], path)
    compress = {
        "": bytes,
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
        ".zst": lambda content: pa.compress(content, "zstd", asbytes=True),
    }[ending]
    content = compress(path.read_bytes())
    path.unlink()
    Path(f"{path}{ending}").write_bytes(content)
    done = jobs("embed", f"{name}{ending}", "out.npy", "--id-column", "key")
    assert done.code == 0, done.err
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), _expected(ROWS[:200]))
    ids = [json.loads(line)["id"] for line in (tmp_path / "out.ids.jsonl").read_text().splitlines()]
    assert ids == [row["key"] for row in ROWS[:200]]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "jsonl.gz", "csv.gz"])
def test_standard_input_is_read_in_its_own_format(jobs: RunJob, tmp_path: Path, kind: str) -> None:
    if kind.startswith("csv"):
        _csv(ROWS[:10], tmp_path / "in")
    else:
        write_lines(tmp_path / "in", ROWS[:10])
    content = (tmp_path / "in").read_bytes()
    done = jobs("embed", "-", "out.jsonl", stdin=gzip.compress(content) if kind.endswith("gz") else content)
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == list(range(10))
    np.testing.assert_allclose([line["embedding"] for line in lines], _expected(ROWS[:10]), rtol=1e-6)


@pytest.mark.parametrize("kind", ["csv", "stdin", "parquet"])
def test_a_table_with_two_columns_of_one_name_is_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"in.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table([["a"], [1], ["b"]], ["text", "key", "text"]), path)
    else:
        path.write_text("text,key,text\na,1,b\n")
    # Standard input is only looked into when it is read.
    read = columns_of if kind != "stdin" else lambda file: list(rows_of(file, (), lambda size: None))
    with pytest.raises(JobError, match=f"in.{kind} names the column 'text' twice"):
        read(InputFile(path, kind, 0))


def test_times_of_parquet_are_read_in_microseconds(tmp_path: Path) -> None:
    times = {"at": pa.array([1_001], pa.timestamp("ns", "UTC")), "took": pa.array([2_002], pa.duration("ns"))}
    pq.write_table(pa.table({**times, "text": ["a"]}), tmp_path / "in.parquet")
    source = open_source(str(tmp_path / "in.parquet"), ["text", "at", "took"])
    (record,) = source.records()
    # Not the classes of pandas, which are subclasses.
    assert [type(value) for value in record.values.values()] == [str, datetime, timedelta]
    assert (record.values["at"].microsecond, record.values["took"].microseconds) == (1, 2)
    assert [str(kind) for kind in source.types.values()] == ["string", "timestamp[us, tz=UTC]", "duration[us]"]


def test_a_pattern_reads_many_files_in_order_of_their_names(jobs: RunJob, tmp_path: Path) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    for number in range(30):
        folder = tmp_path / "data" / ("deep" if number % 2 else "")
        write_lines(folder / f"{number:02}.jsonl", ROWS[number * 5 : number * 5 + 5])
    done = jobs("embed", "data/**/*.jsonl", "out.parquet", "--id-column", "key", "--json")
    assert done.code == 0, done.err
    assert done.json["results"] == 150
    assert set(pq.read_table(tmp_path / "out.parquet")["id"].to_pylist()) == {row["key"] for row in ROWS[:150]}


def test_a_folder_of_texts_has_a_row_for_each_file(jobs: RunJob, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for row in ROWS[:4]:
        (folder / f"{row['key']}.md").write_text(row["text"])
    (folder / "bad.txt").write_bytes(b"\xff\xfe\x00bad")
    done = jobs("embed", "notes", "out.parquet", "--id-column", "path")
    assert done.code == 3, done.err
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["id"].to_pylist() == [f"notes/k{number}.md" for number in range(4)]
    (failure,) = map(json.loads, (tmp_path / "out.parquet.errors.jsonl").read_text().splitlines())
    assert "cannot be read as UTF-8" in failure["error"]


def test_an_ending_in_capitals_is_the_same_format(jobs: RunJob, tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", ROWS[:3])
    for name in ("out.PARQUET", "out.NPY", "out.JSONL.GZ"):
        assert jobs("embed", "in.jsonl", name).code == 0
    assert len(pq.read_table(tmp_path / "out.PARQUET")) == 3
    np.testing.assert_array_equal(np.load(tmp_path / "out.NPY"), _expected(ROWS[:3]))
    assert len((tmp_path / "out.ids.jsonl").read_text().splitlines()) == 3
    assert len(gzip.decompress((tmp_path / "out.JSONL.GZ").read_bytes()).splitlines()) == 3


@pytest.mark.parametrize("encoding", ["float32", "float16", "int8", "binary"])
@pytest.mark.parametrize("output", ["out.parquet", "out.npy", "out.jsonl.gz"])
def test_every_encoding_is_written_to_every_format(jobs: RunJob, tmp_path: Path, encoding: str, output: str) -> None:
    write_lines(tmp_path / "in.jsonl", ROWS[:20])
    done = jobs("embed", "in.jsonl", output, "--encoding", encoding, "--dimensions", 64)
    assert done.code == 0, done.err
    floats = np.stack([vector_of(row["text"], 64) for row in ROWS[:20]])
    path, scale = tmp_path / output, None
    if output.endswith(".npy"):
        vectors = np.load(path)
        scale = [json.loads(line).get("scale") for line in (tmp_path / "out.ids.jsonl").read_text().splitlines()]
    elif output.endswith(".gz"):
        lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        vectors, scale = np.array([line["embedding"] for line in lines]), [line.get("scale") for line in lines]
    else:
        table = pq.read_table(path)
        column = table["embedding"].to_pylist()
        vectors = np.array([list(row) for row in column])
        scale = table["scale"].to_pylist() if encoding == "int8" else None
        kinds = {"float32": pa.float32(), "float16": pa.float16(), "int8": pa.int8()}
        expected = pa.list_(kinds[encoding], 64) if encoding in kinds else pa.binary(8)
        assert table.schema.field("embedding").type == expected
    if encoding == "binary":
        np.testing.assert_array_equal(vectors, np.packbits(floats > 0, axis=1))
    elif encoding == "int8":
        assert scale is not None
        np.testing.assert_allclose(vectors * np.array(scale)[:, None], floats, atol=0.003)
        assert (np.abs(vectors).max(axis=1) == 127).all()
    else:
        np.testing.assert_allclose(vectors, floats, atol=1e-3 if encoding == "float16" else 0)


def test_broken_rows_are_counted_and_named_and_the_others_are_embedded(jobs: RunJob, tmp_path: Path) -> None:
    rows: list[Any] = [
        *ROWS[:50],
        '{"text": "cut off',
        {"text": None},
        {"text": 7},
        {"text": "  "},
        "[1]",
        *ROWS[50:60],
    ]
    write_lines(tmp_path / "in.jsonl", rows)
    done = jobs("embed", "in.jsonl", "out.parquet", "--errors", "bad.jsonl", "--json")
    assert done.code == 3, done.err
    assert done.json["failed"] == 5
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["id"].to_pylist() == [*range(50), *range(55, 65)]
    np.testing.assert_array_equal(_vectors(table), _expected(ROWS[:60]))
    failures = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert [failure["row"] for failure in failures] == [50, 51, 52, 53, 54]
    assert failures[0]["place"] == "in.jsonl:51"
    for failure, words in zip(failures, ["not valid JSON", "null", "got int", "empty", "JSON object"], strict=True):
        assert words in failure["error"]


def test_a_csv_row_with_a_missing_field_fails_alone(jobs: RunJob, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b'id,text\n1,one\n2\n3,"a, b\nc"\n4,\xff\n5,five\n')
    done = jobs("embed", "in.csv", "out.jsonl", "--id-column", "id", "--keep", "text")
    assert done.code == 3
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(line["id"], line["text"]) for line in lines] == [("1", "one"), ("3", "a, b\nc"), ("5", "five")]
    errors = (tmp_path / "out.jsonl.errors.jsonl").read_text()
    assert "1 fields and the header 2" in errors
    assert "not valid UTF-8" in errors


def test_ids_that_floats_do_not_hold_exactly_are_row_errors(jobs: RunJob, tmp_path: Path) -> None:
    ids = [2**64 - 1, 0.5, 123456789012345678901, 123456789012345678902]
    write_lines(tmp_path / "in.jsonl", [json.dumps({"key": key, "text": "x"}) for key in ids])
    assert jobs("embed", "in.jsonl", "out.jsonl", "--id-column", "key").code == 3
    errors = (tmp_path / "out.jsonl.errors.jsonl").read_text()
    assert errors.count("key is 1.2345678901234568e+20, a number that floats do not hold exactly") == 2
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


def test_on_error_stop_ends_at_the_first_bad_row_and_resume_goes_on(jobs: RunJob, tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", [*ROWS[:10], {"text": None}, *ROWS[10:20]])
    done = jobs("embed", "in.jsonl", "out.parquet", "--on-error", "stop")
    assert done.code == 1
    assert "row 10 (in.jsonl:11) failed: text is null" in done.err
    assert "--resume --on-error skip, or correct the input and start again with --overwrite" in done.err
    assert not (tmp_path / "out.parquet").exists()
    assert jobs("embed", "in.jsonl", "out.parquet", "--resume", "--on-error", "skip").code == 3
    assert len(pq.read_table(tmp_path / "out.parquet")) == 20
    write_lines(tmp_path / "in.jsonl", ROWS[:21])
    assert jobs("embed", "in.jsonl", "out.parquet", "--overwrite", "--on-error", "stop").code == 0
    assert len(pq.read_table(tmp_path / "out.parquet")) == 21


def test_rows_that_the_service_rejects_fail_and_resume_tries_only_them(
    jobs: RunJob, tmp_path: Path, server: Recorder
) -> None:
    def picky(sent: Sent) -> Answer:
        if any("number 7" in text for text in sent.body["input"]):
            return Answer({"detail": "an input cannot be encoded"}, 422)
        return Answer(embeddings(sent))

    server.answer = picky
    write_lines(tmp_path / "in.jsonl", ROWS[:100])
    done = jobs("embed", "in.jsonl", "out.parquet", "--id-column", "key", "--json")
    assert done.code == 3, done.err
    assert done.json["failed"] == 11
    before = len(server.sent)
    server.answer = lambda sent: Answer(embeddings(sent))
    done = jobs("embed", "in.jsonl", "out.parquet", "--id-column", "key", "--resume", "--json")
    assert done.code == 0, done.err
    assert sorted(text for sent in server.sent[before:] for text in sent.body["input"]) == sorted(
        row["text"] for row in ROWS[:100] if "number 7" in row["text"]
    )
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["id"].to_pylist() == [row["key"] for row in ROWS[:100]]
    np.testing.assert_array_equal(_vectors(table), _expected(ROWS[:100]))
    assert not (tmp_path / "out.parquet.errors.jsonl").exists()
    assert not (tmp_path / "out.parquet.journal").exists()


def test_rows_of_a_group_are_embedded_together(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    rows = [{"document": f"d{number // 3}", "text": f"chunk {number}"} for number in range(60)]
    broken = [{"document": "d2", "text": None}, {"document": ["d2"], "text": "x"}]
    write_lines(tmp_path / "in.jsonl", [*rows[:7], *broken, *rows[7:]])
    done = jobs("embed", "in.jsonl", "out.parquet", "--group-column", "document")
    assert done.code == 3, done.err
    assert all(sent.body["late_chunking"] for sent in server.sent)
    assert sorted(sent.body["input"] for sent in server.sent) == sorted(
        [row["text"] for row in rows[start : start + 3]] for start in range(0, 60, 3)
    )
    assert len(pq.read_table(tmp_path / "out.parquet")) == 60
    errors = (tmp_path / "out.parquet.errors.jsonl").read_text()
    assert "document must be a text or a number, got list" in errors


def test_a_document_whose_rows_are_apart_is_an_error(jobs: RunJob, tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", [{"d": name, "text": "x"} for name in "aabba"])
    done = jobs("embed", "in.jsonl", "out.parquet", "--group-column", "d")
    assert done.code == 1
    assert "in.jsonl:5: the document 'a'" in done.err


def test_images_of_a_column_are_sent_as_images(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    from PIL import Image

    def answer(sent: Sent) -> Answer:
        sent.body["input"] = [json.dumps(item)[:20] for item in sent.body["input"]]
        return Answer(embeddings(sent))

    server.answer = answer
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    (tmp_path / "bad.png").write_text("nothing")
    names = ["red.png", "none.png", "https://example.org/a.png", None, "bad.png"]
    rows = [{"image": name} for name in names]
    write_lines(tmp_path / "in.jsonl", rows)
    done = jobs("embed", "in.jsonl", "out.parquet", "--image-column", "image", "--model", "jina-clip-v2")
    assert done.code == 3, done.err
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == [0, 2]
    errors = (tmp_path / "out.parquet.errors.jsonl").read_text()
    assert "there is no file none.png" in errors
    assert "its content is of an unknown type" in errors


def test_kept_columns_of_mixed_types_become_strings(jobs: RunJob, tmp_path: Path) -> None:
    rows = [{"text": f"t{number}", "x": number if number < 150 else {"a": number}} for number in range(300)]
    write_lines(tmp_path / "in.jsonl", rows)
    assert jobs("embed", "in.jsonl", "out.parquet", "--keep", "x").code == 0
    column = pq.read_table(tmp_path / "out.parquet")["x"].to_pylist()
    assert (column[3], column[299]) == ("3", '{"a":299}')


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ["in.jsonl", "out.parquet", "--text-column", "body"],
            1,
            "has no column 'body'. Its columns are: key, more, text",
        ),
        (["in.csv", "out.parquet", "--keep", "x"], 1, "in.csv has no column 'x'"),
        (["none.jsonl", "out.parquet"], 1, "none.jsonl does not exist"),
        (["no*.jsonl", "out.parquet"], 1, "no file"),
        (["in.jsonl", "out.txt"], 2, "out.txt must end with"),
        (["in.jsonl", "out.parquet", "--dimensions", "9999"], 2, "9999"),
        (["in.jsonl", "out.parquet", "--task", "nonsense"], 2, "nonsense"),
        (["in.jsonl", "out.parquet", "--encoding", "int4"], 2, "int4"),
        (["in.jsonl", "out.parquet", "--nonsense"], 2, "--nonsense"),
        (["in.jsonl"], 2, "output"),
        (["in.jsonl", "out.parquet", "--resume", "--overwrite"], 2, "contradict"),
        (["in.jsonl", "out.parquet", "--image-column", "text"], 2, "takes texts only"),
        (["in.jsonl", "out.parquet", "--batch-size", "0"], 2, "batch-size"),
        (["list.json", "out.parquet"], 1, "one JSON object per line"),
        (["broken.parquet", "out.parquet"], 1, "not a readable Parquet file"),
        (["in.jsonl", "none/there/../x"], 2, "must end with"),
    ],
)
def test_a_mistake_is_one_clear_line(
    jobs: RunJob, tmp_path: Path, server: Recorder, arguments: list[str], code: int, words: str
) -> None:
    write_lines(tmp_path / "in.jsonl", ROWS[:3])
    _csv(ROWS[:3], tmp_path / "in.csv")
    (tmp_path / "list.json").write_text('[{"text": "a"}]')
    (tmp_path / "broken.parquet").write_text("PAR1 nothing")
    done = jobs("embed", *arguments)
    assert done.code == code, done.err
    # Versions of Typer spell the names of arguments in different cases.
    assert words.lower() in done.err.lower()
    assert len(done.err.splitlines()) == 1
    assert server.sent == []


def test_a_wrong_key_ends_the_job_immediately(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    server.answer = lambda sent: Answer({"detail": "invalid key"}, 401)
    write_lines(tmp_path / "in.jsonl", texts(5000))
    done = jobs("embed", "in.jsonl", "out.parquet")
    assert done.code == 1
    assert "invalid key" in done.err
    assert len(server.sent) < 20


def test_a_cut_off_archive_is_an_error_that_says_where(jobs: RunJob, tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", texts(2000))
    whole = gzip.compress((tmp_path / "in.jsonl").read_bytes())
    (tmp_path / "in.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    done = jobs("embed", "in.jsonl.gz", "out.parquet")
    assert done.code == 1
    assert "in.jsonl.gz is damaged or cut off after" in done.err


def test_an_empty_input_gives_an_empty_output(jobs: RunJob, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("")
    assert jobs("embed", "in.jsonl", "out.parquet").code == 0
    assert len(pq.read_table(tmp_path / "out.parquet")) == 0


def test_limit_reads_only_the_first_rows(jobs: RunJob, tmp_path: Path) -> None:
    _parquet(ROWS, tmp_path / "in.parquet")
    done = jobs("embed", "in.parquet", "out.parquet", "--limit", 5, "--price-per-million-tokens", "1000000", "--json")
    assert (done.json["results"], done.json["tokens"], done.json["price"]) == (5, 15, 15.0)


def test_a_folder_of_pictures_has_a_row_for_each(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    server.answer = of_media
    (tmp_path / "pictures" / "deep").mkdir(parents=True)
    (tmp_path / "pictures" / "a.png").write_bytes(encoded("red"))
    (tmp_path / "pictures" / "deep" / "b.jpg").write_bytes(encoded("blue", kind="JPEG"))
    command = ["embed", "pictures", "out.parquet", "--image-column", "image", "--id-column", "path"]
    done = jobs(*command, "--model", "jina-clip-v2")
    assert done.code == 0, done.err
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == ["pictures/a.png", "pictures/deep/b.jpg"]


def test_a_job_that_has_done_nothing_needs_no_resume(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    write_lines(tmp_path / "in.jsonl", ROWS[:3])
    server.answer = lambda sent: Answer({"detail": "no balance"}, 402)
    assert jobs("embed", "in.jsonl", "out.parquet").code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
    server.answer = lambda sent: Answer(embeddings(sent))
    assert jobs("embed", "in.jsonl", "out.parquet").code == 0


def test_without_arguments_the_help_is_shown(jobs: RunJob) -> None:
    done = jobs()
    assert done.code == 0
    assert "evaluate" in done.out


def test_pictures_in_a_parquet_file_are_sent(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    server.answer = of_media
    pictures = [{"image": {"bytes": encoded(color), "path": None}} for color in ("red", "blue", "green")] * 30
    pq.write_table(pa.Table.from_pylist([*pictures, {"image": None}]), tmp_path / "in.parquet")
    done = jobs("embed", "in.parquet", "out.parquet", "--image-column", "image", "--model", "jina-clip-v2", "--json")
    assert (done.code, done.json["results"], done.json["failed"]) == (3, 90, 1)
    vectors = _vectors(pq.read_table(tmp_path / "out.parquet"))
    np.testing.assert_array_equal(vectors[:3], vectors[87:])


def test_group_rows_that_the_service_rejects_are_tried_again_together(
    jobs: RunJob, tmp_path: Path, server: Recorder
) -> None:
    rows = [{"d": f"d{number // 4}", "text": f"chunk {number}"} for number in range(80)]
    write_lines(tmp_path / "in.jsonl", rows)
    server.answer = lambda sent: (
        Answer({"detail": "an input cannot be encoded"}, 422)
        if "chunk 21" in sent.body["input"]
        else Answer(embeddings(sent))
    )
    command = ["embed", "in.jsonl", "out.parquet", "--group-column", "d", "--json"]
    done = jobs(*command)
    assert (done.code, done.json["failed"]) == (3, 4), done.err
    server.answer = lambda sent: Answer(embeddings(sent))
    server.sent.clear()
    assert jobs(*command, "--resume").code == 0
    assert [sent.body["input"] for sent in server.sent] == [[f"chunk {number}" for number in range(20, 24)]]
    np.testing.assert_array_equal(_vectors(pq.read_table(tmp_path / "out.parquet")), _expected(rows))


@pytest.mark.parametrize("output", ["out.parquet", "out.jsonl"])
def test_a_pdf_has_a_result_for_each_page(jobs: RunJob, tmp_path: Path, server: Recorder, output: str) -> None:
    def pages(sent: Sent) -> Answer:
        count = 3 if "cGFnZXM" in json.dumps(sent.body["input"]) else 1
        return Answer(embeddings(Sent(sent.path, {}, {**sent.body, "input": [f"page {n}" for n in range(count)]})))

    server.answer = pages
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "a.pdf").write_bytes(b"%PDF-1.4 one %%EOF")
    (tmp_path / "papers" / "b.pdf").write_bytes(b"%PDF-1.4 pages" + b"pagespages" * 3 + b" %%EOF")
    command = ["embed", "papers", output, "--image-column", "image", "--id-column", "path"]
    done = jobs(*command, "--model", "jina-embeddings-v4", "--dimensions", 1024)
    assert done.code == 0, done.err
    if output == "out.parquet":
        ids = pq.read_table(tmp_path / output)["id"].to_pylist()
    else:
        ids = [json.loads(line)["id"] for line in (tmp_path / output).read_text().splitlines()]
    assert ids[0] == "papers/a.pdf"
    assert ids[1:] == [f"papers/b.pdf#{page}" for page in (1, 2, 3)]
