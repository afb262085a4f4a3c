"""Several servers behind one client: which of them gets a request, and what happens when one of them fails."""

from __future__ import annotations

import asyncio
import itertools
import logging
import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest
from jina_client import (
    AsyncJinaClient,
    Attempt,
    JinaClient,
    JinaConnectionError,
    JinaInputError,
    JinaResponseError,
    JinaTimeoutError,
    PartialFailureError,
    RateLimitError,
    ServerError,
)
from jina_client.limiter import RateLimiter
from jina_client.servers import ServerRoute, Servers, health
from jina_client.servers import pool as pool_of_servers
from loopback import vector_of

from .runs import CLIENTS, KEY, MODEL, RUNS, check
from .server import (
    DIMENSIONS,
    Behavior,
    ConcurrencyLimit,
    Exchange,
    FaultServer,
    damage,
    first,
    refuse,
    reset_before,
    stall_before,
    work,
)
from .test_limits import Clock

TEXTS = [f"text number {index}" for index in range(48)]


@pytest.fixture(autouse=True)
def short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FIRST_REST", 0.05)


@contextmanager
def replicas(*behaviors: Behavior, models: Sequence[str] = ()) -> Iterator[list[FaultServer]]:
    """Run a server with each behavior."""
    with ExitStack() as stack:
        yield [stack.enter_context(FaultServer(behavior, models)) for behavior in behaviors]


def roots(group: Sequence[FaultServer]) -> list[str]:
    return [server.url for server in group]


def hosts(group: Sequence[FaultServer]) -> list[str]:
    return [server.url.split("/")[2] for server in group]


def is_right(vectors: Any, texts: Sequence[str] = TEXTS) -> bool:
    return all(np.array_equal(row, vector_of(text, DIMENSIONS)) for row, text in zip(vectors, texts, strict=True))


def slow(seconds: float, then: Behavior = work) -> Behavior:
    def answer(exchange: Exchange) -> None:
        exchange.server.over.wait(seconds)
        then(exchange)

    return answer


def dead_after(requests: int) -> Behavior:
    """Return a behavior that stops the server for good at a request."""
    count = itertools.count(1)

    def answer(exchange: Exchange) -> None:
        if next(count) < requests:
            return work(exchange)
        exchange.reset()
        if exchange.number == requests:
            threading.Thread(target=exchange.server.stop, daemon=True).start()
        return None

    return answer


def is_used_again(client: JinaClient) -> bool:
    """Send requests until every server is used, and return False if that takes more than some rests."""
    for _ in range(200):
        assert is_right(client.embed(TEXTS[:4], batch_size=1, **MODEL).vectors, TEXTS[:4])
        if all(state.is_used and not state.in_flight for state in client.servers):
            return True
        time.sleep(0.01)
    return False


# Every way to embed.


