"""One vector for each id: bits first, then the vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaInputError
from ..quantization.arrays import as_vectors
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

    @overload
    def search(self, queries: Sequence[float], k: int = 10, oversampling: float = OVERSAMPLING) -> list[Hit]: ...

    @overload
    def search(self, queries: Any, k: int = 10, oversampling: float = OVERSAMPLING) -> Any: ...

    def search(self, queries: Any, k: int = 10, oversampling: float = OVERSAMPLING) -> Any:
        """The nearest vectors.

        Args:
            queries: the floats of one query ``(dims,)``, or of several ``(q, dims)``.
            k: how many to find.
            oversampling: how many times ``k`` candidates the bits choose, 1 or more. More find more of the true
                nearest and cost little: see ``docs/binary-search.md``.

        Returns:
            For one query a list of :class:`Hit`, best first, shorter than ``k`` only where the index is; for several a
            list of such lists.

        Raises:
            JinaInputError: a shape that does not fit, or a number that is not finite.
        """
        floats = self._as_floats(queries, "queries")
        asked = np.atleast_2d(floats)
        with self._lock.read():
            self._check_open()
            wanted, candidates = self._how_many(k, oversampling)
            if not wanted:
                found: list[list[Hit]] = [[] for _ in asked]
            else:
                rows, scores = self._rescored(asked, self._candidates(asked, candidates), wanted)
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
