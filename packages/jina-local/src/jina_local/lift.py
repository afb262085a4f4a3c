"""The small model's vectors in the dimensions of the model that was asked for.

A vector of 384 numbers is mapped into the larger space by a matrix whose columns are orthonormal. Such a map is an
isometry: lengths, distances and cosines stay what they were, so a retrieval result does not change, and every
coordinate carries some of the signal, so that cutting a vector short (Matryoshka) or keeping its signs works.
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
    """Lift vectors to a model's full length, cut them to the length asked for, and normalise.

    Args:
        vectors: float32 of shape ``(n, d)``.
        full: the length of the model's own vectors. Where it is not above ``d`` the vectors are only cut.
        dimensions: the length asked for; by default ``full``. The vector is cut *after* the lift, as Jina's models
            cut theirs: ``v[:dimensions]``, then normalised.
        normalized: make every row's L2 norm 1. Otherwise the norm is kept by the lift and lowered by the cut.

    Returns:
        float32 of shape ``(n, dimensions)``. A row depends on nothing but the same row of ``vectors``: its bits are
        the same whatever it is computed with.
    """
    size = vectors.shape[1]
    if full > size:
        lift = isometry(full, size)[:dimensions]
        # Row by row: a product of whole matrices sums in another order for another number of rows.
        lifted = np.empty((len(vectors), len(lift)), dtype=np.float32)
        for row, vector in enumerate(vectors):
            lifted[row] = lift @ vector
    else:
        lifted = np.ascontiguousarray(vectors[:, : dimensions or full])
    return normalize(lifted) if normalized else lifted


def normalize(vectors: Vectors) -> Vectors:
    """Every row divided by its L2 norm; a row of zeros stays as it is. Shape ``(n, d)``, float32."""
    norms = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1, keepdims=True))
    scaled: Vectors = (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    return scaled


def isometry(rows: int, columns: int) -> Vectors:
    """A fixed matrix of shape ``(rows, columns)`` with orthonormal columns, ``rows >= columns``.

    It is the Q of the QR decomposition of Gaussian noise that has a positive diagonal in R, which makes it unique (and
    uniformly distributed: Mezzadri 2007, https://arxiv.org/abs/math-ph/0609050). The generator is named, because the
    default one may change between versions of numpy.
    """
    with _building.setdefault(os.getpid(), threading.Lock()):
        return _isometry(rows, columns)


# So that several first requests do not all compute the same matrix. By process: a lock does not survive a fork.
_building: dict[int, threading.Lock] = {}


@lru_cache(maxsize=8)
def _isometry(rows: int, columns: int) -> Vectors:
    noise = np.random.Generator(np.random.PCG64(_SEED)).standard_normal((rows, columns))
    # R is the Cholesky factor of noise.T @ noise. Gaussian noise is so well conditioned that nothing is lost by it, and
    # it takes a third of the time of numpy.linalg.qr: 0.03 s for 1,024 rows.
    lower = np.linalg.cholesky(noise.T @ noise)
    matrix = np.ascontiguousarray(np.linalg.solve(lower, noise.T).T, dtype=np.float32)
    matrix.setflags(write=False)
    return matrix