@pytest.mark.parametrize("name", RUNS)
def test_no_result_is_lost_when_a_server_is_killed(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with replicas(work, dead_after(2), work) as group:
        outcome = RUNS[name](roots(group), TEXTS, 2, {"max_concurrency": 2})  # type: ignore[arg-type]
        for server in group:
            check(outcome, TEXTS, server, caplog.records)
    assert outcome.error is None
    assert len(outcome.vectors) == len(TEXTS)


@pytest.mark.parametrize("name", CLIENTS)
def test_requests_are_spread_over_the_servers_and_stay_in_order(name: str) -> None:
    with replicas(slow(0.01), slow(0.01), slow(0.01)) as group:
        outcome = CLIENTS[name](roots(group), TEXTS, 1, {"max_concurrency": 2})  # type: ignore[arg-type]
        counts = [len(server.seen) for server in group]
    assert is_right([outcome.vectors[index] for index in range(len(TEXTS))])
    assert sum(counts) == len(TEXTS)
    assert min(counts) > len(TEXTS) / 6


@pytest.mark.parametrize("name", CLIENTS)
def test_a_server_that_is_down_at_the_start_gets_no_request(name: str) -> None:
    attempts: list[Attempt] = []
    with replicas(work, work) as group:
        group[1].stop()
        outcome = CLIENTS[name](roots(group), TEXTS[:4], 1, {"on_attempt": attempts.append})  # type: ignore[arg-type]
        group[1].start()
    assert is_right([outcome.vectors[index] for index in range(4)], TEXTS[:4])
    assert {attempt.server for attempt in attempts} == {hosts(group)[0]}


def test_a_restarted_server_gets_requests_again() -> None:
    with replicas(work, work) as group, JinaClient(base_url=roots(group), max_concurrency=1) as client:
        group[1].stop()
        client.embed(TEXTS, batch_size=1, **MODEL)
        assert [state.is_used for state in client.servers] == [True, False]
        assert client.servers[1].failure == "JinaConnectionError"
        group[1].start()
        assert is_used_again(client)
        assert group[1].seen


@pytest.mark.parametrize("fault", [refuse(503), refuse(500), reset_before], ids=["503", "500", "reset"])
@pytest.mark.parametrize("name", CLIENTS)
def test_a_request_that_fails_at_one_server_moves_to_another_at_once(name: str, fault: Behavior) -> None:
    attempts: list[Attempt] = []
    with replicas(work, fault) as group:
        options = {"on_attempt": attempts.append, "max_retries": 1, "max_concurrency": 1}
        outcome = CLIENTS[name](roots(group), TEXTS, 1, options)  # type: ignore[arg-type]
    assert is_right([outcome.vectors[index] for index in range(len(TEXTS))])
    failures = [attempt for attempt in attempts if attempt.error is not None]
    assert failures
    assert all(attempt.retry_in == 0 and attempt.server == hosts(group)[1] for attempt in failures)
    assert all(attempt.error.server == hosts(group)[1] for attempt in failures if attempt.error)
    # Three in a row leave it out, and after each rest it fails at one more.
    assert len(failures) < len(TEXTS) / 4


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_is_the_only_one_that_is_waited_for(status: int) -> None:
    with replicas(work, refuse(status, b"", {"Retry-After": "100"})) as group:
        with JinaClient(base_url=roots(group), max_concurrency=2) as client:
            assert is_right(client.embed(TEXTS, batch_size=2, **MODEL).vectors)
        assert len(group[1].seen) <= 2


def test_each_server_has_its_own_concurrency_limit() -> None:
    limited = ConcurrencyLimit(2)
    with replicas(slow(0.005), limited) as group, JinaClient(base_url=roots(group), max_concurrency=6) as client:
        assert is_right(client.embed(TEXTS, batch_size=1, **MODEL).vectors)
        assert limited.most == 2
        assert client.servers[0].concurrency == 6 > client.servers[1].concurrency


@pytest.mark.parametrize("name", CLIENTS)
def test_a_server_that_stops_responding_does_not_hold_up_the_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_of_servers, "MIN_PATIENCE", 0.2)
    attempts: list[Attempt] = []
    with replicas(work, first(8, work, stall_before)) as group:
        options = {"on_attempt": attempts.append, "max_concurrency": 2, "timeout": 10}
        outcome = CLIENTS[name](roots(group), TEXTS, 1, options)  # type: ignore[arg-type]
        group[1].over.set()
    assert is_right([outcome.vectors[index] for index in range(len(TEXTS))])
    failures = [attempt for attempt in attempts if attempt.error is not None]
    assert failures
    assert all(isinstance(attempt.error, JinaTimeoutError) for attempt in failures)
    assert {attempt.server for attempt in failures} == {hosts(group)[1]}


def test_max_retries_0_sends_nothing_twice() -> None:
    with replicas(refuse(503), refuse(503)) as group, JinaClient(base_url=roots(group), max_retries=0) as client:
        with pytest.raises(ServerError):
            client.embed(["a"], **MODEL)
        assert sum(len(server.seen) for server in group) == 1


