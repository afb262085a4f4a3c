"""Simulated rate limits, for testing a program's own backoff.

Requests and tokens are counted over the last 60 seconds. Rejected requests do not count.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .errors import UPGRADE_ADVICE, RateLimitedError

WINDOW_SECONDS = 60.0

Charge = Callable[[int], None]
"""Counts the tokens of a request before they are computed. It raises an error if a limit is exceeded."""

_RETRY_SECONDS = 1.0


def no_charge(tokens: int) -> None:
    """Accept any number of tokens: the :data:`Charge` of a request without limits."""


@dataclass(slots=True, eq=False)
class _RecentRequest:
    """An accepted request: its start on the clock and the tokens that it has used."""

    start: float
    tokens: int = 0


class Limits:
    """Rate limits of the engine. Thread-safe.

    Args:
        requests_per_minute: Maximum number of requests per minute; ``None`` disables the limit, here and below.
        tokens_per_minute: Maximum number of tokens per minute, over all requests.
        concurrency: Requests in flight.
        clock: Returns seconds that never decrease; for tests.
    """

    def __init__(
        self,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        concurrency: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rpm, self._tpm, self._concurrency = requests_per_minute, tokens_per_minute, concurrency
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: deque[_RecentRequest] = deque()
        self._in_flight = 0

    @contextmanager
    def admit(self) -> Iterator[Charge]:
        """Count one request as in flight while the block runs.

        Yields:
            The function that counts the request's tokens. It raises ``RateLimitedError`` above the token limit.

        Raises:
            RateLimitedError: The request exceeds the requests per minute or the requests in flight (429).
        """
        with self._lock:
            now = self._drop_old()
            if self._concurrency is not None and self._in_flight >= self._concurrency:
                raise RateLimitedError(
                    f"Concurrency limit exceeded: {self._in_flight + 1}/{self._concurrency} concurrent requests. "
                    "Wait for pending requests to complete before sending new ones.",
                    "RATE_CONCURRENCY_LIMIT_EXCEEDED",
                    _RETRY_SECONDS,
                )
            if self._rpm is not None and len(self._recent) >= self._rpm:
                raise RateLimitedError(
                    f"Request rate limit exceeded: {len(self._recent) + 1}/{self._rpm} requests per minute. "
                    f"Reduce request frequency or {UPGRADE_ADVICE}",
                    "RATE_REQUEST_LIMIT_EXCEEDED",
                    self._wait(now, len(self._recent) - self._rpm + 1),
                )
            request = _RecentRequest(now)
            self._recent.append(request)
            self._in_flight += 1
        try:
            yield lambda tokens: self._charge(request, tokens)
        finally:
            with self._lock:
                self._in_flight -= 1

    def headers(self) -> dict[str, str]:
        """Return what remains of this minute as response headers.

        Returns:
            ``X-RateLimit-Remaining-Requests`` and ``X-RateLimit-Remaining-Tokens``, each only if it has a limit.
        """
        with self._lock:
            self._drop_old()
            headers = {}
            if self._rpm is not None:
                headers["X-RateLimit-Remaining-Requests"] = str(max(0, self._rpm - len(self._recent)))
            if self._tpm is not None:
                headers["X-RateLimit-Remaining-Tokens"] = str(max(0, self._tpm - self._tokens()))
            return headers

    def _charge(self, request: _RecentRequest, tokens: int) -> None:
        if self._tpm is None:
            return
        with self._lock:
            now = self._drop_old()
            used = self._tokens()
            if used + tokens <= self._tpm:
                request.tokens += tokens
                return
            if request in self._recent:
                self._recent.remove(request)
            freed, older = 0, 0
            while older < len(self._recent) and used + tokens - freed > self._tpm:
                freed += self._recent[older].tokens
                older += 1
            raise RateLimitedError(
                f"Token rate limit exceeded: {used + tokens:,}/{self._tpm:,} tokens per minute. "
                f"Reduce batch sizes or {UPGRADE_ADVICE}",
                "RATE_TOKEN_LIMIT_EXCEEDED",
                self._wait(now, older),
            )

    def _tokens(self) -> int:
        return sum(request.tokens for request in self._recent)

    def _drop_old(self) -> float:
        """Drop requests that are older than the window, and return the current time."""
        now = self._clock()
        while self._recent and self._recent[0].start <= now - WINDOW_SECONDS:
            self._recent.popleft()
        return now

    def _wait(self, now: float, count: int) -> float:
        """Return the seconds until the ``count`` oldest requests leave the window."""
        if not 0 < count <= len(self._recent):
            return WINDOW_SECONDS
        return self._recent[count - 1].start + WINDOW_SECONDS - now
