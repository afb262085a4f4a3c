"""Fewer dimensions: models trained for it (Matryoshka) put what matters first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaInputError
from .arrays import as_vectors


def truncate(vectors: Any, dimensions: int) -> NDArray[Any]:
    """The first dimensions of each vector, scaled to length 1 again.

    Args:
        vectors: numbers of shape ``(n, dims)`` or ``(dims,)``.
        dimensions: how many to keep, 1 to ``dims``.

    Returns:
        Vectors of shape ``(n, dimensions)`` or ``(dimensions,)``, of the floats' own type (float32 for integers). One
        that is zero in all of them stays zero.

    Raises:
        JinaInputError: more dimensions than there are, or fewer than one; a shape or a number that does not fit.
    """
    values = as_vectors(vectors)
    full = values.shape[-1]
    if isinstance(dimensions, bool) or not isinstance(dimensions, (int, np.integer)) or not 1 <= dimensions <= full:
        raise JinaInputError(f"dimensions must be a whole number from 1 to {full}, got {dimensions!r}")
    dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float32)
    # The largest number is taken out first: the squares of very large and very small ones do not fit their type.
    cut = values[..., :dimensions].astype(np.result_type(dtype, np.float32))
    largest = np.abs(cut).max(axis=-1, keepdims=True)
    cut /= np.where(largest > 0, largest, 1)
    length = np.linalg.norm(cut, axis=-1, keepdims=True)
    cut /= np.where(length > 0, length, 1)
    return cut.astype(dtype, copy=False)
