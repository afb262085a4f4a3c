"""What a caller passes as vectors or codes, as arrays; or refused, with what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaInputError

# 8 MB as float64: a copy in another type stays small beside the vectors.
_AT_ONCE = 2**20


def as_vectors(vectors: Any, name: str = "vectors", *, rows: bool = False) -> NDArray[Any]:
    """Numbers of shape ``(n, dims)`` or, unless ``rows``, ``(dims,)``; all finite.

    Raises:
        JinaInputError: something else.
    """
    shapes = "(n, dims)" if rows else "(n, dims) or (dims,)"
    try:
        values = np.asarray(vectors)
    except ValueError:
        raise JinaInputError(f"{name} must be numbers of shape {shapes}, got rows of different lengths") from None
    if values.ndim not in ((2,) if rows else (1, 2)) or values.dtype.kind not in "fiu" or values.shape[-1] == 0:
        raise JinaInputError(f"{name} must be numbers of shape {shapes}, got {values.dtype} of shape {values.shape}")
    for block in blocks(values):
        if not np.isfinite(values[block]).all():
            raise JinaInputError(f"{name} hold a NaN or an infinity")
    return values


def blocks(values: NDArray[Any], at_once: int = _AT_ONCE) -> Iterator[slice]:
    """Slices of the first axis, each of about so many numbers."""
    step = max(1, at_once // max(1, values[:1].size))
    return (slice(start, start + step) for start in range(0, len(values), step))
