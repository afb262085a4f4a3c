"""Tests of the rate limiter, and of calls against servers that enforce limits."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from jina_client import AsyncJinaClient, JinaClient, RateLimitError
from jina_client.limiter import RateLimiter, Slot
from loopback import vector_of

from .runs import KEY, MODEL
from .server import DIMENSIONS, AtOnce, FaultServer, above_bytes, refuse

MARGIN = 1.01


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Line:
    """A limiter, with a clock of its own, and shorthands."""

    def __init__(self, requests: int | None = None, tokens: int | None = None, at_once: int = 8) -> None:
        self.clock = Clock()
        self.limiter = RateLimiter(requests, tokens, at_once, clock=self.clock)
        self.woken: list[Slot] = []

    def join(self, tokens: int = 1, *, first: bool = False) -> Slot:
        turn = self.limiter.queue(tokens, lambda: self.woken.append(turn), retry=first)
        return turn

    def begin(self, tokens: int = 1) -> Slot:
        turn = self.join(tokens)
        assert self.limiter.acquire(turn) == 0
        return turn

    def finish(self, turn: Slot, tokens: int | None = None, headers: dict[str, str] | None = None) -> None:
        self.limiter.succeeded(turn, tokens, headers or {})
        self.limiter.release(turn)

    def refuse(self, turn: Slot, message: str = "no", code: str = "") -> None:
        self.limiter.rejected(turn, RateLimitError(message, status_code=429, code=code))
        self.limiter.release(turn)

    def at_once(self, most: int = 20) -> int:
        """Return the number of requests that may start now; they end without a response."""
        turns = []
        while len(turns) < most and self.limiter.acquire(turn := self.join()) == 0:
            turns.append(turn)
        if len(turns) < most:
            self.limiter.release(turn)
        for turn in turns:
            self.limiter.release(turn)
        return len(turns)


def test_requests_start_in_their_order_of_arrival() -> None:
    line = Line(at_once=1)
    first, second, third = line.begin(), line.join(), line.join()
    assert line.limiter.acquire(second) == line.limiter.acquire(third) == math.inf
    line.finish(first)
    assert line.woken[-1] is second
    assert line.limiter.acquire(third) == math.inf
    assert line.limiter.acquire(second) == 0


def test_a_retried_request_goes_first() -> None:
    line = Line(at_once=1)
    running, waiting = line.begin(), line.join()
    again = line.join(first=True)
    line.finish(running)
    assert line.limiter.acquire(waiting) == math.inf
    assert line.limiter.acquire(again) == 0


def test_leaving_the_queue_wakes_the_next_request() -> None:
    line = Line(requests=1)
    line.finish(line.begin())
    first, second = line.join(), line.join()
    assert 0 < line.limiter.acquire(first) < math.inf
    line.limiter.release(first)
    assert line.woken[-1] is second


def test_the_one_minute_window_slides() -> None:
    line = Line(requests=2)
    line.finish(line.begin())
    line.clock.now += 20
    line.finish(line.begin())
    waiting = line.join()
    assert line.limiter.acquire(waiting) == pytest.approx(60 * MARGIN - 20)
    line.clock.now += 60 * MARGIN - 20
    assert line.limiter.acquire(waiting) == 0
    # The second of those before is still in the window.
    assert line.limiter.acquire(line.join()) == pytest.approx(20)


def test_tokens_are_counted_as_the_service_counts_them() -> None:
    line = Line(tokens=100)
    line.finish(line.begin(10), tokens=90)
    waiting = line.join(20)
    assert line.limiter.acquire(waiting) == pytest.approx(60 * MARGIN)
    line.limiter.release(waiting)
    assert line.limiter.acquire(line.join(10)) == 0


def test_a_request_above_the_limit_starts_when_the_window_is_empty() -> None:
    line = Line(tokens=100)
    assert line.limiter.acquire(line.join(1000)) == 0
    line = Line(tokens=100)
    line.finish(line.begin(1))
    waiting = line.join(1000)
    assert line.limiter.acquire(waiting) == pytest.approx(60 * MARGIN)
    line.clock.now += 60 * MARGIN
    assert line.limiter.acquire(waiting) == 0


@pytest.mark.parametrize(
    ("message", "more"),
    [
        ("Request rate limit exceeded: 4/3 requests per minute. Reduce request frequency", 2),
        ("Token rate limit exceeded: 1,200/3 tokens per minute. Reduce batch sizes", 2),
    ],
)
def test_the_limiter_learns_limits_from_a_429(message: str, more: int) -> None:
    line = Line()
    line.finish(line.begin())
    line.refuse(line.begin(), message)
    # The refused one does not count; the first one does.
    assert line.at_once() == more


@pytest.mark.parametrize(
    "limit_text", [",/, requests per minute", "0/0 tokens per minute", "1/ concurrent requests", "1/1"]
)
def test_an_unreadable_limit_reduces_concurrency_to_one(limit_text: str) -> None:
    line = Line()
    line.refuse(line.begin(), limit_text)
    assert line.at_once() == 1


def test_a_learned_limit_does_not_exceed_the_callers_limit() -> None:
    line = Line(requests=2)
    line.refuse(line.begin(), "Request rate limit exceeded: 101/100 requests per minute")
    assert line.at_once() == 2


def test_a_concurrency_429_reduces_concurrency_to_its_number() -> None:
    line = Line()
    line.refuse(line.begin(), "Concurrency limit exceeded: 8/3 concurrent requests.", "RATE_CONCURRENCY_LIMIT_EXCEEDED")
    assert line.at_once() == 3


def test_requests_rejected_together_reduce_concurrency_once() -> None:
    line = Line()
    for turn in [line.begin() for _ in range(8)]:
        line.clock.now += 0.01
        line.refuse(turn, code="RATE_CONCURRENCY_LIMIT_EXCEEDED")
    assert line.at_once() == 4


def test_concurrency_recovers_ever_more_slowly() -> None:
    line = Line()

    def answers_until(wide: int) -> int:
        count = 0
        while line.at_once() < wide:
            line.finish(line.begin())
            line.clock.now += 1
            count += 1
            assert count < 1000
        return count

    line.refuse(line.begin(), code="RATE_CONCURRENCY_LIMIT_EXCEEDED")
    assert line.at_once() == 4
    quickly = answers_until(5)
    line.clock.now += 1
    line.refuse(line.begin(), "Concurrency limit exceeded: 5/4 concurrent requests.", "CONCURRENCY")
    slowly = answers_until(5)
    assert slowly > quickly > 4
    answers_until(8)


def test_an_unexplained_429_sends_requests_one_by_one_for_a_while() -> None:
    line = Line()
    line.refuse(line.begin())
    assert line.at_once() == 1
    for _ in range(40):
        line.finish(line.begin())
    assert line.at_once() == 8


def test_a_429_during_recovery_counts_as_a_concurrency_limit() -> None:
    line = Line()
    line.refuse(line.begin())
    while line.at_once() < 3:
        line.finish(line.begin())
        line.clock.now += 1
    line.refuse(line.begin())
    assert line.at_once() == 1
    for _ in range(8):
        line.finish(line.begin())
    assert line.at_once() == 1
    for _ in range(100):
        line.finish(line.begin())
    assert line.at_once() > 2


def test_a_429_of_a_single_request_counts_as_a_rate_limit() -> None:
    line = Line()
    for _ in range(2):
        line.refuse(line.begin())
        line.clock.now += 1
    while line.at_once() < 3:
        line.finish(line.begin())
        line.clock.now += 1
    line.refuse(line.begin())
    assert line.at_once() == 1
    for _ in range(8):
        line.finish(line.begin())
    assert line.at_once() > 2


def test_a_shorter_pause_does_not_shorten_a_longer_one() -> None:
    line = Line()
    line.limiter.pause(10)
    line.limiter.pause(2)
    turn = line.join()
    assert line.limiter.acquire(turn) == pytest.approx(10)
    line.clock.now += 10
    assert line.limiter.acquire(turn) == 0


@pytest.mark.parametrize(
    ("remaining", "wide"), [("3", 3), ("0", 1), ("100", 8), ("many", 8), ("-1", 8), ("9" * 5000, 8)]
)
def test_the_remaining_quota_bounds_the_requests_in_flight(remaining: str, wide: int) -> None:
    line = Line()
    line.finish(line.begin(), headers={"x-ratelimit-remaining-requests": remaining})
    assert line.at_once() == wide


@pytest.mark.parametrize("most", [8, 40])
@pytest.mark.parametrize("says", ["limit", "code", "nothing"])
def test_forty_concurrent_calls_succeed_where_two_are_allowed(says: Any, most: int) -> None:
    texts = [f"text number {index}" for index in range(40)]
    limit = AtOnce(2, says)
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
    limit = AtOnce(2, says)
    with FaultServer(limit) as server:
        async with AsyncJinaClient(KEY, server.url, max_concurrency=most) as client:
            results = await asyncio.gather(*(client.embed([text], **MODEL) for text in texts))
    _check(results, texts, limit)


def _check(results: list[Any], texts: list[str], limit: AtOnce) -> None:
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
