"""The file of a cache."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clients import all_of
from jina_client import EmbeddingCache, JinaInputError
from loopback import Recorder

FLOATS = np.dtype("f4")
MODEL = "jina-embeddings-v3"


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


def test_a_cache_in_a_folder_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a cache?"
    writer = EmbeddingCache(path)
    _put(writer, b"a")
    writer.close()
    # SQLite cannot make this file for its log.
    (tmp_path / f"{path.name}-shm").mkdir()
    reader = EmbeddingCache(path, read_only=True)
    _put(reader, b"b")
    assert reader.get([b"a", b"b"], 4, FLOATS).keys() == {0}
    reader.close()


def test_a_cache_that_is_only_read_must_exist(tmp_path: Path) -> None:
    missing, empty = tmp_path / "folder" / "missing", tmp_path / "empty"
    empty.touch()
    with pytest.raises(
        JinaInputError, match=r"missing cannot be read \(No such file or directory\), and read_only=True"
    ):
        len(EmbeddingCache(missing, read_only=True))
    assert not missing.parent.exists()
    with pytest.raises(JinaInputError, match="empty is not a cache"):
        len(EmbeddingCache(empty, read_only=True))
    assert empty.read_bytes() == b""


def test_a_call_that_cannot_write_to_the_cache_warns_once_and_returns_its_results(
    server: Recorder, make_client: Callable[..., Any], tmp_path: Path
) -> None:
    cache = EmbeddingCache(tmp_path / "cache")
    assert len(cache) == 0
    cache.close()
    with sqlite3.connect(cache.path) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON vectors BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    database.close()
    client = make_client(base_url=server.url, cache=cache)
    with pytest.warns(UserWarning, match="the disk is full.*stores no further vectors") as warned:
        result = client.embed([f"text {number}" for number in range(64)], model=MODEL, batch_size=16)
    assert len(result) == 64
    assert len(server.sent) == 4
    assert client.usage == result.usage
    assert len(warned) == 1
    with pytest.warns(UserWarning, match="the disk is full") as warned:
        assert len(all_of(client, ["a", "b", "c"], model=MODEL, batch_size=1)) == 3
    assert len(warned) == 1
