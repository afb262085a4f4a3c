"""Ending the threads of a call early: on Ctrl-C, and on an error that the others cannot mend."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopped(BaseException):
    """Raised in a thread whose call has ended; no caller sees it. No handler of errors is to take it for one."""


class Stop:
    """Tells the threads of one call that nobody waits for them any more."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self._is_set = threading.Event()
        self._wakers: set[Callable[[], None]] = set()
        self._lock = threading.Lock()

    def set(self) -> None:
        """End what waits, at once."""
        self._is_set.set()
        with self._lock:
            for wake in self._wakers:
                wake()

    def check(self) -> None:
        """Raises Stopped if the call has ended."""
        if self._is_set.is_set():
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Wait, unless the call ends."""
        if self._is_set.wait(seconds):
            raise Stopped

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """While the block runs, call a function when the call ends."""
        with self._lock:
            self._wakers.add(wake)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._wakers.discard(wake)

    @contextmanager
    def working(self) -> Iterator[None]:
        """While the block runs, this thread works for the call."""
        self.threads.add(threading.get_ident())
        try:
            yield
        finally:
            self.threads.discard(threading.get_ident())
