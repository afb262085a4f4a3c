"""The first stage: the rows that are nearest to a query, over all rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaInputError

# Fewer rows than this are read faster than a thread is woken.
_ROWS_FOR_A_THREAD = 50_000


def require_faiss() -> None:
    """Raise :class:`jina_client.JinaInputError` where it is not installed: before anything is embedded for an index."""
    _faiss()


def nearest_bits(queries: NDArray[np.uint8], codes: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """The ``count`` rows of smallest Hamming distance to each query.

    Args:
        queries: ``ubinary`` codes ``(q, bytes)``.
        codes: ``ubinary`` codes ``(n, bytes)``.
        count: how many, at most ``n``.

    Returns:
        Rows ``(q, count)``, nearest first.
    """
    faiss = _faiss()

    def search(part: slice) -> tuple[NDArray[Any], NDArray[Any]]:
        rows = codes[part]
        return faiss.knn_hamming(queries, rows, min(count, len(rows)))  # type: ignore[no-any-return]

    return _in_parts(search, len(codes), count, largest=False)


def nearest_floats(queries: NDArray[np.float32], vectors: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """The same by the largest dot product with floats ``(n, dims)``."""

    def search(part: slice) -> tuple[NDArray[Any], NDArray[Any]]:
        products = queries @ vectors[part].T
        return best(products, min(count, products.shape[1]))

    return _in_parts(search, len(vectors), count, largest=True)


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Do something for each number below ``count``, in as many threads as there are processors."""
    if count == 1:
        work(0)
    else:
        list(_pool().map(work, range(count)))


def best(scores: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The largest ``count`` numbers of each row, and where they are; largest first, of equal ones the first."""
    if count < scores.shape[1]:
        places = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    else:
        places = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    values = np.take_along_axis(scores, places, axis=1)
    order = np.lexsort((places, -values), axis=1)
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(places, order, axis=1)


def _in_parts(
    search: Callable[[slice], tuple[NDArray[Any], NDArray[Any]]], rows: int, count: int, *, largest: bool
) -> NDArray[np.int64]:
    """Search parts of the rows, each in a thread, and merge what they find.

    One thread for a part is faster than faiss's own threads: those share out queries, of which there is often only
    one, and wait for each other in a spin that costs most where other programs run.
    """
    threads = max(1, min(_threads(), rows // _ROWS_FOR_A_THREAD))
    edges = [rows * number // threads for number in range(threads + 1)]
    parts = [slice(start, end) for start, end in pairwise(edges)]
    found = list(_pool().map(search, parts))
    values = np.concatenate([values for values, _ in found], axis=1)
    places = np.concatenate([own + part.start for part, (_, own) in zip(parts, found, strict=True)], axis=1)
    order = np.lexsort((places, -values if largest else values), axis=1)[:, :count]
    return np.take_along_axis(places, order, axis=1)


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    # The number of faiss's threads is kept for each thread that calls it.
    return ThreadPoolExecutor(_threads(), "jina-index", lambda: _faiss().omp_set_num_threads(1))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not live on in a forked process


@cache
def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise JinaInputError("the index needs faiss: pip install 'jina-client[index]'") from None
    return faiss
