"""The limiter of one worker, which asks the limits of the account over a link."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from jina_client import RateLimitError
from jina_client.integration import Slot

from ..errors import JobError
from .messages import Finish, Link, Queued, Reply, Report

HEARTBEAT = 5.0
"""Seconds after which a worker with requests reports, even if nothing has happened."""

PATIENCE = 60.0
"""Seconds for which a worker tries to reach the limits before its requests fail."""

_RETRY = 0.5
_IDLE = 1.0
# Before the first reply.
_CONCURRENCY = 8
_REMAINING = "x-ratelimit-remaining-requests"


@dataclass(eq=False, slots=True)
class _RemoteSlot(Slot):
    number: int = 0
    retry: bool = False
    granted: bool = False
    finish: Finish | None = None


class WorkerLimiter:
    """The ``limiter=`` of a client whose limits are kept in another process.

    Two threads talk to the limits while there are requests: one reports, and one waits for requests that may start.

    A copy, also a pickled one, is another worker of the same account.

    Args:
        link: reaches the limits of the account.
        requests_per_minute: the account's limit, by which requests are planned.
        tokens_per_minute: the account's limit, by which requests are planned.
        patience: seconds for which an unreachable account is tried again before requests fail.
    """

    def __init__(
        self,
        link: Link,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._link = link
        self._arguments = (link, requests_per_minute, tokens_per_minute)
        self._patience = patience
        self._name = uuid.uuid4().hex
        self._requests_per_minute = requests_per_minute
        self._tokens_per_minute = tokens_per_minute
        self._concurrency = _CONCURRENCY
        self._held_until = 0.0
        self._changed = threading.Condition()
        self._slots: dict[int, _RemoteSlot] = {}
        self._next_number = 0
        self._report = Report(self._name)
        self._registration = ""
        self._failing_since: float | None = None
        self._failure: Exception | None = None
        # A request that is queued after the failure waits for another attempt.
        self._last_failed = 0
        self._threads: set[str] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), patience=self._patience), self._arguments

    @property
    def requests_per_minute(self) -> int | None:
        """The account's limit, as far as it is known."""
        return self._requests_per_minute

    @property
    def tokens_per_minute(self) -> int | None:
        """The account's limit, as far as it is known."""
        return self._tokens_per_minute

    @property
    def concurrency(self) -> int:
        """This worker's share of the requests that may be in flight now."""
        return self._concurrency

    def queue(self, tokens: int, wake: Callable[[], None], *, retry: bool = False) -> Slot:
        """Enter the queue of the account: at its end, or at its front for a retry."""
        with self._changed:
            self._next_number += 1
            slot = _RemoteSlot(tokens, wake, number=self._next_number, retry=retry)
            self._slots[slot.number] = slot
            self._report.queued.append(Queued(slot.number, tokens, retry))
            self._run_threads()
        return slot

    def acquire(self, slot: Slot) -> float:
        """Start the request if it may start now.

        Returns:
            0 if it started, otherwise infinity.

        Raises:
            JobError: the limits of the account are out of reach.
        """
        assert isinstance(slot, _RemoteSlot)
        with self._changed:
            if self._failure is not None and slot.number <= self._last_failed and not slot.granted:
                raise JobError(
                    f"the process that keeps the limits of this job has not responded for {self._patience:g} s "
                    f"({self._failure!r:.200}): look for why it ended, and start the job again"
                )
            if not slot.granted:
                return math.inf
            slot.started = time.monotonic()
            return 0.0

    def release(self, slot: Slot) -> None:
        """Give a slot back, whether the request was sent or still waited."""
        assert isinstance(slot, _RemoteSlot)
        with self._changed:
            self._slots.pop(slot.number, None)
            self._report.finished.append(slot.finish or Finish(slot.number))
            self._run_threads()

    def succeeded(self, slot: Slot, tokens: int | None, headers: Mapping[str, str]) -> None:
        """Report a success when the slot is released."""
        assert isinstance(slot, _RemoteSlot)
        slot.finish = Finish(slot.number, True, tokens, headers.get(_REMAINING, ""))

    def rejected(self, slot: Slot, error: RateLimitError) -> None:
        """Report a rejection when the slot is released."""
        assert isinstance(slot, _RemoteSlot)
        rejection = RateLimitError(
            error.message, status_code=error.status_code, code=error.code, retry_after=error.retry_after
        )
        slot.finish = Finish(slot.number, rejection=rejection)

    def pause(self, seconds: float) -> None:
        """Start no request of any worker for some seconds."""
        with self._changed:
            self._report.pause = max(self._report.pause, seconds)
            self._run_threads()

    def remaining_wait(self) -> float:
        """Return the seconds for which no request may start because of a rate, as of the last reply."""
        return max(0.0, self._held_until - time.monotonic())

    def _send_reports(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: not self._report.is_empty, _IDLE):
                    self._threads.discard("report")
                    return
                report, self._report = self._report, Report(self._name)
            self._exchange(report, 0.0)

    def _wait_for_starts(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: bool(self._slots), _IDLE):
                    self._threads.discard("wait")
                    return
            self._exchange(Report(self._name), HEARTBEAT)

    def _exchange(self, report: Report, wait: float) -> None:
        report.registration = self._registration
        last = self._next_number
        try:
            reply = self._link.exchange(report, wait)
        except Exception as error:
            # Whatever the link raises. The report may have arrived all the same.
            self._failed(report, error, last)
            time.sleep(_RETRY)
        else:
            self._replied(reply)

    def _failed(self, report: Report, error: Exception, last: int) -> None:
        with self._changed:
            now = time.monotonic()
            self._failing_since = now if self._failing_since is None else self._failing_since
            self._report.finished[:0] = report.finished
            self._report.pause = max(self._report.pause, report.pause)
            self._queue_again()
            waiting = []
            if now - self._failing_since > self._patience:
                self._failure, self._last_failed = error, max(self._last_failed, last)
                waiting = [slot for slot in self._slots.values() if slot.number <= last and not slot.granted]
        for slot in waiting:
            slot.wake()

    def _replied(self, reply: Reply) -> None:
        with self._changed:
            self._failing_since = self._failure = None
            if self._registration not in ("", reply.registration):
                self._queue_again()
            self._registration = reply.registration
            self._concurrency = reply.concurrency
            self._held_until = time.monotonic() + reply.wait
            self._requests_per_minute = reply.requests_per_minute
            self._tokens_per_minute = reply.tokens_per_minute
            started = [self._slots[number] for number in reply.started if number in self._slots]
            for slot in started:
                slot.granted = True
        for slot in started:
            slot.wake()

    def _queue_again(self) -> None:
        """Tell in the next report of all requests that wait."""
        self._report.queued = [
            Queued(slot.number, slot.tokens, slot.retry) for slot in self._slots.values() if not slot.granted
        ]
        self._run_threads()

    def _run_threads(self) -> None:
        """Tell the threads that there is work; they end when there has been none for a while."""
        self._changed.notify_all()
        for name, work in (("report", self._send_reports), ("wait", self._wait_for_starts)):
            if name not in self._threads:
                self._threads.add(name)
                threading.Thread(target=work, name=f"jina-jobs-{name}", daemon=True).start()
