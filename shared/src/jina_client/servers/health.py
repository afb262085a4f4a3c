"""One of several servers: whether it works, how busy it is, and how fast."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field

from ..addresses import host_of
from ..errors import JinaError, JinaTimeoutError
from ..limiter import RateLimiter

logger = logging.getLogger("jina_client")

FIRST_REST = 0.5
"""Seconds for which a failing server is left out at first; each further failure doubles them."""
MAX_REST = 5.0
"""Upper bound in seconds that the doubling stops at."""
FAILURES = 3
"""Failures in a row after which a server is left out."""
SLOWER = 1.5
"""A server counts as slower if it takes so many times as long as the fastest. Closer ones share requests equally."""

# Seconds after which the speed of a server that got no request is forgotten.
_FORGET = 10.0
# Responses of one size that show how long others take, and the weight of a new one in the moving average.
_SAMPLES = 3
_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class ServerState:
    """The state of one of a client's servers.

    Attributes:
        address: the root of its API.
        is_used: whether it gets requests; ``False`` while it is left out because it fails.
        in_flight: the requests that have no response yet.
        concurrency: the number of requests that may be in flight.
        failure: the type of the last error; empty while the server works.
    """

    address: str
    is_used: bool
    in_flight: int
    concurrency: int
    failure: str


@dataclass(slots=True, eq=False)
class Server:
    """One server. Not safe for threads: :class:`Servers` holds its lock.

    Attributes:
        address: the root of its API.
        limiter: its limits, and the requests that wait.
        started: the requests that have no response yet, with the time when each started, the oldest first.
        failures: failures since the last success.
        rests: how often in a row the server has been left out; 0 while it is used.
        left_out_at: when that was.
        retry_at: when it gets a request again.
        probe: that request, while it is in flight.
        paused_until: when the pause ends that it asked for.
        times: moving average of the seconds of its responses, and their number, by the bits of the request's tokens.
        measured_at: when the last response came.
        failure: the type of the last error.
    """

    address: str
    limiter: RateLimiter
    started: dict[object, float] = field(default_factory=dict)
    failures: int = 0
    rests: int = 0
    left_out_at: float = -math.inf
    retry_at: float = -math.inf
    probe: object = None
    paused_until: float = -math.inf
    times: dict[int, tuple[float, int]] = field(default_factory=dict)
    measured_at: float = -math.inf
    failure: str = ""

    @property
    def in_flight(self) -> int:
        """The number of requests that have no response yet."""
        return len(self.started)

    def is_ready(self, now: float) -> bool:
        """Return whether a request may be sent: always while the server is used, and one at a time after a rest."""
        return not self.rests or (now >= self.retry_at and self.probe is None)

    def seconds(self, size: int, now: float) -> float:
        """Return how long a response to a request of some size takes; infinity if that is not known.

        If the oldest request has been in flight for longer than any took, the server has become slower.
        """
        known = self.times[size][0] if size in self.times and self.measured_at > now - _FORGET else math.inf
        age = now - next(iter(self.started.values()), now)
        longest = max((seconds for seconds, _ in self.times.values()), default=math.inf)
        return max(known, age) if age > SLOWER * longest else known

    def longest(self, size: int) -> float:
        """Return how long responses take to requests of some size or a larger one; infinity if that is not known."""
        known = [seconds for other, (seconds, count) in self.times.items() if other >= size and count >= _SAMPLES]
        return max(known, default=math.inf)

    def load(self, size: int, now: float, fastest: float) -> float:
        """Return how busy the server is, compared with the one that responds fastest to requests of some size."""
        seconds = self.seconds(size, now)
        is_slower = SLOWER * fastest < seconds < math.inf
        return (self.in_flight + 1) * (seconds / max(fastest, 1e-9) if is_slower else 1.0)

    def responded(self, now: float, size: int, seconds: float) -> None:
        """Note a success."""
        if self.measured_at <= now - _FORGET:
            self.times.clear()
        mean, count = self.times.get(size, (seconds, 0))
        self.times[size] = mean + _WEIGHT * (seconds - mean), count + 1
        self.measured_at = now
        if self.rests:
            logger.info("server %s works again", host_of(self.address))
        self.failures = self.rests = 0
        self.failure = ""

    def failed(self, now: float, error: JinaError, started: float) -> None:
        """Note a failure of a request, and leave the server out if it does not work."""
        self.failures += 1
        self.failure = type(error).__name__
        # Requests that were in flight together fail together.
        if started <= self.left_out_at:
            return
        if not (self.rests or self.failures >= FAILURES or isinstance(error, JinaTimeoutError)):
            return
        rest = min(FIRST_REST * 2**self.rests, MAX_REST)
        self.rests += 1
        self.left_out_at = now
        self.retry_at = now + rest
        # Once, and not for each request that tries it again.
        level = logging.WARNING if self.rests == 1 else logging.DEBUG
        logger.log(level, "server %s is left out for %.1f s: %s", host_of(self.address), rest, self.failure)
