"""Turns at reading responses, so that the memory of a call does not grow with the requests in flight.

A few megabytes of responses are read, decoded and stored at the same time. Others wait in the buffers of the system.
Threads also interrupt each other less: only one of them can compute at a time anyway.

Large responses are read into buffers that the call keeps for the next ones. The C library would keep the memory of each
thread's responses for that thread: 90 MB for 16 threads, measured with 512 vectors of 1,024 dimensions a response.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from .memory import MemoryBudget, Reservation

RESPONSES_BYTES = 3 * 2**20
"""Bytes of the responses that a call reads at the same time; one larger response is read alone."""
PATIENCE = 0.1
"""Seconds in which no turn begins or ends, after which one more response is read in any case.

So a server that stops in the middle of a response, or a slow network, holds up no other response.
"""
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
        self._turns.budget.release(self._reservation)

    def begin(self, size: int = 0) -> None:
        """Wait for the turn in this thread. A transport calls this when a response arrives, before it reads the body.

        Args:
            size: of the body in bytes; 0 if it is unknown.
        """
        if self._turns is None or self._reservation is not None:
            return
        budget, ready = self._turns.budget, threading.Event()
        reservation = self._reservation = budget.queue(size or _UNKNOWN_BYTES, ready.set)
        changes = -1
        while not budget.acquire(reservation, force=budget.changes == changes):
            changes = budget.changes
            if ready.wait(PATIENCE):
                ready.clear()
                changes = -1

    async def abegin(self, size: int = 0) -> None:
        """Wait for the turn in this task; see :meth:`begin`."""
        if self._turns is None or self._reservation is not None:
            return
        # The synchronous client uses this module too, and does not load asyncio.
        import asyncio

        # All turns of a call end in its event loop.
        budget, ready = self._turns.budget, asyncio.Event()
        reservation = self._reservation = budget.queue(size or _UNKNOWN_BYTES, ready.set)
        changes = -1
        while not budget.acquire(reservation, force=budget.changes == changes):
            changes = budget.changes
            try:
                async with asyncio.timeout(PATIENCE):
                    await ready.wait()
            except TimeoutError:
                continue
            ready.clear()
            changes = -1

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
