"""Values that do not survive a fork, such as connections and locks."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that each process makes for itself on first use.

    A forked child must not write into its parent's connections, and a lock that another thread of the parent held at
    the fork stays locked for ever in the child. Several threads may call :meth:`get`.

    Args:
        make: makes the value. If two threads call it at the same time, one of the two results is dropped.
        first: the value of this process, if there is one already. Other processes then take a copy of it.
    """

    def __init__(self, make: Callable[[], T], first: T | None = None) -> None:
        self._make = make if first is None else partial(copy.copy, first)
        self._values: dict[int, T] = {} if first is None else {os.getpid(): first}

    def get(self) -> T:
        """Return this process's value."""
        process = os.getpid()
        value = self._values.get(process)
        return value if value is not None else self._values.setdefault(process, self._make())

    def pop(self) -> T | None:
        """Remove and return this process's value, or return ``None`` if it was not made yet."""
        return self._values.pop(os.getpid(), None)