@pytest.mark.parametrize("name", CLIENTS)
def test_if_no_server_works_the_ordinary_retries_apply_and_the_error_names_one(name: str) -> None:
    attempts: list[Attempt] = []
    with replicas(work, work, work) as group:
        for server in group:
            server.stop()
        options = {"on_attempt": attempts.append, "max_retries": 2}
        outcome = CLIENTS[name](roots(group), ["a"], None, options)  # type: ignore[arg-type]
        for server in group:
            server.start()
    assert isinstance(outcome.error, JinaConnectionError)
    assert outcome.error.server in hosts(group)
    assert outcome.error.server in str(outcome.error)
    # Nobody responded when the client asked for the models, so no server is better than another.
    assert len(attempts) == 3
    assert len({attempt.server for attempt in attempts}) > 1


def test_all_servers_that_return_are_used_again() -> None:
    failing = (first(6, reset_before), first(6, reset_before))
    with replicas(*failing) as group, JinaClient(base_url=roots(group), max_concurrency=2) as client:
        assert is_right(client.embed(TEXTS, batch_size=2, **MODEL).vectors)
        assert is_used_again(client)


async def test_a_cancelled_call_waits_for_no_server() -> None:
    with replicas(stall_before, stall_before) as group:
        async with AsyncJinaClient(base_url=roots(group), max_concurrency=1) as client:
            call = asyncio.ensure_future(client.embed(TEXTS, batch_size=1, **MODEL))
            assert await asyncio.to_thread(group[0].wait_for, lambda server: bool(server.seen))
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert not any(state.in_flight for state in client.servers)


def test_a_stream_survives_the_death_of_a_server() -> None:
    with replicas(work, dead_after(3)) as group, JinaClient(base_url=roots(group), max_concurrency=2) as client:
        parts = list(client.embed_stream(iter(TEXTS), batch_size=2, **MODEL))
    assert [start for start, _ in parts] == list(range(0, 48, 2))
    assert is_right(np.concatenate([part.vectors for _, part in parts]))


# Servers that do not offer the same.


@pytest.mark.parametrize("kind", [JinaClient, AsyncJinaClient])
def test_a_server_with_another_model_is_found_before_anything_is_sent(kind: Any) -> None:
    with replicas(work, work, models=["jinaai/jina-embeddings-v3", "other"]) as group:
        group[1].models = ["jinaai/jina-embeddings-v4"]
        client = kind(base_url=roots(group))
        with pytest.raises(JinaInputError, match=rf"{hosts(group)[1]}.*does not offer.*jina-embeddings-v4"):
            _call(client, "embed", TEXTS, batch_size=4, **MODEL)
        assert not any(server.seen for server in group)
        assert [server.model_requests for server in group] == [1, 1]


def _call(client: Any, name: str, *arguments: Any, **options: Any) -> Any:
    result = getattr(client, name)(*arguments, **options)
    return asyncio.run(result) if asyncio.iscoroutine(result) else result


