"""The limits of an account in a Ray actor, for all actors of a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import ray
from jina_client.integration import LIMITS
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..limits import AccountLimits, Reply, Report, Totals, WorkerLimiter
from ..limits.account import LEASE, check_limits

# Seconds to wait for the reply of an actor that is busy or restarting, before the worker tries again.
_PATIENCE = 30.0
_CALLS = 10_000


class SharedLimits:
    """The limits of one account, which all actors of all datasets that it is passed to keep together.

    A Ray actor on the driver's node holds them. It ends when nothing uses this object or a copy of it. If its process
    dies, Ray starts another one, and with limits per minute no request starts for the first minute.

    Args:
        requests_per_minute: of the account; by default the limit that the service states when it rejects a request.
        tokens_per_minute: of the account; by default the limit that the service states when it rejects a request.
        max_concurrency: requests in flight of all actors together; by default the number adapts to the service, up to
            64.
        lease: seconds after which the requests of a worker that died count no more.
        window: seconds that rates are counted over; by default a minute.

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
    ) -> None:
        limits = (requests_per_minute, tokens_per_minute, max_concurrency)
        # Here, so that the error comes from the program and not from the actor.
        check_limits(limits, lease)
        self._limits = limits
        if not ray.is_initialized():
            ray.init()
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        keeper: Any = ray.remote(LimitsKeeper)
        options = {"num_cpus": 0, "max_restarts": -1, "max_concurrency": _CALLS, "scheduling_strategy": here}
        self._keeper = keeper.options(**options).remote(limits, lease, window)

    @property
    def max_concurrency(self) -> int | None:
        """The limit of requests in flight."""
        return self._limits[2]

    @property
    def totals(self) -> Totals:
        """The requests and tokens of all actors so far."""
        return cast(Totals, ray.get(self._keeper.totals.remote()))

    def limiter(self) -> WorkerLimiter:
        """Return a limiter for a client in any process of the cluster."""
        return WorkerLimiter(ActorLink(self._keeper), *self._limits[:2])


@dataclass(frozen=True)
class ActorLink:
    """Reaches the limits by calls of their actor."""

    keeper: Any

    def exchange(self, report: Report, wait: float) -> Reply:
        """Deliver a report, and return the reply."""
        return cast(Reply, ray.get(self.keeper.exchange.remote(report, wait), timeout=wait + _PATIENCE))


class LimitsKeeper:
    """The actor that holds the limits.

    Args:
        limits: requests per minute, tokens per minute, and concurrency.
        lease: seconds after which a silent worker is taken for dead.
        window: seconds that rates are counted over; ``None`` for a minute.
    """

    def __init__(self, limits: tuple[int | None, ...], lease: float, window: float | None) -> None:
        self._limits = AccountLimits(*limits, lease=lease, window=window, on_start=self._tell)
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def exchange(self, report: Report, wait: float) -> Reply:
        """Take a report, wait for a request that may start, and return the reply."""
        reply = self._apply(report)
        if reply.started or not wait:
            return reply
        ready = asyncio.Event()
        waiting = self._waiting.setdefault(report.worker, set())
        waiting.add(ready)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.longest_wait(wait)):
                    await ready.wait()
        finally:
            waiting.discard(ready)
            if not waiting:
                self._waiting.pop(report.worker, None)
        return self._apply(Report(report.worker))

    async def totals(self) -> Totals:
        """Return the requests and tokens so far."""
        return self._limits.totals

    def _apply(self, report: Report) -> Reply:
        reply = self._limits.apply(report)
        self._start_later()
        return reply

    def _tell(self, worker: str) -> None:
        for ready in self._waiting.get(worker, ()):
            ready.set()

    def _start_later(self) -> None:
        """Start the next request as soon as the rates allow it."""
        delay = self._limits.start_requests()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if delay < float("inf"):
            self._timer = asyncio.get_running_loop().call_later(delay, self._start_later)


def without_limits(client: Any) -> tuple[dict[str, Any], Any]:
    """Return the limits among the arguments of a client, and the other arguments; those of a wrong type unchanged."""
    if not isinstance(client, Mapping):
        return {}, client
    options = dict(client)
    return {name: options.pop(name) for name in LIMITS if name in options}, options
