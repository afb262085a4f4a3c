"""Turns at reading responses, so that the memory of a call does not grow with the requests in flight.

A few threads of a call read, decode and store a response at the same time. The responses of the others wait in the
buffers of the system. Threads also interrupt each other less: only one of them can compute at a time anyway. An event
loop needs no turns, because it decodes each response as soon as it is complete.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

READERS = 4
"""Threads of a call that read a response at the same time."""
LONGEST_WAIT = 1.0
"""Seconds after which a thread reads without a turn, so that a server that stops in the middle holds up no other."""


class Turn:
    """The turn of one request, which the end of the block gives back.

    Args:
        free: the free turns of the call; ``None`` if no turn is needed.
    """

    def __init__(self, free: threading.Semaphore | None = None) -> None:
        self._free = free
        self._is_held = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._free is not None and self._is_held:
            self._free.release()

    def begin(self) -> None:
        """Wait for the turn. A transport calls this when a response arrives, before it reads the body."""
        if self._free is not None and not self._is_held:
            self._is_held = self._free.acquire(timeout=LONGEST_WAIT)
