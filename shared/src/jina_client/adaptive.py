"""The concurrency that a service allows, learned from responses and rejections.

A caller's ``max_concurrency=`` is a ceiling. Without one, the number starts at 8 and grows with each response, up to
64, while more concurrency brings more throughput: latency may rise only with the cube root of the number in flight,
compared with requests of a similar size at the start. If it rises more, requests wait inside the service. Then the
number falls to what the service works on at the same time, by Little's law: the requests in flight divided by how many
times longer they take. It grows again only after many more responses. This follows the idea of TCP Vegas, which also
reads congestion from latency before anything is lost (Brakmo and Peterson, 1995). Latencies are compared as
logarithms, so that a few slow responses are not taken for congestion.

A rejection for concurrency sets the number to the limit that it names, or to one less than were in flight, but at
least to half. If the next rejection follows soon, it halves the number. Successful responses raise it slowly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

START = 8
"""Requests in flight at first, without a ceiling of the caller."""
CEILING = 64
"""Requests in flight at most, without a ceiling of the caller."""

# Successful responses for each request in flight after which more are tried: at first, after a pause for a rate, and at
# most. The number doubles each time that a try proved wrong.
_PATIENCE = 8
_PATIENCE_AFTER_PAUSE = 1
_LONGEST_PATIENCE = 256
# Successful responses for each request in flight that show the latency of a number which has just fallen.
_SETTLING = 3
# Responses of one size that make a baseline, and the weight of a new response in moving averages.
_BASELINE = 8
_WEIGHT = 1 / 16
# Latencies of one service differ by this factor without any congestion, as a logarithm.
_NOISE = math.log(1.5)


@dataclass(slots=True)
class _Baseline:
    """The first latencies of requests of a similar size, as logarithms.

    Attributes:
        latency: their mean.
        load: the mean number of requests in flight.
        count: how many there are.
    """

    latency: float = 0.0
    load: float = 0.0
    count: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether further latencies are compared with these."""
        return self.count == _BASELINE

    def add(self, latency: float, load: float) -> None:
        """Add a latency."""
        self.count += 1
        self.latency += (latency - self.latency) / self.count
        self.load += (load - self.load) / self.count


class _Congestion:
    """Compares latencies with those at the start.

    Args:
        load: requests in flight at the start.

    Attributes:
        level: moving average of how far latencies exceed what their load allows; above 0 requests wait in the service.
    """

    def __init__(self, load: int) -> None:
        self.level = -_NOISE
        self._capacity = math.log(load)
        self._count = 0
        self._baselines: dict[int, _Baseline] = {}

    @property
    def capacity(self) -> int:
        """How many requests the service works on at the same time: a moving average."""
        return round(math.exp(self._capacity))

    def forget_capacity(self) -> None:
        """Start the average anew, because the requests in flight have changed at once."""
        self._count = 0

    def add(self, tokens: int, seconds: float, at_start: int, at_end: int) -> float:
        """Add a latency, and return how far it exceeds what its load allows; 0 or less if it does not."""
        baseline = self._baselines.setdefault(tokens.bit_length(), _Baseline())
        latency = math.log(max(seconds, 1e-9))
        if not baseline.is_complete:
            # The first requests of a call start together.
            baseline.add(latency, math.log(max(at_start, at_end)))
            return 0.0
        longer, load = latency - baseline.latency, (math.log(at_start) + math.log(at_end)) / 2
        exceeded = longer - _NOISE - max(0.0, load - baseline.load) / 3
        self.level += _WEIGHT * (exceeded - self.level)
        # Little's law.
        self._count += 1
        self._capacity += max(_WEIGHT, 1 / self._count) * (load - longer - self._capacity)
        return exceeded


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
        self._is_settling = False
        self._probed_from = self.current
        self._congestion = _Congestion(self.current)
        self._successes = 0
        self._since_rejection = math.inf
        self._patience = self._concurrency_patience = _PATIENCE

    @property
    def is_changing(self) -> bool:
        """Whether the number is being raised, so that a rejection without a reason probably means one too many."""
        return self.current != self._start

    def succeeded(self, tokens: int, seconds: float, at_start: int, at_end: int, *, busy: bool) -> None:
        """Learn from a successful response.

        Args:
            tokens: the estimated tokens of the request.
            seconds: from the start of the request to its response.
            at_start: the requests in flight when it started, itself included.
            at_end: the requests in flight when it ended, itself included.
            busy: whether other requests wait because as many as allowed are in flight.
        """
        self._since_rejection += 1
        if self._adapts and not self._is_probing and at_start > self.current:
            # It shows the latency of a larger number.
            return
        self._successes += 1
        exceeded = self._congestion.add(tokens, seconds, max(1, at_start), max(1, at_end)) if self._adapts else 0.0
        if self._is_probing:
            if busy:
                self._probe(exceeded)
        elif self._is_settling:
            if self._successes >= _SETTLING * self.current:
                self._settle()
        elif self.current < self._ceiling and self._successes >= self._patience * self.current:
            self._successes = 0
            if self._adapts:
                self._is_probing, self._probed_from = True, self.current
            else:
                self.current += 1

    def bounded(self, remaining: float) -> None:
        """Allow no more than the requests that the service says remain."""
        if remaining < self.current:
            self.current = max(1, int(remaining))
            self._successes = 0

    def rejected(self, limit: int | None, in_flight: int) -> None:
        """Allow fewer requests, after a rejection for concurrency.

        Args:
            limit: the limit that the rejection names.
            in_flight: the requests in flight when the rejected one started, itself included.
        """
        fewer = self.current // 2
        # Otherwise a round of requests has succeeded since the last rejection, so this one is probably one too many.
        if self._since_rejection >= self.current:
            fewer = max(fewer, min(self.current, in_flight) - 1)
        self.current = max(1, min(limit or fewer, self._ceiling))
        self._since_rejection = 0
        self._concurrency_patience = min(2 * self._concurrency_patience, _LONGEST_PATIENCE)
        self._patience = self._concurrency_patience
        self._learn_slowly()

    def paused(self) -> None:
        """Allow one request at a time after a pause, because the remaining quota is unknown."""
        self.current = 1
        self._patience = _PATIENCE_AFTER_PAUSE
        self._learn_slowly()

    def _probe(self, exceeded: float) -> None:
        if self._congestion.level > 0:
            self._return_to_capacity()
            self._congestion.forget_capacity()
            self._is_probing, self._is_settling, self._successes = False, True, 0
        elif exceeded < _NOISE and self.current < self._ceiling:
            self.current += 1

    def _settle(self) -> None:
        """Correct the number with the latencies since it fell, and make a baseline for the next time that it grows."""
        self._return_to_capacity()
        is_useful = self.current > self._probed_from * 1.1
        self._patience = _PATIENCE if is_useful else min(2 * self._patience, _LONGEST_PATIENCE)
        self._is_settling = False
        self._congestion = _Congestion(self.current)

    def _return_to_capacity(self) -> None:
        self.current = min(self.current, max(self._start, self._congestion.capacity))

    def _learn_slowly(self) -> None:
        """Raise the number by one at a time from now on, because the service has said that there is a limit."""
        self._adapts = self._is_probing = self._is_settling = False
        self._successes = 0
