"""Tasks of an event loop. :mod:`jina_client.concurrency.threads` has the same names for threads."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from .. import transport as transports
from ..cancellation import Cancellation
from ..errors import JinaInputError, RateLimitError
from ..inputs import checked_iterable
from ..limiter import Limiter, Slot
from ..memory import MemoryBudget
from ..settings import Settings
from ..transport import AsyncTransport
from ..turns import Turn, Turns

T = TypeVar("T")


class TaskWorkers:
    """The tasks of one call. None of them is left when the block ends, however it ends.

    Args:
        size: the number of concurrent tasks of :meth:`run`.
    """

    def __init__(self, size: int) -> None:
        self.cancellation = Cancellation()
        self._size = size
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turns = Turns()
        self._computing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.cancellation.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the same work in every task of the group and wait; the first error ends the wait."""
        await asyncio.gather(*(self._start(work()) for _ in range(self._size)))

    def start(self, function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> asyncio.Task[T]:
        """Start a task of its own."""
        return self._start(function(*arguments))

    async def result(self, task: Awaitable[T]) -> T:
        """Wait for a task of :meth:`start` and return its result."""
        return await task

    async def sleep(self, seconds: float) -> None:
        """Wait, unless the call ends."""
        await asyncio.sleep(seconds)

    @asynccontextmanager
    async def slot(self, limiter: Limiter, tokens: int, *, retry: bool) -> AsyncIterator[Slot]:
        """Wait for a slot of the limiter, hold it for the block, and report a rejection to the limiter."""
        ready, wake = _event()
        slot = limiter.queue(tokens, wake, retry=retry)
        try:
            while (delay := limiter.acquire(slot)) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if math.isinf(delay) else delay):
                        await ready.wait()
                ready.clear()
            yield slot
        except RateLimitError as error:
            limiter.rejected(slot, error)
            raise
        finally:
            limiter.release(slot)

    @asynccontextmanager
    async def room(self, budget: MemoryBudget, size: int) -> AsyncIterator[None]:
        """Wait until so many bytes fit into a budget, and hold them for the block."""
        if not size:
            yield
            return
        ready, wake = _event()
        reservation = budget.queue(size, wake)
        try:
            while not budget.acquire(reservation):
                await ready.wait()
                ready.clear()
            yield
        finally:
            budget.release(reservation)

    def one_computes(self) -> asyncio.Lock:
        """Return a lock that one task at a time holds, so that tasks do not take one step each before others run."""
        return self._computing

    def turn(self) -> Turn:
        """Return a turn at reading a response."""
        return Turn(self._turns)

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _event() -> tuple[asyncio.Event, Callable[[], None]]:
    """Return an event of the running loop, and a function that sets it from any thread."""
    loop, event, thread = asyncio.get_running_loop(), asyncio.Event(), threading.get_ident()

    def set_event() -> None:
        # A closed event loop waits for nothing.
        with suppress(RuntimeError):
            if threading.get_ident() == thread:
                # Setting it through the loop would write to a socket, which the loop reads in its next round.
                event.set()
            else:
                loop.call_soon_threadsafe(event.set)

    return event, set_event


async def in_thread(function: Callable[..., T], *arguments: Any, blocks: bool = True, **options: Any) -> T:
    """Call a function in a thread, because it reads files or the cache and would hold up the event loop.

    Args:
        function: what to call.
        *arguments: passed on.
        blocks: whether it takes long at all; if not, it is called right here.
        **options: passed on.
    """
    return await asyncio.to_thread(function, *arguments, **options) if blocks else function(*arguments, **options)


async def to_completion(function: Callable[..., None], *arguments: Any, blocks: bool) -> None:
    """Call a function that stores something paid for, even if the task is cancelled meanwhile."""
    if not blocks:
        function(*arguments)
        return
    task = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def sleep(seconds: float) -> None:
    """Wait."""
    await asyncio.sleep(seconds)


async def iterate(inputs: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    """Iterate over inputs of either kind."""
    if isinstance(inputs, AsyncIterable):
        async for item in inputs:
            yield item
    else:
        for item in checked_iterable(inputs):
            yield item


def closed_by_loop(generator: AsyncGenerator[T, None]) -> AsyncIterator[T]:
    """Return a generator that the event loop closes if the caller abandons it.

    Loops of asyncio do so anyway. nest_asyncio runs loops that do not: there Python itself ends the generator, which
    then cannot await the end of its tasks.

    Args:
        generator: the generator, not started.
    """
    return AsyncStream(generator)


class AsyncStream(AsyncIterator[T]):
    """The items of an asynchronous generator; see :func:`closed_by_loop`."""

    def __init__(self, generator: AsyncGenerator[T, None]) -> None:
        self._generator = generator
        self._started = False

    def __anext__(self) -> Awaitable[T]:
        hooks = sys.get_asyncgen_hooks()
        if self._started or hooks.finalizer is not None:
            return self._generator.__anext__()
        self._started = True
        loop = asyncio.get_running_loop()
        # A generator keeps the hook that is set when its first item is requested.
        sys.set_asyncgen_hooks(finalizer=lambda generator: end_in_loop(generator.aclose(), loop))
        try:
            return self._generator.__anext__()
        finally:
            sys.set_asyncgen_hooks(*hooks)

    async def aclose(self) -> None:
        """Close the generator."""
        await self._generator.aclose()


def end_in_loop(closing: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
    """Run the end of something in its event loop: now if the loop does not run, soon if it does."""
    try:
        if loop.is_running():
            asyncio.run_coroutine_threadsafe(closing, loop)
        else:
            loop.run_until_complete(closing)
    except RuntimeError:
        # The loop was closed, and its connections with it; or another loop runs in this thread.
        closing.close()


def open_transport(settings: Settings) -> AsyncTransport:
    """Return the transport that the settings ask for; one that the caller passed must fit."""
    transport = settings.transport
    if transport is not None:
        if not isinstance(transport, AsyncTransport):
            raise JinaInputError(
                f"transport= must have asend() and aclose() methods; got {type(transport).__name__}. "
                "A transport with send() and close() is one for JinaClient"
            )
        return transport
    if settings.is_local:
        return transports.LocalTransport()
    if settings.is_sagemaker:
        return transports.SageMakerTransport(settings.root, settings.connections, settings.timeout)
    # This imports aiohttp: now and not at the first request, because it takes long enough to be felt in an event loop.
    return transports.AiohttpTransport(settings.connections, settings.ca_bundle)
