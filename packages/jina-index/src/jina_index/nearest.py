"""The first stage of a search: the rows nearest to a query, of all rows or of some cells."""

from __future__ import annotations

import math
import threading
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .threads import faiss, for_each_block, for_each_part, pool, thread_count

# A sort key is a distance of 17 bits, shifted by this, plus a row number. Above them is the number of a query.
_DISTANCE_SHIFT = 40
_QUERY_SHIFT = _DISTANCE_SHIFT + 17
# Queries that are compared together, and the distances of one block: 512 KB, which the second-level cache holds.
_QUERIES_PER_GROUP = 64
_DISTANCES_PER_BLOCK = 2**17
# The first block is small: all of its keys are sorted to find the first limits.
_ROWS_OF_FIRST_BLOCK = 4096
# The memory that one call of faiss for a single query may take: it reserves this much for each distance and result.
_BYTES_PER_COUNT = 2**24
# Parts that one query is divided into per thread, so that a slow thread leaves some to the others.
_PARTS_PER_THREAD = 2
# Keys that are kept per result before the largest ones are discarded.
_KEPT_PER_RESULT = 8
# The keys that one step over cells may hold: 32 MB.
_KEYS_PER_STEP = 2**22


def as_bits(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the ``ubinary`` codes of vectors: ``(n, dims)`` to ``(n, bytes)``."""
    return np.packbits(vectors > 0, axis=1)


def nearest_bits(
    queries: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    count: int,
    rows: NDArray[Any] | None = None,
    *,
    ascending: bool = True,
) -> NDArray[np.int64]:
    """Return the rows with the smallest Hamming distance to each query; of equal distances the smallest row numbers.

    Args:
        queries: ``ubinary`` codes of shape ``(q, bytes)``.
        codes: ``ubinary`` codes of shape ``(n, bytes)``.
        count: the number of rows per query, at most ``n``.
        rows: the row number of each code; by default its position.
        ascending: whether the row numbers ascend.

    Returns:
        Row numbers of shape ``(q, count)``, in no particular order.
    """
    return _rows_of_keys(_keys_of_all(queries, codes, count, rows, ascending=ascending), count)


def nearest_bits_in_cells(
    queries: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    count: int,
    rows: NDArray[Any],
    bounds: NDArray[np.int64],
    probed: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return the nearest rows like :func:`nearest_bits`, of some cells and of the rows that are in no cell.

    Args:
        queries: ``ubinary`` codes of shape ``(q, bytes)``.
        codes: ``ubinary`` codes of shape ``(n, bytes)``, cell after cell, then the rows that are in no cell.
        count: the number of rows per query; the probed cells and the tail hold at least as many.
        rows: the row number of each code, ascending within each cell and within the tail.
        bounds: the position where each cell starts, and where the last one ends, shape ``(nlist + 1,)``.
        probed: whether a query searches a cell, shape ``(q, nlist)``.

    Returns:
        Row numbers of shape ``(q, count)``, in no particular order.
    """
    most = int((probed @ np.diff(bounds)).max())
    step = max(1, _KEYS_PER_STEP // max(1, most))
    tail = slice(bounds[-1], len(codes))
    results = []
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        keys = [_keys_of_cells(queries[part], codes, rows, bounds, probed[part])]
        if tail.start < tail.stop:
            keys.append(_keys_of_all(queries[part], codes[tail], min(count, len(codes[tail])), rows[tail]))
        results.append(_rows_of_keys(np.concatenate(keys, axis=1), count))
    return np.concatenate(results)


def nearest_floats(queries: NDArray[np.float32], vectors: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the positions of the vectors with the largest dot product with each query.

    Args:
        queries: float32 of shape ``(q, dims)``.
        vectors: float32 of shape ``(n, dims)``.
        count: the number of positions per query, at most ``n``.

    Returns:
        Positions of shape ``(q, count)``, best first.
    """

    def search(part: slice) -> tuple[NDArray[Any], NDArray[Any]]:
        products = queries @ vectors[part].T
        values, places = best(products, min(count, products.shape[1]))
        return values, places + part.start

    parts = for_each_part(search, len(vectors))
    values, places = (np.concatenate(each, axis=1) for each in zip(*parts, strict=True))
    order = np.lexsort((places, -values), axis=1)[:, :count]
    return np.take_along_axis(places, order, axis=1)


def best(scores: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the largest scores of each row and their positions, best first; of equal scores the first.

    Args:
        scores: float32 of shape ``(q, n)``.
        count: the number of scores per row.

    Returns:
        Scores and positions, both of shape ``(q, count)``.
    """
    if count < scores.shape[1]:
        places = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    else:
        places = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    values = np.take_along_axis(scores, places, axis=1)
    order = np.lexsort((places, -values), axis=1)
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(places, order, axis=1)


def _keys_of_all(
    queries: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    count: int,
    rows: NDArray[Any] | None,
    *,
    ascending: bool = True,
) -> NDArray[np.int64]:
    """Return the sort keys of the ``count`` nearest rows, or of more, of each query, in no particular order."""
    if len(queries) == 1 and ascending and 8 * count * (8 * codes.shape[1] + 1) <= _BYTES_PER_COUNT:
        return _keys_of_one(queries, codes, count, rows)
    return np.concatenate(
        [
            _SmallestKeys(queries[start : start + _QUERIES_PER_GROUP], codes, count, rows).find()
            for start in range(0, len(queries), _QUERIES_PER_GROUP)
        ]
    )


def _keys_of_one(
    query: NDArray[np.uint8], codes: NDArray[np.uint8], count: int, rows: NDArray[Any] | None
) -> NDArray[np.int64]:
    """Return the sort keys of the ``count`` nearest rows, or of more, of one query: ``(1, n)``.

    One call of faiss per part compares and selects, which takes as long as reading the codes. It lists the rows of each
    distance in their order, so of equal distances it keeps the smallest positions.
    """
    library, pointer = faiss(), faiss().swig_ptr
    width = codes.shape[1]
    keys: list[NDArray[np.int64]] = []

    def search(part: slice) -> None:
        size = part.stop - part.start
        kept = min(count, size)
        distances, places = np.empty((1, kept), np.int32), np.empty((1, kept), np.int64)
        compared, results = (pointer(query), pointer(codes[part])), (pointer(distances), pointer(places))
        library.hammings_knn_mc(*compared, 1, size, kept, width, *results)
        places += part.start
        keys.append(_keys(distances, places if rows is None else rows[places]))

    threads = thread_count(len(codes))
    for_each_block(search, len(codes), -(-len(codes) // (_PARTS_PER_THREAD * threads)), threads)
    return np.concatenate(keys, axis=1)


class _Buffers(threading.local):
    """Memory of a thread that it uses again and again: new pages cost a third of the time of comparing one query."""

    def __init__(self) -> None:
        self._arrays: dict[type, NDArray[Any]] = {}

    def get(self, shape: tuple[int, ...], kind: type) -> NDArray[Any]:
        """Return an array with any content. Larger ones than a usual block are new."""
        size = math.prod(shape)
        if size > _DISTANCES_PER_BLOCK:
            return np.empty(shape, kind)
        if kind not in self._arrays or len(self._arrays[kind]) < size:
            self._arrays[kind] = np.empty(_DISTANCES_PER_BLOCK, kind)
        return self._arrays[kind][:size].reshape(shape)


_buffers = _Buffers()


class _SmallestKeys:
    """The search of a group of queries, in blocks of rows whose distances stay in the processor's cache.

    A block is compared completely, and the rows that are not farther than the ``count`` nearest so far are kept. With
    several queries that takes about two thirds of the time of faiss's own search, which has a heap for each of them.
    """

    def __init__(
        self, queries: NDArray[np.uint8], codes: NDArray[np.uint8], count: int, rows: NDArray[Any] | None
    ) -> None:
        self._queries, self._codes, self._count, self._rows = queries, codes, count, rows
        self._step = max(count, _DISTANCES_PER_BLOCK // len(queries))
        self._lock = threading.Lock()
        self._kept: list[NDArray[np.int64]] = []
        self._limits = np.full((len(queries), 1), np.iinfo(np.int32).max, np.int32)

    def find(self) -> NDArray[np.int64]:
        """Return the keys of the nearest rows: ``(q, count)``."""
        seed = max(self._count, min(_ROWS_OF_FIRST_BLOCK, self._step))
        self._compare(slice(0, seed))
        self._discard()

        def compare(block: slice) -> None:
            self._compare(slice(seed + block.start, seed + block.stop))

        for_each_block(compare, len(self._codes) - seed, self._step, thread_count(len(self._codes)))
        return self._discard()

    def _compare(self, block: slice) -> None:
        distances = _all_distances(self._queries, self._codes[block])
        # Rows as far away as the limit stay: of equal distances the smallest row numbers are nearest.
        near = np.flatnonzero(np.less_equal(distances, self._limits, out=_buffers.get(distances.shape, np.bool_)))
        queries, places = np.divmod(near, distances.shape[1])
        keys = _keys(distances.ravel()[near], places + block.start if self._rows is None else self._rows[block][places])
        keys |= queries << _QUERY_SHIFT
        with self._lock:
            self._kept.append(keys)
            if sum(map(len, self._kept)) > _KEPT_PER_RESULT * len(self._queries) * self._count:
                self._discard()

    def _discard(self) -> NDArray[np.int64]:
        """Keep the ``count`` smallest keys of each query, lower the limits to them, and return them."""
        keys = np.sort(np.concatenate(self._kept))
        starts = np.searchsorted(keys, np.arange(len(self._queries)) << _QUERY_SHIFT)
        smallest: NDArray[np.int64] = keys[starts[:, None] + np.arange(self._count)]
        self._kept = [smallest.flatten()]
        smallest &= (1 << _QUERY_SHIFT) - 1
        self._limits = (smallest[:, -1:] >> _DISTANCE_SHIFT).astype(np.int32)
        return smallest


def _keys_of_cells(
    queries: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    rows: NDArray[Any],
    bounds: NDArray[np.int64],
    probed: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return the sort keys of all rows of the probed cells: ``(q, most rows of a query)``, padded with large keys."""
    ends = np.cumsum(probed * np.diff(bounds), axis=1)
    keys = np.full((len(queries), ends[:, -1].max()), np.iinfo(np.int64).max)
    cells = np.flatnonzero(probed.any(axis=0))

    def search(numbers: NDArray[np.int64]) -> None:
        # Read a cell once for all queries that probe it. Compute all its distances without selecting among them:
        # selecting some hundred of some thousand takes longer than comparing them.
        for number in numbers.tolist():
            members = np.flatnonzero(probed[:, number])
            part = slice(bounds[number], bounds[number + 1])
            query_codes, cell_codes = queries[members], codes[part]
            cell_keys = _keys(_all_distances(query_codes, cell_codes), rows[part])
            for query, end, key in zip(members.tolist(), ends[members, number].tolist(), cell_keys, strict=True):
                keys[query, end - len(cell_codes) : end] = key

    threads = thread_count(int(ends[:, -1].sum()))
    list(pool().map(search, (cells[number::threads] for number in range(threads))))
    return keys


def _all_distances(queries: NDArray[np.uint8], codes: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the Hamming distances of all pairs: ``(q, n)``. The thread's next call overwrites them."""
    if codes.shape[1] % 8 and not _any_width():
        return np.stack([np.bitwise_count(codes ^ query).sum(axis=1, dtype=np.int32) for query in queries])
    library, distances = faiss(), _buffers.get((len(queries), len(codes)), np.int32)
    pointers = map(library.swig_ptr, (queries, codes))
    library.hammings(*pointers, len(queries), len(codes), codes.shape[1], library.swig_ptr(distances))
    return distances


@cache
def _any_width() -> bool:
    """Return whether this faiss compares rows whose bytes are not a multiple of eight, as 1.15.1 and later do."""
    return tuple(map(int, faiss().__version__.split(".")[:3])) >= (1, 15, 1)


def _keys(distances: NDArray[np.int32], rows: NDArray[Any]) -> NDArray[np.int64]:
    """Return numbers that sort by distance, and for equal distances by row."""
    keys = distances.astype(np.int64)
    keys <<= _DISTANCE_SHIFT
    keys |= rows
    return keys


def _rows_of_keys(keys: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the rows of the ``count`` smallest keys."""
    if count < keys.shape[1]:
        keys = np.partition(keys, count - 1, axis=1)[:, :count]
    numbers: NDArray[np.int64] = keys & ((1 << _DISTANCE_SHIFT) - 1)
    return numbers
