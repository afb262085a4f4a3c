"""An index that opens when it is first used, and that is made when the first vectors arrive."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jina_client import JinaInputError

from .binary_index import BinaryIndex
from .embedders import reject_bit_vector
from .files import DATABASE
from .hits import Hit
from .items import Id
from .multi_vector_index import MultiVectorIndex
from .settings import OVERSAMPLING, FirstStage, StoredPrecision
from .store import read_only_error
from .threads import faiss

AnyIndex = BinaryIndex | MultiVectorIndex

# A process can have a folder open once, and several components may use it: one that writes and one that searches.
_open_indexes: weakref.WeakValueDictionary[Path, AnyIndex] = weakref.WeakValueDictionary()
_opening = threading.RLock()


class IndexFolder:
    """An index that opens when it is first used, and that is made when the first vectors tell its dimensions.

    Every object of a process that names the same folder shares one open index. Objects with a path can be pickled.

    Example:
        >>> import numpy as np
        >>> from jina_index import BinaryIndex, IndexFolder
        >>> folder = IndexFolder(BinaryIndex)
        >>> folder.add(["a", "b"], np.eye(2), ["first", "second"])
        >>> folder.search([0.9, 0.1], k=1)[0].payload
        'first'

    Args:
        kind: :class:`BinaryIndex` or :class:`MultiVectorIndex`.
        path: the index folder; ``None`` is a temporary one that is deleted with the object.
        model: the model that makes the vectors. An index of another model raises an error; an empty string matches any.
        read_only: whether to reject changes. Several processes may have the folder open that way.
        stored: the precision of the stored vectors of a new index; by default that of ``kind``.
        first_stage: the precision of the first stage of a new :class:`MultiVectorIndex`; by default ``"float"``.

    Raises:
        JinaInputError: faiss is not installed, or ``first_stage`` was passed for a :class:`BinaryIndex`.
    """

    def __init__(
        self,
        kind: type[AnyIndex],
        path: str | Path | None = None,
        *,
        model: str = "",
        read_only: bool = False,
        stored: StoredPrecision | None = None,
        first_stage: FirstStage | None = None,
    ) -> None:
        faiss()  # Fail before anything is embedded.
        if first_stage is not None and kind is BinaryIndex:
            raise JinaInputError("first_stage= is an option of MultiVectorIndex; leave it out for a BinaryIndex")
        self._kind = kind
        self._path = None if path is None else Path(path)
        self._model = model
        self._read_only = read_only
        options = {"stored": stored, "first_stage": first_stage}
        self._options: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        self._index: AnyIndex | None = None

    @property
    def path(self) -> Path | None:
        """The index folder; ``None`` for a temporary one."""
        return self._path

    def open(self) -> AnyIndex:
        """Open the index, which must exist.

        Raises:
            IndexFileError: the folder holds no index, it is damaged, or another process has it open.
            JinaInputError: the index holds another model's vectors, or there is no path and nothing was added yet.
        """
        with _opening:
            index = self._current()
            if index is None:
                if self._path is None:
                    raise JinaInputError("nothing was added yet, and the index has no path; add vectors or pass path=")
                index = self._use(self._kind.load(self._path, read_only=self._read_only))
            return index

    def add(self, ids: Sequence[Id], vectors: Any, payloads: Sequence[Any], *, replace: bool = True) -> None:
        """Add vectors, and make the index if there is none yet.

        Args:
            ids: a string or an integer of 64 bits per vector.
            vectors: a vector per id, in the form that the index's own ``add`` takes.
            payloads: a JSON value per id.
            replace: whether to replace vectors with the same ids; otherwise such an id is an error.

        Raises:
            JinaInputError: the index is read-only, the vectors are bits, or they do not fit the index.
            IndexFileError: the folder's files are damaged, or another process has them open.
        """
        if not len(ids):
            return
        self.check_writable()
        self._reject_bits(vectors[0])
        with _opening:
            index = self._existing()
            if index is None:
                dimensions = np.shape(vectors[0])[-1]
                index = self._use(self._kind(dimensions, self._path, model=self._model, **self._options))
        index.add(ids, vectors, payloads, replace=replace)

    def search(self, query: Any, k: int, oversampling: float = OVERSAMPLING, nprobe: int | None = None) -> list[Hit]:
        """Return the nearest items; none if there is no index yet.

        Args:
            query: the vector of one query, in the form that the index's own ``search`` takes.
            k: the number of results.
            oversampling: the number of candidates per result that the first stage chooses.
            nprobe: the number of IVF cells to search in a clustered :class:`BinaryIndex`; by default all.

        Raises:
            JinaInputError: an invalid argument, or ``nprobe`` for a :class:`MultiVectorIndex`.
            IndexFileError: the folder's files are damaged, or another process has them open.
        """
        self._reject_bits(query)
        index = self._existing()
        if index is None:
            return []
        if isinstance(index, BinaryIndex):
            hits: list[Hit] = index.search(query, k, oversampling, nprobe)
            return hits
        if nprobe is not None:
            raise JinaInputError("a MultiVectorIndex has no cells: leave nprobe= out")
        return index.search(query, k, oversampling)

    def cluster(self, nlist: int | None = None) -> None:
        """Divide a :class:`BinaryIndex` into IVF cells, for ``nprobe``: see :meth:`BinaryIndex.cluster`.

        Args:
            nlist: the number of cells; by default the square root of the number of vectors.

        Raises:
            JinaInputError: nothing was added yet, the index is read-only or a :class:`MultiVectorIndex`, or ``nlist``
                is out of range.
        """
        self.check_writable()
        index = self._existing()
        if index is None:
            raise JinaInputError("nothing was added yet, so there is nothing to cluster; add vectors first")
        if not isinstance(index, BinaryIndex):
            raise JinaInputError("a MultiVectorIndex has no cells: only a BinaryIndex can be clustered")
        index.cluster(nlist)

    def check_writable(self) -> None:
        """Check that the index may be changed. Call it before embedding anything for the index.

        Raises:
            JinaInputError: the index is read-only.
            IndexFileError: this process was forked from the one that opened the index, and may only search it.
        """
        with _opening:
            index = self._current()
        if self._read_only:
            raise read_only_error(self._path or "a temporary folder")
        if index is not None:
            index.check_writable()

    def get(self, ids: Sequence[Id]) -> list[Any]:
        """Return the payloads of some ids; ``None`` for an id that is not in the index."""
        index = self._existing()
        return [None] * len(ids) if index is None else index.get(ids)

    def payloads(self) -> Iterator[Any]:
        """Yield every payload, in the order of adding."""
        index = self._existing()
        return iter(()) if index is None else index.payloads()

    def remove(self, ids: Sequence[Id]) -> int:
        """Remove vectors and return how many there were. Ids that are not in the index are ignored.

        Raises:
            JinaInputError: the index is read-only.
        """
        self.check_writable()
        index = self._existing()
        return 0 if index is None else index.remove(ids)

    def save(self, path: str | Path) -> None:
        """Write a copy of the index to another folder, without removed vectors.

        Raises:
            JinaInputError: nothing was added yet.
            IndexFileError: the index in that folder is open elsewhere.
        """
        index = self._existing()
        if index is None:
            raise JinaInputError("nothing was added yet, so there is nothing to save; add vectors first")
        index.save(path)

    def close(self) -> None:
        """Release the files; a later call opens them again. A temporary index is deleted."""
        with _opening:
            index = self._current()
            if index is not None:
                index.close()

    def __len__(self) -> int:
        index = self._existing()
        return 0 if index is None else len(index)

    def __getstate__(self) -> dict[str, Any]:
        if self._path is None:
            raise JinaInputError("an index in a temporary folder cannot be pickled: save it, or give it a path")
        return {**self.__dict__, "_index": None}

    def _reject_bits(self, vector: Any) -> None:
        """Reject bits from an embedding object that did not announce them."""
        if self._kind is BinaryIndex:
            reject_bit_vector(vector)

    def _existing(self) -> AnyIndex | None:
        """Return the index, opening it if it is closed; ``None`` if there is none yet."""
        with _opening:
            index = self._current()
            if index is None and self._path is not None and (self._path / DATABASE).exists():
                index = self._use(self._kind.load(self._path, read_only=self._read_only))
            return index

    def _current(self) -> AnyIndex | None:
        """Return the index if this process has it open."""
        if self._index is not None and not self._index.closed:
            return self._index
        if self._path is not None:
            index = _open_indexes.get(self._path.resolve())
            if index is not None and not index.closed:
                return self._use(index)
        return None

    def _use(self, index: AnyIndex) -> AnyIndex:
        """Hold and share an open index, after checking that it fits."""
        if not isinstance(index, self._kind):
            raise JinaInputError(
                f"{index.path} is a {type(index).__name__}, not a {self._kind.__name__}; choose another path"
            )
        if index.model and self._model and index.model != self._model:
            raise JinaInputError(
                f"{index.path} holds vectors of {index.model}, and these are of {self._model}: they cannot be "
                "compared; use the same model, or another path"
            )
        self._index = index
        if self._path is not None:
            _open_indexes[self._path.resolve()] = index
        return index
