"""The second stage of a search: a few candidates, scored with the query's floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaInputError
from .arrays import as_vectors
from .binary import bits_of, unpack
from .scalar import dequantize


def rescore(
    queries: Any, candidates: Any, corpus: Any, *, k: int | None = None, ranges: Any = None
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The best of the candidates, by their dot product with the query (for vectors of length 1 the cosine).

    Args:
        queries: floats of shape ``(dims,)`` or ``(q, dims)``.
        candidates: indices of rows of the corpus, shape ``(m,)`` or ``(q, m)``: those of the smallest Hamming
            distances. A negative one stands for none.
        corpus: what the candidates are rows of: floats ``(n, dims)``; ``int8`` or ``uint8`` codes with their
            ``ranges``; or, without ranges, bits (``binary`` or ``ubinary``), which count as 1 and -1, divided by the
            square root of ``dims``.
        k: how many to keep; by default all candidates, sorted.
        ranges: those of ``int8`` or ``uint8`` codes.

    Returns:
        Indices and scores (float32), best first, each of shape ``(k,)`` or ``(q, k)``; where a query has fewer
        candidates, the rest is -1 and minus infinity.

    Raises:
        JinaInputError: shapes that do not fit, or an index beyond the corpus.
    """
    floats = as_vectors(queries, "queries")
    single = floats.ndim == 1
    floats = np.atleast_2d(floats).astype(np.float32, copy=False)
    chosen, rows = np.atleast_2d(np.asarray(candidates)), np.asarray(corpus)
    if chosen.ndim != 2 or len(chosen) != len(floats) or chosen.dtype.kind not in "iu":
        raise JinaInputError(
            f"candidates must be indices of shape (m,) for one query or (q, m) for q, "
            f"got {chosen.dtype} of shape {np.shape(candidates)} for queries of shape {np.shape(queries)}"
        )
    if rows.ndim != 2 or (chosen.size and chosen.max() >= len(rows)):
        raise JinaInputError(f"candidates must be rows of a corpus of shape (n, dims), got one of shape {rows.shape}")
    keep = chosen.shape[1] if k is None else min(_count(k), chosen.shape[1])
    indices = np.full((len(floats), keep), -1, np.intp)
    scores = np.full((len(floats), keep), -np.inf, np.float32)
    for number, query in enumerate(floats):
        own = chosen[number][chosen[number] >= 0].astype(np.intp)
        found = _decoded(rows[own], len(query), ranges) @ query
        # Ties in the order of the indices, so that results do not depend on the order of the candidates.
        best = np.lexsort((own, -found))[:keep]
        indices[number, : len(best)], scores[number, : len(best)] = own[best], found[best]
    return (indices[0], scores[0]) if single else (indices, scores)


def _decoded(rows: NDArray[Any], dimensions: int, ranges: Any) -> NDArray[np.float32]:
    """Rows of any encoding as float32 of the query's dimensions."""
    if ranges is not None:
        floats = dequantize(rows, ranges)
    elif rows.dtype.kind == "f":
        floats = rows.astype(np.float32, copy=False)
    elif rows.dtype in (np.uint8, np.int8) and bits_of(rows.shape[1], dimensions):
        floats = (unpack(rows, dimensions) * np.float32(2) - np.float32(1)) / np.float32(dimensions**0.5)
    else:
        raise JinaInputError(f"the corpus must be floats or codes of int8 or uint8, got {rows.dtype}")
    if floats.shape[1] != dimensions:
        raise JinaInputError(f"queries have {dimensions} dimensions, the corpus {floats.shape[1]}")
    return floats


def _count(k: Any) -> int:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise JinaInputError(f"k must be a whole number above 0, got {k!r}")
    return int(k)
