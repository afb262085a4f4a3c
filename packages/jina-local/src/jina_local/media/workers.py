"""The media workers of this process, shared by all its engines."""

from __future__ import annotations

import atexit
import os
import threading

from .pool import MediaLimits, MediaPool

# One pool per process: a forked child must not use its parent's workers.
_pools: dict[int, MediaPool] = {}
_locks: dict[int, threading.Lock] = {}
_limits = MediaLimits()


def media_pool(threads: int | None = None) -> MediaPool:
    """Return the pool of this process, created at the first call. It starts no worker before media arrive.

    Args:
        threads: Threads that compute one picture, if this call creates the pool.
    """
    process = os.getpid()
    with _locks.setdefault(process, threading.Lock()):
        if process not in _pools:
            _pools[process] = MediaPool(_limits, threads)
            atexit.register(_pools[process].close)
        return _pools[process]


def set_media_limits(limits: MediaLimits) -> None:
    """Set the limits of this process's workers. Media that are being read get a 503.

    Args:
        limits: The limits.
    """
    global _limits
    process = os.getpid()
    with _locks.setdefault(process, threading.Lock()):
        _limits = limits
        if pool := _pools.pop(process, None):
            pool.close()