def test_each_server_is_asked_for_its_models_once() -> None:
    with replicas(work, work, models=["jina-embeddings-v3"]) as group, JinaClient(base_url=roots(group)) as client:
        threads = [threading.Thread(target=client.embed, args=(TEXTS,), kwargs=MODEL) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [server.model_requests for server in group] == [1, 1]


def test_one_address_is_asked_for_nothing() -> None:
    with FaultServer() as server:
        for base_url in (server.url, [server.url]):
            with JinaClient(base_url=base_url) as client:
                client.embed(TEXTS, **MODEL)
                assert client.settings.base_url == server.url
                assert client.servers == []
        assert server.model_requests == 0


@pytest.mark.parametrize("model", ["jina-embeddings-v3", "a-model-of-their-own"])
def test_vectors_of_another_length_are_an_error_that_names_the_server(model: str) -> None:
    shorter = damage(lambda vector: vector[: len(vector) // 2])
    options: dict[str, Any] = {"dimensions": DIMENSIONS} if model == MODEL["model"] else {}
    with (
        replicas(work, shorter) as group,
        JinaClient(base_url=roots(group), max_concurrency=1) as client,
        pytest.raises((JinaResponseError, PartialFailureError)) as caught,
    ):
        client.embed(TEXTS, batch_size=2, model=model, **options)
    error = caught.value if isinstance(caught.value, JinaResponseError) else caught.value.__cause__
    assert isinstance(error, JinaResponseError)
    assert error.server in hosts(group)
    assert hosts(group)[1] in str(error)


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.batches.get("1"),
        lambda client: client.batches.list(),
        lambda client: client.classifiers.list(),
        lambda client: client.classifiers.train([("a", "b"), ("c", "d")], model="jina-embeddings-v3"),
        lambda client: client.classify(["a"], classifier_id="1"),
        lambda client: client.web.read("http://a.example", endpoint="http://127.0.0.1:9"),
    ],
    ids=["batch", "batches", "classifiers", "train", "classify", "read"],
)
def test_what_one_server_keeps_needs_one_address(call: Callable[[JinaClient], Any]) -> None:
    with replicas(work, work) as group, JinaClient(base_url=roots(group)) as client:
        with pytest.raises(JinaInputError, match="needs a client with one address"):
            call(client)
        assert not any(server.seen or server.model_requests for server in group)


# The addresses.

A, B = "http://a.example:8000/v1", "http://b.example:8000/v1"


@pytest.mark.parametrize(
    ("base_url", "message"),
    [
        ([], "empty list"),
        ([A, A], "one server twice"),
        ([A, "http://A.example:8000/v1/embeddings/"], "one server twice, as .*a.example.* and .*A.example"),
        (["http://a.example/v1", "http://a.example:80/v1/"], "one server twice"),
        ([A, "local"], "lists 'local' beside other servers"),
        ([A, "sagemaker://endpoint"], "lists 'sagemaker://endpoint' beside other servers"),
        ([A, "https://api.jina.ai/v1"], "lists 'https://api.jina.ai/v1' beside other servers"),
        ([A, "ftp://b.example"], "got 'ftp://b.example'"),
        ([A, "http://user:password@b.example"], "must not contain a user name"),
        ([A, 5], "must hold addresses, got int"),
        ([A, ""], "got ''"),
        (5, "must be an address or a list of addresses, got int"),
        (b"http://a.example", "got bytes"),
        ({"a": A}, "got dict"),
    ],
)
@pytest.mark.parametrize("kind", [JinaClient, AsyncJinaClient])
def test_addresses_that_cannot_work_are_rejected(kind: Any, base_url: Any, message: str) -> None:
    with pytest.raises(JinaInputError, match=message) as caught:
        kind("key", base_url)
    assert "password" not in str(caught.value).replace("user name, password", "")


def test_the_environment_variable_may_hold_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_BASE_URL", f"{A}, {B}/embeddings")
    assert JinaClient().settings.roots == (A, B)
    monkeypatch.setenv("JINA_BASE_URL", f"{A},{A}")
    with pytest.raises(JinaInputError, match="the environment variable JINA_BASE_URL lists one server twice"):
        JinaClient()


@pytest.mark.parametrize("name", CLIENTS)
def test_a_limiter_of_the_callers_holds_for_all_servers_together(name: str) -> None:
    limited = ConcurrencyLimit(2)
    with replicas(limited, limited) as group:
        options = {"limiter": RateLimiter(max_concurrency=2), "max_retries": 0}
        outcome = CLIENTS[name](roots(group), TEXTS, 2, options)  # type: ignore[arg-type]
        assert all(server.seen for server in group)
    assert is_right([outcome.vectors[index] for index in range(len(TEXTS))])
    assert limited.most == 2


def test_a_key_that_would_travel_unencrypted_is_warned_of_once() -> None:
    with pytest.warns(UserWarning, match=r"travels unencrypted to a\.example, b\.example") as caught:
        client = JinaClient("a-secret-key", [A, B, "https://c.example/v1"])
    assert len(caught) == 1
    assert "a-secret-key" not in repr(client)
    assert "c.example" in repr(client)


def test_a_pickled_client_has_the_same_servers() -> None:
    with replicas(work, work) as group, JinaClient(base_url=roots(group)) as client:
        client.embed(TEXTS[:1], **MODEL)
        with pickle.loads(pickle.dumps(client)) as copy:
            assert copy.settings.roots == tuple(roots(group))
            assert is_right(copy.embed(TEXTS[:2], **MODEL).vectors, TEXTS[:2])


def _embed(client: JinaClient, results: Any) -> None:
    results.put(client.embed(TEXTS, batch_size=4, **MODEL).vectors)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_uses_the_servers_too() -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with replicas(work, work) as group, JinaClient(base_url=roots(group)) as client:
        client.embed(TEXTS[:4], **MODEL)
        child = context.Process(target=_embed, args=(client, results))
        child.start()
        assert is_right(results.get(timeout=30))
        child.join(30)


def test_replicas_share_cached_vectors(tmp_path: Any) -> None:
    with replicas(work, work) as group:
        one, other = roots(group)
        for base_url in (one, [one, other], [one]):
            with JinaClient(base_url=base_url, cache=tmp_path / "vectors") as client:
                assert is_right(client.embed(TEXTS, **MODEL).vectors)
        assert sum(len(seen.texts) for server in group for seen in server.seen) == len(TEXTS)


def test_the_log_tells_which_server_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "jina_client")
    with replicas(work, first(3, refuse(503))) as group, JinaClient(KEY, roots(group), max_concurrency=1) as client:
        while not client.servers[1].failure:
            client.embed(TEXTS[:8], batch_size=1, **MODEL)
        group[1].over.wait(0.06)
        client.embed(TEXTS[:8], batch_size=1, **MODEL)
    messages = [record.getMessage() for record in caplog.records]
    assert messages.count(f"server {hosts(group)[1]} is left out for 0.1 s: ServerError") == 1
    assert f"server {hosts(group)[1]} works again" in messages


