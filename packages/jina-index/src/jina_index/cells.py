"""Inverted-file (IVF) cells: k-means divides the vectors, so that a search compares the vectors of a few cells only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .threads import faiss, for_each_number, one_faiss_thread

# Vectors per cell that k-means is trained on. With one pass over all vectors after the training, probing one cell of
# 707 returned 0.999 of the ten nearest of 500,000 clustered vectors instead of 0.986. A sample of twice the size gave
# the same result and takes twice the memory.
_SAMPLES_PER_CELL = 64
_ITERATIONS = 8
_ROWS_PER_STEP = 16_384
# One thread makes so many products of two floats in 5 ms. For fewer, more threads are not worth it: those of faiss wait
# for each other in a busy loop, and on a busy machine take four times as long and ten times the processor time.
_PRODUCTS_PER_THREAD = 2**28
# Any seed works; a fixed one gives the same cells for the same vectors.
_SEED = 1


@dataclass(frozen=True, slots=True)
class Clustering:
    """The result of k-means.

    Attributes:
        centroids: the center of each cell, of length 1: float32 of shape ``(nlist, dims)``.
        members: for each cell its rows, ascending.
    """

    centroids: NDArray[np.float32]
    members: list[NDArray[np.int64]]


@dataclass(slots=True)
class Cells:
    """The cells of an index, one after another in memory. The rows behind the last cell, the tail, are in no cell.

    Attributes:
        centroids: the center of each cell, of length 1: float32 of shape ``(nlist, dims)``.
        bounds: the position where each cell starts, and where the last one ends, shape ``(nlist + 1,)``.
    """

    centroids: NDArray[np.float32]
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.centroids)

    @property
    def memory(self) -> int:
        """Bytes in memory."""
        return self.centroids.nbytes + self.bounds.nbytes

    def probe(self, queries: NDArray[np.float32], nprobe: int, least: int) -> NDArray[np.bool_]:
        """Select the cells whose centroids are nearest to each query.

        Args:
            queries: float32 of shape ``(q, dims)``.
            nprobe: the number of cells per query.
            least: the number of vectors that these cells hold at least; a query probes more cells if it has to.

        Returns:
            Whether a query searches a cell, shape ``(q, nlist)``.
        """
        products = np.empty((len(queries), len(self)), np.float32)

        def compare(number: int) -> None:
            # Not one matrix product, for the reason that stored_vectors.dot has.
            np.vecdot(self.centroids, queries[number], out=products[number])

        for_each_number(compare, len(queries))
        order = np.argsort(-products, axis=1, kind="stable")
        sizes = np.diff(self.bounds)[order]
        before = np.cumsum(sizes, axis=1) - sizes
        probed = np.empty(order.shape, np.bool_)
        np.put_along_axis(probed, order, (np.arange(len(self)) < nprobe) | (before < least), axis=1)
        return probed

    def forget(self, places: NDArray[np.int64]) -> None:
        """Move the bounds up after the codes at ``places``, ascending, were removed."""
        self.bounds -= np.searchsorted(places, self.bounds)


def cluster(
    rows: NDArray[np.int64], nlist: int, read: Callable[[NDArray[np.int64]], NDArray[np.float32]]
) -> Clustering:
    """Divide rows into cells by spherical k-means.

    The cells are made from the vectors and not from their bits: that takes the same time and gives a higher recall for
    the same number of comparisons.

    Args:
        rows: the rows to divide, ascending.
        nlist: the number of cells, at most the number of rows.
        read: a function that returns the vectors of some rows, float32 of shape ``(n, dims)``.

    Returns:
        The centroids and the rows of each cell.
    """
    size = min(len(rows), nlist * _SAMPLES_PER_CELL)
    sample_rows = np.sort(np.random.default_rng(_SEED).choice(len(rows), size, replace=False))
    sample = np.concatenate([_unit(read(part)) for part in _parts(rows[sample_rows])])
    means: Any = faiss().Kmeans(
        sample.shape[1],
        nlist,
        niter=_ITERATIONS,
        seed=_SEED,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=size,
    )
    with one_faiss_thread() if sample.size * nlist < _PRODUCTS_PER_THREAD else nullcontext():
        means.train(sample)
    del sample
    centroids: NDArray[np.float32] = means.centroids

    def nearest_cells() -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        for part in _parts(rows):
            vectors = _unit(read(part))
            yield vectors, np.argmax(vectors @ centroids.T, axis=1)

    sums = np.zeros_like(centroids)
    for vectors, cells in nearest_cells():
        order = np.argsort(cells, kind="stable")
        numbers, starts = np.unique(cells[order], return_index=True)
        sums[numbers] += np.add.reduceat(vectors[order], starts, axis=0)
    # An empty cell keeps its centroid.
    centroids = np.where(sums.any(axis=1, keepdims=True), _unit(sums), centroids)
    nearest = np.concatenate([cells for _, cells in nearest_cells()])
    order = np.argsort(nearest, kind="stable")
    return Clustering(centroids, np.split(rows[order], np.searchsorted(nearest[order], np.arange(1, nlist))))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors to length 1, in place."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors


def _parts(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (rows[start : start + _ROWS_PER_STEP] for start in range(0, len(rows), _ROWS_PER_STEP))
