"""Project the small model's vectors to the dimensions of the requested model.

A vector of 384 numbers is multiplied by a matrix with orthonormal columns. Such a projection is an isometry: it keeps
lengths, distances and cosines, so search results do not change. It also spreads the signal over all coordinates, so
that truncating a vector (Matryoshka) or keeping only the signs still works.
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

_SEED = 384_1024


def to_dimensions(vectors: Vectors, full: int, dimensions: int | None = None, *, normalized: bool = True) -> Vectors:
    """Project vectors to a model's full length, truncate them to the requested length, and normalize them.

    Args:
        vectors: float32 of shape ``(n, d)``.
        full: Length of the requested model's vectors. If it is at most ``d``, the vectors are only truncated.
        dimensions: Requested length; defaults to ``full``. Truncation comes after the projection, as Jina's models
            do it: ``v[:dimensions]``, then normalization.
        normalized: Scale every row to L2 norm 1. Otherwise the projection keeps the norm and truncation lowers it.

    Returns:
        float32 of shape ``(n, dimensions)``. Each row depends only on the same row of ``vectors``: it has the same
        bits alone or together with other rows.
    """
    size = vectors.shape[1]
    if full > size:
        projection = isometry(full, size)[:dimensions]
        # Row by row: a matrix product sums in a different order for a different number of rows.
        projected = np.empty((len(vectors), len(projection)), dtype=np.float32)
        for row, vector in enumerate(vectors):
            projected[row] = projection @ vector
    else:
        projected = np.ascontiguousarray(vectors[:, : dimensions or full])
    return normalize(projected) if normalized else projected


def normalize(vectors: Vectors) -> Vectors:
    """Divide every row by its L2 norm; rows of zeros stay unchanged.

    Args:
        vectors: float32 of shape ``(n, d)``.

    Returns:
        float32 of shape ``(n, d)``.
    """
    norms = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1, keepdims=True))
    unit_vectors: Vectors = (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    return unit_vectors


def isometry(rows: int, columns: int) -> Vectors:
    """Return a fixed matrix with orthonormal columns.

    The matrix is the Q of the QR decomposition of Gaussian noise whose R has a positive diagonal. That choice makes Q
    unique and uniformly distributed (Mezzadri 2007, https://arxiv.org/abs/math-ph/0609050). The random generator is
    fixed to PCG64 because numpy's default generator may change between versions.

    Args:
        rows: Number of rows, at least ``columns``.
        columns: Number of columns.

    Returns:
        Read-only float32 of shape ``(rows, columns)``.
    """
    with _building.setdefault(os.getpid(), threading.Lock()):
        return _isometry(rows, columns)


# One lock per process, because a lock does not survive a fork. It keeps concurrent first requests from computing the
# same matrix several times.
_building: dict[int, threading.Lock] = {}


@lru_cache(maxsize=8)
def _isometry(rows: int, columns: int) -> Vectors:
    noise = np.random.Generator(np.random.PCG64(_SEED)).standard_normal((rows, columns))
    # R is the Cholesky factor of noise.T @ noise. Gaussian noise is so well conditioned that this loses no accuracy,
    # and it takes a third of the time of numpy.linalg.qr: 0.03 s for 1,024 rows.
    lower = np.linalg.cholesky(noise.T @ noise)
    matrix = np.ascontiguousarray(np.linalg.solve(lower, noise.T).T, dtype=np.float32)
    matrix.setflags(write=False)
    return matrix
