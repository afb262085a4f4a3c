"""Turns at reading responses, so that the memory of a call does not grow with the requests in flight.

A few megabytes of responses are read, decoded and stored at the same time. Others wait in the buffers of the system.
Threads also interrupt each other less: only one of them can compute at a time anyway.

A response that takes longer than :data:`PATIENCE` waits for the network, and no longer counts: on a slow network all
responses are read at the same time, as fast as they come.

Large responses are read into buffers that the call keeps for the next ones. The C library would keep the memory of each
thread's responses for that thread: 90 MB for 16 threads, measured with 512 vectors of 1,024 dimensions a response.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from .memory import MemoryBudget, Reservation

RESPONSES_BYTES = 3 * 2**20
"""Bytes of the responses that a call reads at the same time; one larger response is read alone."""
PATIENCE = 0.03
"""Seconds after which a response no longer counts, so that a network of up to 100 MB/s is never held up."""
# Bytes of a body that is read into a buffer. A larger one may be an error of the server, and is not 512 vectors.
_BUFFERED_BYTES = range(2**16, 2**24)
# What a response of unknown size counts for.
_UNKNOWN_BYTES = 2**20
# Responses to requests of one size differ by a few bytes. Their buffers are a multiple of this.
_BUFFER_STEP = 2**16


class Turns:
    """The turns of one call, and the buffers that its responses are read into."""

    def __init__(self) -> None:
        self.budget = MemoryBudget(RESPONSES_BYTES)
        self.buffers: list[bytearray] = []
        self._lock = threading.Lock()
        self._began: dict[Reservation, float] = {}

    def began(self, reservation: Reservation) -> None:
        """Note when a turn began."""
        with self._lock:
            self._began[reservation] = time.monotonic()

    def ended(self, reservation: Reservation) -> None:
        """Give back what a turn holds, or waits for."""
        with self._lock:
            self._began.pop(reservation, None)
        self.budget.release(reservation)

    def give_up_on_slow(self) -> float:
        """Give back what the turns hold that take too long, and return the seconds until the next one does."""
        now = time.monotonic()
        with self._lock:
            oldest_first = list(self._began.items())
        for reservation, began in oldest_first:
            if began + PATIENCE > now:
                return began + PATIENCE - now
            self.ended(reservation)
        return PATIENCE


class Turn:
    """The turn of one request, which the end of the block gives back.

    Args:
        turns: those of the call; ``None`` if the request needs no turn.
    """

    def __init__(self, turns: Turns | None = None) -> None:
        self._turns = turns
        self._reservation: Reservation | None = None
        self._buffer: bytearray | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._turns is None or self._reservation is None:
            return
        if self._buffer is not None:
            self._turns.buffers.append(self._buffer)
        self._turns.ended(self._reservation)

    def begin(self, size: int = 0) -> None:
        """Wait for the turn in this thread. A transport calls this when a response arrives, before it reads the body.

        Args:
            size: of the body in bytes; 0 if it is unknown.
        """
        if self._turns is None or self._reservation is not None:
            return
        budget, ready = self._turns.budget, threading.Event()
        reservation = self._reservation = budget.queue(size or _UNKNOWN_BYTES, ready.set)
        while not budget.acquire(reservation):
            ready.wait(self._turns.give_up_on_slow())
            ready.clear()
        self._turns.began(reservation)

    async def abegin(self, size: int = 0) -> None:
        """Wait for the turn in this task; see :meth:`begin`."""
        if self._turns is None or self._reservation is not None:
            return
        # The synchronous client uses this module too, and does not load asyncio.
        import asyncio

        # All turns of a call end in its event loop.
        budget, ready = self._turns.budget, asyncio.Event()
        reservation = self._reservation = budget.queue(size or _UNKNOWN_BYTES, ready.set)
        while not budget.acquire(reservation):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._turns.give_up_on_slow()):
                    await ready.wait()
            ready.clear()
        self._turns.began(reservation)

    def buffer(self, size: int) -> memoryview | None:
        """Return memory for a body, which another request gets when the turn ends; ``None`` if it needs none.

        Args:
            size: of the body in bytes; 0 if it is unknown.
        """
        if size not in _BUFFERED_BYTES:
            return None
        buffers = self._turns.buffers if self._turns is not None and self._reservation is not None else None
        buffer = buffers.pop() if buffers else bytearray()
        if len(buffer) < size:
            # Growing the old one would copy what is in it.
            buffer = bytearray(-(-size // _BUFFER_STEP) * _BUFFER_STEP)
        self._buffer = buffer
        return memoryview(buffer)[:size]
