"""Truncation of Matryoshka embeddings, whose first dimensions hold most of the information."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_whole
from .arrays import as_vectors


def truncate(vectors: Any, dimensions: int) -> NDArray[Any]:
    """Keep the first dimensions of each vector, and scale the vector to length 1 again.

    Args:
        vectors: numbers of shape ``(n, dims)`` or ``(dims,)``.
        dimensions: number of dimensions to keep, from 1 to ``dims``.

    Returns:
        Vectors of shape ``(n, dimensions)`` or ``(dimensions,)`` and the same float type (float32 for integers).
        Vectors that are zero in all these dimensions stay zero.

    Raises:
        JinaInputError: an invalid number of dimensions, an invalid shape, or a number that is not finite.
    """
    values = as_vectors(vectors)
    check_whole("dimensions", dimensions, 1, values.shape[-1], required=True)
    return scaled(values[..., :dimensions])


def scaled(values: NDArray[Any]) -> NDArray[Any]:
    """Return a scaled copy of vectors, whose last axis has length 1 or is zero. Integers become float32."""
    dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float32)
    # Divide by the largest number first, because squares of very large or very small numbers overflow or underflow.
    result = values.astype(np.result_type(dtype, np.float32))
    largest = np.abs(result).max(axis=-1, keepdims=True)
    result /= np.where(largest > 0, largest, 1)
    length = np.linalg.norm(result, axis=-1, keepdims=True)
    result /= np.where(length > 0, length, 1)
    return result.astype(dtype, copy=False)
