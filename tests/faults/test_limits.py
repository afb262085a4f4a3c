"""Tests of the rate limiter, and of calls against servers that enforce limits."""

from __future__ import annotations

import asyncio
import copy
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from jina_client import AsyncJinaClient, JinaClient, JinaInputError, RateLimitError
from jina_client.limiter import RateLimiter, Slot
from loopback import vector_of

from .runs import KEY, MODEL
from .server import DIMENSIONS, ConcurrencyLimit, FaultServer, above_bytes, refuse

MARGIN = 1.01


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Queue:
    """A rate limiter with its own clock, and short forms of its calls."""

    def __init__(self, requests: int | None = None, tokens: int | None = None, concurrency: int = 8) -> None:
        self.clock = Clock()
        self.limiter = RateLimiter(requests, tokens, concurrency, clock=self.clock)
        self.woken: list[Slot] = []

    def join(self, tokens: int = 1, *, first: bool = False) -> Slot:
        slot = self.limiter.queue(tokens, lambda: self.woken.append(slot), retry=first)
        return slot

    def begin(self, tokens: int = 1) -> Slot:
        slot = self.join(tokens)
        assert self.limiter.acquire(slot) == 0
        return slot

    def finish(self, slot: Slot, tokens: int | None = None, headers: dict[str, str] | None = None) -> None:
        self.limiter.succeeded(slot, tokens, headers or {})
        self.limiter.release(slot)

    def refuse(self, slot: Slot, message: str = "no", code: str = "") -> None:
        self.limiter.rejected(slot, RateLimitError(message, status_code=429, code=code))
        self.limiter.release(slot)

    def concurrency(self, most: int = 20) -> int:
        """Return the number of requests that may start now; they end without a response."""
        slots = []
        while len(slots) < most and self.limiter.acquire(slot := self.join()) == 0:
            slots.append(slot)
        if len(slots) < most:
            self.limiter.release(slot)
        for slot in slots:
            self.limiter.release(slot)
        return len(slots)


def test_requests_start_in_their_order_of_arrival() -> None:
    queue = Queue(concurrency=1)
    first, second, third = queue.begin(), queue.join(), queue.join()
    assert queue.limiter.acquire(second) == queue.limiter.acquire(third) == math.inf
    queue.finish(first)
    assert queue.woken[-1] is second
    assert queue.limiter.acquire(third) == math.inf
    assert queue.limiter.acquire(second) == 0


def test_a_retried_request_goes_first() -> None:
    queue = Queue(concurrency=1)
    running, waiting = queue.begin(), queue.join()
    again = queue.join(first=True)
    queue.finish(running)
    assert queue.limiter.acquire(waiting) == math.inf
    assert queue.limiter.acquire(again) == 0


def test_leaving_the_queue_wakes_the_next_request() -> None:
    queue = Queue(requests=1)
    queue.finish(queue.begin())
    first, second = queue.join(), queue.join()
    assert 0 < queue.limiter.acquire(first) < math.inf
    queue.limiter.release(first)
    assert queue.woken[-1] is second


def test_the_one_minute_window_slides() -> None:
    queue = Queue(requests=2)
    queue.finish(queue.begin())
    queue.clock.now += 20
    queue.finish(queue.begin())
    waiting = queue.join()
    assert queue.limiter.acquire(waiting) == pytest.approx(60 * MARGIN - 20)
    queue.clock.now += 60 * MARGIN - 20
    assert queue.limiter.acquire(waiting) == 0
    # The second of those before is still in the window.
    assert queue.limiter.acquire(queue.join()) == pytest.approx(20)


def test_tokens_are_counted_as_the_service_counts_them() -> None:
    queue = Queue(tokens=100)
    queue.finish(queue.begin(10), tokens=90)
    waiting = queue.join(20)
    assert queue.limiter.acquire(waiting) == pytest.approx(60 * MARGIN)
    queue.limiter.release(waiting)
    assert queue.limiter.acquire(queue.join(10)) == 0


def test_a_request_above_the_limit_starts_when_the_window_is_empty() -> None:
    queue = Queue(tokens=100)
    assert queue.limiter.acquire(queue.join(1000)) == 0
    queue = Queue(tokens=100)
    queue.finish(queue.begin(1))
    waiting = queue.join(1000)
    assert queue.limiter.acquire(waiting) == pytest.approx(60 * MARGIN)
    queue.clock.now += 60 * MARGIN
    assert queue.limiter.acquire(waiting) == 0


@pytest.mark.parametrize(
    ("message", "more"),
    [
        ("Request rate limit exceeded: 4/3 requests per minute. Reduce request frequency", 2),
        ("Token rate limit exceeded: 1,200/3 tokens per minute. Reduce batch sizes", 2),
    ],
)
def test_the_limiter_learns_limits_from_a_429(message: str, more: int) -> None:
    queue = Queue()
    queue.finish(queue.begin())
    queue.refuse(queue.begin(), message)
    # The refused one does not count; the first one does.
    assert queue.concurrency() == more