# The choice of the server, with a clock of its own.


class Pool:
    """Servers with their own clock, and short forms of their calls."""

    def __init__(self, *names: str, concurrency: int = 4) -> None:
        self.clock = Clock()
        self.servers = Servers(
            [f"http://{name}" for name in names],
            lambda: RateLimiter(max_concurrency=concurrency, clock=self.clock),
            clock=self.clock,
        )
        self.servers.checks.finish({})

    def begin(self, route: ServerRoute | None = None) -> tuple[ServerRoute, Any] | None:
        route = route or ServerRoute(self.servers)
        slot = route.queue(1, lambda: None)
        if route.acquire(slot) > 0:
            route.release(slot)
            return None
        return route, slot

    def name(self) -> str:
        """Return the server of one more request, which stays in flight."""
        begun = self.begin()
        return "" if begun is None else begun[0].address[-1]

    def respond(self, seconds: float = 1.0) -> str:
        """Return the server of a request that takes some seconds."""
        begun = self.begin()
        assert begun is not None
        route, slot = begun
        self.clock.now += seconds
        route.succeeded(slot, None, {})
        route.release(slot)
        return route.address[-1]

    def fail(self, error: Any = None, *, at: str = "") -> str:
        """Return the server of a request that fails, optionally only if it is a certain server."""
        begun = self.begin()
        assert begun is not None
        route, slot = begun
        if not at or route.address.endswith(at):
            route.failed(error or ServerError("no", status_code=503))
        route.release(slot)
        return route.address[-1]


def test_the_least_busy_server_is_chosen() -> None:
    pool = Pool("a", "b", "c", concurrency=2)
    assert sorted(pool.name() for _ in range(3)) == ["a", "b", "c"]
    assert sorted(pool.name() for _ in range(3)) == ["a", "b", "c"]
    assert pool.name() == ""


def test_idle_servers_take_turns() -> None:
    pool = Pool("a", "b")
    assert {pool.respond(), pool.respond()} == {"a", "b"}


def test_a_slow_server_gets_fewer_requests() -> None:
    pool = Pool("a", "b", concurrency=8)
    for _ in range(20):
        begun = pool.begin()
        assert begun is not None
        route, slot = begun
        pool.clock.now += 0.4 if route.address.endswith("b") else 0.1
        route.succeeded(slot, None, {})
        route.release(slot)
    names = [pool.name() for _ in range(6)]
    assert names.count("a") > 3 * names.count("b")


