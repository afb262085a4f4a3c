"""The servers of one client, and the way of a request through them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import length_hint
from typing import Any

from ..errors import JinaConnectionError, JinaError, RateLimitError, ServerError
from ..limiter import Limiter, RateLimiter, Slot
from ..protocol import Call
from .checks import ServerChecks
from .health import FAILURES, SLOWER, Server, ServerState

MIN_PATIENCE = 1.0
"""Seconds after which a request that got no response may move to another server, at the earliest."""

# A request that takes so many times as long as one of its size at another server moves there.
_PATIENCE = 10.0
# The same for the one request to a server that was left out.
_PATIENCE_OF_PROBE = 3.0


class Servers:
    """The servers of one client. Every method may be called from any thread, and none blocks.

    Args:
        addresses: the root of each server's API.
        new_limiter: makes the limiter of a server.
        shared: a limiter for all servers together.
        clock: returns seconds and never goes backward.

    Attributes:
        checks: compares what the servers say of themselves.
        shared: a limiter for all servers together, or ``None``.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        new_limiter: Callable[[], RateLimiter] = RateLimiter,
        *,
        shared: Limiter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.shared = shared
        self.checks = ServerChecks(addresses)
        self._servers = [Server(address, new_limiter()) for address in addresses]
        self._clock = clock
        self._lock = threading.Lock()
        self._turn = 0
        # The number of requests that wait, and the batches that calls are going to send.
        self._waiting = 0
        self._sources: list[Iterator[Any]] = []

    def __len__(self) -> int:
        return len(self._servers)

    @property
    def first(self) -> Server:
        """The first server, which names the service."""
        return self._servers[0]

    @property
    def states(self) -> list[ServerState]:
        """The state of each server."""
        with self._lock:
            return [
                ServerState(each.address, not each.rests, each.in_flight, each.limiter.concurrency, each.failure)
                for each in self._servers
            ]

    @property
    def concurrency(self) -> int:
        """The number of requests that may be in flight now, to all servers that work."""
        with self._lock:
            servers = sum(server.limiter.concurrency for server in self._used())
        return servers if self.shared is None else min(servers, self.shared.concurrency)

    def remaining_wait(self) -> float:
        """Return the seconds for which no server may get a request because of a rate; 0 if one may."""
        with self._lock:
            wait = min(server.limiter.remaining_wait() for server in self._used())
        return wait if self.shared is None else max(wait, self.shared.remaining_wait())

    @contextmanager
    def expecting(self, batches: Iterator[Any]) -> Iterator[None]:
        """Know, while the block runs, how many batches a call has yet to send: those that the iterator has left."""
        with self._lock:
            self._sources.append(batches)
        try:
            yield
        finally:
            with self._lock:
                self._sources.remove(batches)

    def unreachable(self, address: str, error: JinaError) -> None:
        """Leave out a server that did not respond when it was asked for its models."""
        with self._lock:
            server = next(each for each in self._servers if each.address == address)
            server.failures = FAILURES
            server.failed(self._clock(), error, math.inf)

    def has_other(self, tried: frozenset[Server]) -> bool:
        """Return whether there is a server that works, is not paused, and has not failed at a request."""
        with self._lock:
            return bool(self._others(tried))

    def join(self, route: ServerRoute, *, retry: bool) -> None:
        """Put a request into the queues of the servers that have not failed at it, or of all if no other works."""
        with self._lock:
            others = self._others(route.tried)
            self._waiting += 1
            for server in self._servers:
                if not others or server not in route.tried:
                    self._join(route, server, retry=retry)

    def start(self, route: ServerRoute) -> float:
        """Start a request at the best server that may get it; see :meth:`jina_client.limiter.Limiter.acquire`."""
        with self._lock:
            now = self._clock()
            wait = math.inf
            candidates = self._candidates(route, now)
            for server in candidates:
                if self._is_held_back(server, candidates, route, now):
                    continue
                if server not in route.waiting:
                    self._join(route, server, retry=True)
                delay = server.limiter.acquire(route.waiting[server])
                if delay == 0:
                    route.server, route.held = server, route.waiting.pop(server)
                    server.started[route] = now
                    if server.rests:
                        server.probe = route
                    self._leave(route)
                    self._waiting -= 1
                    return 0.0
                wait = min(wait, delay)
            rests = (server.retry_at - now for server in self._servers if server.rests and server.retry_at > now)
            return min(wait, *rests, math.inf)

    def end(self, route: ServerRoute) -> None:
        """Give back the slots of a request, whether it was sent or still waited."""
        with self._lock:
            if route.held is None:
                self._waiting -= 1
            else:
                del route.server.started[route]
                if route.server.probe is route:
                    route.server.probe = None
                route.server.limiter.release(route.held)
                route.held = None
            self._leave(route)

    def succeeded(self, route: ServerRoute, slot: Slot) -> None:
        """Learn from a successful response."""
        with self._lock:
            now = self._clock()
            route.server.responded(now, slot.tokens.bit_length(), now - (slot.started or now))

    def failed(self, route: ServerRoute, error: JinaError) -> None:
        """Learn from a failed request: if the fault is the server's, the server may be left out."""
        if isinstance(error, (JinaConnectionError, ServerError)) and route.held is not None:
            with self._lock:
                route.server.failed(self._clock(), error, route.held.started or math.inf)

    def pause(self, server: Server, seconds: float) -> None:
        """Send a server no request for some seconds, because it asked for that."""
        with self._lock:
            server.paused_until = max(server.paused_until, self._clock() + seconds)
            server.limiter.pause(seconds)

    def patience(self, route: ServerRoute, slot: Slot) -> float:
        """Return the seconds after which a request should move to another server; infinity for never.

        A machine that has stopped keeps its connections open and never responds. A request moves once for this reason,
        not more often: if a second server takes as long, the request is a long one.
        """
        with self._lock:
            if route.tried:
                return math.inf
            size, others = slot.tokens.bit_length(), self._others(frozenset({route.server}))
            times = _PATIENCE_OF_PROBE if route.server.probe is route else _PATIENCE
            return max(MIN_PATIENCE, times * min((each.longest(size) for each in others), default=math.inf))

    def _used(self) -> list[Server]:
        """Return the servers that work, or all if none does."""
        return [server for server in self._servers if not server.rests] or self._servers

    def _others(self, tried: frozenset[Server]) -> list[Server]:
        now = self._clock()
        return [each for each in self._servers if not each.rests and each.paused_until <= now and each not in tried]

    def _candidates(self, route: ServerRoute, now: float) -> list[Server]:
        """Return the servers that may get a request, the best first."""
        if self._others(route.tried):
            ready = [server for server in self._servers if server.is_ready(now) and server not in route.tried]
        elif all(server.rests for server in self._servers):
            ready = self._servers
        else:
            # Better a server that failed at this request than none.
            ready = [server for server in self._servers if server.is_ready(now)]
        size = route.slot.tokens.bit_length()
        fastest = min(server.seconds(size, now) for server in self._servers)
        self._turn += 1

        def order(place: int) -> tuple[bool, float, int]:
            server = ready[place]
            # A server that has rested gets its one request before the others get theirs. Equals take turns.
            return not server.rests, server.load(size, now, fastest), (place + self._turn) % len(ready)

        return [ready[place] for place in sorted(range(len(ready)), key=order)]

    def _is_held_back(self, server: Server, candidates: Sequence[Server], route: ServerRoute, now: float) -> bool:
        """Return whether faster servers would sooner be done with all that waits than this one with one request."""
        size = route.slot.tokens.bit_length()
        seconds = server.seconds(size, now)
        times = {each: each.seconds(size, now) for each in candidates if each.in_flight}
        faster = {each: time for each, time in times.items() if SLOWER * time < seconds < math.inf}
        if server.rests or not faster:
            return False
        per_second = sum(each.in_flight / max(time, 1e-9) for each, time in faster.items())
        backlog = self._waiting + sum(map(length_hint, self._sources))
        return seconds > min(faster.values()) + backlog / per_second

    @staticmethod
    def _join(route: ServerRoute, server: Server, *, retry: bool) -> None:
        route.waiting[server] = server.limiter.queue(route.slot.tokens, route.slot.wake, retry=retry)

    @staticmethod
    def _leave(route: ServerRoute) -> None:
        for server, waiting in route.waiting.items():
            server.limiter.release(waiting)
        route.waiting.clear()


