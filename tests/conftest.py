"""What all tests share: no key from outside, a recording server, and the embedded engine over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from jina_local.server import running
from loopback import Recorder, recorder

# Machines are noisy: a slow example is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JINA_API_KEY", "JINAAI_API_KEY", "JINA_AUTH_TOKEN", "JINA_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as running_server:
        yield running_server


@pytest.fixture(scope="session")
def engine_url() -> Iterator[str]:
    """The root of the embedded engine's API, served over HTTP on loopback."""
    with running() as url:
        yield url
