"""``jina-jobs evaluate``: measures, intervals, the report, and how often a text is embedded."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from jina_jobs.evaluation.metrics import interval, ndcg, recall
from job_runs import RunJob, write_lines
from loopback import Answer, Recorder, embeddings, ranking, vector_of

DOCUMENTS = [f"document {number} about {number % 7}" for number in range(80)]
QUERIES = [f"query {number}" for number in range(20)]


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    write_lines(
        folder / "corpus.jsonl", [{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(DOCUMENTS)]
    )
    write_lines(folder / "queries.jsonl", [{"_id": f"q{n}", "text": text} for n, text in enumerate(QUERIES)])
    lines = [f"q{n}\td{n * 3}\t2\nq{n}\td{n}\t1\nq{n}\td79\t0\n" for n in range(1, 19)]
    # With an empty last line, as editors leave it.
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines) + "\n")
    return folder


def test_ndcg_and_recall_are_those_of_trec_eval() -> None:
    grades = {1: 2.0, 2: 1.0, 9: 1.0}
    dcg = 1 / np.log2(2) + 2 / np.log2(4)
    ideal = 2 / np.log2(2) + 1 / np.log2(3) + 1 / np.log2(4)
    assert ndcg([2, 5, 1, 7], grades, 10) == pytest.approx(dcg / ideal)
    assert ndcg([2, 5, 1, 7], grades, 2) == pytest.approx(1 / (2 + 1 / np.log2(3)))
    assert recall([2, 5, 1, 7], grades, 3) == pytest.approx(2 / 3)


def test_an_interval_contains_the_mean_and_narrows_with_more_queries() -> None:
    values = np.random.default_rng(1).random(2000)
    low, high = interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(2000), rel=0.1)
    few = interval(values[:50])
    assert few[1] - few[0] > 3 * (high - low)


def test_every_combination_is_measured_and_each_text_is_embedded_once(
    jobs: RunJob, tmp_path: Path, server: Recorder, collection: Path
) -> None:
    server.answer = lambda sent: Answer(ranking(sent) if "rerank" in sent.path else embeddings(sent))
    options = ["--dimensions", 64, "--dimensions", 1024, "--reranker", "jina-reranker-v2-base-multilingual"]
    done = jobs(
        *("evaluate", "beir", "--model", "jina-embeddings-v3", *options, "--rerank-depth", 10),
        *("--price-per-million-tokens", 1, "--html", "report.html", "--json"),
    )
    assert done.code == 0, done.err
    report = done.json
    # Two lengths × (float32, int8 and binary with and without rescoring) × with and without the reranker.
    assert len(report["variants"]) == len({each["name"] for each in report["variants"]}) == 2 * 5 * 2
    texts = Counter(text for sent in server.sent if "rerank" not in sent.path for text in sent.body["input"])
    assert set(texts.values()) == {1}
    assert len(texts) == 80 + 18
    exact = np.stack([vector_of(text) for text in DOCUMENTS])
    scores = []
    for number in range(1, 19):
        order = np.argsort(-(exact @ vector_of(QUERIES[number])), kind="stable").tolist()
        scores.append(ndcg(order, {number * 3: 2.0, number: 1.0} if number * 3 != number else {number: 1.0}, 10))
    (full,) = (each for each in report["variants"] if each["name"] == "jina-embeddings-v3 · 1024 · float32")
    assert full["ndcg"] == pytest.approx(np.mean(scores), abs=1e-6)
    assert full["memory_bytes"] == 80 * 1024 * 4
    (bits,) = (
        each for each in report["variants"] if each["name"] == "jina-embeddings-v3 · 1024 · binary · rescored ×4"
    )
    assert (bits["memory_bytes"], bits["disk_bytes"]) == (80 * 128, 80 * 128 + 80 * 4096)
    best = report["variants"][0]
    assert best["difference"] == best["difference_low"] == 0
    assert all(each["difference_low"] <= each["difference"] <= each["difference_high"] for each in report["variants"])
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 2
    assert not re.search(r"(src|href)=|https?://", page)
    assert json.loads(page.partition('id="data">')[2].partition("</script>")[0])["variants"] == report["variants"]


def test_without_judgments_exact_search_is_the_truth(jobs: RunJob, collection: Path) -> None:
    (collection / "qrels" / "test.tsv").unlink()
    (collection / "qrels").rmdir()
    done = jobs("evaluate", "beir", "--model", "jina-embeddings-v3", "--encoding", "float32", "--encoding", "binary")
    assert done.code == 0, done.err
    assert "truth: exact search with jina-embeddings-v3, float32" in done.out
    assert re.search(r"float32 +│ +1.000", done.out)
    assert "Recommendation: jina-embeddings-v3" in done.out


def test_late_chunking_finds_documents_by_their_best_chunk(jobs: RunJob, server: Recorder, collection: Path) -> None:
    done = jobs(
        *(
            "evaluate",
            "beir",
            "--model",
            "jina-embeddings-v3",
            "--encoding",
            "float32",
            "--late-chunking",
            50,
            "--json",
        ),
        *("--limit", 5),
    )
    assert done.code == 0, done.err
    assert done.json["queries"] == 5
    assert {each["late_chunking"] for each in done.json["variants"]} == {False, True}
    assert any(sent.body.get("late_chunking") for sent in server.sent)


@pytest.mark.parametrize(
    ("change", "arguments", "code", "words"),
    [
        (None, [], 2, "at least one --model"),
        (None, ["--model", "jina-embeddings-v3", "--split", "dev"], 1, "The splits of the collection are: test"),
        (None, ["--model", "jina-embeddings-v3", "--dimensions", "4096"], 2, "has 1024 dimensions"),
        (None, ["--model", "jina-clip-v2", "--late-chunking", "200"], 2, "does not: try jina-embeddings-v3"),
        (("qrels/test.tsv", "q1\tnone\t1\n"), ["--model", "jina-embeddings-v3"], 1, "there is no document 'none'"),
        (
            ("corpus.jsonl", "broken\n"),
            ["--model", "jina-embeddings-v3"],
            1,
            "corpus.jsonl:1: the line is not valid JSON",
        ),
        (
            ("queries.jsonl", '{"_id": 1, "text": "a"}\n{"_id": "1", "text": "b"}\n'),
            ["--model", "jina-embeddings-v3"],
            1,
            "queries.jsonl:2: an earlier line has the _id '1' too",
        ),
        (("queries.jsonl", ""), ["--model", "jina-embeddings-v3"], 1, "80 documents and 0 queries"),
    ],
)
def test_a_mistake_in_an_evaluation_is_one_clear_line(
    jobs: RunJob, collection: Path, change: tuple[str, str] | None, arguments: list[str], code: int, words: str
) -> None:
    if change:
        (collection / change[0]).write_text(change[1])
    done = jobs("evaluate", "beir", *arguments)
    assert (done.code, len(done.err.splitlines())) == (code, 1), done.err
    assert words in done.err


def test_a_second_evaluation_with_a_cache_sends_nothing(jobs: RunJob, server: Recorder, collection: Path) -> None:
    command = ["evaluate", "beir", "--model", "jina-embeddings-v3", "--cache", "vectors.cache", "--json"]
    first = jobs(*command).json
    sent = len(server.sent)
    second = jobs(*command).json
    assert len(server.sent) == sent
    assert [each["ndcg"] for each in first["variants"]] == [each["ndcg"] for each in second["variants"]]
