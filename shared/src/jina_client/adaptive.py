"""The concurrency that a service allows, learned from responses and rejections.

A caller's ``max_concurrency=`` is a ceiling. Without one, the number starts at 8 and grows with each response, up to
64, while more concurrency brings more throughput: latency may rise only with the square root of the number in flight,
compared with requests of a similar size at the start. A service whose latency rises in proportion has no free
capacity, so the number falls back to where it started, and grows again only after many more responses. This follows
the idea of TCP Vegas, which also reads congestion from latency before anything is lost (Brakmo and Peterson, 1995).

A rejection halves the number, or sets it to the limit that the rejection names. Successful responses then raise it
slowly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

START = 8
"""Requests in flight at first, without a ceiling of the caller."""
CEILING = 64
"""Requests in flight at most, without a ceiling of the caller."""

# Successful responses for each request in flight after which one more is allowed: after a rejection for concurrency
# (doubled each time that proved wrong), and after a pause for a rate.
_PATIENCE = 8
_PATIENCE_AFTER_PAUSE = 1
_LONGEST_PATIENCE = 256
# Responses of one size that make a baseline, and the weight of a new latency in the moving average.
_BASELINE = 8
_WEIGHT = 0.25
# Latencies of one service differ by this factor without any congestion.
_NOISE = 1.3


@dataclass(slots=True)
class _Latency:
    """Latencies of requests of a similar size.

    Attributes:
        baseline: mean of the first ones, in seconds.
        ratio: moving average of the later ones, each divided by what its concurrency allows.
        count: number of latencies.
    """

    baseline: float = 0.0
    ratio: float = 0.0
    count: int = 0

    def add(self, seconds: float, growth: float) -> None:
        """Add the latency of a request that started at ``growth`` times the first concurrency."""
        if self.count < _BASELINE:
            self.baseline += (seconds - self.baseline) / (self.count + 1)
        else:
            allowed = self.baseline * _NOISE * math.sqrt(growth)
            self.ratio += _WEIGHT * (seconds / max(allowed, 1e-9) - self.ratio)
        self.count += 1


class AdaptiveConcurrency:
    """The number of requests that may be in flight. Not safe for threads: the rate limiter holds its lock.

    Args:
        ceiling: the caller's ``max_concurrency``; ``None`` to adapt between 1 and :data:`CEILING`.

    Attributes:
        current: requests that may be in flight now.
    """

    def __init__(self, ceiling: int | None) -> None:
        self._ceiling = CEILING if ceiling is None else ceiling
        self._start = self.current = START if ceiling is None else ceiling
        self._adapts = self._is_probing = ceiling is None
        self._latencies: dict[int, _Latency] = {}
        self._successes = 0
        self._patience = self._concurrency_patience = _PATIENCE

    @property
    def is_changing(self) -> bool:
        """Whether the number is being raised, so that a rejection without a reason probably means one too many."""
        return self.current != self._start

    def succeeded(self, tokens: int, seconds: float, in_flight: int, *, busy: bool) -> None:
        """Learn from a successful response.

        Args:
            tokens: the estimated tokens of the request.
            seconds: from the start of the request to its response.
            in_flight: the requests in flight when it started, itself included.
            busy: whether other requests wait because as many as allowed are in flight.
        """
        self._successes += 1
        if self._is_probing:
            latency = self._latencies.setdefault(tokens.bit_length(), _Latency())
            latency.add(seconds, max(1.0, in_flight / self._start))
            if busy:
                self._probe(latency)
        elif self.current < self._ceiling and self._successes >= self._patience * self.current:
            self._successes = 0
            if self._adapts:
                self._is_probing = True
            else:
                self.current += 1

    def bounded(self, remaining: float) -> None:
        """Allow no more than the requests that the service says remain."""
        if remaining < self.current:
            self.current = max(1, int(remaining))
            self._successes = 0

    def rejected(self, limit: int | None) -> None:
        """Allow fewer requests, after a rejection for concurrency that may name the limit."""
        self.current = max(1, min(limit or self.current // 2, self._ceiling))
        self._concurrency_patience *= 2
        self._patience = self._concurrency_patience
        self._learn_slowly()

    def paused(self) -> None:
        """Allow one request at a time after a pause, because the remaining quota is unknown."""
        self.current = 1
        self._patience = _PATIENCE_AFTER_PAUSE
        self._learn_slowly()

    def _probe(self, latency: _Latency) -> None:
        if latency.ratio > 1:
            self.current = min(self.current, self._start)
            self._stop_probing()
            self._patience = min(2 * self._patience, _LONGEST_PATIENCE)
        elif self.current < self._ceiling:
            self.current += 1

    def _learn_slowly(self) -> None:
        """Raise the number by one at a time from now on, because the service has said that there is a limit."""
        self._adapts = False
        self._stop_probing()

    def _stop_probing(self) -> None:
        self._is_probing = False
        self._successes = 0
        self._latencies.clear()
