"""What all tests share: no key from outside, a recording server, and the embedded engine over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from haystack.document_stores.in_memory import InMemoryDocumentStore
from hypothesis import settings
from jina_local.server import running
from loopback import Recorder, recorder

# Machines are noisy: a slow example is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def _let_go(store: InMemoryDocumentStore) -> None:
    if getattr(store, "_owns_executor", False):
        store.executor.shutdown(wait=False)


# Haystack's own waits for its threads. Called by the collector while a thread is being started, which holds a lock that
# the end of a thread needs, it waits for ever, and no thread can be started any more.
InMemoryDocumentStore.__del__ = _let_go  # type: ignore[method-assign]


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
