"""A row that cannot be read, sent or stored fails alone: the job goes on, and says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from job_runs import RunJob, write_lines
from loopback import Answer, Recorder, Sent, right_answer


def _picky(sent: Sent) -> Answer:
    """Reject requests with a bad text."""
    if any("bad" in text for text in sent.body.get("documents", sent.body.get("input"))):
        return Answer({"detail": "an input cannot be encoded"}, 422)
    return right_answer(sent)


def _failures(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_candidate_that_the_service_rejects_fails_its_row_only(
    jobs: RunJob, tmp_path: Path, server: Recorder
) -> None:
    server.answer = _picky
    rows = [{"query": "q", "documents": ["a", "b", "bad" if number == 1 else "c"]} for number in range(4)]
    write_lines(tmp_path / "in.jsonl", rows)
    done = jobs("rerank", "in.jsonl", "out.jsonl", "--batch-size", 1, "--json")
    assert (done.code, done.json["results"], done.json["failed"]) == (3, 3, 1), done.err
    assert done.json["tokens"] == 7 * (3 * 3 + 2)
    (failure,) = _failures(tmp_path / "out.jsonl.errors.jsonl")
    assert failure["row"] == 1
    assert failure["error"].startswith("documents[2]: an input cannot be encoded")


def test_a_rejected_part_of_a_long_document_fails_its_document_only(
    jobs: RunJob, tmp_path: Path, server: Recorder
) -> None:
    server.answer = _picky
    long = "word " * 5000
    rows = [{"d": 0, "text": long}, {"d": 0, "text": f"{long} bad"}, {"d": 1, "text": "short"}]
    write_lines(tmp_path / "in.jsonl", rows)
    done = jobs("embed", "in.jsonl", "out.jsonl", "--group-column", "d", "--json")
    assert (done.code, done.json["results"], done.json["failed"]) == (3, 1, 2), done.err
    assert done.json["tokens"] == 5001
    assert {failure["error"].split(" (")[0] for failure in _failures(tmp_path / "out.jsonl.errors.jsonl")} == {
        "an input cannot be encoded"
    }


def test_an_account_without_balance_ends_the_job_between_the_candidates_of_a_row(
    jobs: RunJob, tmp_path: Path, server: Recorder
) -> None:
    server.answer = lambda sent: Answer({"detail": "no balance"}, 402) if len(server.sent) > 2 else right_answer(sent)
    write_lines(tmp_path / "in.jsonl", [{"query": "q", "documents": ["a", "b", "c", "d"]}])
    done = jobs("rerank", "in.jsonl", "out.jsonl", "--batch-size", 1, "--max-concurrency", 1)
    assert done.code == 1
    assert "no balance" in done.err
