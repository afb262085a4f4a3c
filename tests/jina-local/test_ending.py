"""The process ends cleanly whatever the engine is doing, and stops computing for callers that have gone."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
import warm
from jina_client.cancellation import Cancellation
from jina_local.app import App
from jina_local.cancellation import RequestScopes
from jina_local.engine import Engine
from jina_local.errors import RequestError
from jina_local.media.fetch import fetch
from jina_local.server import running
from served import Served, start

MODEL = "jina-embeddings-v3"
NANO = "jina-embeddings-v5-text-nano"
LONG = [f"word {number} " * 250 for number in range(400)]
LINES = [{"custom_id": str(number), "body": {"input": LONG[:50]}} for number in range(50)]
EXAMPLES = [{"text": f"text {number} " * 20, "label": str(number % 16)} for number in range(512)]

ACTIVITIES: dict[str, tuple[str, dict[str, Any]]] = {
    "inference": ("embeddings", {"model": MODEL, "input": LONG}),
    "reranking": ("rerank", {"model": "jina-reranker-v3", "query": "word", "documents": LONG}),
    "training": ("train", {"model": MODEL, "input": EXAMPLES, "num_iters": 1000}),
    "a batch job": ("batch/embeddings", {"model": NANO, "input": LINES}),
}


def ended(server: Served, sent: signal.Signals) -> tuple[int, float, str]:
    """The exit status, the seconds that ending took, and stderr."""
    began = time.monotonic()
    try:
        server.process.send_signal(sent)
        status = server.process.wait(20)
        took = time.monotonic() - began
    finally:
        server.process.kill()
        _, stderr = server.process.communicate()
    return status, took, stderr or ""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT], ids=lambda sent: sent.name)
@pytest.mark.parametrize("activity", ACTIVITIES)
def test_a_signal_stops_the_server(activity: str, sent: signal.Signals) -> None:
    stop_seconds = "1" if sent is signal.SIGTERM else "0"
    server = start("--threads", "1", "--stop-seconds", stop_seconds, stderr=subprocess.PIPE)
    endpoint, fields = ACTIVITIES[activity]

    def post() -> None:
        with contextlib.suppress(requests.ConnectionError):
            server.post(endpoint, **fields)

    poster = threading.Thread(target=post)
    poster.start()
    time.sleep(0.4)
    status, took, stderr = ended(server, sent)
    poster.join()
    assert status == (0 if sent is signal.SIGTERM else 130), stderr
    # At most one second for requests that are being computed, and a batch.
    assert took < 6
    assert "terminate" not in stderr
    assert "Traceback" not in stderr


def test_a_server_that_stops_finishes_what_it_accepted() -> None:
    server = start("--stop-seconds", "20")
    statuses: list[int] = []
    texts = LONG[:16]
    poster = threading.Thread(
        target=lambda: statuses.append(server.post("embeddings", model=MODEL, input=texts).status_code)
    )
    poster.start()
    time.sleep(0.3)
    status, _, _ = ended(server, signal.SIGTERM)
    poster.join()
    assert (status, statuses) == (0, [200])


def test_a_cancelled_request_stops_fetching() -> None:
    scopes, outcomes = RequestScopes(), list[int]()
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def call() -> None:
            with scopes.enter():
                try:
                    fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/", 1000, allowed=lambda _: True)
                except RequestError as error:
                    outcomes.append(error.status)

        thread = threading.Thread(target=call)
        thread.start()
        time.sleep(0.2)
        began = time.monotonic()
        scopes.close()
        thread.join(10)
    assert (outcomes, time.monotonic() - began < 1) == ([503], True)


PROGRAM = """
import gc, os, signal, sys, threading, time
import jina_local, orjson
from jina_local.app import App
from jina_local.cancellation import RequestScopes
from jina_local.engine import Engine
app = App(Engine(threads=1))
long = [f"word {number} " * 250 for number in range(400)]
def send(path, fields):
    return app.handle("POST", "/v1/" + path, {}, orjson.dumps(fields))
def embed():
    send("embeddings", {"model": "jina-embeddings-v3", "input": long})
