"""Ending a call early: after Ctrl-C, after an error that ends the whole call, or when a stream is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Cancelled(BaseException):
    """Raised inside a worker thread whose call has ended. Callers never see it.

    It derives from ``BaseException`` so that code which handles ordinary errors does not swallow it.
    """


class Cancellation:
    """Tells the threads that work for one call that the call has ended.

    Every :class:`jina_client.transport.Request` carries one. A transport that registers a function with
    :meth:`on_cancel` lets Ctrl-C end an exchange immediately; without that, Ctrl-C waits for the exchange to finish.
    """

    def __init__(self) -> None:
        self._is_set = threading.Event()
        self._callbacks: set[Callable[[], None]] = set()
        self._lock = threading.Lock()

    def cancel(self) -> None:
        """End the call: run every registered function, and make every later :meth:`check` raise."""
        self._is_set.set()
        with self._lock:
            callbacks = list(self._callbacks)
        for callback in callbacks:
            # The socket that it shuts down may be closed already.
            with suppress(OSError):
                callback()

    def check(self) -> None:
        """Raise :class:`Cancelled` if the call has ended."""
        if self._is_set.is_set():
            raise Cancelled

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``, or raise :class:`Cancelled` as soon as the call ends."""
        if self._is_set.wait(seconds):
            raise Cancelled

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call a function from another thread if the call ends while the block runs.

        Args:
            callback: must be quick, such as a function that shuts a socket down. An ``OSError`` that it raises is
                ignored.

        Raises:
            Cancelled: the call has already ended.
        """
        with self._lock:
            self._callbacks.add(callback)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._callbacks.discard(callback)
