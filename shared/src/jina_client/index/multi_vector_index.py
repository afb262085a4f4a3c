"""Many vectors for each id: a pooled one first, then MaxSim."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import JinaInputError
from ..late_interaction import maxsim, mean_pool
from ..quantization.arrays import as_vectors
from . import originals as on_disk
from .base import Index
from .hits import Hit
from .nearest import best
from .originals import Originals
from .store import FirstStage, Id, Kind

OVERSAMPLING = 20


class MultiVectorIndex(Index):
    """Documents of one vector a token, as ColBERT models give them, on disk; one pooled vector of each in memory.

    A search takes the ``k * oversampling`` documents whose mean vector is nearest to the query's, and scores those by
    MaxSim. What it promises for crashes, files and threads is what :class:`BinaryIndex` promises.

    Args:
        dimensions: the length of the vectors.
        path: a folder for its files; by default a temporary one that goes with the object.
        originals: what is on disk: ``int8`` or ``int16``.
        first_stage: the pooled vectors as ``float``, or as ``bits`` in 1/32 of the memory, which find less with the
            same oversampling: see ``docs/late-interaction.md``.
        model: what the vectors are made with; kept with them.

    Raises:
        IndexFileError: the folder holds an index already.
    """

    _kind: Kind = "multi-vectors"

    def __init__(
        self,
        dimensions: int,
        path: str | Path | None = None,
        *,
        originals: Originals = "int8",
        first_stage: FirstStage = "float",
        model: str = "",
    ) -> None:
        super().__init__(dimensions, path, originals=originals, first_stage=first_stage, model=model)

    def add(
        self, ids: Sequence[Id], vectors: Sequence[Any], payloads: Sequence[Any] | None = None, *, replace: bool = False
    ) -> None:
        """Add documents. When it returns, all of them are on disk; if it raises, none is in the index.

        Args:
            ids: a string or a whole number for each.
            vectors: for each an array ``(tokens, dims)``, such as :class:`jina_client.MultiVectors` holds.
            payloads: what to find with each: anything that JSON has.
            replace: put them in the place of those with the same ids; else such an id is an error.

        Raises:
            JinaInputError: a shape, an id or a payload that does not fit.
        """
        matrices = [self._as_floats(each, f"vectors[{place}]") for place, each in enumerate(vectors)]
        if not matrices:
            self._append(ids, payloads, np.empty((0, 0), np.uint8), np.empty((0, 0), np.uint8), [], replace=replace)
            return
        pooled = mean_pool(matrices)
        bits = self._store.settings.first_stage == "bits"
        codes = np.packbits(pooled > 0, axis=1) if bits else pooled.astype("<f4").view(np.uint8)
        encoded = on_disk.encode(np.concatenate(matrices), self.originals)
        self._append(ids, payloads, codes, encoded, [len(matrix) for matrix in matrices], replace=replace)

    def search(self, query: Any, k: int = 10, oversampling: float = OVERSAMPLING) -> list[Hit]:
        """The documents of the highest MaxSim.

        Args:
            query: the vectors of its tokens ``(tokens, dims)``.
            k: how many to find.
            oversampling: how many times ``k`` candidates the first stage chooses, 1 or more.

        Returns:
            Results, best first, fewer than ``k`` only where the index has fewer.

        Raises:
            JinaInputError: a shape that does not fit, or a number that is not finite.
        """
        tokens = self._as_floats(query, "query")
        with self._lock.read():
            self._check_open()
            wanted, count = self._how_many(k, oversampling)
            if not wanted:
                return []
            candidates = np.sort(self._candidates(mean_pool(tokens)[None], count)[0])
            items = self._store.items(candidates.tolist())
            documents = [
                on_disk.decode(
                    self._vectors[items[row].first_vector : items[row].first_vector + items[row].vectors],
                    self.originals,
                )
                for row in candidates.tolist()
            ]
            scores, places = best(maxsim(tokens, documents)[None], wanted)
            return self._hits(candidates[places].tolist(), scores.tolist())[0]

    def _as_floats(self, vectors: Any, name: str) -> Any:
        floats = as_vectors(vectors, name, rows=True).astype(np.float32, copy=False)
        if not len(floats) or floats.shape[1] != self.dimensions:
            raise JinaInputError(f"{name} must be of shape (tokens, {self.dimensions}), got {floats.shape}")
        return floats
