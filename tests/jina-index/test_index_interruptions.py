"""Both indexes when a call fails, is interrupted, or runs beside others: in threads, and in forked processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jina_client import JinaInputError
from jina_index import BinaryIndex, IndexFileError
from jina_index.database import transaction
from jina_index.settings import IndexSettings
from jina_index.store import IndexStore
from jina_index.threads import for_each_block

DIMENSIONS = 8
VECTORS = np.random.default_rng(0).standard_normal((1500, DIMENSIONS))
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


def test_a_loop_that_fails_leaves_no_thread_at_work() -> None:
    begun: list[slice] = []
    ended: list[slice] = []
    working = threading.Event()

    def work(rows: slice) -> None:
        if threading.current_thread() is threading.main_thread():
            working.wait()
            raise ZeroDivisionError
        begun.append(rows)
        working.set()
        threading.Event().wait(0.001)
        ended.append(rows)

    with pytest.raises(ZeroDivisionError):
        for_each_block(work, 50, 1, threads=2)
    assert begun == ended
    assert len(ended) < 49


def test_an_interrupted_add_returns_when_nothing_is_written_any_more(tmp_path: Path) -> None:
    ended: list[slice] = []

    def encode(rows: slice) -> Any:
        if len(ended) == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        threading.Event().wait(0.005)
        ended.append(rows)
        return np.zeros((rows.stop - rows.start, DIMENSIONS), np.uint8)

    store = IndexStore.create(tmp_path, IndexSettings("vectors", DIMENSIONS, "int8", "bits", ""))
    codes = np.zeros((1000, store.settings.code_width), np.uint8)
    with pytest.raises(KeyboardInterrupt):
        store.add(range(1000), [None] * 1000, codes, encode, np.ones(1000, np.int64))
    assert len(ended) == 4
    store.close()


def test_a_change_that_is_interrupted_when_it_is_on_disk_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def interrupted(database: sqlite3.Connection) -> Iterator[None]:
        with transaction(database):
            yield
        raise KeyboardInterrupt

    with BinaryIndex(DIMENSIONS) as index:
        index.add(range(100), VECTORS[:100])
        with monkeypatch.context() as patched:
            patched.setattr("jina_index.database.transaction", interrupted)
            for change in (lambda: index.add(range(100, 200), VECTORS[100:200]), lambda: index.remove([0, 1, 2])):
                with pytest.raises(KeyboardInterrupt):
                    change()
        index.add(range(200, 300), VECTORS[200:300])
        assert list(index.ids()) == list(range(3, 300))
        assert len(index) == 297
        assert [hits[0].id for hits in index.search(VECTORS[[150, 250]], k=1, oversampling=300)] == [150, 250]
        index.verify()


def test_an_index_may_change_while_its_ids_are_read() -> None:
    with BinaryIndex(DIMENSIONS) as index:
        index.add(range(1400), VECTORS[:1400])
        ids = index.ids()
        assert next(ids) == 0
        index.add([1400], VECTORS[:1])
        index.remove([1300])
        assert list(ids) == [*range(1, 1300), *range(1301, 1401)]


def test_saving_ends_the_reading_of_ids() -> None:
    with BinaryIndex(DIMENSIONS) as index:
        index.add(range(1500), VECTORS)
        ids = index.ids()
        next(ids)
        index.save()
        with pytest.raises(JinaInputError, match="was saved while its items were read"):
            list(ids)
        assert list(index.ids()) == list(range(1500))
    with pytest.raises(JinaInputError, match="is closed"):
        next(index.ids())


def test_an_index_that_cannot_be_saved_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError("no space left")

    with BinaryIndex(DIMENSIONS) as index:
        index.add(range(10), VECTORS[:10])
        monkeypatch.setattr("jina_index.base.publish_generation", fail)
        with pytest.raises(IndexFileError, match="no space left"):
            index.save()
        index.add(range(10, 20), VECTORS[10:20])
        assert index.search(VECTORS[15], k=1)[0].id == 15


def test_a_full_disk_raises_and_changes_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system has no limit to a file's size")
    with BinaryIndex(DIMENSIONS, tmp_path) as index:
        index.add(range(1000), VECTORS[:1000])
        files = sorted(tmp_path.iterdir())
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        try:
            for change in (lambda: index.add(range(1000, 1500), VECTORS[1000:]), lambda: index.remove([1]), index.save):
                with pytest.raises(IndexFileError, match=r"cannot be written .* make room on the disk"):
                    change()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert sorted(tmp_path.iterdir()) == files
        index.add(range(1000, 1500), VECTORS[1000:])
        index.verify()
        assert len(index) == 1500


def _use_inherited(index: BinaryIndex) -> None:
    assert index.search(VECTORS[7], k=1)[0].id == 7
    assert len(list(index.payloads())) == 10
    for change in (lambda: index.add([10], VECTORS[:1]), lambda: index.remove([0]), index.save, index.cluster):
        with pytest.raises(IndexFileError, match="before this process was forked"):
            change()
    index.close()


def _use_saved(index: BinaryIndex, is_saved: Any) -> None:
    assert is_saved.wait(30)
    for _ in range(2):
        with pytest.raises(IndexFileError, match="was saved after this process was forked"):
            index.search(VECTORS[7], k=1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
class TestFork:
    """A process that has an index open forks."""

    def test_the_child_searches_and_cannot_change_or_delete_the_index(self) -> None:
        with BinaryIndex(DIMENSIONS) as index:
            index.add(range(10), VECTORS[:10])
            files = sorted(index.path.iterdir())
            child = multiprocessing.get_context("fork").Process(target=_use_inherited, args=(index,))
            child.start()
            child.join(30)
            assert child.exitcode == 0
            assert sorted(index.path.iterdir()) == files
            index.add([10], VECTORS[10:11])
            index.verify()

    def test_the_child_does_not_read_what_the_parent_has_numbered_anew(self) -> None:
        context = multiprocessing.get_context("fork")
        is_saved = context.Event()
        with BinaryIndex(DIMENSIONS) as index:
            index.add(range(10), VECTORS[:10])
            child = context.Process(target=_use_saved, args=(index, is_saved))
            child.start()
            index.remove([0])
            index.save()
            is_saved.set()
            child.join(30)
            assert child.exitcode == 0
