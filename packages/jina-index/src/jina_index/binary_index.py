"""An index with one vector per id: bits choose candidates, the stored vectors rank them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, overload

import numpy as np
from jina_client import JinaInputError
from jina_client.integration import as_vectors
from numpy.typing import NDArray

from . import cells, stored_vectors
from .base import BaseIndex
from .checks import as_count
from .hits import Hit
from .items import Id
from .nearest import as_bits, best
from .settings import OVERSAMPLING, Kind, StoredPrecision
from .threads import for_each_number


class BinaryIndex(BaseIndex):
    """An index with one bit per dimension in memory and the vectors on disk.

    A search compares the query's bits with all bits in memory, takes the ``k * oversampling`` vectors with the smallest
    Hamming distance, and rescores those with the query's floats. Every ``add`` and ``remove`` is on disk when it
    returns. Any number of threads may search at the same time; a thread that writes waits for them, and they for it.

    Example:
        >>> import numpy as np
        >>> from jina_index import BinaryIndex
        >>> vectors = np.random.default_rng(0).standard_normal((1000, 64))
        >>> index = BinaryIndex(64)
        >>> index.add(range(1000), vectors)
        >>> index.search(vectors[7], k=1)[0].id
        7

    Args:
        dimensions: the length of the vectors, 1 to 65,536.
        path: a folder for the files; by default a temporary one that is deleted with the object.
        stored: the precision of the stored vectors: ``"int16"``, or ``"int8"``, which takes half the disk space and may
            swap vectors whose scores differ by less than about 0.001.
        model: the model that makes the vectors; stored with them.

    Raises:
        IndexFileError: the folder holds an index already.
        JinaInputError: an argument that is not allowed.
    """

    _kind: ClassVar[Kind] = "vectors"

    def __init__(
        self, dimensions: int, path: str | Path | None = None, *, stored: StoredPrecision = "int16", model: str = ""
    ) -> None:
        super().__init__(dimensions, path, stored=stored, first_stage="bits", model=model)

    def add(
        self, ids: Sequence[Id], vectors: Any, payloads: Sequence[Any] | None = None, *, replace: bool = False
    ) -> None:
        """Add vectors. They are on disk when the method returns; if it raises, none of them is in the index.

        Each call flushes three files to the disk, so add many vectors per call.

        Args:
            ids: a string or an integer of 64 bits per vector.
            vectors: numbers of shape ``(n, dims)``.
            payloads: a JSON value per vector, which searches return with it. Datetimes become strings in ISO format.
            replace: whether to replace vectors with the same ids. By default such an id is an error.

        Raises:
            JinaInputError: an invalid shape, id or payload, or the index is read-only.
            IndexFileError: the files cannot be written.
        """
        # Encoding finds numbers that are not finite.
        floats = self._as_floats(vectors, "vectors", rows=True, finite=False)
        codes = np.empty((len(floats), self._store.settings.code_width), np.uint8)

        def encode(part: slice) -> NDArray[np.uint8]:
            # The same block for both, while it is in the processor's cache.
            codes[part] = as_bits(floats[part])
            return stored_vectors.encode(floats[part], self.stored)

        self._append(ids, payloads, codes, encode, np.ones(len(floats), np.int64), replace=replace)

    @property
    def nlist(self) -> int:
        """The number of IVF cells; 0 if the index is not clustered."""
        return self._codes.nlist

    def cluster(self, nlist: int | None = None) -> None:
        """Divide the vectors into IVF cells by k-means, so that a search can compare some cells only (``nprobe``).

        The cells are on disk when the method returns; a crash before leaves the previous ones. It takes minutes for
        millions of vectors. Other threads may search, add and remove meanwhile. Vectors that are added after it started
        are in no cell: every search compares them, until the index is clustered again.

        Args:
            nlist: the number of cells, at most the number of vectors; by default the square root of that number.

        Raises:
            JinaInputError: ``nlist`` is out of range, or the index is read-only.
        """
        cell_count = None if nlist is None else as_count("nlist", nlist)
        with self._renumbering:
            with self._lock.read():
                self._check_open()
                self._store.check_writable()
                vectors = self._store.map_vectors()
                rows = self._codes.ascending_rows()
            if cell_count is None:
                if not len(rows):
                    return
                cell_count = max(1, round(len(rows) ** 0.5))
            if cell_count > len(rows):
                raise JinaInputError(f"nlist must be at most the number of vectors, {len(rows)}, got {nlist}")
            # In this kind of index each row has one vector, with the same number.
            clustering = cells.cluster(rows, cell_count, lambda part: stored_vectors.decode(vectors[part], self.stored))
            with self._changing():
                self._store.write_cells(clustering)
                self._codes.sort(clustering, self._store.rows)

    @overload
    def search(
        self, queries: Sequence[float], k: int = 10, oversampling: float = OVERSAMPLING, nprobe: int | None = None
    ) -> list[Hit]: ...

    @overload
    def search(
        self, queries: Any, k: int = 10, oversampling: float = OVERSAMPLING, nprobe: int | None = None
    ) -> Any: ...

    def search(self, queries: Any, k: int = 10, oversampling: float = OVERSAMPLING, nprobe: int | None = None) -> Any:
        """Return the nearest vectors.

        Args:
            queries: floats of one query, shape ``(dims,)``, or of several, shape ``(q, dims)``.
            k: the number of results per query.
            oversampling: the number of candidates per result, 1 or more. A larger number raises recall and costs
                little: see ``docs/binary-search.md``.
            nprobe: the number of IVF cells to search in a clustered index, or more if those hold fewer than
                ``k * oversampling`` vectors; by default all. Few cells are many times faster, and miss near vectors
                that are in other cells.

        Returns:
            For one query a list of :class:`Hit`, best first, with fewer than ``k`` only if the index holds fewer
            vectors; for several queries a list of such lists.

        Raises:
            JinaInputError: an invalid shape, a number that is not finite, or an argument out of range.
        """
        cell_count = None if nprobe is None else as_count("nprobe", nprobe)
        floats = self._as_floats(queries, "queries")
        rows_of_queries = np.atleast_2d(floats)
        with self._lock.read():
            self._check_open()
            results, candidates = self._counts(k, oversampling)
            if not results or not len(rows_of_queries):
                hits: list[list[Hit]] = [[] for _ in rows_of_queries]
            else:
                nearest = self._codes.nearest(rows_of_queries, candidates, cell_count)
                rows, scores = self._rescore(rows_of_queries, nearest, results)
                hits = self._hits(rows.tolist(), scores.tolist())
        return hits[0] if floats.ndim == 1 else hits

    def _rescore(
        self, queries: NDArray[np.float32], candidates: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        # Sort by row, which is the order on disk and the order of vectors with equal scores.
        candidates.sort(axis=1)
        scores = np.empty(candidates.shape, np.float32)

        def score(number: int) -> None:
            scores[number] = stored_vectors.dot(self._vectors[candidates[number]], queries[number], self.stored)

        for_each_number(score, len(queries))
        values, places = best(scores, k)
        return np.take_along_axis(candidates, places, axis=1), values

    def _as_floats(self, vectors: Any, name: str, *, rows: bool = False, finite: bool = True) -> NDArray[np.float32]:
        if rows and isinstance(vectors, list) and not vectors:
            return np.empty((0, self.dimensions), np.float32)
        floats = as_vectors(vectors, name, rows=rows, finite=finite).astype(np.float32, copy=False)
        if floats.shape[-1] != self.dimensions:
            raise JinaInputError(
                f"{name} must have the {self.dimensions} dimensions of the index, got {floats.shape[-1]}; "
                "pass vectors of the model that the index was made for"
            )
        return floats
