"""Both clients behind one synchronous face."""

from __future__ import annotations

import asyncio
import inspect
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jina_client import AsyncJinaClient, JinaClient
from loopback import Recorder
from PIL import Image

RESOURCES = ("batches", "classifiers", "models", "web")


class Blocking:
    """An AsyncJinaClient, or a resource of one, whose coroutines run to their end."""

    def __init__(self, client: Any, runner: asyncio.Runner) -> None:
        self.client = client
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.client, name)
        if name in RESOURCES:
            return Blocking(attribute, self._runner)
        if not inspect.iscoroutinefunction(attribute):
            return attribute
        return lambda *args, **kwargs: self._runner.run(attribute(*args, **kwargs))


@pytest.fixture(params=["sync", "async"])
def make_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Makes a client of either kind; what is true of one must be true of the other."""
    if request.param == "sync":
        opened: list[JinaClient] = []

        def make(**options: Any) -> JinaClient:
            opened.append(JinaClient(**options))
            return opened[-1]

        yield make
        for client in opened:
            client.close()
        return
    with asyncio.Runner() as runner:
        yield lambda **options: Blocking(AsyncJinaClient(**options), runner)


@pytest.fixture
def client(server: Recorder, make_client: Callable[..., Any]) -> Any:
    return make_client(base_url=server.url, api_key="test-key-0123456789", max_retries=0)


@pytest.fixture(scope="session")
def png() -> bytes:
    """A small picture."""
    with io.BytesIO() as buffer:
        Image.new("RGB", (8, 6), "red").save(buffer, "PNG")
        return buffer.getvalue()
