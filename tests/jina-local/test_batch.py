"""Batch jobs: texts embedded in the background."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import requests
from jina_client import JinaClient
from jina_local.app import App
from jina_local.batch_tasks import BatchTaskQueue
from jina_local.engine import Engine
from jina_local.server import running

NANO = "jina-embeddings-v5-text-nano"


def line(name: str, text: Any) -> dict[str, Any]:
    return {"custom_id": name, "body": {"input": text}}


def finished(ask: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while (status := ask("GET", f"/v1/batch/{name}").body)["status"] in ("pending", "processing"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return status


def test_a_job_returns_the_vectors_of_a_request(ask: Any) -> None:
    lines = [line(str(number), f"text {number}") for number in range(50)]
    job = ask("POST", "/v1/batch/embeddings", {"model": NANO, "input": lines, "dimensions": 64, "task": "retrieval"})
    assert (job.status, job.body["stats"]["total"]) == (200, 50)
    status = finished(ask, job.body["batch_id"])
    assert (status["status"], status["error_file_url"]) == ("completed", None)
    assert status["stats"]["completed"] == 50
    output = ask("GET", status["output_url"]).body
    assert [each["custom_id"] for each in output] == [each["custom_id"] for each in lines]
    direct = ask("POST", "/v1/embeddings", {"model": NANO, "input": "text 7", "dimensions": 64}).body
    assert output[7]["response"]["body"] == direct
    assert ask("GET", f"/v1/batch/{status['batch_id']}/errors").body == []


def test_an_invalid_line_does_not_affect_the_others(ask: Any) -> None:
    lines = [line("a", "text"), line("a", "the id again"), line("b", 3), {"custom_id": "c"}, {**line("d", "x"), "y": 1}]
    job = ask("POST", "/v1/batch/embeddings", {"model": NANO, "input": lines}).body
    status = finished(ask, job["batch_id"])
    assert status["stats"] == {"total": 5, "completed": 2, "failed": 3, "total_tokens": status["stats"]["total_tokens"]}
    errors = ask("GET", status["error_file_url"]).body
    assert [each["custom_id"] for each in errors] == ["a", "b", "c"]
    assert "Input should be a valid string" in errors[1]["error"]["message"]


def test_a_job_without_a_success_has_failed(ask: Any) -> None:
    job = ask("POST", "/v1/batch/embeddings", {"model": NANO, "input": [line("a", [])]}).body
    status = finished(ask, job["batch_id"])
    assert (status["status"], status["error"]) == ("failed", "Every line failed: see the errors.")


class Held(Engine):
    """An engine that embeds nothing before it is allowed to."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed = threading.Event()
        self.began = threading.Event()

    def embed(self, request: Any, *more: Any, **options: Any) -> Any:
        self.began.set()
        assert self.allowed.wait(20)
        return super().embed(request, *more, **options)


def test_an_unfinished_job_has_no_output_yet_and_can_be_cancelled(asking: Any) -> None:
    engine = Held()
    ask = asking(App(engine))
    names = [
        ask("POST", "/v1/batch/embeddings", {"model": NANO, "input": [line("a", "b")]}).body["batch_id"]
        for _ in range(2)
    ]
    assert engine.began.wait(20)
    assert [ask("GET", f"/v1/batch/{name}").body["status"] for name in names] == ["processing", "pending"]
    early = ask("GET", f"/v1/batch/{names[0]}/output")
    assert (early.status, early.body["detail"]["code"]) == (409, "CONFLICT_RESOURCE_BUSY")
    assert ask("DELETE", f"/v1/batch/{names[1]}").body["status"] == "cancelled"
    engine.allowed.set()
    assert finished(ask, names[0])["status"] == "completed"
    assert ask("DELETE", f"/v1/batch/{names[0]}").body["status"] == "completed"
    assert ask("GET", f"/v1/batch/{names[1]}/output").body == []
    assert [job["batch_id"] for job in ask("GET", "/v1/batches?limit=2").body] == names[::-1]
    assert len(ask("GET", "/v1/batches?limit=1").body) == 1
    engine.close()