def job():
    lines = [{"custom_id": str(n), "body": {"input": long[:50]}} for n in range(50)]
    assert send("batch/embeddings", {"model": "jina-embeddings-v5-text-nano", "input": lines})[0] == 200
send("embeddings", {"model": "jina-embeddings-v3", "input": "a"})
"""


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("job(); time.sleep(0.3)", 0),
        ("threading.Thread(target=embed, daemon=True).start(); time.sleep(0.3)", 0),
        ("threading.Thread(target=embed, daemon=True).start(); time.sleep(0.3); sys.exit(7)", 7),
        ("job(); time.sleep(0.3); os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", -signal.SIGTERM),
        ("threading.Thread(target=embed, daemon=True).start(); del app; gc.collect(); time.sleep(0.3)", 0),
        ("job(); del app; gc.collect(); time.sleep(0.3)", 0),
    ],
    ids=["a batch job", "inference", "inference, by sys.exit", "a batch job, by SIGTERM", "collected", "job collected"],
)
def test_a_program_can_exit_while_the_engine_computes(code: str, status: int) -> None:
    began = time.monotonic()
    done = warm.run(["-c", PROGRAM + code], text=True, timeout=60)
    assert (done.returncode, done.stderr) == (status, "")
    assert time.monotonic() - began < 20


CALL = """
import asyncio, sys
from jina_client import AsyncJinaClient, JinaClient
texts = [f"word {number} " * 250 for number in range(940)]
async def embed():
    async with AsyncJinaClient(base_url="local") as client:
        await client.embed(["a text"])
        print("computing", flush=True)
        await client.embed(texts)
if sys.argv[1] == "async":
    asyncio.run(embed())
else:
    client = JinaClient(base_url="local")
    client.embed(["a text"])
    print("computing", flush=True)
    client.embed(texts)
"""


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_one_ctrl_c_ends_a_client_call(kind: str) -> None:
    process = warm.start(["-c", CALL, kind], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        status = process.wait(30)
        took = time.monotonic() - began
    finally:
        process.kill()
        _, stderr = process.communicate()
    assert status == -signal.SIGINT, stderr
    assert "KeyboardInterrupt" in stderr
    # A second on an idle machine: the batch that runs, and the end of the interpreter.
    assert took < 3


def test_a_cancelled_request_stops_soon_and_others_continue() -> None:
    app, cancellation = App(Engine()), Cancellation()
    responses: list[tuple[int, Any, bytes]] = []
    body = orjson.dumps({"model": MODEL, "input": LONG})
    thread = threading.Thread(
        target=lambda: responses.append(app.handle("POST", "/v1/embeddings", {}, body, cancellation=cancellation))
    )
    thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    cancellation.cancel()
    thread.join(20)
    assert time.monotonic() - began < 2
    assert responses[0][0] == 503
    other = orjson.dumps({"model": MODEL, "input": "a text"})
    assert app.handle("POST", "/v1/embeddings", {}, other)[0] == 200


def test_the_server_stops_computing_for_a_client_that_hangs_up() -> None:
    engine = Engine()
    body = orjson.dumps({"model": MODEL, "input": LONG})
    with running(app=App(engine)) as url:
        requests.post(f"{url}/embeddings", json={"model": MODEL, "input": "a"}, timeout=30)
        host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
        with socket.create_connection((host, int(port))) as connection:
            head = f"POST /v1/embeddings HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            time.sleep(0.4)
        began = time.monotonic()
    # The server waits for its requests before it stops.
    assert time.monotonic() - began < 3


def test_an_interrupted_training_leaves_no_partial_file(tmp_path: Path) -> None:
    server = start("--state", str(tmp_path), "--threads", "1", "--stop-seconds", "0")

    def post() -> None:
        with contextlib.suppress(requests.ConnectionError):
            server.post("train", model=MODEL, input=EXAMPLES, num_iters=1000)

    poster = threading.Thread(target=post)
    poster.start()
    time.sleep(0.5)
    ended(server, signal.SIGTERM)
    poster.join()
    assert [path.name for path in tmp_path.rglob("*") if path.name.startswith(".writing")] == []
