"""A row that cannot be read, sent or stored fails alone: the job goes on, and says why."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
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


def test_a_kept_value_or_an_id_that_is_not_utf_8_fails_its_row_only(jobs: RunJob, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("id,text,name\nä,one,a\nb,two,Müller\nc,three,c\nd,,d\n".encode("latin-1"))
    done = jobs("embed", "in.csv", "out.parquet", "--id-column", "id", "--keep", "name")
    assert done.code == 3, done.err
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == ["c"]
    failures = _failures(tmp_path / "out.parquet.errors.jsonl")
    assert [failure["error"] for failure in failures] == [
        "id is not valid UTF-8",
        "name is not valid UTF-8",
        "text is empty",
    ]
    assert failures[0]["id"] == r"\udce4"


def test_a_file_whose_name_is_not_utf_8_fails_only_where_the_name_is_stored(jobs: RunJob, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for name in (b"\xe4.txt", b"b.txt"):
        Path(os.fsdecode(bytes(tmp_path / "notes") + b"/" + name)).write_text("text")
    done = jobs("embed", "notes", "out.parquet", "--id-column", "path")
    assert done.code == 3, done.err
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == ["notes/b.txt"]
    (failure,) = _failures(tmp_path / "out.parquet.errors.jsonl")
    assert (failure["place"], failure["error"]) == (r"notes/\udce4.txt", "path is not valid UTF-8")
    assert jobs("embed", "notes", "numbered.parquet").code == 0


def test_a_table_whose_name_is_not_utf_8_is_read_and_resumed(jobs: RunJob, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xe4.jsonl")
    write_lines(tmp_path / name, [{"text": "one"}, {"text": ""}])
    assert jobs("embed", name, "out.jsonl").code == 3
    assert jobs("embed", name, "out.jsonl", "--resume").code == 3
    assert _failures(tmp_path / "out.jsonl.errors.jsonl")[0]["place"] == r"\udce4.jsonl:2"
    done = jobs("embed", name, name)
    assert done.code == 2
    assert r"the name of the output \udce4.jsonl is not valid UTF-8" in done.err


def test_kept_objects_that_are_all_empty_become_strings_in_parquet(jobs: RunJob, tmp_path: Path) -> None:
    rows = [{"text": "one", "meta": {}, "deep": [{"a": {}}]}, {"text": "two", "meta": None, "deep": []}]
    write_lines(tmp_path / "in.jsonl", rows)
    done = jobs("embed", "in.jsonl", "out.parquet", "--keep", "meta", "--keep", "deep")
    assert done.code == 0, done.err
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["meta"].to_pylist() == ["{}", None]
    assert table["deep"].to_pylist() == ['[{"a":{}}]', "[]"]


def test_a_csv_line_with_a_misplaced_quote_fails_alone(jobs: RunJob, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('id,text\n1,one\n2,"two" or 2\n3,"say ""three"""\n4,"four\n')
    done = jobs("embed", "in.csv", "out.parquet", "--id-column", "id")
    assert done.code == 3, done.err
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == ["1", "3"]
    failures = _failures(tmp_path / "out.parquet.errors.jsonl")
    assert [failure["place"] for failure in failures] == ["in.csv:3", "in.csv:5"]
    assert all("a quote that is not closed" in failure["error"] for failure in failures)


@pytest.mark.parametrize("rest", ["3,three\n", '3,"three"\n'])
def test_a_quote_that_takes_other_rows_is_an_error_that_names_the_line(jobs: RunJob, tmp_path: Path, rest: str) -> None:
    (tmp_path / "in.csv").write_text(f'id,text\n1,one\n2,"two\n{rest}')
    done = jobs("embed", "in.csv", "out.parquet")
    assert done.code == 1
    assert "in.csv cannot be read after line 2" in done.err
    assert "a quote that is not closed" in done.err


def test_a_header_with_a_quote_that_is_not_closed_is_an_error(jobs: RunJob, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('id,"text\n1,one\n2,two\n')
    done = jobs("embed", "in.csv", "out.parquet")
    assert done.code == 1
    assert "the first line of in.csv, which must name the columns, cannot be read" in done.err
