"""The second stage of a search: scoring a few candidates with the float query."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_whole
from ..errors import JinaInputError
from .arrays import as_vectors
from .binary import bits_of, unpack
from .scalar import dequantize


def rescore(
    queries: Any, candidates: Any, corpus: Any, *, k: int | None = None, ranges: Any = None
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Sort candidates by their dot product with the query (for vectors of length 1, the cosine similarity).

    Args:
        queries: floats of shape ``(dims,)`` or ``(q, dims)``.
        candidates: indices of corpus rows, of shape ``(m,)`` or ``(q, m)``, such as those with the smallest Hamming
            distances. Negative indices are ignored.
        corpus: floats of shape ``(n, dims)``; ``int8`` or ``uint8`` codes with ``ranges``; or bits (``binary`` or
            ``ubinary``) without ranges, which are read as ``1 / sqrt(dims)`` and ``-1 / sqrt(dims)``.
        k: number of results per query; by default all candidates.
        ranges: the ranges of ``int8`` or ``uint8`` codes.

    Returns:
        Indices and scores (float32), best first, each of shape ``(k,)`` or ``(q, k)``. For a query with fewer
        candidates, the rest is -1 and minus infinity.

    Raises:
        JinaInputError: shapes that do not match, or an index outside the corpus.
    """
    floats = as_vectors(queries, "queries")
    single = floats.ndim == 1
    floats = np.atleast_2d(floats).astype(np.float32, copy=False)
    table, rows = np.atleast_2d(np.asarray(candidates)), np.asarray(corpus)
    if table.ndim != 2 or len(table) != len(floats) or table.dtype.kind not in "iu":
        raise JinaInputError(
            f"candidates must be indices of shape (m,) for one query or (q, m) for q queries, "
            f"got {table.dtype} of shape {np.shape(candidates)} for queries of shape {np.shape(queries)}"
        )
    if rows.ndim != 2:
        raise JinaInputError(f"corpus must have the shape (n, dims) or (n, bytes), got {rows.shape}")
    if table.size and table.max() >= len(rows):
        raise JinaInputError(f"candidates must be indices below {len(rows)}, the rows of corpus; got {table.max()}")
    check_whole("k", k)
    width = table.shape[1] if k is None else min(int(k), table.shape[1])
    indices = np.full((len(floats), width), -1, np.intp)
    scores = np.full((len(floats), width), -np.inf, np.float32)
    for number, query in enumerate(floats):
        row_indices = table[number][table[number] >= 0].astype(np.intp)
        products = _decode(rows[row_indices], len(query), ranges) @ query
        # Ties are sorted by index, so that results do not depend on the order of the candidates.
        best = np.lexsort((row_indices, -products))[:width]
        indices[number, : len(best)], scores[number, : len(best)] = row_indices[best], products[best]
    return (indices[0], scores[0]) if single else (indices, scores)


def _decode(rows: NDArray[Any], dimensions: int, ranges: Any) -> NDArray[np.float32]:
    """Convert rows of any encoding to float32 of shape ``(rows, dimensions)``."""
    if ranges is not None:
        floats = dequantize(rows, ranges)
    elif rows.dtype.kind == "f":
        floats = rows.astype(np.float32, copy=False)
    elif rows.dtype in (np.uint8, np.int8) and bits_of(rows.shape[1], dimensions):
        floats = (unpack(rows, dimensions) * np.float32(2) - np.float32(1)) / np.float32(dimensions**0.5)
    else:
        raise JinaInputError(f"corpus must be floats, or int8 or uint8 codes, got {rows.dtype}")
    if floats.shape[1] != dimensions:
        raise JinaInputError(f"queries must have the {floats.shape[1]} dimensions of corpus, got {dimensions}")
    return floats
