"""Calls that end early, are bounded, are watched, are resumed, or are carried to another process."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import multiprocessing
import os
import pickle
import signal
import sqlite3
import subprocess
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm
from jina_client import (
    AsyncJinaClient,
    Attempt,
    EmbeddingCache,
    JinaClient,
    JinaInputError,
    JinaTimeoutError,
    PartialFailureError,
    ServerError,
    retries,
)
from jina_client.transport import contract
from loopback import vector_of

from .runs import CLIENTS, KEY, MODEL, threads_of_calls
from .server import DIMENSIONS, Behavior, FaultServer, drip, first, on_text, refuse, stall_before

TEXTS = [f"text number {index}" for index in range(12)]
# Two of six requests are never answered.
STUCK = on_text("number 5", stall_before, on_text("number 9", stall_before))


def _right(vectors: dict[int, Any], texts: list[str] = TEXTS) -> bool:
    return all(np.array_equal(vector, vector_of(texts[index], DIMENSIONS)) for index, vector in vectors.items())


INTERRUPTED = """
import json, os, threading
from jina_client import JinaClient

def told(attempt):
    if attempt.error is None:
        os.write(1, b"answered\\n")

client = JinaClient({key!r}, {url!r}, on_attempt=told, **{options!r})
try:
    client.embed({texts!r}, batch_size=2, model="jina-embeddings-v3", dimensions={dimensions})
except KeyboardInterrupt as error:
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    completed = {{index: vector.tolist() for index, vector in error.partial.completed.items()}}
    print(json.dumps([completed, sorted(error.partial.failed), threads]))
"""


def _interrupted(
    server: FaultServer,
    ready: Callable[[FaultServer], bool],
    responses: int = 0,
    texts: list[str] = TEXTS,
    program: str = INTERRUPTED,
    **options: Any,
) -> dict[int, Any]:
    """Return the partial results of a process that gets SIGINT during a call.

    Args:
        server: that it calls.
        ready: what must be true of the server before it is interrupted.
        answered: how many answers it must have before.
        texts: the inputs.
        program: what the process runs.
        **options: of its client.
    """
    program = program.format(key=KEY, url=server.url, texts=texts, dimensions=DIMENSIONS, options=options)
    with warm.start(["-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        try:
            assert job.stdout is not None
            assert [job.stdout.readline() for _ in range(responses)] == ["answered\n"] * responses
            assert server.wait_for(ready, 60)
            job.send_signal(signal.SIGINT)
            out, err = job.communicate(timeout=30)
        finally:
            job.kill()
    assert job.returncode == 0, err
    assert err == ""
    completed, _, threads = json.loads(out)
    assert threads == []
    return {int(index): np.array(vector, np.float32) for index, vector in completed.items()}


def test_ctrl_c_keeps_completed_results_and_stops_all_work() -> None:
    with FaultServer(STUCK) as server:
        completed = _interrupted(server, lambda server: len(server.seen) == 6, responses=4, max_retries=0)
        assert completed.keys() == {0, 1, 2, 3, 6, 7, 10, 11}
        assert _right(completed)
        assert len(server.seen) == 6


@pytest.mark.parametrize(
    ("behavior", "options", "count"),
    [
        (stall_before, {}, 2),
        (stall_before, {}, 12),
        (refuse(429, b"", {"Retry-After": "50"}), {}, 2),
        (refuse(429, b"", {"Retry-After": "50"}), {}, 12),
        (stall_before, {"max_concurrency": 1}, 12),
        (stall_before, {"requests_per_minute": 1}, 12),
    ],
    ids=["one request", "six", "one that waits", "six that wait", "in the line", "in the line for a minute"],
)
def test_ctrl_c_ends_every_kind_of_wait(behavior: Behavior, options: dict[str, Any], count: int) -> None:
    with FaultServer(behavior) as server:
        assert _interrupted(server, lambda server: bool(server.seen), texts=TEXTS[:count], **options) == {}


EXAMPLE = textwrap.dedent((contract.__doc__ or "").partition("::\n")[2])


def test_the_example_transport_works() -> None:
    names: dict[str, Any] = {}
    exec(EXAMPLE, names)
    with FaultServer() as server, JinaClient(KEY, server.url, transport=names["PlainTransport"]()) as client:
        result = client.embed(TEXTS, batch_size=2, **MODEL)
    assert _right(dict(enumerate(result.vectors)))


@pytest.mark.parametrize("count", [2, 12])
def test_ctrl_c_ends_the_example_transport(count: int) -> None:
    program = EXAMPLE.replace("{", "{{").replace("}", "}}") + INTERRUPTED.replace(
        "**{options!r}", "transport=PlainTransport()"
    )
    with FaultServer(stall_before) as server:
        completed = _interrupted(server, lambda server: bool(server.seen), texts=TEXTS[:count], program=program)
    assert completed == {}


async def test_cancellation_keeps_completed_results_and_stops_all_work() -> None:
    done = asyncio.Event()
    count = 0

    def told(attempt: Attempt) -> None:
        nonlocal count
        count += attempt.error is None
        if count == 4:
            done.set()

    with FaultServer(STUCK) as server:
        async with AsyncJinaClient(KEY, server.url, on_attempt=told) as client:
            call = asyncio.ensure_future(client.embed(TEXTS, batch_size=2, **MODEL))
            async with asyncio.timeout(30):
                await done.wait()
                # Both that stall are sent.
                await asyncio.to_thread(server.wait_for, lambda server: len(server.seen) == 6)
            call.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await call
            assert asyncio.all_tasks() == {asyncio.current_task()}
        partial = caught.value.partial  # type: ignore[attr-defined]
        assert partial.completed.keys() == {0, 1, 2, 3, 6, 7, 10, 11}
        assert _right(partial.completed)
        assert len(server.seen) == 6


async def test_asyncio_timeout_raises_timeout_error() -> None:
    with FaultServer(stall_before) as server:
        async with AsyncJinaClient(KEY, server.url) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.embed(TEXTS, **MODEL)
            assert asyncio.all_tasks() == {asyncio.current_task()}


def test_closing_a_stream_early_stops_all_work() -> None:
    starts = []

    def source() -> Iterator[str]:
        for number in range(1_000_000):
            starts.append(number)
            yield f"text number {number}"

    with (
        FaultServer(on_text("number 4", stall_before)) as server,
        JinaClient(KEY, server.url, max_concurrency=8) as client,
    ):
        stream = client.embed_stream(source(), batch_size=2, **MODEL)
        start, results = next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert start == 0
        assert _right(dict(enumerate(results.vectors)))
        assert not threads_of_calls()
        sent = len(server.seen)
    # Two requests of two for each of the eight in flight, and the input that told that the last was full.
    assert len(starts) <= 2 * 2 * 8 + 1
    assert sent <= 16


def test_a_program_ends_with_an_unfinished_stream_and_sends_nothing_more() -> None:
    program = """