class ServerRoute:
    """The way of one request through several servers, as its :class:`~jina_client.limiter.Limiter`.

    Args:
        servers: the servers.

    Attributes:
        slot: what the caller holds.
        waiting: the slots in the queues of the servers.
        server: the server that the request was last sent to; the first one before it is sent.
        held: the slot of that server, while the request is in flight.
        tried: the servers that failed at the request since it last waited.
    """

    slot: Slot

    def __init__(self, servers: Servers) -> None:
        self.server = servers.first
        self.waiting: dict[Server, Slot] = {}
        self.held: Slot | None = None
        self.tried: frozenset[Server] = frozenset()
        self._servers = servers
        # The limiter for all servers together, and the slot in it, if there is one.
        self._shared: list[tuple[Limiter, Slot]] = []
        self._has_shared = False

    @property
    def address(self) -> str:
        """The root of the API of the server that the request was last sent to."""
        return self.server.address

    @property
    def concurrency(self) -> int:
        """The number of requests that may be in flight now, to all servers that work."""
        return self._servers.concurrency

    @property
    def requests_per_minute(self) -> None:
        """``None``: limits belong to the servers."""

    @property
    def tokens_per_minute(self) -> None:
        """``None``: limits belong to the servers."""

    def remaining_wait(self) -> float:
        """Return the seconds for which no server may get a request because of a rate; 0 if one may."""
        return self._servers.remaining_wait()

    def queue(self, tokens: int, wake: Callable[[], None], *, retry: bool = False) -> Slot:
        """Enter the queues of the servers that have not failed at the request, or of all if no other works."""
        self.slot = Slot(tokens, wake)
        if (shared := self._servers.shared) is not None:
            self._shared = [(shared, shared.queue(tokens, wake, retry=retry))]
            self._has_shared = False
        self._servers.join(self, retry=retry)
        return self.slot

    def acquire(self, slot: Slot) -> float:
        """Start the request at the best server that may get it, once the servers are known to offer the same."""
        if self._servers.checks.holds_up(slot.wake):
            return math.inf
        for limiter, own in self._shared:
            if not self._has_shared and (wait := limiter.acquire(own)) > 0:
                return wait
            self._has_shared = True
        return self._servers.start(self)

    def release(self, slot: Slot) -> None:
        """Give a slot back, whether the request was sent or still waited."""
        self._servers.end(self)
        for limiter, own in self._shared:
            limiter.release(own)

    def succeeded(self, slot: Slot, tokens: int | None, headers: Mapping[str, str]) -> None:
        """Learn from a successful response."""
        assert self.held is not None
        self._servers.succeeded(self, self.held)
        self.server.limiter.succeeded(self.held, tokens, headers)
        for limiter, own in self._shared:
            limiter.succeeded(own, tokens, {})

    def rejected(self, slot: Slot, error: RateLimitError) -> None:
        """Learn from a 429, which holds for one server only."""
        assert self.held is not None
        self.server.limiter.rejected(self.held, error)

    def failed(self, error: JinaError) -> None:
        """Learn from any failure."""
        self._servers.failed(self, error)

    def pause(self, seconds: float) -> None:
        """Send the server of the last attempt no request for some seconds, because it asked for that."""
        self._servers.pause(self.server, seconds)

    def can_move(self) -> bool:
        """Note that the last server failed, and return whether another one should get the request at once."""
        self.tried |= {self.server}
        return self._servers.has_other(self.tried)

    def wait(self) -> None:
        """Note that the request waits, after which every server but the last gets another chance."""
        self.tried = frozenset({self.server})

    def patience(self) -> float:
        """Return the seconds after which the request should move to another server; infinity for never."""
        assert self.held is not None
        return self._servers.patience(self, self.held)

    def check(self, call: Call) -> None:
        """Raise if several servers cannot serve a call, or are known to differ in its model."""
        self._servers.checks.check(call)

    def check_response(self, call: Call, response: Any) -> None:
        """Raise if the vectors of a response have another length than those of the other servers."""
        self._servers.checks.check_response(call, response, self.address)