def test_at_most_16_jobs_may_wait(asking: Any) -> None:
    engine = Held()
    ask = asking(App(engine))
    fields = {"model": NANO, "input": [line("a", "b")]}
    answers = [ask("POST", "/v1/batch/embeddings", fields) for _ in range(17)]
    engine.jobs.close()
    engine.allowed.set()
    assert [answer.status for answer in answers] == [200] * 16 + [403]
    assert answers[-1].body["code"] == "AUTHZ_RESOURCE_LIMIT_EXCEEDED"


def test_an_unknown_job_is_not_found(ask: Any) -> None:
    for method, path in [("GET", "x"), ("DELETE", "x"), ("GET", "x/output"), ("GET", "x/errors")]:
        answer = ask(method, f"/v1/batch/{path}")
        assert (answer.status, answer.body["detail"]["code"]) == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, ""),
        ({"input": [], "input_url": "http://x"}, ""),
        ({"input": []}, " -> input"),
        ({"input": "a"}, " -> input"),
        ({"input_url": 3}, " -> input_url"),
        ({"input_url": "https://example.com/a.jsonl"}, " -> input_url"),
        ({"input": [line("a", "b")], "webhook_url": "https://example.com"}, " -> webhook_url"),
        ({"input": [line("a", "b")], "task": "retrieval.query"}, " -> task"),
        ({"input": [line("a", "b")], "dimensions": 769}, " -> dimensions"),
    ],
)
def test_an_error_names_the_invalid_field(ask: Any, fields: Any, field: str) -> None:
    answer = ask("POST", "/v1/batch/embeddings", {"model": NANO, **fields})
    assert (answer.status, [each["field"] for each in answer.body["errors"]]) == (422, [f"body{field}"])


@pytest.mark.parametrize("limit", ["0", "101", "x", "", "1e1"])
def test_an_error_names_the_invalid_limit(ask: Any, limit: str) -> None:
    answer = ask("GET", f"/v1/batches?limit={limit}")
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "query -> limit")


def test_the_client_downloads_the_vectors(url: str) -> None:
    with JinaClient(base_url=url) as client:
        job = client.batches.create(["one", "two"], model=NANO, dimensions=32)
        job = client.batches.wait(job.id)
        vectors = client.batches.output(job.id).vectors()
        expected = client.embed(["one", "two"], model=NANO, dimensions=32, task="text-matching").vectors
    np.testing.assert_allclose(np.array(list(vectors.values())), expected, atol=1e-6)


# Limits, progress, and what outlives the process.

LONG = [f"word {number} " * 250 for number in range(100)]


def created(engine: Engine, lines: list[Any], **options: Any) -> str:
    return str(engine.create_batch({"model": NANO, "input": lines, **options})["batch_id"])