from jina_client import JinaClient

client = JinaClient({key!r}, {url!r}, requests_per_minute=1)
stream = client.embed_stream(map(str, range(1000)), batch_size=2, model="jina-embeddings-v3", dimensions={dimensions})
print(next(stream)[0])
"""
    with FaultServer() as server:
        program = program.format(key=KEY, url=server.url, dimensions=DIMENSIONS)
        done = warm.run(["-c", program], timeout=30, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
        assert len(server.seen) == 1


async def test_closing_an_async_stream_early_stops_all_work() -> None:
    with FaultServer(on_text("number 4", stall_before)) as server:
        async with AsyncJinaClient(KEY, server.url, max_concurrency=8) as client:
            stream = client.embed_stream(
                (f"text number {number}" for number in range(1_000_000)), batch_size=2, **MODEL
            )
            start, _ = await anext(stream)
            await stream.aclose()  # type: ignore[attr-defined]
            assert start == 0
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert len(server.seen) <= 16


class Broken(Exception):
    """The error of an input iterator."""


def _breaking() -> Iterator[str]:
    yield from TEXTS[:5]
    raise Broken


async def _abreaking() -> AsyncIterator[str]:
    for text in TEXTS[:5]:
        yield text
    raise Broken


def test_an_error_of_the_input_iterator_keeps_completed_results() -> None:
    results: dict[int, Any] = {}
    with FaultServer() as server, JinaClient(KEY, server.url) as client:

        def read() -> None:
            for start, part in client.embed_stream(_breaking(), batch_size=2, **MODEL):
                results.update(enumerate(part.vectors, start))

        with pytest.raises(Broken) as caught:
            read()
        assert not threads_of_calls()
        results.update(caught.value.partial.completed)  # type: ignore[attr-defined]
        assert _right(results)


@pytest.mark.parametrize("source", [_breaking, _abreaking])
async def test_an_error_of_the_async_input_iterator_is_raised(source: Callable[[], Any]) -> None:
    results: dict[int, Any] = {}
    with FaultServer() as server:
        async with AsyncJinaClient(KEY, server.url) as client:

            async def read() -> None:
                async for start, part in client.embed_stream(source(), batch_size=2, **MODEL):
                    results.update(enumerate(part.vectors, start))

            with pytest.raises(Broken) as caught:
                await read()
            assert asyncio.all_tasks() == {asyncio.current_task()}
    results.update(caught.value.partial.completed)  # type: ignore[attr-defined]
    assert _right(results)


def test_a_stream_keeps_the_input_order() -> None:
    with FaultServer(first(3, refuse(503))) as server, JinaClient(KEY, server.url) as client:
        parts = list(client.embed_stream(iter(TEXTS), batch_size=1, **MODEL))
    assert [start for start, _ in parts] == list(range(12))
    assert _right({start: part.vectors[0] for start, part in parts})


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("retries", [0, 1, 3])
def test_n_retries_send_n_more_requests(name: str, retries: int) -> None:
    with FaultServer(refuse(503)) as server:
        outcome = CLIENTS[name](server.url, ["a"], None, {"max_retries": retries})
    assert isinstance(outcome.error, ServerError)
    assert len(server.seen) == retries + 1


@pytest.mark.parametrize("name", CLIENTS)
def test_retries_stop_after_retry_timeout(name: str) -> None:
    with FaultServer(refuse(503, b"", {"Retry-After": "30"})) as server:
        # The wait that is asked for would be longer, so there is none.
        outcome = CLIENTS[name](server.url, ["a"], None, {"max_retries": 5, "retry_timeout": 29})
    assert isinstance(outcome.error, ServerError)
    assert len(server.seen) == 1


@pytest.mark.parametrize("name", CLIENTS)
def test_every_attempt_is_reported_and_logged(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    attempts: list[Attempt] = []
    with FaultServer(first(2, refuse(503, {"detail": f"{TEXTS[0]} {KEY}"}))) as server:
        CLIENTS[name](server.url, TEXTS, None, {"on_attempt": attempts.append, "max_retries": 2})
    assert [attempt.number for attempt in attempts] == [1, 2, 3]
    assert [attempt.status_code for attempt in attempts] == [503, 503, 200]
    assert [isinstance(attempt.retry_in, float) for attempt in attempts] == [True, True, False]
    assert all(list(attempt.inputs) == list(range(12)) for attempt in attempts)
    assert attempts[-1].tokens == 36
    logged = [record for record in caplog.records if record.name == "jina_client"]
    assert [record.levelno for record in logged] == [logging.INFO, logging.INFO, logging.DEBUG]
    assert not [
        record for record in caplog.records if KEY in record.getMessage() or "text number" in record.getMessage()
    ]
    assert KEY not in repr(attempts)


@pytest.mark.parametrize("name", CLIENTS)
def test_the_last_attempt_is_reported(name: str) -> None:
    attempts: list[Attempt] = []
    with FaultServer(refuse(503)) as server:
        CLIENTS[name](server.url, ["a"], None, {"on_attempt": attempts.append, "max_retries": 1})
    assert [(attempt.number, attempt.status_code, attempt.retry_in is None) for attempt in attempts] == [
        (1, 503, False),
        (2, 503, True),
    ]


# The cache.


PAID = """
from jina_client import JinaClient

