"""The file of a cache."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jina_client import EmbeddingCache

FLOATS = np.dtype("f4")


def _put(cache: EmbeddingCache, key: bytes) -> None:
    cache.put([key], np.ones((1, 4), FLOATS))


def _put_two(cache: EmbeddingCache, has_first: Any, may_continue: Any) -> None:
    _put(cache, b"child 1")
    has_first.set()
    assert may_continue.wait(30)
    _put(cache, b"child 2")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
class TestFork:
    """A process that has used a cache forks."""

    def test_parent_and_child_write_to_one_file(self, tmp_path: Path) -> None:
        context = multiprocessing.get_context("fork")
        has_first, may_continue = context.Event(), context.Event()
        cache = EmbeddingCache(tmp_path / "cache")
        _put(cache, b"parent 1")
        child = context.Process(target=_put_two, args=(cache, has_first, may_continue))
        child.start()
        assert has_first.wait(30)
        # The last connection to be closed deletes SQLite's log, to which the child would still write.
        cache.close()
        _put(cache, b"parent 2")
        may_continue.set()
        child.join(30)
        assert child.exitcode == 0
        assert len(cache) == 4
        cache.close()

    def test_a_fork_waits_for_a_thread_that_writes(self, tmp_path: Path) -> None:
        writes, forks = threading.Event(), threading.Event()

        def keys() -> Iterator[bytes]:
            writes.set()
            assert forks.wait(30)
            yield b"thread"

        cache = EmbeddingCache(tmp_path / "cache")
        thread = threading.Thread(target=cache.put, args=(keys(), np.ones((1, 4), FLOATS)))
        thread.start()
        assert writes.wait(30)
        os.register_at_fork(before=forks.set)
        child = multiprocessing.get_context("fork").Process(target=_put, args=(cache, b"child"))
        child.start()
        thread.join(30)
        child.join(30)
        assert child.exitcode == 0
        assert len(cache) == 2
        cache.close()
