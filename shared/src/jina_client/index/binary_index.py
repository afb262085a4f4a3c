"""One vector for each id: bits first, then the vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaInputError
from ..quantization.arrays import as_vectors
from . import lists as lists_of_rows
from . import originals as on_disk
from .base import Index
from .hits import Hit
from .nearest import best, in_threads
from .originals import Originals
from .store import Id, Kind

OVERSAMPLING = 20


class BinaryIndex(Index):
    """Vectors with one bit a dimension in memory and the rest on disk.

    A search reads all bits, takes the ``k * oversampling`` vectors that differ from the query in the fewest, and scores
    those with the query's floats. Every ``add`` and ``remove`` is on disk when it returns. Any number of threads may
    search at once; one that writes waits for them, and they for it.

    Example:
        >>> import numpy as np
        >>> from jina_client.index import BinaryIndex
        >>> vectors = np.random.default_rng(0).standard_normal((1000, 64))
        >>> index = BinaryIndex(64)
        >>> index.add(range(1000), vectors)
        >>> index.search(vectors[7], k=1)[0].id
        7

    Args:
        dimensions: the length of the vectors, at most 65,536.
        path: a folder for its files; by default a temporary one that goes with the object.
        originals: what is on disk: ``int16``, or ``int8``, which takes half of it and mixes up the order of
            vectors whose scores are less than about 0.001 apart.
        model: what the vectors are made with; kept with them.

    Raises:
        IndexFileError: the folder holds an index already.
    """

    _kind: Kind = "vectors"

    def __init__(
        self, dimensions: int, path: str | Path | None = None, *, originals: Originals = "int16", model: str = ""
    ) -> None:
        super().__init__(dimensions, path, originals=originals, first_stage="bits", model=model)

    def add(
        self, ids: Sequence[Id], vectors: Any, payloads: Sequence[Any] | None = None, *, replace: bool = False
    ) -> None:
        """Add vectors. When it returns, all of them are on disk; if it raises, none is in the index.

        Each call flushes three files to the disk, so add many at once.

        Args:
            ids: a string or a whole number for each.
            vectors: numbers of shape ``(n, dims)``.
            payloads: what to find with each: anything that JSON has.
            replace: put them in the place of those with the same ids; else such an id is an error.

        Raises:
            JinaInputError: a shape, an id or a payload that does not fit.
        """
        floats = self._as_floats(vectors, "vectors", rows=True)
        encoded = on_disk.encode(floats, self.originals)
        self._append(ids, payloads, np.packbits(floats > 0, axis=1), encoded, [1] * len(floats), replace=replace)

    @property
    def lists(self) -> int:
        """How many lists it was sorted into, 0 where it was not."""
        return 0 if self._lists is None else len(self._lists)

    def cluster(self, lists: int | None = None) -> None:
        """Sort the vectors into lists of like ones, so that a search can look at a few lists only: see ``probes``.

        When it returns, the lists are on disk; a crash before leaves those that were there. It takes minutes for
        millions of vectors, in which others may search, add and remove. What is added after it began is in no list and
        compared with every query, until the index is clustered again.

        Args:
            lists: how many, at most as many as vectors; by default the square root of their number.

        Raises:
            JinaInputError: another number, or the index was opened read-only.
        """
        if lists is not None and (isinstance(lists, bool) or not isinstance(lists, (int, np.integer)) or lists < 1):
            raise JinaInputError(f"lists must be a whole number above 0, got {lists!r}")
        with self._renumbering:
            with self._lock.read():
                self._check_open()
                self._store.check_writable()
                vectors = self._vectors
                rows = np.arange(self._count) if self._rows is None else np.sort(self._rows[: self._count])
            count = max(1, round(len(rows) ** 0.5)) if lists is None else int(lists)
            if not len(rows) and lists is None:
                return
            if count > len(rows):
                raise JinaInputError(f"lists must be at most the number of vectors, {len(rows)}, got {lists}")
            # Each row of this kind has one vector, and the same number as it.
            found = lists_of_rows.cluster(rows, count, lambda some: on_disk.decode(vectors[some], self.originals))
            with self._lock.write():
                self._check_open()
                self._store.write_lists(found)
                self._sort(found)

    @overload
    def search(
        self, queries: Sequence[float], k: int = 10, oversampling: float = OVERSAMPLING, probes: int | None = None
    ) -> list[Hit]: ...

    @overload
    def search(
        self, queries: Any, k: int = 10, oversampling: float = OVERSAMPLING, probes: int | None = None
    ) -> Any: ...

    def search(self, queries: Any, k: int = 10, oversampling: float = OVERSAMPLING, probes: int | None = None) -> Any:
        """The nearest vectors.

        Args:
            queries: the floats of one query ``(dims,)``, or of several ``(q, dims)``.
            k: how many to find.
            oversampling: how many times ``k`` candidates the bits choose, 1 or more. More find more of the true
                nearest and cost little: see ``docs/binary-search.md``.
            probes: how many lists to look at where the index was clustered, or more where those hold less than ``k *
                oversampling`` vectors; by default all. Few are many times faster and may miss what is in another list.

        Returns:
            For one query a list of :class:`Hit`, best first, shorter than ``k`` only where the index is; for several a
            list of such lists.

        Raises:
            JinaInputError: a shape that does not fit, or a number that is not finite.
        """
        if probes is not None and (isinstance(probes, bool) or not isinstance(probes, (int, np.integer)) or probes < 1):
            raise JinaInputError(f"probes must be a whole number above 0, or None for all lists, got {probes!r}")
        floats = self._as_floats(queries, "queries")
        asked = np.atleast_2d(floats)
        with self._lock.read():
            self._check_open()
            wanted, candidates = self._how_many(k, oversampling)
            if not wanted or not len(asked):
                found: list[list[Hit]] = [[] for _ in asked]
            else:
                rows, scores = self._rescored(asked, self._candidates(asked, candidates, probes), wanted)
                found = self._hits(rows.tolist(), scores.tolist())
        return found[0] if floats.ndim == 1 else found

    def _rescored(
        self, queries: NDArray[np.float32], candidates: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        # In the order of the disk, which is also the order among equals.
        candidates.sort(axis=1)
        scores = np.empty(candidates.shape, np.float32)

        def score(number: int) -> None:
            scores[number] = on_disk.dot(self._vectors[candidates[number]], queries[number], self.originals)

        in_threads(score, len(queries))
        values, places = best(scores, k)
        return np.take_along_axis(candidates, places, axis=1), values

    def _as_floats(self, vectors: Any, name: str, *, rows: bool = False) -> NDArray[np.float32]:
        if rows and isinstance(vectors, list) and not vectors:
            return np.empty((0, self.dimensions), np.float32)
        floats = as_vectors(vectors, name, rows=rows).astype(np.float32, copy=False)
        if floats.shape[-1] != self.dimensions:
            raise JinaInputError(f"{name} have {floats.shape[-1]} dimensions, the index {self.dimensions}")
        return floats
