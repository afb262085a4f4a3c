"""The limits of an account in one place, for the clients of any number of processes."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jina_client.integration import LIMITS, RateLimiter, Slot, check_number, check_whole

from .messages import Finish, Queued, Reply, Report, Totals

LEASE = 30.0
"""Seconds after which a silent worker is taken for dead."""

_WINDOW = 60.0


def check_limits(limits: Sequence[int | None], lease: float) -> None:
    """Check the limits of an account, in the order of :data:`jina_client.integration.LIMITS`, and the lease.

    Raises:
        JinaInputError: a limit that is not a positive whole number, or a lease that is not a positive number.
    """
    for name, value in zip(LIMITS, limits, strict=True):
        check_whole(name, value)
    check_number("lease", lease)


@dataclass(eq=False, slots=True)
class _Request:
    worker: str
    number: int
    retry: bool
    slot: Slot | None = None


@dataclass(slots=True)
class _Worker:
    registration: str
    seen: float
    requests: dict[int, _Request] = field(default_factory=dict)
    started: list[int] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)


class AccountLimits:
    """Starts the requests of all workers in the order of their arrival, within one account's limits.

    The limits are those of a client: a sliding minute of requests and tokens, and the concurrency, which adapts. What
    one worker learns from a 429 holds for all of them. Every method may be called from any thread.

    A worker that goes silent loses its place in the queue, and the requests that it had in flight count no more. Their
    tokens stay counted for the minute. If the worker comes back, it enters the queue again.

    If this object replaces another one that was lost, the workers' reports show it. Nobody knows what was sent in the
    last minute, so with limits per minute no request starts for a minute.

    Args:
        requests_per_minute: of the account; ``None`` to learn it from rejections.
        tokens_per_minute: of the account; ``None`` to learn it from rejections.
        max_concurrency: requests in flight of all workers together; ``None`` to adapt to the service.
        lease: seconds after which a silent worker is taken for dead.
        window: seconds that rates are counted over; by default a minute.
        clock: returns seconds and never goes backward.
        on_start: called with a worker whose request may start, while a lock is held.

    Raises:
        JinaInputError: a limit that is not a positive whole number.
    """

    def __init__(
        self,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        max_concurrency: int | None = None,
        *,
        lease: float = LEASE,
        window: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_start: Callable[[str], None] | None = None,
    ) -> None:
        limits = (requests_per_minute, tokens_per_minute, max_concurrency)
        check_limits(limits, lease)
        self._limiter = RateLimiter(*limits, window=window, clock=clock)
        self._window = _WINDOW if window is None else window
        self._lease = lease
        self._clock = clock
        self._on_start = on_start
        self._lock = threading.Lock()
        self._name = uuid.uuid4().hex[:8]
        self._registered = 0
        self._workers: dict[str, _Worker] = {}
        self._checked = clock()
        self._replaces_another = False
        # Requests that may be the first of the queue, and when the first one is to be tried again.
        self._to_try: deque[_Request] = deque()
        self._waiting: _Request | None = None
        self._try_at = math.inf
        self._requests = self._retries = self._rejected = self._tokens = self._lost = 0

    @property
    def totals(self) -> Totals:
        """The requests of all workers so far."""
        with self._lock:
            self._forget_silent_workers()
            counts = (self._requests, self._retries, self._rejected, self._tokens)
            return Totals(*counts, len(self._workers), self._lost)

    def exchange(self, report: Report, wait: float = 0.0) -> Reply:
        """Take a report, wait for a request that may start, and return the reply; see :class:`Link`."""
        end = self._clock() + self.longest_wait(wait)
        reply = self.apply(report)
        while not reply.started and (remaining := end - self._clock()) > 0:
            ready = self._ready_event(report.worker)
            ready.wait(min(remaining, self.start_requests()))
            ready.clear()
            reply = self.apply(Report(report.worker))
        return reply

    def longest_wait(self, wait: float) -> float:
        """Return for how long a worker may wait, so that it is not taken for dead."""
        return min(wait, self._lease / 4)

    def apply(self, report: Report) -> Reply:
        """Take a report and return the reply, without waiting."""
        with self._lock:
            self._forget_silent_workers()
            worker = self._worker(report.worker)
            self._notice_predecessor(report.registration)
            for queued in report.queued:
                self._queue(report.worker, worker, queued)
            for finish in report.finished:
                self._finish(worker, finish)
            if report.pause:
                self._limiter.pause(report.pause)
            self._start()
            started, worker.started = worker.started, []
            return Reply(
                started,
                self._share(),
                self._limiter.remaining_wait(),
                worker.registration,
                self._limiter.requests_per_minute,
                self._limiter.tokens_per_minute,
            )

    def start_requests(self) -> float:
        """Start what may start, and return the seconds until more may; infinity if a report decides that."""
        with self._lock:
            self._start()
            return max(0.0, self._try_at - self._clock())

    def _ready_event(self, name: str) -> threading.Event:
        with self._lock:
            return self._worker(name).ready

    def _worker(self, name: str) -> _Worker:
        now = self._clock()
        worker = self._workers.get(name)
        if worker is None:
            self._registered += 1
            worker = self._workers[name] = _Worker(f"{self._name}-{self._registered}", now)
        worker.seen = now
        return worker

    def _notice_predecessor(self, registration: str) -> None:
        if registration and not registration.startswith(self._name) and not self._replaces_another:
            self._replaces_another = True
            if self._limiter.requests_per_minute or self._limiter.tokens_per_minute:
                self._limiter.pause(self._window)

    def _share(self) -> int:
        busy = sum(bool(worker.requests) for worker in self._workers.values())
        return math.ceil(self._limiter.concurrency / max(1, busy))

    def _queue(self, name: str, worker: _Worker, queued: Queued) -> None:
        known = worker.requests.get(queued.number)
        if known is not None:
            # The reply that started it was lost.
            if known.slot is not None and known.slot.started is not None:
                worker.started.append(queued.number)
            return
        request = worker.requests[queued.number] = _Request(name, queued.number, queued.retry)
        request.slot = self._limiter.queue(queued.tokens, lambda: self._to_try.append(request), retry=queued.retry)
        self._to_try.append(request)

    def _finish(self, worker: _Worker, finish: Finish) -> None:
        request = worker.requests.pop(finish.number, None)
        if request is None or request.slot is None:
            return
        if finish.rejection is not None:
            self._rejected += 1
            self._limiter.rejected(request.slot, finish.rejection)
        elif finish.succeeded:
            self._tokens += finish.tokens or 0
            headers = {"x-ratelimit-remaining-requests": finish.remaining} if finish.remaining else {}
            self._limiter.succeeded(request.slot, finish.tokens, headers)
        self._limiter.release(request.slot)

    def _start(self) -> None:
        """Start requests from the front of the queue, as many as may start now."""
        now = self._clock()
        if now >= self._try_at and self._waiting is not None:
            self._to_try.append(self._waiting)
            self._waiting, self._try_at = None, math.inf
        while self._to_try:
            request = self._to_try.popleft()
            worker, slot = self._workers.get(request.worker), request.slot
            if slot is None or slot.started is not None or worker is None:
                continue
            if worker.requests.get(request.number) is not request:
                continue
            delay = self._limiter.acquire(slot)
            if delay == 0:
                self._requests += 1
                self._retries += request.retry
                worker.started.append(request.number)
                worker.ready.set()
                if self._on_start is not None:
                    self._on_start(request.worker)
            elif delay < math.inf:
                self._waiting, self._try_at = request, now + delay

    def _forget_silent_workers(self) -> None:
        now = self._clock()
        if now < self._checked + self._lease / 8:
            return
        self._checked = now
        for name, worker in list(self._workers.items()):
            if worker.seen < now - self._lease:
                del self._workers[name]
                self._lost += bool(worker.requests)
                for request in worker.requests.values():
                    if request.slot is not None:
                        self._limiter.release(request.slot)
