"""The number of requests in flight follows the service."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable

import pytest
from jina_client import RateLimitError
from jina_client.adaptive import CEILING, START
from jina_client.limiter import RateLimiter, Slot


class Simulation:
    """A service with a clock of its own, and requests that always wait.

    Args:
        seconds: returns the latency for a number of requests in flight.
        ceiling: the caller's ``max_concurrency``.
        limit: requests in flight above which the service rejects.
    """

    def __init__(self, seconds: Callable[[int], float], ceiling: int | None = None, limit: int = 1000) -> None:
        self.now = 0.0
        self.limiter = RateLimiter(None, None, ceiling, clock=lambda: self.now)
        self._seconds, self.limit = seconds, limit
        self._ends: list[tuple[float, int, Slot, bool]] = []
        self._numbers = itertools.count()
        self._queue = [self.limiter.queue(100, lambda: None) for _ in range(2)]
        self.most = self.rejected = 0

    def run(self, responses: int) -> int:
        """Run until so many responses have arrived, and return the number in flight that is allowed then."""
        for _ in range(responses):
            self._start()
            self.now, _, slot, accepted = heapq.heappop(self._ends)
            if accepted:
                self.limiter.succeeded(slot, 100, {})
            else:
                self.rejected += 1
                self.limiter.rejected(slot, RateLimitError("no", status_code=429, code="CONCURRENCY_LIMIT"))
            self.limiter.release(slot)
        return self.limiter.concurrency

    def _start(self) -> None:
        while self.limiter.acquire(self._queue[0]) == 0:
            slot = self._queue.pop(0)
            self._queue.append(self.limiter.queue(100, lambda: None))
            accepted = len(self._ends) < self.limit
            duration = self._seconds(len(self._ends) + 1) if accepted else 0.01
            heapq.heappush(self._ends, (self.now + duration, next(self._numbers), slot, accepted))
            self.most = max(self.most, len(self._ends))


def test_it_starts_at_eight() -> None:
    assert Simulation(lambda _: 0.2).limiter.concurrency == START == 8


def test_it_grows_to_the_ceiling_if_latency_does_not_rise() -> None:
    service = Simulation(lambda _: 0.2)
    assert service.run(150) == CEILING
    # Four rounds of 8, 16, 32 and 64 requests, and a part of one.
    assert service.now < 1.3


def test_it_returns_to_the_start_if_more_requests_bring_no_throughput() -> None:
    service = Simulation(lambda in_flight: 0.05 * max(1, in_flight / 4))
    service.run(60)
    assert service.run(60) <= START + 1
    assert service.most < CEILING / 2


def test_it_tries_again_only_after_many_responses() -> None:
    service = Simulation(lambda in_flight: 0.05 * max(1, in_flight / 4))
    above = sum(service.run(1) > START for _ in range(1000))
    assert above < 300


def test_it_stays_at_the_number_that_the_service_works_on() -> None:
    service = Simulation(lambda in_flight: 0.05 * max(1, in_flight / 16))
    service.run(200)
    numbers = [service.run(1) for _ in range(2000)]
    assert sum(14 <= number <= 20 for number in numbers) > 1200


@pytest.mark.parametrize("seed", range(5))
def test_slow_responses_by_chance_are_not_congestion(seed: int) -> None:
    random_ = random.Random(seed)
    service = Simulation(lambda _: 0.2 * random_.lognormvariate(0, 0.5))
    service.run(300)
    assert service.most == CEILING


def test_a_remaining_quota_is_never_exceeded_by_adapting() -> None:
    service = Simulation(lambda in_flight: 0.05 * max(1, in_flight / 4))
    service.run(20)
    service.limiter.succeeded(service.limiter.queue(1, lambda: None), 1, {"x-ratelimit-remaining-requests": "3"})
    assert service.limiter.concurrency == 3


def test_it_uses_a_service_that_becomes_faster() -> None:
    knee = 4
    service = Simulation(lambda in_flight: 0.05 * max(1, in_flight / knee))
    assert service.run(100) < CEILING
    knee = 1000
    service.run(2000)
    assert service.most == CEILING


def test_a_rejection_for_concurrency_lowers_it() -> None:
    service = Simulation(lambda _: 0.2, limit=20)
    assert service.run(300) == 20
    assert service.rejected < 30


def test_rejections_one_after_the_other_lower_it_by_half() -> None:
    service = Simulation(lambda _: 0.2, limit=20)
    service.run(300)
    service.limit = 4
    assert service.run(60) <= 4


@pytest.mark.parametrize("ceiling", [1, 3, 8, 100])
def test_a_ceiling_of_the_caller_is_used_and_never_exceeded(ceiling: int) -> None:
    service = Simulation(lambda _: 0.2, ceiling)
    assert service.limiter.concurrency == ceiling
    assert service.run(300) == ceiling
    assert service.most == ceiling
