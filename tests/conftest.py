"""Fixtures of all tests: no key from outside, a recording server, and the embedded engine over real HTTP."""

from __future__ import annotations

import ctypes
import gc
import os

# Haystack and Chroma read these when they are imported below; they would report every pipeline that a test runs.
os.environ.update(HAYSTACK_TELEMETRY_ENABLED="False", ANONYMIZED_TELEMETRY="False")

import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# NumPy reads it when it is imported. The threads of OpenBLAS spin for a while after each product, and the tests run in
# more processes than there are cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from haystack.document_stores.in_memory import InMemoryDocumentStore
from hypothesis import settings
from jina_local.server import running
from loopback import Recorder, recorder
from xdist.scheduler import LoadScopeScheduling

# A shell starts background jobs with SIGINT ignored, and child processes inherit that. The tests of Ctrl-C need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What is imported and collected lives until the end. Collections of garbage would look through it again and again, and
# take a tenth of the time of all tests.
gc.disable()


def pytest_collection_finish() -> None:
    """Leave the modules and the tests out of all further collections of garbage."""
    gc.collect()
    gc.freeze()
    gc.enable()


# Machines are noisy: a slow example is not a failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


# uv run --group lint pytest tests/typing
collect_ignore = [] if find_spec("mypy") and find_spec("pyright") else ["typing"]


class FileScheduling(LoadScopeScheduling):
    """Give each process whole files of tests, so that their fixtures are made once, and single tests of slow files."""

    SPREAD = ("test_examples.py", "test_notebooks.py", "test_services.py")

    def _split_scope(self, nodeid: str) -> str:
        """Return the unit of work that a test belongs to; a method that pytest-xdist documents for this."""
        file = nodeid.partition("::")[0]
        return nodeid if file.endswith(self.SPREAD) else file


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return one process more than there are cores: a fifth of the time is spent on waiting."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    """Choose how tests are given to the processes of ``pytest -n``."""
    return FileScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the live tests if there is no key to run them with."""
    if os.environ.get("JINA_API_KEY"):
        return
    live = [item for item in items if item.get_closest_marker("live")]
    if live:
        config.hook.pytest_deselected(items=live)
        items[:] = [item for item in items if item not in live]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why the live tests were deselected, if they were asked for."""
    if config.option.markexpr == "live" and not os.environ.get("JINA_API_KEY"):
        terminalreporter.write_line("The live tests need JINA_API_KEY.")


LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
if hasattr(LIBC, "mallopt"):
    # Two arenas (M_ARENA_MAX) instead of eight for each core: thousands of threads come and go, and each leaves a part
    # of its arena in use.
    LIBC.mallopt(-8, 2)


def _let_go(store: InMemoryDocumentStore) -> None:
    if getattr(store, "_owns_executor", False):
        store.executor.shutdown(wait=False)


# Haystack's own waits for its threads. Called by the collector while a thread is being started, which holds a lock that
# the end of a thread needs, it waits for ever, and no thread can be started any more.
InMemoryDocumentStore.__del__ = _let_go  # type: ignore[method-assign]


def _resident() -> int:
    """Return the memory of this process in megabytes, and 0 on systems that do not tell it in /proc."""
    if LIBC is None:
        return 0
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000


_memory = {"after the last collection": 400}


def _return_memory() -> None:
    """Give memory back: engines sit in cycles, and glibc keeps what large requests once needed."""
    gc.collect()
    if hasattr(LIBC, "malloc_trim"):
        LIBC.malloc_trim(0)
    _memory["after the last collection"] = _resident()


@pytest.fixture(autouse=True, scope="module")
def memory_of_earlier_files_returned() -> None:
    _return_memory()
    # What is left was imported. Further collections need not look through it either.
    gc.freeze()


@pytest.fixture(autouse=True)
def memory_returned(memory_of_earlier_files_returned: None) -> Iterator[None]:
    yield
    if _resident() > _memory["after the last collection"] + 64:
        _return_memory()


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