def _measured(pool: Pool, times: dict[str, float]) -> None:
    """Let each server respond to requests in its own time."""
    missing = set(times)
    while missing:
        begun = pool.begin()
        assert begun is not None
        route, slot = begun
        pool.clock.now += times[route.address[-1]]
        route.succeeded(slot, None, {})
        route.release(slot)
        missing.discard(route.address[-1])


def test_a_much_slower_server_gets_no_request_at_the_end_of_a_call() -> None:
    pool = Pool("a", "b", concurrency=2)
    _measured(pool, {"a": 0.1, "b": 1.0})
    batches = iter(range(100))
    with pool.servers.expecting(batches):
        assert {pool.name() for _ in range(4)} == {"a", "b"}
    pool = Pool("a", "b", concurrency=2)
    _measured(pool, {"a": 0.1, "b": 1.0})
    assert [pool.name() for _ in range(4)] == ["a", "a", "", ""]


def test_a_server_that_becomes_slower_counts_as_slower_before_it_responds() -> None:
    pool = Pool("a", "b", concurrency=8)
    _measured(pool, {"a": 0.1, "b": 0.1})
    begun = [each for _ in range(4) if (each := pool.begin()) is not None]
    for route, slot in begun:
        if route.address.endswith("a"):
            pool.clock.now += 0.1
            route.succeeded(slot, None, {})
            route.release(slot)
    pool.clock.now += 1
    with pool.servers.expecting(iter(range(1000))):
        assert [pool.name() for _ in range(5)] == ["a"] * 5


def test_a_failing_server_rests_for_twice_as_long_each_time_and_is_probed_by_one_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "FIRST_REST", 0.5)
    pool = Pool("a", "b")
    while pool.servers.states[1].is_used:
        pool.fail(at="b")
    for rest in (0.5, 1, 2, 4, 5, 5):
        assert {pool.fail(at="b") for _ in range(8)} == {"a"}
        pool.clock.now += rest - 0.01
        assert pool.fail(at="b") == "a"
        pool.clock.now += 0.02
        assert pool.fail(at="b") == "b"
    pool.clock.now += 30
    probe = pool.begin()
    assert probe is not None
    route, slot = probe
    assert route.address == "http://b"
    assert pool.name() == "a"
    route.succeeded(slot, None, {})
    assert pool.servers.states[1].is_used


def test_requests_that_fail_together_count_as_one_rest() -> None:
    pool = Pool("a", "b", concurrency=8)
    begun = [each for _ in range(16) if (each := pool.begin()) is not None]
    pool.clock.now += 1
    for route, slot in begun:
        if route.address.endswith("b"):
            route.failed(JinaConnectionError("no"))
        route.release(slot)
    pool.clock.now += 0.06
    assert pool.name() == "b"


def test_one_timeout_leaves_a_server_out() -> None:
    pool = Pool("a", "b")
    failed = pool.fail(JinaTimeoutError("no"))
    assert {pool.fail(at="-") for _ in range(4)} == {"a", "b"} - {failed}


def test_a_request_does_not_wait_behind_one_that_avoids_the_free_server() -> None:
    pool = Pool("a", "b", concurrency=1)
    begun = pool.begin()
    assert begun is not None
    failing, slot = begun
    other = pool.begin()
    failing.failed(ServerError("no", status_code=503))
    failing.release(slot)
    assert failing.can_move()
    # It waits for the other server, at the front of its queue.
    failing.acquire(failing.queue(1, lambda: None, retry=True))
    assert other is not None
    assert pool.name() == failing.address[-1]


def test_a_rejection_for_a_rate_pauses_one_server() -> None:
    pool = Pool("a", "b")
    begun = pool.begin()
    assert begun is not None
    route, slot = begun
    route.rejected(slot, RateLimitError("no", status_code=429))
    route.pause(5)
    route.release(slot)
    assert {pool.name() for _ in range(4)} == {"a", "b"} - {route.address[-1]}
    assert pool.name() == ""
    pool.clock.now += 5
    assert pool.name() == route.address[-1]
