"""The cache as one call uses it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..callers import frames_to_caller
from ..errors import JinaInputError
from .file import EmbeddingCache


class CallCache:
    """Looks up the vectors of one call, and stores new ones until that fails once.

    Vectors that cannot be stored are paid for, so they still go to the caller. A file that another process has locked
    would hold up every further request for half a minute.

    Args:
        cache: the client's.
    """

    def __init__(self, cache: EmbeddingCache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._is_writable = True

    def get(self, keys: Sequence[bytes | None], width: int | None, dtype: np.dtype[Any]) -> dict[int, NDArray[Any]]:
        """Return the vectors that the file holds; see :meth:`EmbeddingCache.get`."""
        return self._cache.get(keys, width, dtype)

    def put(self, keys: Iterable[bytes | None], vectors: NDArray[Any]) -> None:
        """Add vectors, one for each key that is not ``None``, or warn that the call stores none from now on."""
        with self._lock:
            if not self._is_writable:
                return
            try:
                self._cache.put(keys, vectors)
            except JinaInputError as error:
                self._is_writable = False
                reason = str(error)
            else:
                return
        warnings.warn(
            f"{reason}. The call continues and returns its results, but stores no further vectors",
            UserWarning,
            stacklevel=frames_to_caller(),
        )
