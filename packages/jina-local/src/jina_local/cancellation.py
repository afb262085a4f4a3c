"""Cancel requests: after Ctrl-C, when the client hangs up, when a batch job is cancelled, or when the engine closes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol

from .errors import stopping


class CallerCancellation(Protocol):
    """Tells that a caller no longer waits for a request. ``jina_client`` has a class of this shape."""

    def on_cancel(self, callback: Callable[[], None], /) -> AbstractContextManager[None]:
        """Call a function from another thread if the caller gives up while the block runs."""


class RequestScope:
    """The work for one request, which another thread can cancel. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._callbacks: dict[object, Callable[[], None]] = {}

    @property
    def is_cancelled(self) -> bool:
        """Whether the request was cancelled."""
        return self._cancelled

    def cancel(self) -> None:
        """Cancel the request: run every registered function, and make every later :meth:`check` raise an error."""
        with self._lock:
            self._cancelled = True
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()

    def check(self) -> None:
        """Raise an error if the request was cancelled.

        Raises:
            FlatError: The request was cancelled (503).
        """
        if self._cancelled:
            raise stopping()

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call a function from another thread if the request is cancelled while the block runs.

        Args:
            callback: A quick function that raises no error.

        Raises:
            FlatError: The request was cancelled before (503).
        """
        registration = object()
        with self._lock:
            self._callbacks[registration] = callback
        try:
            self.check()
            yield
        finally:
            with self._lock:
                del self._callbacks[registration]


class RequestScopes:
    """The scopes of all requests that an engine computes. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: set[RequestScope] = set()
        self._closed = False

    @contextmanager
    def enter(self, cancellation: CallerCancellation | None = None) -> Iterator[RequestScope]:
        """Make a scope current while the block runs. Inside a scope of this engine, the block shares that scope.

        Args:
            cancellation: Cancels the scope.

        Raises:
            FlatError: The engine is closed (503).
        """
        outer = _current.get()
        with self._lock:
            if outer is not None and outer in self._active:
                scope, is_new = outer, False
            else:
                scope, is_new = RequestScope(), True
                self._active.add(scope)
            if self._closed:
                scope.cancel()
        token = _current.set(scope)
        try:
            with nullcontext() if cancellation is None else cancellation.on_cancel(scope.cancel):
                yield scope
        finally:
            _current.reset(token)
            if is_new:
                with self._lock:
                    self._active.discard(scope)

    def close(self) -> None:
        """Cancel all requests, and all later ones."""
        with self._lock:
            self._closed = True
            active = list(self._active)
        for scope in active:
            scope.cancel()


def current_scope() -> RequestScope:
    """Return the scope of the request that this thread computes; outside of one, a scope that nothing cancels."""
    return _current.get() or _NEVER_CANCELLED


_NEVER_CANCELLED = RequestScope()
_current: ContextVar[RequestScope | None] = ContextVar("jina_local_request_scope", default=None)
