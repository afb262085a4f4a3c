"""What every framework's retriever stands on, so that they only translate types.

An :class:`IndexFolder` is an index that is made when the first vectors come. The models themselves are in
:mod:`jina_client.components`.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import JinaInputError
from .index import BinaryIndex, Hit, Id, MultiVectorIndex
from .index.nearest import require_faiss
from .index.store import DATABASE

AnyIndex = BinaryIndex | MultiVectorIndex

OVERSAMPLING = 20
"""How many times as many candidates as results the first stage chooses."""

# A process can have a folder open once, and several of its components may use it: one that writes, one that asks.
_opened: weakref.WeakValueDictionary[Path, AnyIndex] = weakref.WeakValueDictionary()
_opening = threading.RLock()


class IndexFolder:
    """An index that is opened when it is first used, and made when the first vectors tell its dimensions.

    Args:
        kind: :class:`jina_client.index.BinaryIndex` or :class:`jina_client.index.MultiVectorIndex`.
        path: its folder; ``None`` is a temporary one that goes with the object. All that name the same folder share it.
        model: what the vectors are made with. An index of another model is refused; empty fits any.
        read_only: change nothing: several processes may have the folder open that way.
        **options: ``originals`` and ``first_stage`` of a new index.
    """

    def __init__(
        self, kind: type[AnyIndex], path: str | Path | None, *, model: str, read_only: bool = False, **options: Any
    ) -> None:
        require_faiss()  # before anything is embedded
        self._kind = kind
        self._path = None if path is None else Path(path)
        self._model = model
        self._read_only = read_only
        self._options = {name: value for name, value in options.items() if value is not None}
        self._own: AnyIndex | None = None

    @property
    def path(self) -> Path | None:
        """The folder that was named."""
        return self._path

    def open(self) -> AnyIndex:
        """The index, which must be there.

        Raises:
            IndexFileError: none is there, it is damaged, or another process has it open.
            JinaInputError: it holds another model's vectors.
        """
        with _opening:
            index = self._current()
            if index is None:
                if self._path is None:
                    raise JinaInputError("nothing was added yet")
                index = self._kept(self._kind.load(self._path, read_only=self._read_only))
            return index

    def add(self, ids: Sequence[Id], vectors: Any, payloads: Sequence[Any], *, replace: bool = True) -> None:
        """See the index's ``add``; the index is made where there is none."""
        if not len(ids):
            return
        self.check_writable()
        self._refuse_bits(vectors[0])
        with _opening:
            index = self._found() or self._kept(
                self._kind(np.shape(vectors[0])[-1], self._path, model=self._model, **self._options)
            )
        index.add(ids, vectors, payloads, replace=replace)

    def search(self, query: Any, k: int, oversampling: float = OVERSAMPLING, probes: int | None = None) -> list[Hit]:
        """See the index's ``search``; without an index nothing is found."""
        self._refuse_bits(query)
        index = self._found()
        if index is None:
            return []
        if isinstance(index, BinaryIndex):
            hits: list[Hit] = index.search(query, k, oversampling, probes)
            return hits
        if probes is not None:
            raise JinaInputError("probes are of a BinaryIndex: a MultiVectorIndex has no lists")
        return index.search(query, k, oversampling)

    def cluster(self, lists: int | None = None) -> None:
        """See the index's ``cluster``."""
        self.check_writable()
        index = self._found()
        if not isinstance(index, BinaryIndex):
            raise JinaInputError("nothing was added yet" if index is None else "a MultiVectorIndex has no lists")
        index.cluster(lists)

    def check_writable(self) -> None:
        """Ask before anything is embedded for an index.

        Raises:
            JinaInputError: it is open to change nothing.
        """
        with _opening:
            index = self._current()
        if self._read_only or (index is not None and index.read_only):
            raise JinaInputError(f"the index in {self._path or 'a temporary folder'} was opened read-only")

    def get(self, ids: Sequence[Id]) -> list[Any]:
        """The payloads of ids, ``None`` for one that is not there."""
        index = self._found()
        return [None] * len(ids) if index is None else index.get(ids)

    def payloads(self) -> Iterator[Any]:
        """Every payload, in the order in which they were added."""
        index = self._found()
        return iter(()) if index is None else index.payloads()

    def remove(self, ids: Sequence[Id]) -> int:
        """See the index's ``remove``."""
        self.check_writable()
        index = self._found()
        return 0 if index is None else index.remove(ids)

    def save(self, path: str | Path) -> None:
        """A copy of the index in another folder; see the index's ``save``."""
        index = self._found()
        if index is None:
            raise JinaInputError("nothing was added yet, so there is nothing to save")
        index.save(path)

    def close(self) -> None:
        """Give the files free; a later call opens them anew. A temporary index is gone."""
        with _opening:
            index = self._current()
            if index is not None:
                index.close()

    def __len__(self) -> int:
        index = self._found()
        return 0 if index is None else len(index)

    def __getstate__(self) -> dict[str, Any]:
        if self._path is None:
            raise JinaInputError("an index in a temporary folder cannot be pickled: save it, or give it a path")
        return {**self.__dict__, "_own": None}

    def _refuse_bits(self, vector: Any) -> None:
        """Vectors of an embedder that did not say that it gives bits: more than one 1, and else zeros."""
        if self._kind is BinaryIndex:
            numbers = np.asarray(vector)
            if np.count_nonzero(numbers == 1) > 1 and np.isin(numbers, (0, 1)).all():
                raise _bits("a vector of zeros and ones")

    def _found(self) -> AnyIndex | None:
        """The index, or ``None`` where there is none yet."""
        with _opening:
            index = self._current()
            if index is None and self._path is not None and (self._path / DATABASE).exists():
                index = self._kept(self._kind.load(self._path, read_only=self._read_only))
            return index

    def _current(self) -> AnyIndex | None:
        if self._own is not None and not self._own.closed:
            return self._own
        if self._path is not None:
            index = _opened.get(self._path.resolve())
            if index is not None and not index.closed:
                return self._kept(index)
        return None

    def _kept(self, index: AnyIndex) -> AnyIndex:
        if not isinstance(index, self._kind):
            raise JinaInputError(f"{index.path} is a {type(index).__name__}, not a {self._kind.__name__}")
        if index.model and self._model and index.model != self._model:
            raise JinaInputError(
                f"{index.path} holds vectors of {index.model}, and these are of {self._model}: they cannot be compared"
            )
        self._own = index
        if self._path is not None:
            _opened[self._path.resolve()] = index
        return index


def model_of(embedder: Any, names: Sequence[str] = ("model_name", "model")) -> str:
    """What an embedder of any framework calls its model; empty where it does not say."""
    found = next((getattr(embedder, name) for name in names if isinstance(getattr(embedder, name, None), str)), "")
    return found if found != "unknown" else ""


_ENCODINGS = ("embedding_type", "encoding_documents", "encoding_queries")


def require_floats(embedder: Any) -> None:
    """Refuse an embedder of any framework that says that it gives bits, before anything is embedded."""
    for name in _ENCODINGS:
        encoding = getattr(embedder, name, None)
        if encoding in ("binary", "ubinary"):
            raise _bits(f"{name}={encoding!r}")


def _bits(what: str) -> JinaInputError:
    return JinaInputError(
        f"the index needs floats, got {what}: it makes the bits of its first stage itself, and ranks with the floats. "
        f"Leave {', '.join(_ENCODINGS)} of the embedder at 'float'"
    )
