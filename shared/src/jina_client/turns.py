"""Turns at reading responses, so that the memory of a call does not grow with the requests in flight.

A few threads of a call read, decode and store a response at the same time. The responses of the others wait in the
buffers of the system. Threads also interrupt each other less: only one of them can compute at a time anyway. An event
loop needs no turns, because it decodes each response as soon as it is complete.

Large responses are read into buffers that the call keeps for the next ones. The C library would keep the memory of each
thread's responses for that thread: 90 MB for 16 threads, measured with vectors in requests of 512.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

READERS = 4
"""Threads of a call that read a response at the same time."""
LONGEST_WAIT = 1.0
"""Seconds after which a thread reads without a turn, so that a server that stops in the middle holds up no other."""

# Responses to requests of one size differ by a few bytes. Their buffers are a multiple of this.
_BUFFER_STEP = 2**16


class Turns:
    """The turns of one call, and the buffers that its responses are read into.

    Args:
        readers: threads that may read at the same time.
    """

    def __init__(self, readers: int = READERS) -> None:
        self.free = threading.Semaphore(readers)
        self.buffers: list[bytearray] = []


class Turn:
    """The turn of one request, which the end of the block gives back.

    Args:
        turns: those of the call; ``None`` if a turn is not needed.
    """

    def __init__(self, turns: Turns | None = None) -> None:
        self._turns = turns
        self._is_held = False
        self._buffer: bytearray | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._turns is None or not self._is_held:
            return
        if self._buffer is not None:
            self._turns.buffers.append(self._buffer)
        self._turns.free.release()

    def begin(self) -> None:
        """Wait for the turn. A transport calls this when a response arrives, before it reads the body."""
        if self._turns is not None and not self._is_held:
            self._is_held = self._turns.free.acquire(timeout=LONGEST_WAIT)

    def buffer(self, size: int) -> memoryview:
        """Return memory for a body of ``size`` bytes. Another request gets it when the turn ends.

        Args:
            size: in bytes.
        """
        buffer = None
        if self._turns is not None and self._is_held and self._turns.buffers:
            buffer = self._turns.buffers.pop()
        if buffer is None or len(buffer) < size:
            # Growing the old one would copy what is in it.
            buffer = bytearray(-(-size // _BUFFER_STEP) * _BUFFER_STEP)
        self._buffer = buffer
        return memoryview(buffer)[:size]
