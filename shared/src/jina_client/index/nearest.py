"""The first stage: the rows that are nearest to a query, of all rows or of some lists."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaInputError

# Fewer rows than this are read faster than a thread is woken.
_ROWS_FOR_A_THREAD = 50_000
# How far a distance, of 17 bits, is shifted above a row.
_DISTANCE = 46
_MORE_AMONG_EQUALS = 100
# 32 MB of keys for the lists of some queries.
_KEYS_AT_ONCE = 2**22

_Found = TypeVar("_Found")


def require_faiss() -> None:
    """Raise :class:`jina_client.JinaInputError` where it is not installed: before anything is embedded for an index."""
    faiss()


def nearest_bits(
    queries: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    count: int,
    rows: NDArray[Any] | None = None,
    *,
    ascending: bool = True,
) -> NDArray[np.int64]:
    """The ``count`` rows of smallest Hamming distance to each query; of equal ones those of the smallest numbers.

    Args:
        queries: ``ubinary`` codes ``(q, bytes)``.
        codes: ``ubinary`` codes ``(n, bytes)``.
        count: how many, at most ``n``.
        rows: the number of each row, by default its place.
        ascending: whether they are in order; else it costs a little more.

    Returns:
        Numbers ``(q, count)``, in no order.
    """
    return _numbers(_compared(queries, codes, count, rows, ascending=ascending), count)


def nearest_bits_in_lists(
    queries: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    count: int,
    rows: NDArray[Any],
    bounds: NDArray[np.int64],
    chosen: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """The same among the rows of some lists, and those behind the lists.

    Args:
        queries: ``ubinary`` codes ``(q, bytes)``.
        codes: ``ubinary`` codes ``(n, bytes)``, list after list.
        count: how many; each query has at least as many to choose from.
        rows: the number of each row; in ascending order in each list and behind them.
        bounds: where each list begins, and where the last one ends.
        chosen: whether a query looks at a list: ``(q, lists)``.

    Returns:
        Numbers ``(q, count)``, in no order.
    """
    most = int((chosen @ np.diff(bounds)).max())
    step = max(1, _KEYS_AT_ONCE // max(1, most))
    parts = [slice(start, start + step) for start in range(0, len(queries), step)]
    tail = slice(bounds[-1], len(codes))
    found = []
    for part in parts:
        keys = [_compared_in_lists(queries[part], codes, rows, bounds, chosen[part])]
        if tail.start < tail.stop:
            keys.append(_compared(queries[part], codes[tail], min(count, len(codes[tail])), rows[tail]))
        found.append(_numbers(np.concatenate(keys, axis=1), count))
    return np.concatenate(found)


def nearest_floats(queries: NDArray[np.float32], vectors: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """The places of the ``count`` largest dot products of each query with floats ``(n, dims)``: ``(q, count)``."""

    def search(part: slice) -> tuple[NDArray[Any], NDArray[Any]]:
        products = queries @ vectors[part].T
        values, places = best(products, min(count, products.shape[1]))
        return values, places + part.start

    found = _in_parts(search, len(vectors))
    values, places = (np.concatenate(each, axis=1) for each in zip(*found, strict=True))
    order = np.lexsort((places, -values), axis=1)[:, :count]
    return np.take_along_axis(places, order, axis=1)


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


def _compared(
    queries: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    count: int,
    rows: NDArray[Any] | None,
    *,
    ascending: bool = True,
) -> NDArray[np.int64]:
    """Keys of at least the ``count`` nearest of all rows, in threads: ``(q, count or more)``."""

    def search(part: slice) -> NDArray[np.int64]:
        size = part.stop - part.start
        wanted = min(count, size)

        def keys_of(nearest: int) -> NDArray[np.int64]:
            distances, places = faiss().knn_hamming(queries, codes[part], nearest)
            places += part.start
            return _keys(distances, places if rows is None else rows[places])

        if ascending:
            return keys_of(wanted)
        # Among equals faiss takes the first ones, which are not those of the smallest numbers here. So more are asked
        # for, until all that are as far as the last one wanted are among them.
        asked = min(size, 2 * wanted + _MORE_AMONG_EQUALS)
        while True:
            keys = keys_of(asked)
            if asked == size or (keys[:, -1] >> _DISTANCE > keys[:, wanted - 1] >> _DISTANCE).all():
                return np.partition(keys, wanted - 1, axis=1)[:, :wanted]
            asked = min(size, 2 * asked)

    return np.concatenate(_in_parts(search, len(codes)), axis=1)


def _compared_in_lists(
    queries: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    rows: NDArray[Any],
    bounds: NDArray[np.int64],
    chosen: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Keys of all rows of the chosen lists; where others have more of them, larger numbers: ``(q, most rows)``."""
    ends = np.cumsum(chosen * np.diff(bounds), axis=1)
    keys = np.full((len(queries), ends[:, -1].max()), np.iinfo(np.int64).max)
    lists = np.flatnonzero(chosen.any(axis=0))
    library = faiss()

    def search(numbers: NDArray[np.int64]) -> None:
        # A list is read once for all queries that look at it. All distances, without choosing among them here: to
        # choose some hundred of some thousand takes longer than to compare them.
        for number in numbers.tolist():
            asking = np.flatnonzero(chosen[:, number])
            part = slice(bounds[number], bounds[number + 1])
            asked, own = queries[asking], codes[part]
            distances = np.empty((len(asked), len(own)), np.int32)
            pointers = map(library.swig_ptr, (asked, own))
            library.hammings(*pointers, len(asked), len(own), codes.shape[1], library.swig_ptr(distances))
            found = _keys(distances, rows[part])
            for query, end, key in zip(asking.tolist(), ends[asking, number].tolist(), found, strict=True):
                keys[query, end - len(own) : end] = key

    threads = max(1, min(_threads(), int(ends[:, -1].sum()) // _ROWS_FOR_A_THREAD))
    list(_pool().map(search, (lists[number::threads] for number in range(threads))))
    return keys


def _keys(distances: NDArray[np.int32], rows: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers that sort by distance, and among equals by row."""
    keys = distances.astype(np.int64)
    keys <<= _DISTANCE
    keys |= rows
    return keys


def _numbers(keys: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The rows of the ``count`` smallest keys."""
    if count < keys.shape[1]:
        keys = np.partition(keys, count - 1, axis=1)[:, :count]
    numbers: NDArray[np.int64] = keys & ((1 << _DISTANCE) - 1)
    return numbers


def _in_parts(search: Callable[[slice], _Found], rows: int) -> list[_Found]:
    """Search parts of the rows, each in a thread.

    One thread for a part is faster than faiss's own threads: those share out queries, of which there is often only
    one, and wait for each other in a spin that costs most where other programs run.
    """
    threads = max(1, min(_threads(), rows // _ROWS_FOR_A_THREAD))
    edges = [rows * number // threads for number in range(threads + 1)]
    return list(_pool().map(search, [slice(start, end) for start, end in pairwise(edges)]))


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    # The number of faiss's threads is kept for each thread that calls it.
    return ThreadPoolExecutor(_threads(), "jina-index", lambda: faiss().omp_set_num_threads(1))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not live on in a forked process


@cache
def faiss() -> Any:
    """The library."""
    try:
        import faiss as library
    except ImportError:
        raise JinaInputError("the index needs faiss: pip install 'jina-client[index]'") from None
    return library