@pytest.mark.parametrize(
    "limit_text", [",/, requests per minute", "0/0 tokens per minute", "1/ concurrent requests", "1/1"]
)
def test_an_unreadable_limit_reduces_concurrency_to_one(limit_text: str) -> None:
    queue = Queue()
    queue.refuse(queue.begin(), limit_text)
    assert queue.concurrency() == 1


def test_a_learned_limit_does_not_exceed_the_callers_limit() -> None:
    queue = Queue(requests=2)
    queue.refuse(queue.begin(), "Request rate limit exceeded: 101/100 requests per minute")
    assert queue.concurrency() == 2


def test_a_concurrency_429_reduces_concurrency_to_its_number() -> None:
    queue = Queue()
    queue.refuse(
        queue.begin(), "Concurrency limit exceeded: 8/3 concurrent requests.", "RATE_CONCURRENCY_LIMIT_EXCEEDED"
    )
    assert queue.concurrency() == 3


def test_requests_rejected_together_reduce_concurrency_once() -> None:
    queue = Queue()
    for slot in [queue.begin() for _ in range(8)]:
        queue.clock.now += 0.01
        queue.refuse(slot, code="RATE_CONCURRENCY_LIMIT_EXCEEDED")
    assert queue.concurrency() == 4


def test_concurrency_recovers_ever_more_slowly() -> None:
    queue = Queue()

    def answers_until(wide: int) -> int:
        count = 0
        while queue.concurrency() < wide:
            queue.finish(queue.begin())
            queue.clock.now += 1
            count += 1
            assert count < 1000
        return count

    queue.refuse(queue.begin(), code="RATE_CONCURRENCY_LIMIT_EXCEEDED")
    assert queue.concurrency() == 4
    quickly = answers_until(5)
    queue.clock.now += 1
    queue.refuse(queue.begin(), "Concurrency limit exceeded: 5/4 concurrent requests.", "CONCURRENCY")
    slowly = answers_until(5)
    assert slowly > quickly > 4
    answers_until(8)


def test_an_unexplained_429_sends_requests_one_by_one_for_a_while() -> None:
    queue = Queue()
    queue.refuse(queue.begin())
    assert queue.concurrency() == 1
    for _ in range(40):
        queue.finish(queue.begin())
    assert queue.concurrency() == 8


def test_a_429_during_recovery_counts_as_a_concurrency_limit() -> None:
    queue = Queue()
    queue.refuse(queue.begin())
    while queue.concurrency() < 3:
        queue.finish(queue.begin())
        queue.clock.now += 1
    queue.refuse(queue.begin())
    assert queue.concurrency() == 1
    for _ in range(8):
        queue.finish(queue.begin())
    assert queue.concurrency() == 1
    for _ in range(100):
        queue.finish(queue.begin())
    assert queue.concurrency() > 2


def test_a_429_of_a_single_request_counts_as_a_rate_limit() -> None:
    queue = Queue()
    for _ in range(2):
        queue.refuse(queue.begin())
        queue.clock.now += 1
    while queue.concurrency() < 3:
        queue.finish(queue.begin())
        queue.clock.now += 1
    queue.refuse(queue.begin())
    assert queue.concurrency() == 1
    for _ in range(8):
        queue.finish(queue.begin())
    assert queue.concurrency() > 2


def test_a_shorter_pause_does_not_shorten_a_longer_one() -> None:
    queue = Queue()
    queue.limiter.pause(10)
    queue.limiter.pause(2)
    slot = queue.join()
    assert queue.limiter.acquire(slot) == pytest.approx(10)
    queue.clock.now += 10
    assert queue.limiter.acquire(slot) == 0


@pytest.mark.parametrize(
    ("remaining", "wide"), [("3", 3), ("0", 1), ("100", 8), ("many", 8), ("-1", 8), ("9" * 5000, 8)]
)
def test_the_remaining_quota_bounds_the_requests_in_flight(remaining: str, wide: int) -> None:
    queue = Queue()
    queue.finish(queue.begin(), headers={"x-ratelimit-remaining-requests": remaining})
    assert queue.concurrency() == wide


@pytest.mark.parametrize("most", [8, 40])
@pytest.mark.parametrize("says", ["limit", "code", "nothing"])
def test_forty_concurrent_calls_succeed_where_two_are_allowed(says: Any, most: int) -> None:
    texts = [f"text number {index}" for index in range(40)]
    limit = ConcurrencyLimit(2, says)
    with (
        FaultServer(limit) as server,
        JinaClient(KEY, server.url, max_concurrency=most) as client,
        ThreadPoolExecutor(40) as pool,
    ):
        results = list(pool.map(lambda text: client.embed([text], **MODEL), texts))
    _check(results, texts, limit)


