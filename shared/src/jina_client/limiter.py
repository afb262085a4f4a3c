"""The rate limiter: requests and tokens per minute, and concurrency, for all calls and threads of one client.

Requests wait in one queue. The first of them gets a slot as soon as fewer requests are in flight than allowed, the
requests and tokens of the last minute leave room for it, and no pause is in force. The limits are those of the caller
and those that the service names when it rejects a request: ``Request rate limit exceeded: 101/100 requests per
minute`` teaches the limiter the 100. A rejection for concurrency lowers the number in flight; successful responses
raise it again, slowly.

The minute is a sliding window, as in the service's own counting: what was sent in the last 60 seconds. A limiter that
spreads requests evenly takes up to a minute longer for the same work, and a token bucket exceeds the limit.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, runtime_checkable

from .adaptive import AdaptiveConcurrency
from .errors import RateLimitError

WINDOW = 60.0
"""Seconds that rates are counted over."""

_NOT_COPIED = ("_concurrency", "_lock", "_queue", "_recent")
# Seconds added to the window: the service counts requests on arrival, and their travel times differ.
_MARGIN = 0.01
_LIMIT = re.compile(r"[\d,]+\s*/\s*(\d[\d,]{0,20})\s+(requests per minute|tokens per minute|concurrent requests)")


LimitKind = Literal["requests", "tokens", "concurrent", ""]


def exceeded_limit(error: RateLimitError) -> tuple[LimitKind, int | None]:
    """Return which limit a 429 names and its value; ``""`` and ``None`` if the service does not say."""
    match = _LIMIT.search(error.message)
    limit = int(match.group(1).replace(",", "")) if match else 0
    if match and limit:
        return cast(LimitKind, match.group(2).partition(" ")[0]), limit
    return ("concurrent" if "CONCURRENCY" in error.code.upper() else ""), None


@dataclass(slots=True, eq=False)
class Slot:
    """A place in the queue, and after that a request in flight.

    Attributes:
        tokens: the request's tokens: an estimate, until the response says.
        wake: called from any thread when it is worth trying :meth:`Limiter.acquire` again.
        started: when the request got its slot; ``None`` while it waits.
        in_flight: the requests in flight then, itself included.
    """

    tokens: int
    wake: Callable[[], None]
    started: float | None = None
    in_flight: int = 0


@runtime_checkable
class Limiter(Protocol):
    """Decides when a client may send a request. Any object with these methods can be passed as ``limiter=``.

    For each request the client calls :meth:`queue`, and then :meth:`acquire` until it returns 0. It sends the request,
    reports :meth:`succeeded` or :meth:`rejected`, and always calls :meth:`release` at the end. So a limiter may ask
    another process: it asks in :meth:`queue`, returns infinity from :meth:`acquire`, and calls ``wake`` when the reply
    has come.

    The client calls every method from any of its threads or event loops, and none may block. A forked or pickled client
    takes a copy of its limiter, as :func:`copy.copy` and :mod:`pickle` make it.
    """

    @property
    def requests_per_minute(self) -> int | None:
        """The limit, if it is known: the client then makes few large requests."""

    @property
    def tokens_per_minute(self) -> int | None:
        """The limit, if it is known: the client makes no request that is larger."""

    @property
    def concurrency(self) -> int:
        """The number of requests that may be in flight now."""

    def queue(self, tokens: int, wake: Callable[[], None], *, retry: bool = False) -> Slot:
        """Enter the queue: at its end, or at its front for a retry.

        Args:
            tokens: the estimated tokens of the request.
            wake: to be called from any thread when it is worth calling :meth:`acquire` again.
            retry: whether the request was sent before.
        """

    def acquire(self, slot: Slot) -> float:
        """Start the request if it may start now.

        Returns:
            0 if it started; otherwise the seconds after which to try again, infinity if :attr:`Slot.wake` will tell.
        """

    def release(self, slot: Slot) -> None:
        """Give a slot back, whether the request was sent or still waited."""

    def succeeded(self, slot: Slot, tokens: int | None, headers: Mapping[str, str]) -> None:
        """Learn from a successful response.

        Args:
            slot: the request's.
            tokens: as the service counted them; ``None`` if it does not say.
            headers: the response's, by lower-case name.
        """

    def rejected(self, slot: Slot, error: RateLimitError) -> None:
        """Learn from a 429: the limit that it names, and that the service has not counted the request."""

    def pause(self, seconds: float) -> None:
        """Start no request for some seconds, because the service asked for it."""

    def remaining_wait(self) -> float:
        """Return the seconds for which no request may start because of a rate; 0 if none is held up by one."""


class RateLimiter:
    """The limiter of one process. Several clients may share one, such as those of one key.

    A copy, also a pickled one, has the same options, the limits that are known, and an empty queue.

    Args:
        requests_per_minute: ``None`` for as many as the service allows.
        tokens_per_minute: of all requests together; ``None`` for as many as the service allows.
        max_concurrency: requests in flight at most; ``None`` to adapt, see :mod:`jina_client.adaptive`.
        window: seconds that rates are counted over; by default :data:`WINDOW`.
        clock: returns seconds and never goes backward.
    """

    def __init__(
        self,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        max_concurrency: int | None = None,
        *,
        window: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = requests_per_minute
        self._tokens = tokens_per_minute
        self._max_concurrency = max_concurrency
        self._window = (WINDOW if window is None else window) * (1 + _MARGIN)
        self._clock = clock
        self._start_empty()

    def _start_empty(self) -> None:
        self._concurrency = AdaptiveConcurrency(self._max_concurrency)
        self._lock = threading.Lock()
        self._queue: deque[Slot] = deque()
        # Requests that were sent within the window, oldest first.
        self._recent: deque[Slot] = deque()
        self._in_flight = 0
        self._paused_until = -math.inf
        self._lowered_at = -math.inf
        self._rejected_alone = False

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _NOT_COPIED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start_empty()

    @property
    def requests_per_minute(self) -> int | None:
        """The limit of the caller or of the service; ``None`` if neither has named one."""
        return self._requests

    @property
    def tokens_per_minute(self) -> int | None:
        """The limit of the caller or of the service; ``None`` if neither has named one."""
        return self._tokens

    @property
    def concurrency(self) -> int:
        """The number of requests that may be in flight now."""
        return self._concurrency.current

    def queue(self, tokens: int, wake: Callable[[], None], *, retry: bool = False) -> Slot:
        """Enter the queue: at its end, or at its front for a retry."""
        slot = Slot(tokens, wake)
        with self._lock:
            if retry:
                self._queue.appendleft(slot)
            else:
                self._queue.append(slot)
        return slot

    def acquire(self, slot: Slot) -> float:
        """Start the request if it may start now.

        Returns:
            0 if it started; otherwise the seconds after which to try again, infinity if :attr:`Slot.wake` will tell.
        """
        with self._lock:
            if self._queue[0] is not slot or self._in_flight >= self._concurrency.current:
                return math.inf
            now = self._clock()
            wait = self._until_allowed(now, slot.tokens)
            if wait > 0:
                return wait
            self._queue.popleft()
            slot.started = now
            self._recent.append(slot)
            self._in_flight += 1
            slot.in_flight = self._in_flight
            self._wake_first()
            return 0.0

    def release(self, slot: Slot) -> None:
        """Give a slot back, whether the request was sent or still waited."""
        with self._lock:
            if slot.started is None:
                self._queue.remove(slot)
            else:
                self._in_flight -= 1
            self._wake_first()

    def succeeded(self, slot: Slot, tokens: int | None, headers: Mapping[str, str]) -> None:
        """Learn from a successful response.

        Args:
            slot: the request's.
            tokens: as the service counted them; ``None`` if it does not say.
            headers: the response's, by lower-case name; ``x-ratelimit-remaining-requests`` bounds the concurrency.
        """
        with self._lock:
            now = self._clock()
            # Requests wait, and not because of a rate: the number in flight is what holds them up.
            busy = bool(self._queue) and self._until_allowed(now, self._queue[0].tokens) <= 0
            seconds = 0.0 if slot.started is None else now - slot.started
            self._concurrency.succeeded(slot.tokens, seconds, slot.in_flight, self._in_flight, busy=busy)
            if tokens is not None:
                slot.tokens = tokens
            remaining = headers.get("x-ratelimit-remaining-requests", "")
            if remaining.isdecimal():
                self._concurrency.bounded(float(remaining))

    def rejected(self, slot: Slot, error: RateLimitError) -> None:
        """Learn from a 429: the limit that it names, and that the service has not counted the request."""
        kind, limit = exceeded_limit(error)
        with self._lock:
            if slot in self._recent:
                self._recent.remove(slot)
            if kind == "requests" and limit:
                self._requests = limit if self._requests is None else min(self._requests, limit)
            elif kind == "tokens" and limit:
                self._tokens = limit if self._tokens is None else min(self._tokens, limit)
            elif slot.started is not None and slot.started > self._lowered_at:
                # Requests that were in flight together count as one rejection.
                # A rejection without a reason while the concurrency is being raised counts as a concurrency limit.
                # But if a request was rejected while it was alone in flight, the limit is a rate limit.
                has_reason = bool(kind) or error.retry_after is not None
                self._rejected_alone |= self._concurrency.current == 1
                raising = not has_reason and not self._rejected_alone and self._concurrency.is_changing
                self._lowered_at = self._clock()
                if kind == "concurrent" or raising:
                    self._concurrency.rejected(limit, slot.in_flight)
                else:
                    self._concurrency.paused()

    def pause(self, seconds: float) -> None:
        """Start no request for some seconds."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def remaining_wait(self) -> float:
        """Return the seconds for which no request may start because of a rate; 0 if none is held up by one."""
        with self._lock:
            now = self._clock()
            wait = self._paused_until - now
            if self._queue and self._in_flight < self._concurrency.current:
                wait = max(wait, self._until_free(now, self._queue[0].tokens))
            return max(0.0, wait)

    def _until_allowed(self, now: float, tokens: int) -> float:
        """Return the seconds until pauses and rates allow one more request; 0 or less if they do."""
        return max(self._paused_until - now, self._until_free(now, tokens))

    def _until_free(self, now: float, tokens: int) -> float:
        """Return the seconds until the window has room for one more request of so many tokens."""
        while self._recent and (oldest := self._recent[0].started) is not None and oldest <= now - self._window:
            self._recent.popleft()
        freed_by = -math.inf
        if self._requests is not None and len(self._recent) >= self._requests:
            freed_by = self._recent[len(self._recent) - self._requests].started or now
        if self._tokens is not None:
            room = self._tokens - tokens - sum(slot.tokens for slot in self._recent)
            for slot in self._recent:
                if room >= 0:
                    break
                room += slot.tokens
                freed_by = max(freed_by, slot.started or now)
        return freed_by + self._window - now

    def _wake_first(self) -> None:
        if self._queue:
            self._queue[0].wake()
