"""Ask several servers for their models, before the first request to any of them."""

from __future__ import annotations

from functools import partial

from .. import protocol
from .. import servers as pools
from ..cancellation import Cancellation
from ..concurrency.tasks import TaskWorkers
from ..errors import JinaConnectionError, JinaError
from ..http_codec import HttpCodec
from ..observation import observed_exchange
from ..transport import AsyncTransport

LONGEST = 2.0
"""Seconds for the response of a server. One that takes longer is left out at first."""


async def ask_for_models(
    servers: pools.Servers, codec: HttpCodec, transport: AsyncTransport, cancellation: Cancellation
) -> None:
    """Ask each server for the ids of its models, all at the same time. A server need not say.

    Args:
        servers: whose requests may start when this ends.
        codec: of the client.
        transport: of the client.
        cancellation: of the call that asks.
    """
    models: dict[str, frozenset[str]] = {}
    addresses = iter(servers.checks.addresses)

    async def ask(workers: TaskWorkers) -> None:
        for address in addresses:
            try:
                request = codec.encode(protocol.models_call(), workers.cancellation, address, LONGEST)
                with observed_exchange(request) as exchange:
                    response = await transport.asend(exchange.prepared(request))
                    response = exchange.received(codec.hide_key(response))
                listed = protocol.read_models(codec.decode(protocol.models_call(), response, request.url))
                models[address] = frozenset(model.id for model in listed)
            except JinaConnectionError as error:
                servers.unreachable(address, error)
            except JinaError:
                # Not every service has this endpoint.
                continue

    try:
        async with TaskWorkers(len(servers)) as workers:
            with cancellation.on_cancel(workers.cancellation.cancel):
                await workers.run(partial(ask, workers))
    finally:
        servers.checks.finish(models)
