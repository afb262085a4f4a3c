"""Tests of the limits that the workers of a cluster share."""

from __future__ import annotations

import copy
import pickle
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from faults.runs import MODEL
from faults.server import FaultServer, PerWindow, first, refuse
from jina_client import JinaClient, JinaInputError, RateLimitError
from jina_client.integration import Limiter
from jina_jobs import JobError
from jina_jobs.limits import AccountLimits, Finish, Queued, Reply, Report, WorkerLimiter


class Account:
    """The limits of an account with a clock that the test moves."""

    def __init__(self, *limits: int | None, **options: Any) -> None:
        self.now = 1000.0
        self.limits = AccountLimits(*limits, **{"lease": 1000, **options}, clock=lambda: self.now)

    def queue(self, worker: str, *numbers: int, tokens: int = 10) -> list[int]:
        return self.limits.apply(Report(worker, [Queued(number, tokens, False) for number in numbers])).started

    def finish(self, worker: str, number: int, **outcome: Any) -> list[int]:
        return self.limits.apply(Report(worker, finished=[Finish(number, **outcome)])).started

    def started(self, worker: str) -> list[int]:
        return self.limits.apply(Report(worker)).started


def test_workers_share_one_queue_in_the_order_of_arrival() -> None:
    account = Account(None, None, 1)
    assert account.queue("a", 1) == [1]
    assert account.queue("b", 1) == account.queue("a", 2) == []
    assert account.finish("a", 1, succeeded=True) == []
    assert account.started("b") == [1]
    account.finish("b", 1, succeeded=True)
    assert account.started("a") == [2]


def test_the_requests_of_all_workers_count_for_one_minute() -> None:
    account = Account(2)
    assert account.queue("a", 1) == account.queue("b", 1) == [1]
    assert account.queue("c", 1) == []
    assert 60 < account.limits.start_requests() < 61
    account.now += 61
    assert account.started("c") == [1]


def test_a_dead_worker_frees_its_places_and_its_tokens_stay_counted() -> None:
    account = Account(None, 25, 1, lease=5)
    assert account.queue("dead", 1, 2) == [1]
    account.now += 3
    assert account.queue("alive", 1) == []
    account.now += 3
    # The request that waited is gone, and 10 of 25 tokens are taken for the rest of the minute.
    assert account.started("alive") == [1]
    account.finish("alive", 1, succeeded=True)
    assert account.queue("alive", 2) == []
    assert account.limits.totals.lost_workers == 1
    for _ in range(10):
        account.now += 5
        assert account.started("alive") == []
    account.now += 5
    assert account.started("alive") == [2]


def test_a_report_that_arrives_twice_counts_once() -> None:
    account = Account()
    for _ in range(2):
        assert account.queue("a", 1) == [1]
    for _ in range(2):
        account.finish("a", 1, succeeded=True, tokens=7)
    totals = account.limits.totals
    assert (totals.requests, totals.tokens) == (1, 7)


def test_a_rejection_at_one_worker_holds_for_all() -> None:
    account = Account()
    account.queue("a", 1)
    error = RateLimitError("Request rate limit exceeded: 3/2 requests per minute", status_code=429)
    reply = account.limits.apply(Report("a", finished=[Finish(1, rejection=error)], pause=5))
    assert (reply.requests_per_minute, reply.wait, account.queue("b", 1)) == (2, 5, [])
    account.now += 5
    assert account.started("b") == [1]
    assert account.queue("b", 2, 3) == [2]


def test_limits_that_replace_lost_ones_wait_for_a_minute() -> None:
    lost = Account(10).limits.apply(Report("a"))
    account = Account(10)
    queued = Report("a", [Queued(1, 10, False)], registration=lost.registration)
    assert account.limits.apply(queued).started == []
    account.now += 61
    assert account.started("a") == [1]


@pytest.mark.parametrize("name", ["requests_per_minute", "tokens_per_minute", "max_concurrency"])
def test_a_limit_must_be_a_whole_number(name: str) -> None:
    with pytest.raises(JinaInputError, match=f"{name} must be a whole number of 1 or more, got 0"):
        AccountLimits(**{name: 0})


