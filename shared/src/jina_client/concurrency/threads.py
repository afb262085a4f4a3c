"""Threads. :mod:`jina_client.concurrency.tasks` has the same names for the tasks of an event loop.

As tasks do, a thread starts with a copy of the caller's context variables, such as the current span of a tracer.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import WeakSet

from .. import transport as transports
from ..cancellation import Cancellation
from ..errors import JinaInputError, RateLimitError
from ..inputs import checked_iterable
from ..limiter import Limiter, Slot
from ..memory import MemoryBudget
from ..settings import Settings
from ..transport import Transport
from ..turns import Turn, Turns

T = TypeVar("T")


class ThreadWorkers:
    """The threads of one call. None of them is left when the block ends, however it ends.

    Args:
        size: the number of concurrent threads.
    """

    def __init__(self, size: int) -> None:
        self.cancellation = Cancellation()
        self._size = size
        self._name = f"jina-client-{id(self):x}"
        self._pool: ThreadPoolExecutor | None = None
        self._caller = threading.current_thread()
        self._turns = Turns()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.cancellation.cancel()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if error is not None:
            # The pool does not know of a thread whose start was interrupted by Ctrl-C.
            for thread in threading.enumerate():
                while thread.name.startswith(self._name) and thread in threading.enumerate():
                    try:
                        thread.join()
                    except RuntimeError:
                        # It is listed, and has not started yet.
                        time.sleep(0.001)

    def run(self, work: Callable[[], None]) -> None:
        """Run the same work in every thread of the group and wait; the first error ends the wait."""
        if self._size == 1:
            work()
            return
        pool = self._threads()
        for future in as_completed([pool.submit(copy_context().run, work) for _ in range(self._size)]):
            future.result()

    def start(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Start a function in a thread."""
        self._caller = threading.current_thread()
        return self._threads().submit(copy_context().run, function, *arguments)

    def result(self, future: Future[T]) -> T:
        """Wait for a function of :meth:`start` and return its result."""
        self._caller = threading.current_thread()
        return future.result()

    def sleep(self, seconds: float) -> None:
        """Wait, unless the call ends."""
        self.cancellation.sleep(seconds)

    @contextmanager
    def slot(self, limiter: Limiter, tokens: int, *, retry: bool) -> Iterator[Slot]:
        """Wait for a slot of the limiter, hold it for the block, and report a rejection to the limiter."""
        ready = threading.Event()
        slot = limiter.queue(tokens, ready.set, retry=retry)
        try:
            with self.cancellation.on_cancel(ready.set):
                while (delay := limiter.acquire(slot)) > 0:
                    ready.wait(None if math.isinf(delay) else delay)
                    ready.clear()
                    self.cancellation.check()
            yield slot
        except RateLimitError as error:
            limiter.rejected(slot, error)
            raise
        finally:
            limiter.release(slot)

    @contextmanager
    def room(self, budget: MemoryBudget, size: int) -> Iterator[None]:
        """Wait until so many bytes fit into a budget, and hold them for the block."""
        if not size:
            yield
            return
        ready = threading.Event()
        reservation = budget.queue(size, ready.set)
        try:
            with self.cancellation.on_cancel(ready.set):
                while not budget.acquire(reservation):
                    ready.wait()
                    ready.clear()
                    self.cancellation.check()
            yield
        finally:
            budget.release(reservation)

    def one_computes(self) -> AbstractContextManager[None]:
        """Return a block that threads need not take turns at: Python switches between them."""
        return nullcontext()

    def turn(self) -> Turn:
        """Return a turn at reading a response."""
        return Turn(self._turns)

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._size, thread_name_prefix=self._name)
            _groups.add(self)
        return self._pool


_groups: WeakSet[ThreadWorkers] = WeakSet()


def _end_abandoned_streams() -> None:
    """Cancel the streams that the main thread has left unfinished at the end of the program.

    Otherwise the program would send all requests that they have started: Python closes them only after the pools have
    waited for their threads, and before ``atexit``.
    """
    for group in list(_groups):
        if group._caller is threading.main_thread():
            group.cancellation.cancel()


# The function that the pools themselves use. It is not public; without it, such a program ends later.
if hasattr(threading, "_register_atexit"):
    threading._register_atexit(_end_abandoned_streams)
if hasattr(os, "register_at_fork"):
    # A child must not shut down the connections of its parent.
    os.register_at_fork(after_in_child=_groups.clear)


def in_thread(function: Callable[..., T], *arguments: Any, blocks: bool = True, **options: Any) -> T:
    """Call a function. The caller's thread may wait, so it needs no other."""
    return function(*arguments, **options)


def to_completion(function: Callable[..., None], *arguments: Any, blocks: bool) -> None:
    """Call a function that stores something paid for."""
    function(*arguments)


def sleep(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def iterate(inputs: Iterable[T]) -> Iterator[T]:
    """Iterate over inputs."""
    return iter(checked_iterable(inputs))


def closed_by_loop(generator: Iterator[T]) -> Iterator[T]:
    """Return the generator: Python closes it if the caller abandons it."""
    return generator


def open_transport(settings: Settings) -> Transport:
    """Return the transport that the settings ask for; one that the caller passed must fit."""
    transport = settings.transport
    if transport is not None:
        if not isinstance(transport, Transport):
            raise JinaInputError(
                f"transport= must have send() and close() methods; got {type(transport).__name__}. "
                "A transport with asend() and aclose() is one for AsyncJinaClient"
            )
        return transport
    if settings.is_local:
        return transports.LocalTransport()
    if settings.is_sagemaker:
        return transports.SageMakerTransport(settings.root, settings.connections, settings.timeout)
    return transports.RequestsTransport(settings.connections, settings.ca_bundle, servers=len(settings.roots))
