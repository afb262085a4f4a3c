"""Both clients behind one synchronous face."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clients import maker
from loopback import Recorder
from PIL import Image


@pytest.fixture(params=["sync", "async"])
def make_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Makes a client of either kind; what is true of one must be true of the other."""
    with maker(request.param) as make:
        yield make


@pytest.fixture
def client(server: Recorder, make_client: Callable[..., Any]) -> Any:
    return make_client(base_url=server.url, api_key="test-key-0123456789", max_retries=0)


@pytest.fixture(scope="session")
def png() -> bytes:
    """A small picture."""
    with io.BytesIO() as buffer:
        Image.new("RGB", (8, 6), "red").save(buffer, "PNG")
        return buffer.getvalue()
