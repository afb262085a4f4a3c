"""The service's rate limits, played for people who test their own backoff.

Requests and tokens are counted over the last 60 seconds. What is refused is not counted.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .errors import RateLimited

WINDOW_SECONDS = 60.0

Charge = Callable[[int], None]
"""Called with the tokens of a request before it is computed; it may refuse them by raising."""

_UPGRADE = "upgrade your plan at https://jina.ai/api-dashboard/key-manager."
_BUSY_SECONDS = 1.0


def free(tokens: int) -> None:
    """The :data:`Charge` of a request that nothing limits."""


@dataclass(slots=True, eq=False)
class _Admitted:
    """A request that was let through."""

    at: float
    tokens: int = 0


class Limits:
    """How much may be asked of the engine. It may be used by several threads at once.

    Args:
        rpm: requests in a minute; ``None`` for no limit, as for the others.
        tpm: tokens in a minute, all requests together.
        concurrency: requests in flight.
        clock: gives seconds, never backwards; for tests.
    """

    def __init__(
        self,
        rpm: int | None = None,
        tpm: int | None = None,
        concurrency: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rpm, self._tpm, self._concurrency = rpm, tpm, concurrency
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: deque[_Admitted] = deque()
        self._in_flight = 0

    @contextmanager
    def admit(self) -> Iterator[Charge]:
        """Let one request through, for as long as the block runs.

        Yields:
            What its tokens are to be charged with.

        Raises:
            RateLimited: it exceeds the requests per minute or those in flight; the charge raises it for the tokens.
        """
        with self._lock:
            now = self._forget()
            if self._concurrency is not None and self._in_flight >= self._concurrency:
                raise RateLimited(
                    f"Concurrency limit exceeded: {self._in_flight + 1}/{self._concurrency} concurrent requests. "
                    "Wait for pending requests to complete before sending new ones.",
                    "RATE_CONCURRENCY_LIMIT_EXCEEDED",
                    _BUSY_SECONDS,
                )
            if self._rpm is not None and len(self._recent) >= self._rpm:
                raise RateLimited(
                    f"Request rate limit exceeded: {len(self._recent) + 1}/{self._rpm} requests per minute. "
                    f"Reduce request frequency or {_UPGRADE}",
                    "RATE_REQUEST_LIMIT_EXCEEDED",
                    self._wait(now, len(self._recent) - self._rpm + 1),
                )
            admitted = _Admitted(now)
            self._recent.append(admitted)
            self._in_flight += 1
        try:
            yield lambda tokens: self._charge(admitted, tokens)
        finally:
            with self._lock:
                self._in_flight -= 1

    def headers(self) -> dict[str, str]:
        """What is left of this minute: ``X-RateLimit-Remaining-Requests`` and ``-Tokens``, where they are limited."""
        with self._lock:
            self._forget()
            left = {}
            if self._rpm is not None:
                left["X-RateLimit-Remaining-Requests"] = str(max(0, self._rpm - len(self._recent)))
            if self._tpm is not None:
                left["X-RateLimit-Remaining-Tokens"] = str(max(0, self._tpm - self._tokens()))
            return left

    def _charge(self, admitted: _Admitted, tokens: int) -> None:
        if self._tpm is None:
            return
        with self._lock:
            now = self._forget()
            used = self._tokens()
            if used + tokens <= self._tpm:
                admitted.tokens += tokens
                return
            if admitted in self._recent:
                self._recent.remove(admitted)
            freed, older = 0, 0
            while older < len(self._recent) and used + tokens - freed > self._tpm:
                freed += self._recent[older].tokens
                older += 1
            raise RateLimited(
                f"Token rate limit exceeded: {used + tokens:,}/{self._tpm:,} tokens per minute. "
                f"Reduce batch sizes or {_UPGRADE}",
                "RATE_TOKEN_LIMIT_EXCEEDED",
                self._wait(now, older),
            )

    def _tokens(self) -> int:
        return sum(each.tokens for each in self._recent)

    def _forget(self) -> float:
        """Drop what is older than the window; the time now."""
        now = self._clock()
        while self._recent and self._recent[0].at <= now - WINDOW_SECONDS:
            self._recent.popleft()
        return now

    def _wait(self, now: float, count: int) -> float:
        """Seconds until the ``count`` oldest requests are forgotten."""
        if not 0 < count <= len(self._recent):
            return WINDOW_SECONDS
        return self._recent[count - 1].at + WINDOW_SECONDS - now
