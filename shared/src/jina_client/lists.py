"""Vectors as lists of Python numbers, the form that frameworks store.

Ten million numbers take 0.2 s to make. A call whose caller wants lists therefore makes those of a response while other
requests are in flight, and an event loop runs other tasks in between.

Python's garbage collector would then look at every number up to three times, once for each generation of objects, which
takes as long again. Lists of numbers are never part of a cycle, so they are counted as old at once, and only full
collections look at them.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from numpy.typing import NDArray

# Numbers that are made in a few milliseconds, after which an event loop gets its turn.
_NUMBERS_PER_TURN = 2**17
# Fewer numbers are not worth a collection of the young objects.
_FEWEST_OLD = 2**16
# Numbers between two full collections, 2 GB of them, that are counted as old at once. Each time restarts the count to
# the next full collection, which would otherwise never come.
_MOST_OLD = 2**26
# Python 3.12 freezes 400 objects when it starts.
_FROZEN_BY_PYTHON = 1000

_wanted: ContextVar[bool] = ContextVar("lists_wanted", default=False)


@contextmanager
def making_lists(wanted: bool = True) -> Iterator[None]:
    """Make lists as responses arrive, in the calls within the block, because the caller will want them."""
    previous = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(previous)


def as_lists(vectors: NDArray[Any]) -> list[list[float]]:
    """Return vectors as lists of Python numbers."""
    with _old.counting(vectors.size):
        lists: list[list[float]] = vectors.tolist()
    return lists


class Lists:
    """The lists of one result, made in parts by any threads."""

    def __init__(self) -> None:
        self._parts: dict[int, list[list[float]]] = {}

    @classmethod
    def if_wanted(cls) -> Lists | None:
        """Return an object to make lists with if the caller of the current call wants them."""
        return cls() if _wanted.get() else None

    def make(self, vectors: NDArray[Any], rows: range) -> Iterator[None]:
        """Make the lists of some rows of the result, in steps of a few milliseconds."""
        step = max(1, _NUMBERS_PER_TURN // max(1, vectors.shape[1]))
        for start in range(rows.start, rows.stop, step):
            self._parts[start] = as_lists(vectors[start : min(start + step, rows.stop)])
            yield

    def take(self, count: int) -> list[list[float]] | None:
        """Return the lists of all ``count`` rows, once; ``None`` if rows are missing."""
        parts, self._parts = self._parts, {}
        lists = [row for start in sorted(parts) for row in parts[start]]
        return lists if len(lists) == count else None


class _OldObjects:
    """Counts objects of this process as old."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = self._full_collections = 0

    @contextmanager
    def counting(self, numbers: int) -> Iterator[None]:
        """Count the lists that the block makes as old, unless they have few numbers or a full collection is due."""
        if numbers < _FEWEST_OLD or not gc.isenabled() or not self._may_add(numbers):
            yield
            return
        # Other young objects that are in use count as old too, as after any collection of the young ones.
        gc.collect(1)
        gc.disable()
        try:
            yield
        finally:
            gc.freeze()
            gc.unfreeze()
            gc.enable()

    def _may_add(self, numbers: int) -> bool:
        # A program that has frozen objects wants them to stay so.
        if gc.get_freeze_count() > _FROZEN_BY_PYTHON:
            return False
        full_collections = gc.get_stats()[-1]["collections"]
        with self._lock:
            if full_collections != self._full_collections:
                self._numbers, self._full_collections = 0, full_collections
            self._numbers += numbers
            return self._numbers <= _MOST_OLD


_old = _OldObjects()
