"""How much may be under way at once and in a minute, for all calls and threads of one client.

Requests wait in one line. The first of it begins when fewer are in flight than may be, when the requests and tokens of
the last minute leave room for it, and when no pause is on. Limits are what the caller gives, and what a service says
when it refuses: ``Request rate limit exceeded: 101/100 requests per minute`` teaches the 100. A service that refuses
for too many at once narrows the number in flight; answers widen it again, slowly.

The minute is a sliding one, as in the service's own counting: what was sent in the last 60 seconds. A limiter that
spreads requests evenly takes up to a minute longer for the same work, and one that fills buckets exceeds the limit.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from .errors import RateLimitError

WINDOW = 60.0
"""Seconds that rates are counted over."""

# A request may take longer on its way than an earlier one, and the service counts when it arrives.
_MARGIN = 0.01
# Answers for each request in flight after which one more is let in: after a refusal for too many at once, when it is
# doubled each time that proved wrong, and after a pause for a rate.
_PATIENCE = 8
_AFTER_PAUSE = 1
_LIMIT = re.compile(r"[\d,]+\s*/\s*(\d[\d,]{0,20})\s+(requests per minute|tokens per minute|concurrent requests)")


Kind = Literal["requests", "tokens", "concurrent", ""]


def exceeded(error: RateLimitError) -> tuple[Kind, int | None]:
    """Which limit a refusal names, and how high that is; ``""`` and ``None`` where it does not say."""
    found = _LIMIT.search(error.message)
    limit = int(found.group(1).replace(",", "")) if found else 0
    if found and limit:
        return cast(Kind, found.group(2).partition(" ")[0]), limit
    return ("concurrent" if "CONCURRENCY" in error.code.upper() else ""), None


@dataclass(slots=True, eq=False)
class Turn:
    """A place in the line, and then a request in flight.

    Attributes:
        tokens: about how many it has, until the answer says.
        wake: called, from any thread, when it is worth to ask again.
        at: when it began; ``None`` while it waits.
    """

    tokens: int
    wake: Callable[[], None]
    at: float | None = None


class Pacer:
    """The line. Every method may be called from any thread, and none waits.

    Args:
        requests_per_minute: ``None`` for as many as the service takes; likewise the others.
        tokens_per_minute: of all requests together.
        max_concurrency: requests in flight.
        window: seconds that rates are counted over; by default :data:`WINDOW`.
        clock: gives seconds, never backwards.
    """

    def __init__(
        self,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        max_concurrency: int,
        *,
        window: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = requests_per_minute
        self._tokens = tokens_per_minute
        self._most = self._allowed = max_concurrency
        self._window = (WINDOW if window is None else window) * (1 + _MARGIN)
        self._clock = clock
        self._lock = threading.Lock()
        self._line: deque[Turn] = deque()
        self._begun: deque[Turn] = deque()
        self._in_flight = 0
        self._paused_until = -math.inf
        self._answers = 0
        self._patience = self._concurrency_patience = _PATIENCE
        self._narrowed_at = -math.inf
        self._alone_refused = False

    def join(self, tokens: int, wake: Callable[[], None], *, first: bool = False) -> Turn:
        """Stand in line: at its end, or before all others as one who was refused does."""
        turn = Turn(tokens, wake)
        with self._lock:
            if first:
                self._line.appendleft(turn)
            else:
                self._line.append(turn)
        return turn

    def delay(self, turn: Turn) -> float:
        """Begin, if it may; else the seconds after which to ask again, infinite where :attr:`Turn.wake` will say."""
        with self._lock:
            if self._line[0] is not turn or self._in_flight >= self._allowed:
                return math.inf
            now = self._clock()
            wait = max(self._paused_until - now, self._until_free(now, turn.tokens))
            if wait > 0:
                return wait
            self._line.popleft()
            turn.at = now
            self._begun.append(turn)
            self._in_flight += 1
            self._wake_first()
            return 0.0

    def leave(self, turn: Turn) -> None:
        """End a turn, whether it waited, or was in flight."""
        with self._lock:
            if turn.at is None:
                self._line.remove(turn)
            else:
                self._in_flight -= 1
            self._wake_first()

    def answered(self, turn: Turn, tokens: int | None, headers: Mapping[str, str]) -> None:
        """Take note of a good answer.

        Args:
            turn: whose it is.
            tokens: as the service counted them; ``None`` where it does not say.
            headers: the answer's, by lower-case name; ``x-ratelimit-remaining-requests`` bounds what is in flight.
        """
        with self._lock:
            if tokens is not None:
                turn.tokens = tokens
            self._answers += 1
            if self._allowed < self._most and self._answers >= self._patience * self._allowed:
                self._allowed += 1
                self._answers = 0
            remaining = headers.get("x-ratelimit-remaining-requests", "")
            if remaining.isdecimal() and float(remaining) < self._allowed:
                self._allowed = max(1, int(remaining))
                self._answers = 0

    def refused(self, turn: Turn, error: RateLimitError) -> None:
        """Take note of a 429: what it says of the limits, and that the service has not counted the request."""
        kind, limit = exceeded(error)
        with self._lock:
            if turn in self._begun:
                self._begun.remove(turn)
            if kind == "requests" and limit:
                self._requests = limit if self._requests is None else min(self._requests, limit)
            elif kind == "tokens" and limit:
                self._tokens = limit if self._tokens is None else min(self._tokens, limit)
            elif turn.at is not None and turn.at > self._narrowed_at:
                # Those that were in flight together are one lesson, not several.
                # One that is refused for no given reason while the number is being widened was one too many, unless
                # one was refused that was alone in flight: then it is for a rate.
                explained = bool(kind) or error.retry_after is not None
                self._alone_refused |= self._allowed == 1
                widening = not explained and not self._alone_refused and self._allowed < self._most
                self._narrow(limit, kind == "concurrent" or widening)

    def _narrow(self, limit: int | None, concurrent: bool) -> None:
        self._narrowed_at = self._clock()
        self._answers = 0
        if concurrent:
            self._allowed = max(1, min(limit or self._allowed // 2, self._most))
            self._concurrency_patience *= 2
            self._patience = self._concurrency_patience
        else:
            # One by one after the pause, where it is not known how many the service will take then.
            self._allowed = 1
            self._patience = _AFTER_PAUSE

    def pause(self, seconds: float) -> None:
        """Let nothing begin for a while."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _until_free(self, now: float, tokens: int) -> float:
        """Seconds until the last minute has room for one more request of so many tokens."""
        while self._begun and (begun := self._begun[0].at) is not None and begun <= now - self._window:
            self._begun.popleft()
        freeing = -math.inf
        if self._requests is not None and len(self._begun) >= self._requests:
            freeing = self._begun[len(self._begun) - self._requests].at or now
        if self._tokens is not None:
            left = self._tokens - tokens - sum(turn.tokens for turn in self._begun)
            for turn in self._begun:
                if left >= 0:
                    break
                left += turn.tokens
                freeing = max(freeing, turn.at or now)
        return freeing + self._window - now

    def _wake_first(self) -> None:
        if self._line:
            self._line[0].wake()