JinaClient({key!r}, {url!r}, cache={cache!r}, max_concurrency={concurrency}).embed(
    {texts!r}, batch_size=2, model="jina-embeddings-v3", dimensions={dimensions}
)
"""


def _paying(server: FaultServer, cache: Path, concurrency: int = 8, texts: list[str] = TEXTS) -> warm.Process:
    program = PAID.format(
        key=KEY, url=server.url, cache=str(cache), texts=texts, concurrency=concurrency, dimensions=DIMENSIONS
    )
    return warm.start(["-c", program], stderr=subprocess.PIPE, text=True)


def test_a_killed_job_resumes_without_paying_again(tmp_path: Path) -> None:
    cache = tmp_path / "vectors"
    # One at a time: when the fourth request stands, the answers of three are kept.
    with FaultServer(on_text("number 6", stall_before)) as server:
        job = _paying(server, cache, concurrency=1)
        try:
            assert server.wait_for(lambda server: len(server.seen) == 4, 60)
        finally:
            job.kill()
            job.communicate(timeout=30)
        server.behavior = first(0, refuse(500))
        server.seen.clear()
        with JinaClient(KEY, server.url, cache=cache) as client:
            result = client.embed(TEXTS, batch_size=2, **MODEL)
        assert sorted(text for seen in server.seen for text in seen.texts) == sorted(TEXTS[6:])
    assert _right(dict(enumerate(result.vectors)))


def test_only_failed_inputs_are_sent_again(tmp_path: Path) -> None:
    with FaultServer(on_text("number 6", refuse(422))) as server:
        with JinaClient(KEY, server.url, cache=tmp_path / "vectors") as client:
            with pytest.raises(PartialFailureError):
                client.embed(TEXTS, **MODEL)
            server.behavior = first(0, refuse(500))
            server.seen.clear()
            result = client.embed(TEXTS, **MODEL)
        assert [seen.texts for seen in server.seen] == [[TEXTS[6]]]
    assert _right(dict(enumerate(result.vectors)))


def test_two_processes_share_one_file(tmp_path: Path) -> None:
    cache = tmp_path / "vectors"
    texts = [f"text number {index}" for index in range(60)]
    with FaultServer() as server:
        jobs = [_paying(server, cache, texts=some) for some in (texts[:40], texts[20:])]
        for job in jobs:
            _, err = job.communicate(timeout=60)
            assert job.returncode == 0, err
        server.seen.clear()
        with JinaClient(KEY, server.url, cache=cache) as client:
            result = client.embed(texts, **MODEL)
        assert not server.seen
    assert _right(dict(enumerate(result.vectors)), texts)
    assert len(EmbeddingCache(cache)) == 60


@pytest.mark.parametrize("kind", ["database", "text", "folder"])
def test_a_file_that_is_not_a_cache_is_rejected_and_unchanged(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "taken"
    if kind == "database":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE vectors (key, vector)")
        connection.close()
    elif kind == "text":
        path.write_text("something else, and long enough to be taken for a database " * 20)
    else:
        path.mkdir()
    before = path.read_bytes() if path.is_file() else b""
    with FaultServer() as server, JinaClient(KEY, server.url, cache=path) as client:
        with pytest.raises(JinaInputError, match="taken"):
            client.embed(TEXTS, **MODEL)
        assert not server.seen
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_the_cache_key_of_a_chunk_includes_its_document(tmp_path: Path) -> None:
    late = {**MODEL, "late_chunking": True}
    with FaultServer() as server, JinaClient(KEY, server.url, cache=tmp_path / "vectors") as client:
        calls: list[tuple[list[str], dict[str, Any], int]] = [
            (["a", "b"], late, 1),
            (["a", "b"], late, 0),
            # Another document: none of its chunks is known, not even the first.
            (["a", "c"], late, 1),
            (["b", "a"], late, 1),
            (["a"], late, 1),
            (["a", "b"], MODEL, 1),
            # The same chunk twice in a document has two places.
            (["a", "a"], late, 1),
        ]
        for texts, options, requests in calls:
            server.seen.clear()
            client.embed(texts, **options)
            assert len(server.seen) == requests, (texts, options)
        server.seen.clear()
        client.embed_chunked([["a", "b"], ["new"], ["a", "c"]], **MODEL)
        assert [seen.texts for seen in server.seen] == [["new"]]


@pytest.mark.parametrize(
    "other",
    [
        {"model": "jina-embeddings-v2-base-en"},
        {"task": "retrieval.query"},
        {"dimensions": 128},
        {"embedding_type": "ubinary"},
        {"normalized": False},
        {"truncate": True},
    ],
)
def test_the_cache_key_includes_the_options(tmp_path: Path, other: dict[str, Any]) -> None:
    options = {**MODEL, "task": "retrieval.passage", **other}
    if "model" in other:
        options = other
    with FaultServer() as server, JinaClient(KEY, server.url, cache=tmp_path / "vectors") as client:
        if "model" in other:
            server.behavior = first(0, refuse(500), lambda exchange: exchange.send(_of_length(exchange, 768)))
        client.embed(["a"], **MODEL) if "model" not in other else None
        before = len(server.seen)
        client.embed(["a"], **options)
        assert len(server.seen) == before + 1
        client.embed(["a"], **options)
        assert len(server.seen) == before + 1


def _of_length(exchange: Any, length: int) -> dict[str, Any]:
    exchange.body["dimensions"] = length
    body: dict[str, Any] = exchange.right()
    return body


def test_the_cache_key_includes_the_service(tmp_path: Path) -> None:
    with FaultServer() as one, FaultServer() as other:
        for server in (one, other):
            with JinaClient(KEY, server.url, cache=tmp_path / "vectors") as client:
                client.embed(["a"], **MODEL)
        assert len(one.seen) == len(other.seen) == 1


def test_the_cache_file_contains_no_key_and_no_text(tmp_path: Path) -> None:
    with FaultServer() as server, JinaClient(KEY, server.url, cache=tmp_path / "vectors") as client:
        client.embed(["a text that is nobody's business"], **MODEL)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY.encode() not in written
    assert b"business" not in written


# Other processes.


def _embed_and_tell(client: JinaClient, texts: list[str], results: Any) -> None:
    results.put(client.embed(texts, batch_size=2, **MODEL).vectors)


@pytest.mark.parametrize("kind", [JinaClient, AsyncJinaClient])
def test_a_pickled_client_keeps_its_cache_and_limits(tmp_path: Path, kind: Any) -> None:
    client = kind(
        KEY, "http://127.0.0.1:9/v1", cache=tmp_path / "vectors", requests_per_minute=7, tokens_per_minute=9000
    )
    copied = pickle.loads(pickle.dumps(client))
    assert copied.settings.cache.path == str(tmp_path / "vectors")
    assert (copied.settings.requests_per_minute, copied.settings.tokens_per_minute) == (7, 9000)
    assert copied._runner is not client._runner


class TenantClient(JinaClient):
    """A client with an attribute of its own."""

    def __init__(self, tenant: str, **options: Any) -> None:
        super().__init__(**options)
        self.tenant = tenant


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda client: pickle.loads(pickle.dumps(client))])
def test_a_copied_client_keeps_the_attributes_of_its_class(copied: Callable[[JinaClient], Any]) -> None:
    client = TenantClient("a", base_url="http://127.0.0.1:9/v1")
    copy_of_client = copied(client)
    assert copy_of_client.tenant == "a"
    assert copy_of_client.models is not client.models


def test_a_pickled_client_that_was_used_finds_cached_vectors(tmp_path: Path) -> None:
    with FaultServer() as server, JinaClient(KEY, server.url, cache=tmp_path / "vectors") as client:
        client.embed(TEXTS, **MODEL)
        with pickle.loads(pickle.dumps(client)) as copied:
            result = copied.embed(TEXTS, **MODEL)
        assert len(server.seen) == 1
    assert _right(dict(enumerate(result.vectors)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_its_own_connections_limiter_and_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with (
        FaultServer() as server,
        JinaClient(KEY, server.url, cache=tmp_path / "vectors", requests_per_minute=1000) as client,
    ):
        client.embed(TEXTS[:6], batch_size=2, **MODEL)
        children = [context.Process(target=_embed_and_tell, args=(client, TEXTS, results)) for _ in range(2)]
        for child in children:
            child.start()
        outcome = [results.get(timeout=30) for _ in children]
        for child in children:
            child.join(30)
            assert child.exitcode == 0
        again = client.embed(TEXTS, batch_size=2, **MODEL)
        sent_texts = [text for seen in server.seen for text in seen.texts]
    for vectors in (*outcome, again.vectors):
        assert _right(dict(enumerate(vectors)))
    assert sorted(sent_texts[:6]) == sorted(TEXTS[:6])
    assert set(sent_texts[6:]) == set(TEXTS[6:])


def test_the_longest_wait_is_the_documented_one() -> None:
    assert retries.MAX_RETRY_AFTER == 60


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["headers", "body"])
def test_a_slow_response_through_a_proxy_times_out(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with FaultServer(drip(head, b"x")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        with (
            JinaClient(KEY, "http://jina.invalid/v1", timeout=0.2, max_retries=0) as client,
            pytest.raises(JinaTimeoutError),
        ):
            client.embed(["a"], **MODEL)
