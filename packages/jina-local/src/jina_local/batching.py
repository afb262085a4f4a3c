"""Batches shared by all requests that are computed at the same time.

There is no thread of its own and no waiting for a batch to fill. Of the threads that wait for results one runs the next
batch: its own work first, filled up with others' work of the same length. Then the next in line has its turn, so a
short text waits for one batch of a long document, not for all of it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from .errors import stopping

Work = TypeVar("Work")
Result = TypeVar("Result")
Key = TypeVar("Key", bound="int | tuple[str, int]")


class _Caller(Generic[Key, Work, Result]):
    """What one caller still waits for."""

    def __init__(self, work: Iterable[tuple[Key, Work]]) -> None:
        self.waiting: dict[Key, deque[Work]] = {}
        self.unfinished = 0
        for length, item in work:
            self.waiting.setdefault(length, deque()).append(item)
            self.unfinished += 1
        self.results: list[tuple[Work, Result]] = []
        self.failure: BaseException | None = None


class SharedBatches(Generic[Key, Work, Result]):
    """Runs work in batches of one length each. It may be used by several threads at once.

    Where more than the length must be the same in a batch, such as the weights in use, the length comes as a pair of a
    name and a number.

    Args:
        run: computes a batch: the results of some work, in order, all of it padded to ``length``. It is never run by
            two threads at once.
        size: how much work of a length one batch holds.
    """

    def __init__(self, run: Callable[[list[Work], Key], list[Result]], size: Callable[[Key], int]) -> None:
        self._run, self._size = run, size
        self._changed = threading.Condition()
        self._callers: list[_Caller[Key, Work, Result]] = []
        self._line: deque[_Caller[Key, Work, Result]] = deque()
        self._busy = False
        self._closed = False

    def results(self, work: Iterable[tuple[Key, Work]]) -> Iterator[tuple[Work, Result]]:
        """Each piece of work with its result, in any order.

        Args:
            work: pairs of a length and the work that is padded to it.

        Raises:
            FlatRefusal: the engine is stopping (503).
        """
        caller = _Caller[Key, Work, Result](work)
        with self._changed:
            self._callers.append(caller)
        try:
            while caller.unfinished:
                found = self._next(caller)
                caller.unfinished -= len(found)
                yield from found
        finally:
            with self._changed:
                self._callers.remove(caller)
                self._changed.notify_all()

    def close(self) -> None:
        """Compute nothing more: whoever waits is refused with 503, once the batch that runs is done."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self, caller: _Caller[Key, Work, Result]) -> list[tuple[Work, Result]]:
        """Some of a caller's results, or none after it has run a batch."""
        with self._changed:
            self._line.append(caller)
            try:
                self._changed.wait_for(
                    lambda: self._closed or caller.failure or caller.results or self._turn_of(caller)
                )
            finally:
                self._line.remove(caller)
                # Somebody else may have waited for this one to run the next batch.
                self._changed.notify_all()
            if self._closed:
                raise stopping()
            if caller.failure:
                raise caller.failure
            if caller.results:
                found, caller.results = caller.results, []
                return found
            batch, length = self._fill(caller)
            self._busy = True
        self._compute(caller, batch, length)
        return []

    def _turn_of(self, caller: _Caller[Key, Work, Result]) -> bool:
        if self._busy or not caller.waiting:
            return False
        return next(other for other in self._line if other.waiting) is caller

    def _fill(self, caller: _Caller[Key, Work, Result]) -> tuple[list[tuple[_Caller[Key, Work, Result], Work]], Key]:
        length = min(caller.waiting)
        size = self._size(length)
        batch: list[tuple[_Caller[Key, Work, Result], Work]] = []
        for other in (caller, *self._callers):
            queue = other.waiting.get(length)
            while queue and len(batch) < size:
                batch.append((other, queue.popleft()))
            if queue is not None and not queue:
                del other.waiting[length]
        return batch, length

    def _compute(
        self, caller: _Caller[Key, Work, Result], batch: list[tuple[_Caller[Key, Work, Result], Work]], length: Key
    ) -> None:
        results: list[Result] = []
        failure: BaseException | None = None
        try:
            results = self._run([work for _, work in batch], length)
        except BaseException as error:
            failure = error
        with self._changed:
            for place, (other, work) in enumerate(batch):
                if failure is None:
                    other.results.append((work, results[place]))
                elif other is caller or isinstance(failure, Exception):
                    other.failure = failure
                else:
                    # An interrupt is meant for the thread it came to: the others' work is still to be done.
                    other.waiting.setdefault(length, deque()).append(work)
            self._busy = False
            self._changed.notify_all()