@pytest.mark.parametrize("most", [8, 40])
@pytest.mark.parametrize("says", ["limit", "code", "nothing"])
async def test_forty_concurrent_async_calls_succeed_where_two_are_allowed(says: Any, most: int) -> None:
    texts = [f"text number {index}" for index in range(40)]
    limit = ConcurrencyLimit(2, says)
    with FaultServer(limit) as server:
        async with AsyncJinaClient(KEY, server.url, max_concurrency=most) as client:
            results = await asyncio.gather(*(client.embed([text], **MODEL) for text in texts))
    _check(results, texts, limit)


def _check(results: list[Any], texts: list[str], limit: ConcurrencyLimit) -> None:
    for result, text in zip(results, texts, strict=True):
        np.testing.assert_array_equal(result.vectors[0], vector_of(text, DIMENSIONS))
    assert limit.most <= 2


async def test_a_client_stays_within_its_rate_limit() -> None:
    with FaultServer() as server:
        async with AsyncJinaClient(KEY, server.url, requests_per_minute=3) as client:
            call = asyncio.ensure_future(client.embed([str(number) for number in range(10)], batch_size=1, **MODEL))
            await asyncio.to_thread(server.wait_for, lambda server: server.answered >= 3)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert len(server.seen) == 3


def test_a_document_is_not_split_because_others_were_too_large() -> None:
    long, short = ["a long chunk " * 20] * 8, ["short"] * 8
    with (
        FaultServer(above_bytes(1000, refuse(413))) as server,
        JinaClient(KEY, server.url, max_concurrency=1) as client,
    ):
        results = client.embed_chunked([long, long, short], **MODEL)
        sizes = [len(seen.texts) for seen in server.seen]
    assert [len(result) for result in results] == [8, 8, 8]
    assert sizes[-1] == 8


def test_clients_that_share_a_limiter_keep_its_limit_together() -> None:
    limiter = RateLimiter(max_concurrency=2)
    with FaultServer(ConcurrencyLimit(2)) as server, ThreadPoolExecutor(4) as pool:
        clients = [JinaClient(base_url=server.url, limiter=limiter, max_retries=0) for _ in range(4)]
        results = pool.map(lambda client: client.embed(["a"] * 12, **MODEL, batch_size=2), clients)
        assert [len(result) for result in results] == [12] * 4


def test_no_request_is_larger_than_the_token_limit_of_a_shared_limiter() -> None:
    limiter = RateLimiter(tokens_per_minute=100, window=0.1)
    with FaultServer() as server:
        JinaClient(base_url=server.url, limiter=limiter).embed(["one word"] * 90, **MODEL)
    assert len(server.seen) > 1


@pytest.mark.parametrize("kind", [JinaClient, AsyncJinaClient])
def test_a_limiter_that_cannot_work_is_rejected(kind: Any) -> None:
    with pytest.raises(JinaInputError, match=r"limiter= must have the methods of .*, got an int"):
        kind(base_url="local", limiter=5)
    with pytest.raises(JinaInputError, match="limiter= has its own limits and would ignore requests_per_minute="):
        kind(base_url="local", limiter=RateLimiter(), requests_per_minute=5)


class TenantLimiter(RateLimiter):
    """A limiter whose constructor has arguments of its own."""

    def __init__(self, tenant: str, clock: Clock) -> None:
        super().__init__(2, window=10, clock=clock)
        self.tenant = tenant


COPIES = [copy.copy, lambda limiter: pickle.loads(pickle.dumps(limiter))]


@pytest.mark.parametrize("copied", COPIES)
def test_a_copied_limiter_has_all_options_and_the_limit_that_the_service_has_named(copied: Any) -> None:
    limiter = TenantLimiter("a", Clock())
    error = RateLimitError("Request rate limit exceeded: 2/1 requests per minute.", status_code=429)
    limiter.rejected(limiter.queue(1, lambda: None), error)
    fresh = copied(limiter)
    assert (fresh.tenant, fresh.requests_per_minute) == ("a", 1)
    assert fresh.acquire(fresh.queue(1, lambda: None)) == 0
    assert fresh.acquire(fresh.queue(1, lambda: None)) == pytest.approx(10 * MARGIN)


@pytest.mark.parametrize("copied", COPIES)
def test_a_copied_limiter_has_the_same_limits_and_an_empty_queue(copied: Any) -> None:
    limiter = RateLimiter(max_concurrency=1)
    limiter.acquire(limiter.queue(1, lambda: None))
    fresh = copied(limiter)
    assert [fresh.acquire(fresh.queue(1, lambda: None)) for _ in range(2)] == [0, math.inf]
