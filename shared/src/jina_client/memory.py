"""Budgets of memory: how much of something large may be in memory at the same time.

Photos are large in two places: as pixels while they are resized, and as base64 from the time a request is encoded to
its response. Each place has a budget, so that the memory of a call does not grow with the number of its inputs or of
its requests in flight.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

BODIES_BYTES = 64 * 2**20
"""Bytes of the request bodies with media that a client has in memory at the same time."""
STREAM_BYTES = 16 * 2**20
"""Bytes of the vectors of a stream that are requested and not yet in the caller's hands."""


@dataclass(slots=True, eq=False)
class Reservation:
    """A part of a budget that someone waits for or holds.

    Attributes:
        size: in bytes.
        wake: called from any thread when it is worth trying :meth:`MemoryBudget.acquire` again.
        held: whether the budget has granted it.
    """

    size: int
    wake: Callable[[], None]
    held: bool = False


class MemoryBudget:
    """Grants reservations in the order of their arrival while they fit; one larger than the budget is granted alone.

    Every method may be called from any thread, and only :meth:`reserved` blocks.

    Args:
        limit: in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._queue: deque[Reservation] = deque()
        self._held = 0

    def fitting(self, size: int) -> int:
        """Return how many reservations of a size are granted at the same time."""
        return self._limit // max(size, 1) or 1

    def queue(self, size: int, wake: Callable[[], None]) -> Reservation:
        """Enter the queue at its end."""
        reservation = Reservation(size, wake)
        with self._lock:
            self._queue.append(reservation)
        return reservation

    def acquire(self, reservation: Reservation) -> bool:
        """Return whether the reservation is granted. If not, its ``wake`` tells when to try again.

        Args:
            reservation: as :meth:`queue` returned it.
        """
        with self._lock:
            fits = not self._held or self._held + reservation.size <= self._limit
            if self._queue[0] is not reservation or not fits:
                return False
            self._queue.popleft()
            self._held += reservation.size
            reservation.held = True
            self._wake_first()
            return True

    def release(self, reservation: Reservation) -> None:
        """Give a reservation back, whether it was granted, still waits or was given back already."""
        with self._lock:
            if reservation.held:
                self._held -= reservation.size
                reservation.held = False
            elif reservation in self._queue:
                self._queue.remove(reservation)
            self._wake_first()

    @contextmanager
    def reserved(self, size: int) -> Iterator[None]:
        """Wait in this thread until so many bytes fit, and hold them for the block."""
        ready = threading.Event()
        reservation = self.queue(size, ready.set)
        try:
            while not self.acquire(reservation):
                ready.wait()
                ready.clear()
            yield
        finally:
            self.release(reservation)

    def _wake_first(self) -> None:
        if self._queue:
            self._queue[0].wake()