@dataclass
class Unreliable:
    """A link that loses one message in five, and the reply to one in five."""

    limits: AccountLimits
    random: random.Random = field(default_factory=lambda: random.Random(7))

    def exchange(self, report: Report, wait: float) -> Reply:
        if self.random.random() < 0.2:
            raise ConnectionError("lost")
        reply = self.limits.exchange(report, min(wait, 0.2))
        if self.random.random() < 0.2:
            raise ConnectionError("lost")
        return reply


def embed_all(link: Any, url: str, workers: int, requests: int) -> None:
    def work(number: int) -> None:
        with JinaClient(base_url=url, limiter=WorkerLimiter(link, patience=30)) as client:
            client.embed([f"{number} {index}" for index in range(requests)], **MODEL, batch_size=1)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))


def test_clients_keep_the_limits_together_although_messages_are_lost() -> None:
    limits = AccountLimits(12, None, 4, window=0.7)
    with FaultServer(PerWindow(12, 0.5)) as server:
        embed_all(Unreliable(limits), server.url, 3, 8)
    assert len(server.seen) == limits.totals.requests == 24
    assert limits.totals.rejected == 0
    assert limits.totals.retries == 0


def test_a_limit_that_one_client_learns_is_kept_by_the_others() -> None:
    rejection = refuse(429, {"detail": "Concurrency limit exceeded: 8/1 concurrent requests.", "code": "CONCURRENCY"})
    limits = AccountLimits()
    most = 0

    def watch(exchange: Any) -> None:
        nonlocal most
        most = max(most, exchange.server.in_flight)
        exchange.send(exchange.right())

    with FaultServer(first(1, rejection, watch)) as server:
        embed_all(limits, server.url, 1, 1)
        embed_all(limits, server.url, 3, 2)
    assert most == 1
    assert (limits.totals.rejected, limits.totals.retries) == (1, 1)


def test_workers_go_on_with_limits_that_were_restarted() -> None:
    class Restarted:
        limits = AccountLimits(None, None, 2)

        def exchange(self, report: Report, wait: float) -> Reply:
            return self.limits.exchange(report, min(wait, 0.1))

    link = Restarted()

    def restart(exchange: Any) -> None:
        if exchange.number == 5:
            link.limits = AccountLimits(None, None, 2)
        exchange.send(exchange.right())

    with FaultServer(restart) as server:
        embed_all(link, server.url, 2, 8)
    assert len(server.seen) == 16


def test_requests_fail_while_the_limits_are_out_of_reach() -> None:
    class Broken:
        limits: AccountLimits | None = None

        def exchange(self, report: Report, wait: float) -> Reply:
            if self.limits is None:
                raise ConnectionError("the driver has ended")
            return self.limits.exchange(report, wait)

    link = Broken()
    limiter = copy.copy(WorkerLimiter(link, patience=0.1))
    woken = threading.Event()
    slot = limiter.queue(1, woken.set)
    assert woken.wait(10)
    with pytest.raises(JobError, match=r"has not responded for 0.1 s .*the driver has ended"):
        limiter.acquire(slot)
    link.limits = AccountLimits()
    woken.clear()
    later = limiter.queue(1, woken.set)
    limiter.acquire(later)
    assert woken.wait(10)
    assert limiter.acquire(later) == 0.0
    limiter.release(later)


def test_a_pickled_limiter_is_another_worker() -> None:
    limiter = WorkerLimiter(ShareOne(), 5)
    assert isinstance(limiter, Limiter)
    copied = pickle.loads(pickle.dumps(limiter))
    for each in (limiter, copied):
        each.release(each.queue(1, lambda: None))
    deadline = time.monotonic() + 10
    while LIMITS.totals.workers < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert LIMITS.totals.workers == 2
    assert copied.requests_per_minute == 5


LIMITS = AccountLimits(5)


class ShareOne:
    """A link that pickles."""

    def exchange(self, report: Report, wait: float) -> Reply:
        return LIMITS.exchange(report, wait)