def waited(engine: Engine, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while (status := engine.jobs.status(name))["status"] in ("pending", "processing"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return status


def output_of(jobs: BatchTaskQueue, name: str) -> bytes:
    with jobs.output(name) as file:
        return file.read()


def queue_of(engine: Engine, **options: Any) -> BatchTaskQueue:
    return BatchTaskQueue(lambda request: engine.embed(request), engine.request_scope, **options)


def test_a_cancelled_job_stops_within_a_batch() -> None:
    engine = Engine()
    name = created(engine, [line("a", "short"), line("b", LONG), line("c", LONG)])
    deadline = time.monotonic() + 20
    while not engine.jobs.status(name)["stats"]["completed"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.3)
    status = engine.jobs.cancel(name)
    assert (status["status"], status["stats"]["completed"]) == ("cancelled", 1)
    # The next job begins at once, and not after the two hundred long texts.
    began = time.monotonic()
    assert waited(engine, created(engine, [line("d", "next")]))["status"] == "completed"
    assert time.monotonic() - began < 3
    assert output_of(engine.jobs, name).count(b"\n") == 1


def test_every_line_counts_as_soon_as_it_is_embedded() -> None:
    engine = Engine()
    name = created(engine, [line(str(number), LONG[0]) for number in range(12)])
    seen = set[tuple[int, int]]()
    while (status := engine.jobs.status(name))["status"] in ("pending", "processing"):
        seen.add((status["stats"]["completed"], status["stats"]["total_tokens"]))
        time.sleep(0.005)
    assert len(seen) > 5


def test_a_job_whose_output_is_too_large_stops_and_keeps_what_it_has() -> None:
    engine = Engine()
    jobs = queue_of(engine, max_output=100_000)
    engine.jobs = jobs
    status = waited(engine, created(engine, [line(str(number), f"text {number}") for number in range(100)]))
    done = status["stats"]["completed"]
    assert (status["status"], 0 < done < 100) == ("failed", True)
    assert f"may have 0.0953674 MB: {done} of 100 lines are kept" in status["error"]
    output = output_of(jobs, status["batch_id"])
    assert (output.count(b"\n"), len(output) <= 100_000) == (done, True)


def test_new_outputs_replace_the_oldest() -> None:
    engine = Engine()
    engine.jobs = queue_of(engine, max_output=100_000)
    names = [created(engine, [line(str(number), f"text {number}") for number in range(4)]) for _ in range(4)]
    assert [waited(engine, name)["status"] for name in names][-1] == "completed"
    assert [engine.jobs.status(name)["status"] for name in names] == ["expired", "expired", "completed", "completed"]


def test_a_restart_keeps_finished_jobs_and_names_lost_ones(tmp_path: Path) -> None:
    engine = Engine(state=tmp_path)
    finished_job = waited(engine, created(engine, [line("a", "text")]))
    name = created(engine, [line("short", "text"), line("b", LONG), line("c", LONG)])
    while not engine.jobs.status(name)["stats"]["completed"]:
        time.sleep(0.01)
    engine.close()
    restarted = Engine(state=tmp_path)
    assert restarted.jobs.status(finished_job["batch_id"]) == finished_job
    assert output_of(restarted.jobs, finished_job["batch_id"]).count(b"\n") == 1
    lost = restarted.jobs.status(name)
    assert lost["status"] == "failed"
    assert lost["error"] == (
        "The engine stopped while this job was unfinished: 1 of 3 lines are kept, and 2 are lost. Create a new job for "
        "those."
    )
    assert b'"short"' in output_of(restarted.jobs, name)


def test_a_job_that_cannot_be_written_names_the_path_and_the_reason(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file where a folder should be")
    app = App(Engine(state=tmp_path))
    body = orjson.dumps({"model": NANO, "input": [line("a", "b")]})
    status, _, content = app.handle("POST", "/v1/batch/embeddings", {}, body)
    assert (status, orjson.loads(content)["detail"]["message"]) == (
        500,
        f"The batch job cannot be written to {tmp_path / 'jobs'}: Not a directory",
    )


def test_an_output_is_sent_whole_if_it_is_removed_meanwhile(tmp_path: Path) -> None:
    engine = Engine(state=tmp_path)
    lines = [line(str(number), [f"text {number} {index}" for index in range(100)]) for number in range(10)]
    with running(app=App(engine)) as url:
        name = created(engine, lines, dimensions=768)
        assert waited(engine, name)["status"] == "completed"
        with requests.get(f"{url}/batch/{name}/output", stream=True, timeout=30) as response:
            size = int(response.headers["content-length"])
            assert (response.headers["content-type"], size > 5_000_000) == ("application/jsonl", True)
            first = next(response.iter_content(1000))
            (tmp_path / "jobs" / name / "output.jsonl").unlink()
            content = first + b"".join(response.iter_content(2**20))
    assert len(content) == size
    assert [orjson.loads(each)["custom_id"] for each in content.splitlines()] == [str(number) for number in range(10)]
