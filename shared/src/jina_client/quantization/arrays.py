"""Conversion and validation of the caller's vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaInputError

# Numbers in one block, 8 MB as float64: temporary copies stay small compared with the vectors.
_BLOCK = 2**20


def as_vectors(vectors: Any, name: str = "vectors", *, rows: bool = False, finite: bool = True) -> NDArray[Any]:
    """Return vectors as an array of shape ``(n, dims)`` or, unless ``rows``, ``(dims,)``.

    Args:
        vectors: the vectors.
        name: the argument that they came from, for messages.
        rows: whether to reject a single vector.
        finite: whether to reject a NaN and an infinity, which takes reading all numbers.

    Raises:
        JinaInputError: another shape, values that are not numbers, or a NaN or an infinity.
    """
    shapes = "(n, dims)" if rows else "(n, dims) or (dims,)"
    try:
        values = np.asarray(vectors)
    except ValueError:
        raise JinaInputError(f"{name} must be numbers of shape {shapes}, got rows of different lengths") from None
    if values.ndim not in ((2,) if rows else (1, 2)) or values.dtype.kind not in "fiu" or values.shape[-1] == 0:
        raise JinaInputError(f"{name} must be numbers of shape {shapes}, got {values.dtype} of shape {values.shape}")
    for block in blocks(values) if finite else ():
        if not np.isfinite(values[block]).all():
            raise JinaInputError(f"{name} must be finite numbers, got a NaN or an infinity")
    return values


def blocks(values: NDArray[Any], size: int = _BLOCK) -> Iterator[slice]:
    """Yield slices of the first axis, of about ``size`` numbers each."""
    step = max(1, size // max(1, values[:1].size))
    return (slice(start, start + step) for start in range(0, len(values), step))
