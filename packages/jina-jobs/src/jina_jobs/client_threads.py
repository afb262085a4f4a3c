"""One client for each job in a worker process, which synchronous code drives and calls that follow each other share."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any, TypeVar

from jina_client import AsyncJinaClient, Attempt

T = TypeVar("T")

# Longer than the window of the rate limiter: a client that is closed forgets what it has sent.
_IDLE_SECONDS = 90.0


@dataclass(frozen=True)
class Counts:
    """The work of a job in one process, in numbers.

    Attributes:
        rows: rows with a result or an error.
        failed: rows with an error.
        tokens: as the service counted them.
        requests: requests that were sent, repeats included.
        retries: requests that were repeats.
        waited: seconds that requests waited for the limits of rate and concurrency, summed.
    """

    rows: int = 0
    failed: int = 0
    tokens: int = 0
    requests: int = 0
    retries: int = 0
    waited: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))


class JobCounter:
    """Counts what a job does in this process. Any thread may add to it."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._lock = threading.Lock()

    def add(self, counts: Counts) -> None:
        """Add to the counts."""
        with self._lock:
            self.counts += counts

    def add_attempt(self, attempt: Attempt) -> None:
        """Count a request."""
        self.add(Counts(requests=1, retries=int(attempt.number > 1), waited=attempt.waited))


class ClientThread:
    """A client, and the thread whose event loop runs its calls.

    Args:
        make: makes the client, in that thread.
    """

    def __init__(self, make: Callable[[], AsyncJinaClient]) -> None:
        self.users = 0
        self.idle_since = time.monotonic()
        self._loop = asyncio.new_event_loop()
        # A daemon: a worker process may end without a notice.
        self._thread = threading.Thread(target=self._loop.run_forever, name="jina-jobs-client", daemon=True)
        self._thread.start()

        async def made() -> AsyncJinaClient:
            return make()

        try:
            self.client = self._wait(made())
        except BaseException:
            self._stop()
            raise

    def iterate(self, stream: AsyncGenerator[T, None]) -> Iterator[T]:
        """Yield what an asynchronous generator yields. It runs in the thread, and is closed at the end."""
        end = object()
        running: asyncio.Task[Any] | None = None

        async def step() -> Any:
            nonlocal running
            running = asyncio.current_task()
            return await anext(stream, end)

        async def close() -> None:
            # After an interruption, the step that it left must end before the generator can be closed.
            if running is not None:
                running.cancel()
                await asyncio.wait([running])
            await stream.aclose()

        try:
            while (item := self._wait(step())) is not end:
                yield item
        finally:
            self._wait(close())

    def close(self) -> None:
        """Close the client, and end the thread."""
        self._wait(self.client.aclose())
        self._stop()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            # Interrupted here: the work must end too.
            future.cancel()
            raise

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


_threads: dict[str, ClientThread] = {}
_counters: dict[str, JobCounter] = {}
_lock = threading.Lock()


@contextmanager
def client_thread(job: str, make: Callable[[], AsyncJinaClient]) -> Iterator[ClientThread]:
    """Use the client of a job in this process: the first call makes it, and it stays open between calls.

    Args:
        job: a name that no other job has.
        make: makes the client.
    """
    with _lock:
        _close_idle(time.monotonic() - _IDLE_SECONDS)
        if job not in _threads:
            _threads[job] = ClientThread(make)
        thread = _threads[job]
        thread.users += 1
    try:
        yield thread
    finally:
        with _lock:
            thread.users -= 1
            thread.idle_since = time.monotonic()


def counter_of(job: str) -> JobCounter:
    """Return the counter of a job in this process."""
    return _counters.setdefault(job, JobCounter())


def close_client(job: str) -> None:
    """Close the client of a job in this process, if no call uses it. A later call makes another one."""
    with _lock:
        if job in _threads and not _threads[job].users:
            _threads.pop(job).close()


def _close_idle(before: float) -> None:
    for job, thread in list(_threads.items()):
        if not thread.users and thread.idle_since <= before:
            _threads.pop(job).close()


def _forget() -> None:
    """Forget the clients of the parent process: its threads do not exist in a forked child."""
    global _lock
    _lock = threading.Lock()
    _threads.clear()
    _counters.clear()


@atexit.register
def _close_all() -> None:
    with _lock:
        _close_idle(float("inf"))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
