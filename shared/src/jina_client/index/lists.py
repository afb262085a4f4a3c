"""Vectors sorted into lists by k-means, so that a search compares those of a few lists only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .nearest import faiss, in_threads

# With all vectors once more after the sample, one list of 707 had 0.999 of the ten nearest of 500,000 clustered vectors
# instead of 0.986. Twice the sample did as well, and takes twice the memory.
_VECTORS_FOR_A_LIST = 64
_ITERATIONS = 8
_ROWS_AT_ONCE = 16_384
# Any seed will do; with one of its own the same vectors give the same lists.
_SEED = 1


@dataclass(slots=True)
class Lists:
    """The lists of an index, one after another in memory; behind the last of them is the tail, which is in none.

    Attributes:
        centroids: the middle of each list, of length 1: float32 ``(lists, dims)``.
        bounds: where in memory each list begins, and at the end where the last one ends: ``(lists + 1,)``.
    """

    centroids: NDArray[np.float32]
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.centroids)

    @property
    def memory(self) -> int:
        """The bytes in memory."""
        return self.centroids.nbytes + self.bounds.nbytes

    def choose(self, queries: NDArray[np.float32], probes: int, least: int) -> NDArray[np.bool_]:
        """The lists whose centroids are nearest to each query.

        Args:
            queries: floats ``(q, dims)``.
            probes: how many lists.
            least: how many vectors they hold at least; more lists are taken where it needs more.

        Returns:
            Whether a query takes a list: ``(q, lists)``.
        """
        products = np.empty((len(queries), len(self)), np.float32)

        def compare(number: int) -> None:
            # Not one matrix product: see :func:`jina_client.index.originals.dot`.
            np.vecdot(self.centroids, queries[number], out=products[number])

        in_threads(compare, len(queries))
        order = np.argsort(-products, axis=1, kind="stable")
        sizes = np.diff(self.bounds)[order]
        held_before = np.cumsum(sizes, axis=1) - sizes
        chosen = np.empty(order.shape, np.bool_)
        np.put_along_axis(chosen, order, (np.arange(len(self)) < probes) | (held_before < least), axis=1)
        return chosen

    def forget(self, places: NDArray[np.int64]) -> None:
        """Let what is behind some places, in ascending order, move up."""
        self.bounds -= np.searchsorted(places, self.bounds)


def cluster(
    rows: NDArray[np.int64], count: int, read: Callable[[NDArray[np.int64]], NDArray[np.float32]]
) -> tuple[NDArray[np.float32], list[NDArray[np.int64]]]:
    """Sort rows by spherical k-means.

    The vectors themselves are clustered and not their bits: that took the same time and found more at the same number
    of comparisons.

    Args:
        rows: what to sort, in ascending order.
        count: how many lists, at most as many as rows.
        read: the vectors of rows, floats ``(n, dims)``.

    Returns:
        The centroids, float32 ``(count, dims)``, and the rows of each list in ascending order.
    """
    size = min(len(rows), count * _VECTORS_FOR_A_LIST)
    chosen = np.sort(np.random.default_rng(_SEED).choice(len(rows), size, replace=False))
    sample = np.concatenate([_of_length_1(read(part)) for part in _parts(rows[chosen])])
    means: Any = faiss().Kmeans(
        sample.shape[1],
        count,
        niter=_ITERATIONS,
        seed=_SEED,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=size,
    )
    means.train(sample)
    del sample
    centroids: NDArray[np.float32] = means.centroids

    def nearest_of_parts() -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        for part in _parts(rows):
            vectors = _of_length_1(read(part))
            yield vectors, np.argmax(vectors @ centroids.T, axis=1)

    sums = np.zeros_like(centroids)
    for vectors, own in nearest_of_parts():
        order = np.argsort(own, kind="stable")
        numbers, starts = np.unique(own[order], return_index=True)
        sums[numbers] += np.add.reduceat(vectors[order], starts, axis=0)
    # A list of nothing keeps its centroid.
    centroids = np.where(sums.any(axis=1, keepdims=True), _of_length_1(sums), centroids)
    nearest = np.concatenate([own for _, own in nearest_of_parts()])
    order = np.argsort(nearest, kind="stable")
    return centroids, np.split(rows[order], np.searchsorted(nearest[order], np.arange(1, count)))


def _of_length_1(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors


def _parts(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE))
