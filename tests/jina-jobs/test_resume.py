"""A job survives whatever ends it: nothing is lost, nothing is done twice, nothing changes in silence."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import warm
from job_runs import COMMAND, RunJob, texts, write_lines
from loopback import Answer, Recorder, Sent, embeddings, vector_of

BATCH, CONCURRENCY = 8, 4
OPTIONS = ["--dimensions", "32", "--batch-size", str(BATCH), "--max-concurrency", str(CONCURRENCY)]
IN_FLIGHT = BATCH * CONCURRENCY * 2
"""Rows whose response may be lost: the client holds back responses that overtook another."""


def _start(folder: Path, server: Recorder, *arguments: str) -> warm.Process:
    environment = {**os.environ, "JINA_BASE_URL": server.url}
    return warm.start([*COMMAND, *arguments], cwd=folder, env=environment, stderr=subprocess.PIPE)


def _wait_for(server: Recorder, requests: int, process: warm.Process) -> None:
    deadline = time.monotonic() + 120
    while len(server.sent) < requests and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("output", ["out.parquet", "out.npy"])
def test_killed_at_random_nothing_is_lost_or_repeated(server: Recorder, tmp_path: Path, output: str) -> None:
    rows, chance = texts(3000), random.Random(output)
    rows[1234]["text"] = None
    write_lines(tmp_path / "in.jsonl", rows)

    def slowly(sent: Sent) -> Answer:
        time.sleep(chance.random() * 0.01)
        return Answer(embeddings(sent))

    server.answer = slowly
    command = ["embed", "in.jsonl", output, "--id-column", "key", "--resume", *OPTIONS]
    kills = 0
    for _ in range(6):
        process = _start(tmp_path, server, *command)
        _wait_for(server, len(server.sent) + chance.randrange(1, 60), process)
        time.sleep(chance.random() * 0.02)
        process.kill()
        _, _ = process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 5
    process = _start(tmp_path, server, *command)
    _, errors = process.communicate(timeout=250)
    assert process.returncode == 3, errors
    expected = [row for row in rows if row["text"]]
    if output == "out.npy":
        vectors = np.load(tmp_path / output)
        ids = [json.loads(line)["id"] for line in (tmp_path / "out.ids.jsonl").read_text().splitlines()]
    else:
        table = pq.read_table(tmp_path / output)
        vectors, ids = np.stack(table["embedding"].to_numpy()), table["id"].to_pylist()
    assert ids == [row["key"] for row in expected]
    np.testing.assert_array_equal(vectors, np.stack([vector_of(row["text"], 32) for row in expected]))
    paid = Counter(text for sent in server.sent for text in sent.body["input"])
    assert sum(paid.values()) - len(expected) <= kills * IN_FLIGHT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_job_says_so_and_goes_on(server: Recorder, tmp_path: Path, number: signal.Signals) -> None:
    write_lines(tmp_path / "in.jsonl", texts(2000))
    server.answer = lambda sent: (time.sleep(0.02), Answer(embeddings(sent)))[1]
    process = _start(tmp_path, server, "embed", "in.jsonl", "out.parquet", *OPTIONS)
    _wait_for(server, 20, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 130
    assert errors.decode().splitlines()[-1].startswith("jina-jobs: interrupted. All finished rows are safe")
    manifest = json.loads((tmp_path / "out.parquet.manifest.json").read_text())
    assert manifest["status"] == "interrupted"
    assert manifest["counts"]["rows"] > 0
    server.answer = lambda sent: Answer(embeddings(sent))
    process = _start(tmp_path, server, "embed", "in.jsonl", "out.parquet", "--resume", *OPTIONS)
    assert process.communicate(timeout=250) is not None
    assert process.returncode == 0
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == list(range(2000))


@pytest.fixture
def stopped(jobs: RunJob, tmp_path: Path, server: Recorder) -> list[str]:
    """A job that the service ended in the middle; the result is the command."""
    count = iter(range(1000))

    def failing(sent: Sent) -> Answer:
        return Answer(embeddings(sent)) if next(count) < 20 else Answer({"detail": "no balance"}, 402)

    server.answer = failing
    write_lines(tmp_path / "in.jsonl", texts(400))
    command = ["embed", "in.jsonl", "out.parquet", *OPTIONS]
    done = jobs(*command)
    assert done.code == 1
    assert "no balance" in done.err
    server.answer = lambda sent: Answer(embeddings(sent))
    server.sent.clear()
    return command


def test_after_an_error_of_the_service_resume_sends_only_the_rest(
    jobs: RunJob, tmp_path: Path, server: Recorder, stopped: list[str]
) -> None:
    assert jobs(*stopped, "--resume").code == 0
    sent = [text for request in server.sent for text in request.body["input"]]
    assert len(sent) == len(set(sent)) <= 400 - 20 * BATCH + IN_FLIGHT
    assert len(pq.read_table(tmp_path / "out.parquet")) == 400
    requests = len(server.sent)
    done = jobs(*stopped, "--resume", "--json")
    assert (done.code, done.json["status"], done.json["results"]) == (0, "complete", 400)
    assert len(server.sent) == requests


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dimensions", "64"], "dimensions was 32 and is 64"),
        (["--model", "jina-embeddings-v4"], "model was 'jina-embeddings-v3' and is 'jina-embeddings-v4'"),
        (["--id-column", "key"], "id_column was None and is 'key'"),
        (["--encoding", "int8"], "encoding was 'float32' and is 'int8'"),
        (["--limit", "9"], "limit was None and is 9"),
        (["--base-url", "http://127.0.0.1:1/v1"], "service was"),
    ],
)
def test_a_changed_option_is_an_error_that_names_it(
    jobs: RunJob, server: Recorder, stopped: list[str], options: list[str], words: str
) -> None:
    done = jobs(*stopped, "--resume", *options)
    assert done.code == 1
    assert words in done.err
    assert server.sent == []


def test_a_changed_input_is_an_error_that_names_it(
    jobs: RunJob, tmp_path: Path, server: Recorder, stopped: list[str]
) -> None:
    write_lines(tmp_path / "in.jsonl", [*texts(399), {"text": "another"}])
    done = jobs(*stopped, "--resume")
    assert done.code == 1
    assert "in.jsonl has changed" in done.err
    assert server.sent == []


def test_changed_standard_input_is_noticed_before_anything_is_sent(
    jobs: RunJob, tmp_path: Path, server: Recorder
) -> None:
    count = iter(range(1000))
    server.answer = lambda sent: Answer(embeddings(sent)) if next(count) < 9 else Answer({"detail": "down"}, 402)
    content = write_lines(tmp_path / "in", texts(400)).read_bytes()
    command = ["embed", "-", "out.parquet", *OPTIONS]
    assert jobs(*command, stdin=content).code == 1
    server.sent.clear()
    server.answer = lambda sent: Answer(embeddings(sent))
    done = jobs(*command, "--resume", stdin=content.replace(b'number 3"', b'number three"'))
    assert done.code == 1
    assert "--resume needs the same input: a row from" in done.err
    assert server.sent == []
    assert jobs(*command, "--resume", stdin=content).code == 0
    assert len(pq.read_table(tmp_path / "out.parquet")) == 400


def test_an_output_that_exists_is_not_touched(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    write_lines(tmp_path / "in.jsonl", texts(3))
    (tmp_path / "out.parquet").write_text("mine")
    for options in ([], ["--resume"]):
        done = jobs("embed", "in.jsonl", "out.parquet", *options)
        assert done.code == 1
        assert "out.parquet exists: pass --overwrite" in done.err
    assert (tmp_path / "out.parquet").read_text() == "mine"
    assert jobs("embed", "in.jsonl", "out.parquet", "--overwrite").code == 0
    assert len(pq.read_table(tmp_path / "out.parquet")) == 3
    done = jobs("embed", "in.jsonl", "out.parquet")
    assert done.code == 1
    assert "was started before and is complete" in done.err


@pytest.mark.parametrize("gone", ["out.npy", "out.ids.jsonl"])
def test_a_complete_job_whose_output_is_gone_is_an_error(
    jobs: RunJob, tmp_path: Path, server: Recorder, gone: str
) -> None:
    write_lines(tmp_path / "in.jsonl", texts(3))
    assert jobs("embed", "in.jsonl", "out.npy").code == 0
    (tmp_path / gone).unlink()
    server.sent.clear()
    done = jobs("embed", "in.jsonl", "out.npy", "--resume")
    assert done.code == 1
    assert f"its output {gone} is gone" in done.err
    assert "--overwrite" in done.err
    assert server.sent == []
    assert jobs("embed", "in.jsonl", "out.npy", "--overwrite").code == 0


SMALL_DISK = """
import resource, signal, sys
from jina_jobs.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(main(sys.argv[1:]))
"""


def test_a_full_disk_is_a_clear_error_and_loses_nothing(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    write_lines(tmp_path / "in.jsonl", texts(400))
    command = ["embed", "in.jsonl", "out.parquet", *OPTIONS]
    on_a_small_disk = warm.run(["-c", SMALL_DISK, *command], text=True, timeout=60)
    assert on_a_small_disk.returncode == 1
    assert "cannot write out.parquet.journal/results" in on_a_small_disk.stderr
    assert "make room, then run with --resume" in on_a_small_disk.stderr
    done = jobs(*command, "--resume", "--json")
    assert done.code == 0, done.err
    assert done.json["rows_done"] < 400
    assert len(pq.read_table(tmp_path / "out.parquet")) == 400


def test_two_processes_cannot_run_one_job(jobs: RunJob, tmp_path: Path, server: Recorder) -> None:
    write_lines(tmp_path / "in.jsonl", texts(400))
    server.answer = lambda sent: (time.sleep(0.2), Answer(embeddings(sent)))[1]
    process = _start(tmp_path, server, "embed", "in.jsonl", "out.parquet", *OPTIONS)
    _wait_for(server, 2, process)
    for option in ("--resume", "--overwrite"):
        done = jobs("embed", "in.jsonl", "out.parquet", *OPTIONS, option)
        assert done.code == 1
        assert "another process is running this job" in done.err
    assert (tmp_path / "out.parquet.journal" / "log").exists()
    process.kill()
    process.communicate()


def test_a_file_of_the_user_is_not_removed_as_an_errors_file(jobs: RunJob, tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", texts(3))
    (tmp_path / "notes.txt").write_text("mine")
    assert jobs("embed", "in.jsonl", "out.parquet", "--errors", "notes.txt").code == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_program_runs_a_job_without_the_command_line(tmp_path: Path, server: Recorder) -> None:
    from jina_jobs import EmbedTask, JobOptions, open_output, open_source, run

    write_lines(tmp_path / "in.jsonl", texts(50))
    task = EmbedTask(model="jina-embeddings-v3", text_column="text", dimensions=32)
    source = open_source(str(tmp_path / "in.jsonl"), task.columns)
    output = open_output(str(tmp_path / "out.parquet"))
    summary: Any = run(task, source, output, JobOptions(client={"base_url": server.url}))
    assert (summary.status, summary.results, summary.tokens) == ("complete", 50, 150)


async def test_a_job_runs_beside_an_event_loop(tmp_path: Path, server: Recorder) -> None:
    from jina_jobs import EmbedTask, JobOptions, arun, open_output, open_source, run

    write_lines(tmp_path / "in.jsonl", texts(50))
    task = EmbedTask(model="jina-embeddings-v3", text_column="text", dimensions=32)
    options = JobOptions(client={"base_url": server.url})
    for function in (run, arun):
        source = open_source(str(tmp_path / "in.jsonl"), task.columns)
        summary: Any = function(task, source, open_output(str(tmp_path / f"{function.__name__}.parquet")), options)
        assert (summary if function is run else await summary).results == 50
