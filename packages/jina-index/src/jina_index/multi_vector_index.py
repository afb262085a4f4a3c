"""An index with many vectors per id: pooled vectors choose candidates, MaxSim ranks them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jina_client import JinaInputError
from jina_client.integration import as_vectors
from jina_client.late_interaction import maxsim, mean_pool
from numpy.typing import NDArray

from . import stored_vectors
from .base import BaseIndex
from .hits import Hit
from .items import Id
from .nearest import as_bits, best
from .settings import OVERSAMPLING, FirstStage, Kind, StoredPrecision


class MultiVectorIndex(BaseIndex):
    """An index of documents with one vector per token, as ColBERT models return them.

    The vectors are on disk; one pooled vector per document is in memory. A search takes the ``k * oversampling``
    documents whose mean vector is nearest to the query's, and ranks those by MaxSim. Files, crashes and threads are as
    for :class:`BinaryIndex`.

    Args:
        dimensions: the length of the vectors, 1 to 65,536.
        path: a folder for the files; by default a temporary one that is deleted with the object.
        stored: the precision of the stored vectors, ``"int8"`` or ``"int16"``.
        first_stage: the precision of the pooled vectors: ``"float"``, or ``"bits"``, which takes 1/32 of the memory and
            has a lower recall for the same oversampling: see ``docs/late-interaction.md``.
        model: the model that makes the vectors; stored with them.

    Raises:
        IndexFileError: the folder holds an index already.
        JinaInputError: an argument that is not allowed.
    """

    _kind: ClassVar[Kind] = "multi-vectors"

    def __init__(
        self,
        dimensions: int,
        path: str | Path | None = None,
        *,
        stored: StoredPrecision = "int8",
        first_stage: FirstStage = "float",
        model: str = "",
    ) -> None:
        super().__init__(dimensions, path, stored=stored, first_stage=first_stage, model=model)

    def add(
        self, ids: Sequence[Id], vectors: Sequence[Any], payloads: Sequence[Any] | None = None, *, replace: bool = False
    ) -> None:
        """Add documents. They are on disk when the method returns; if it raises, none of them is in the index.

        Args:
            ids: a string or an integer of 64 bits per document.
            vectors: an array of shape ``(tokens, dims)`` per document, as :class:`jina_client.MultiVectors` holds them.
            payloads: a JSON value per document, which searches return with it. Datetimes become strings in ISO format.
            replace: whether to replace documents with the same ids. By default such an id is an error.

        Raises:
            JinaInputError: an invalid shape, id or payload, or the index is read-only.
            IndexFileError: the files cannot be written.
        """
        matrices = [self._as_floats(matrix, f"vectors[{place}]") for place, matrix in enumerate(vectors)]
        tokens = np.concatenate([np.empty((0, self.dimensions), np.float32), *matrices])
        pooled = mean_pool(matrices) if matrices else tokens
        bits = self._store.settings.first_stage == "bits"
        codes = as_bits(pooled) if bits else pooled.astype("<f4").view(np.uint8)

        def encode(part: slice) -> NDArray[np.uint8]:
            return stored_vectors.encode(tokens[part], self.stored)

        lengths = np.array([len(matrix) for matrix in matrices], np.int64)
        self._append(ids, payloads, codes, encode, lengths, replace=replace)

    def search(self, query: Any, k: int = 10, oversampling: float = OVERSAMPLING) -> list[Hit]:
        """Return the documents with the highest MaxSim.

        Args:
            query: the vectors of the query's tokens, shape ``(tokens, dims)``.
            k: the number of results.
            oversampling: the number of candidates per result that the first stage chooses, 1 or more.

        Returns:
            Hits, best first, with fewer than ``k`` only if the index holds fewer documents.

        Raises:
            JinaInputError: an invalid shape, a number that is not finite, or an argument out of range.
        """
        tokens = self._as_floats(query, "query")
        with self._lock.read():
            self._check_open()
            results, count = self._counts(k, oversampling)
            if not results:
                return []
            candidates = np.sort(self._codes.nearest(mean_pool(tokens)[None], count)[0])
            items = self._store.items(candidates.tolist())
            documents = [
                stored_vectors.decode(
                    self._vectors[items[row].first_vector : items[row].first_vector + items[row].vectors], self.stored
                )
                for row in candidates.tolist()
            ]
            scores, places = best(maxsim(tokens, documents)[None], results)
            return self._hits(candidates[places].tolist(), scores.tolist())[0]

    def _as_floats(self, vectors: Any, name: str) -> NDArray[np.float32]:
        floats = as_vectors(vectors, name, rows=True).astype(np.float32, copy=False)
        if not len(floats) or floats.shape[1] != self.dimensions:
            raise JinaInputError(
                f"{name} must be of shape (tokens, {self.dimensions}), got {floats.shape}; "
                "pass the vectors of a late-interaction model, one per token"
            )
        return floats
