"""``rerank``, ``classify``, ``estimate`` and ``models``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import warm
from job_runs import RunJob, texts, write_lines
from loopback import Answer, Recorder, Sent, ranking
from pictures import encoded


def _labels(sent: Sent) -> Answer:
    inputs = sent.body["input"]
    if any("bad" in text for text in inputs):
        return Answer({"detail": "an input cannot be encoded"}, 422)
    data = [
        {"object": "classification", "index": index, "prediction": "long" if len(text) > 13 else "short", "score": 0.75}
        for index, text in enumerate(inputs)
    ]
    return Answer({"usage": {"total_tokens": len(inputs)}, "data": data})


def test_rerank_sorts_the_candidates_of_each_row(jobs: RunJob, tmp_path: Path) -> None:
    rows: list[Any] = [{"q": f"question {n}", "docs": ["a" * (n % 5 + 1), "bb", "cccc"], "n": n} for n in range(40)]
    rows[7]["docs"] = json.dumps(["x", "yyy"])
    rows[8]["docs"] = []
    rows[9]["q"] = None
    write_lines(tmp_path / "in.jsonl", rows)
    columns = ["--query-column", "q", "--documents-column", "docs"]
    done = jobs("rerank", "in.jsonl", "out.jsonl", *columns, "--top-n", 2, "--keep", "n", "--json")
    assert done.code == 3, done.err
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["n"] for line in lines] == [n for n in range(40) if n not in (8, 9)]
    assert [result["index"] for result in lines[7]["results"]] == [1, 0]
    assert lines[0]["results"] == [{"index": 2, "score": 0.004}, {"index": 1, "score": 0.002}]
    assert done.json["tokens"] == 38 * 7


def test_rerank_resumes_and_keeps_the_order(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    count = iter(range(1000))

    def failing(sent: Sent) -> Answer:
        number = next(count)
        time.sleep(0.01 * (number % 3))
        return Answer(ranking(sent)) if number < 30 else Answer({"detail": "no balance"}, 402)

    server.answer = failing
    write_lines(tmp_path / "in.jsonl", [{"query": f"q{n}", "documents": ["a", "bb"]} for n in range(100)])
    assert jobs("rerank", "in.jsonl", "out.parquet").code == 1
    server.answer = lambda sent: Answer(ranking(sent))
    server.sent.clear()
    assert jobs("rerank", "in.jsonl", "out.parquet", "--resume").code == 0
    assert 70 <= len(server.sent) <= 70 + 32
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == list(range(100))


def test_classify_labels_each_row(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    server.answer = _labels
    write_lines(tmp_path / "in.jsonl", [*texts(40), {"key": "k", "text": "bad"}, {"key": None, "text": "x"}])
    labels = ["--label", "long", "--label", "short"]
    done = jobs("classify", "in.jsonl", "out.parquet", *labels, "--id-column", "key", "--batch-size", 8)
    assert done.code == 3, done.err
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["prediction"].to_pylist() == ["short"] * 10 + ["long"] * 30
    errors = (tmp_path / "out.parquet.errors.jsonl").read_text()
    assert "cannot be encoded" in errors
    assert "key is null" in errors


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["classify", "in.jsonl", "o.parquet"], "either --label (at least twice) or --classifier-id"),
        (["classify", "in.jsonl", "o.parquet", "--label", "a"], "at least twice"),
        (["classify", "in.jsonl", "o.npy", "--label", "a", "--label", "b"], "for vectors"),
        (["rerank", "in.jsonl", "o.parquet", "--query-column", "text", "--documents-column", "text"], "both 'text'"),
        (
            [
                "rerank",
                "in.jsonl",
                "o.jsonl",
                "--query-column",
                "text",
                "--documents-column",
                "list",
                "--model",
                "jina-clip-v2",
            ],
            "jina-clip-v2",
        ),
        (["classify", "in.jsonl", "o.parquet", "--label", "a", "--label", "a"], "'a'"),
    ],
)
def test_mistakes_are_usage_errors(
    jobs: RunJob, tmp_path: Path, server: Recorder, command: list[str], words: str
) -> None:
    write_lines(tmp_path / "in.jsonl", [{**row, "list": ["a", "b"]} for row in texts(3)])
    done = jobs(*command)
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert words in done.err
    assert server.sent == []


def test_estimate_counts_before_anything_is_sent(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    write_lines(tmp_path / "in.jsonl", [*texts(300), {"text": None}])
    limits = ["--requests-per-minute", 2, "--tokens-per-minute", 1000, "--price-per-million-tokens", 1000]
    done = jobs("estimate", "in.jsonl", *limits, "--dimensions", 256, "--json")
    assert done.code == 0, done.err
    result = done.json
    assert (result["rows"], result["broken_rows"], result["requests"]) == (300, 1, 3)
    assert result["minutes"] == max(1.5, result["tokens"] / 1000)
    assert result["price"] == result["tokens"] / 1000
    assert result["storage_bytes"] == {"float32": 307200, "float16": 153600, "int8": 76800, "binary": 9600}
    assert server.sent == []
    assert "tokens (estimated)" in jobs("estimate", "in.jsonl").out
    of_tokens = jobs("estimate", "in.jsonl", "--model", "jina-colbert-v2", "--dimensions", 64, "--json").json
    assert of_tokens["tokens"] > 600
    assert of_tokens["storage_bytes"] == {"float32": 256 * of_tokens["tokens"], "float16": 128 * of_tokens["tokens"]}


def test_estimate_names_the_rows_that_it_cannot_count(jobs: RunJob, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.png").write_bytes(encoded("red"))
    (tmp_path / "media" / "b.pdf").write_bytes(b"%PDF-1.4 one %%EOF")
    command = ["estimate", "media", "--image-column", "image", "--model"]
    result = jobs(*command, "jina-embeddings-v4", "--json").json
    assert (result["rows"], result["tokens"], result["uncounted_rows"], result["requests"]) == (2, 40, 1, 1)
    assert result["uncounted_reason"] == "media/b.pdf is a pdf: no formula is published for its tokens"
    done = jobs(*command, "my-model")
    assert done.code == 0, done.err
    assert "Tokens, time and price leave out 2 of 2 rows: the catalog has no model 'my-model'" in done.out


def test_models_lists_the_catalog_filtered(jobs: RunJob) -> None:
    found = jobs("models", "--endpoint", "embeddings", "--modality", "image", "--json").json
    assert "jina-clip-v2" in {row["id"] for row in found}
    assert all("image" in row["modalities"] for row in found)
    table = jobs("models", "v3", "--task", "retrieval.query").out
    assert "jina-embeddings-v3" in table
    assert "reranker" not in table


def test_the_shell_completion_names_the_options(jobs: RunJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_JINA_JOBS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "jina-jobs embed --group")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert "--group-column" in jobs(own_process=True).out


def test_functions_that_wait_for_the_end_of_the_process_run() -> None:
    program = "import atexit; from jina_jobs.cli import main; atexit.register(print, 'the last spans'); main()"
    run = warm.run(["-c", program, "models"], text=True, timeout=60, check=True)
    assert run.stdout.endswith("the last spans\n")
