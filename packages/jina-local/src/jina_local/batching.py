"""Share batches between all requests that are computed at the same time.

There is no worker thread and no waiting for a batch to fill. One of the threads that wait for results runs the next
batch: its own work first, filled up with other threads' work of the same length. Then the next thread in the queue runs
a batch, so a short text waits for one batch of a long document, not for the whole document.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from .cancellation import current_scope
from .errors import stopping

# The process may end this long after its last batch was to end.
_EXIT_SECONDS = 10.0

Work = TypeVar("Work")
Result = TypeVar("Result")
Other = TypeVar("Other")
Key = TypeVar("Key", bound="int | tuple[str, int]")


class _Caller(Generic[Key, Work, Result]):
    """One thread that waits for results: its pending work by length, and the results so far.

    Each has a condition of its own, because waking all threads for each batch costs more than a short text.
    """

    def __init__(self, work: Iterable[tuple[Key, Work]], lock: threading.RLock) -> None:
        self.changed = threading.Condition(lock)
        self.pending: dict[Key, deque[Work]] = {}
        self.unfinished = 0
        for length, item in work:
            self.pending.setdefault(length, deque()).append(item)
            self.unfinished += 1
        self.results: list[tuple[Work, Result]] = []
        self.failure: BaseException | None = None


class SharedBatches(Generic[Key, Work, Result]):
    """Run work in batches of one length each. Thread-safe.

    If a batch must also share something else, such as the active weights, use a pair of a name and a length as the key.

    Args:
        run: Computes a batch. It takes the work and the length to pad it to, and returns one result per item, in
            order. Only one thread runs it at a time.
        size: Returns the number of items of a length that fit into one batch.
    """

    def __init__(self, run: Callable[[list[Work], Key], list[Result]], size: Callable[[Key], int]) -> None:
        self._run, self._size = run, size
        # Reentrant, because the garbage collector can close an engine at any place.
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._callers: list[_Caller[Key, Work, Result]] = []
        self._queue: deque[_Caller[Key, Work, Result]] = deque()
        self._busy = False
        self._closed = False
        _running.add(self)

    def results(self, work: Iterable[tuple[Key, Work]]) -> Iterator[tuple[Work, Result]]:
        """Compute work, and yield each item with its result in any order.

        Args:
            work: Pairs of a length and the item to pad to it.

        Raises:
            FlatError: The engine is stopping, or the request was cancelled (503).
        """
        caller = _Caller[Key, Work, Result](work, self._lock)
        with self._lock:
            self._callers.append(caller)

        def cancel() -> None:
            with self._lock:
                caller.failure = stopping()
                caller.changed.notify()

        try:
            with current_scope().on_cancel(cancel):
                while caller.unfinished:
                    results = self._next(caller)
                    caller.unfinished -= len(results)
                    yield from results
        finally:
            with self._lock:
                self._callers.remove(caller)

    def run_alone(self, compute: Callable[[], Other]) -> Other:
        """Compute something else while no batch runs, and wait for it before the process ends.

        Args:
            compute: What to compute.

        Raises:
            FlatError: The engine is stopping, or the request was cancelled (503).
        """
        with self._lock:
            self._idle.wait_for(lambda: self._closed or not self._busy)
            current_scope().check()
            if self._closed:
                raise stopping()
            self._busy = True
        try:
            return compute()
        finally:
            with self._lock:
                self._end_batch()

    def close(self) -> None:
        """Stop after the current batch. Callers that still wait get a 503."""
        with self._lock:
            self._closed = True
            self._idle.notify_all()
            for caller in self._callers:
                caller.changed.notify()

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until no batch runs, after :meth:`close`."""
        with self._lock:
            self._idle.wait_for(lambda: not self._busy, seconds)

    def _next(self, caller: _Caller[Key, Work, Result]) -> list[tuple[Work, Result]]:
        """Return some of a caller's results; an empty list means that the caller has just run a batch."""
        with self._lock:
            self._queue.append(caller)
            try:
                caller.changed.wait_for(
                    lambda: self._closed or caller.failure or caller.results or self._runs_next(caller)
                )
            finally:
                self._queue.remove(caller)
                # Another thread may have waited for this caller to run the next batch.
                self._wake_next()
            if self._closed:
                raise stopping()
            if caller.failure:
                raise caller.failure
            if caller.results:
                results, caller.results = caller.results, []
                return results
            batch, length = self._fill(caller)
            self._busy = True
        self._compute(caller, batch, length)
        return []

    def _runs_next(self, caller: _Caller[Key, Work, Result]) -> bool:
        if self._busy or not caller.pending:
            return False
        return next(other for other in self._queue if other.pending) is caller

    def _fill(self, caller: _Caller[Key, Work, Result]) -> tuple[list[tuple[_Caller[Key, Work, Result], Work]], Key]:
        length = min(caller.pending)
        size = self._size(length)
        batch: list[tuple[_Caller[Key, Work, Result], Work]] = []
        for other in (caller, *self._callers):
            items = other.pending.get(length)
            while items and len(batch) < size:
                batch.append((other, items.popleft()))
            if items is not None and not items:
                del other.pending[length]
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
        with self._lock:
            for place, (other, work) in enumerate(batch):
                if failure is None:
                    other.results.append((work, results[place]))
                elif other is caller or isinstance(failure, Exception):
                    other.failure = failure
                else:
                    # An interrupt concerns only the thread that it reached: other threads' work stays pending.
                    other.pending.setdefault(length, deque()).append(work)
                other.changed.notify()
            self._end_batch()

    def _end_batch(self) -> None:
        self._busy = False
        self._idle.notify_all()
        self._wake_next()

    def _wake_next(self) -> None:
        """Wake the thread that runs the next batch."""
        if not self._busy:
            for caller in self._queue:
                if caller.pending:
                    caller.changed.notify()
                    return


# Each is weak, so that an engine that nobody uses is freed.
_running: weakref.WeakSet[SharedBatches[Any, Any, Any]] = weakref.WeakSet()


def _end_before_exit() -> None:
    """Let the batches that run finish: a native library aborts the process if it ends inside of one."""
    deadline = time.monotonic() + _EXIT_SECONDS
    batches = list(_running)
    for each in batches:
        each.close()
    for each in batches:
        each.wait_until_idle(max(0.0, deadline - time.monotonic()))


atexit.register(_end_before_exit)

if hasattr(os, "register_at_fork"):  # A forked process does not inherit the threads that compute.
    os.register_at_fork(after_in_child=_running.clear)
