"""Both clients behind one synchronous face."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jina_client import AsyncJinaClient, JinaClient

RESOURCES = ("batches", "classifiers", "models", "web")


class Blocking:
    """An AsyncJinaClient, or a resource of one, whose coroutines run to their end."""

    def __init__(self, client: Any, runner: asyncio.Runner) -> None:
        self.client = client
        self.runner, self.run = runner, runner.run

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.client, name)
        if name in RESOURCES:
            return Blocking(attribute, self.runner)
        if not inspect.iscoroutinefunction(attribute):
            return attribute
        return lambda *args, **kwargs: self.run(attribute(*args, **kwargs))


def all_of(client: JinaClient | Blocking, *args: Any, **options: Any) -> list[Any]:
    """Everything that ``embed_stream`` of a client of either kind yields."""
    if isinstance(client, JinaClient):
        return list(client.embed_stream(*args, **options))

    async def drain() -> list[Any]:
        return [item async for item in client.client.embed_stream(*args, **options)]

    return client.run(drain())


@contextmanager
def maker(kind: str) -> Iterator[Callable[..., Any]]:
    """Make clients of a kind, ``sync`` or ``async``, until the block ends."""
    if kind == "sync":
        opened: list[JinaClient] = []

        def make(**options: Any) -> JinaClient:
            opened.append(JinaClient(**options))
            return opened[-1]

        yield make
        for client in opened:
            client.close()
        return
    with asyncio.Runner() as runner:
        asynchronous: list[AsyncJinaClient] = []

        def make_async(**options: Any) -> Blocking:
            asynchronous.append(AsyncJinaClient(**options))
            return Blocking(asynchronous[-1], runner)

        yield make_async
        for each in asynchronous:
            runner.run(each.aclose())
