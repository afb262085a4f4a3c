"""How the vectors themselves lie on disk: one byte or one float16 a dimension."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaInputError

Originals = Literal["int8", "float16"]
ORIGINALS = ("int8", "float16")

_SCALE = np.dtype("<f4")
_STEPS = 127
_LARGEST_HALF = 65504.0


def width(originals: Originals, dimensions: int) -> int:
    """The bytes of one vector."""
    return _SCALE.itemsize + dimensions if originals == "int8" else 2 * dimensions


def encode(vectors: NDArray[np.float32], originals: Originals) -> NDArray[np.uint8]:
    """Vectors ``(n, dims)`` as bytes ``(n, width)``.

    ``int8`` has a scale of its own for each vector, largest number / 127, so that no calibration is needed and none
    goes stale; the error of a dot product with it is about 0.0003 for 1024 dimensions of length 1.

    Raises:
        JinaInputError: a number that float16 cannot hold.
    """
    if originals == "float16":
        if vectors.size and np.abs(vectors).max() > _LARGEST_HALF:
            raise JinaInputError(f"vectors hold a number above {_LARGEST_HALF:.0f}, which float16 cannot hold")
        return np.ascontiguousarray(vectors, "<f2").view(np.uint8)
    rows = np.empty((len(vectors), width(originals, vectors.shape[1])), np.uint8)
    scales = np.abs(vectors).max(axis=1, keepdims=True).astype(_SCALE) / np.float32(_STEPS)
    rows[:, : _SCALE.itemsize] = scales.view(np.uint8)
    rows[:, _SCALE.itemsize :] = np.rint(vectors / np.where(scales > 0, scales, 1)).astype(np.int8).view(np.uint8)
    return rows


def dot(rows: NDArray[np.uint8], query: NDArray[np.float32], originals: Originals) -> NDArray[np.float32]:
    """The dot product of each row with one query: float32 ``(n,)``."""
    products: NDArray[np.float32]
    if originals == "float16":
        products = decode(rows, originals) @ query
        return products
    products = rows[:, _SCALE.itemsize :].view(np.int8).astype(np.float32) @ query
    return products * _scales(rows)


def decode(rows: NDArray[np.uint8], originals: Originals) -> NDArray[np.float32]:
    """Bytes ``(n, width)`` as vectors ``(n, dims)``."""
    if originals == "float16":
        return np.ascontiguousarray(rows).view("<f2").astype(np.float32)
    return rows[:, _SCALE.itemsize :].view(np.int8) * _scales(rows)[:, None]


def _scales(rows: NDArray[np.uint8]) -> NDArray[np.float32]:
    scales: NDArray[Any] = np.ascontiguousarray(rows[:, : _SCALE.itemsize]).view(_SCALE)[:, 0]
    return scales
