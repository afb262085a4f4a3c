"""The parts that both indexes share: opening, adding, removing, saving, and locking."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
from jina_client import JinaInputError
from numpy.typing import NDArray

from .checks import as_count, check_oversampling
from .code_table import CodeTable
from .content import numbered_anew
from .errors import IndexFileError
from .files import DATABASE, damaged, writing
from .generations import publish_generation, write_generation
from .hits import Hit
from .items import Id, StoredItem, check_ids, check_items
from .locks import ReadWriteLock
from .settings import MAX_DIMENSIONS, FirstStage, IndexSettings, Kind, StoredPrecision
from .store import IndexStore
from .threads import faiss


class BaseIndex:
    """An index in a folder, with the first stage of its search in memory. Use one of the subclasses."""

    _kind: ClassVar[Kind]

    def __init__(
        self,
        dimensions: int,
        path: str | Path | None,
        *,
        stored: StoredPrecision,
        first_stage: FirstStage,
        model: str,
    ) -> None:
        faiss()
        settings = IndexSettings(
            self._kind, as_count("dimensions", dimensions, MAX_DIMENSIONS), stored, first_stage, model
        )
        folder, self._temporary = Path(path) if path is not None else None, None
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="jina-index-"))
            self._temporary = weakref.finalize(self, _remove_folder, folder, os.getpid())
        self._open(IndexStore.create(folder, settings))

    @classmethod
    def load(cls, path: str | Path, *, verify: bool = False, read_only: bool = False) -> Self:
        """Open an existing index.

        Args:
            path: the index folder.
            verify: whether to read all files and compare them with their checksums, as :meth:`verify` does. Without it
                the index checks the sizes when it opens, compares the first stage in the background, and an id and
                its payload when a search returns them. It never compares the stored vectors.
            read_only: whether to open the index without changing anything. Several processes can have it open that
                way, or one process for writing.

        Raises:
            IndexFileError: no index, an index of another kind, damaged files, links, or an index that is open
                elsewhere.
        """
        faiss()
        index = cls.__new__(cls)
        index._temporary = None
        store = IndexStore(Path(path), read_only=read_only)
        try:
            if store.settings.kind != cls._kind:
                raise IndexFileError(
                    f"{path} holds an index of {store.settings.kind}, {cls.__name__} has {cls._kind}; "
                    "load it with the other class"
                )
            if verify:
                store.verify()
            index._open(store)
        except BaseException:
            store.close()
            raise
        return index

    def _open(self, store: IndexStore) -> None:
        self._lock = ReadWriteLock()
        # A thread holds this lock while rows must keep their numbers.
        self._renumbering = threading.Lock()
        self._closed = False
        self._read(store)

    def _read(self, store: IndexStore) -> None:
        self._store = store
        self._codes = CodeTable(store)
        self._vectors = self._map_vectors()

    @property
    def path(self) -> Path:
        """The index folder."""
        return self._store.folder

    @property
    def dimensions(self) -> int:
        """The length of the vectors."""
        return self._store.settings.dimensions

    @property
    def stored(self) -> StoredPrecision:
        """The precision of the stored vectors."""
        return self._store.settings.stored

    @property
    def model(self) -> str:
        """The model that makes the vectors, as passed when the index was made; empty if none was passed."""
        return self._store.settings.model

    @property
    def read_only(self) -> bool:
        """Whether the index rejects changes."""
        return self._store.read_only

    @property
    def closed(self) -> bool:
        """Whether the index is closed."""
        return self._closed

    @property
    def memory(self) -> int:
        """Bytes that the first stage takes in memory."""
        return self._codes.memory

    def __len__(self) -> int:
        return len(self._codes)

    def __contains__(self, id: object) -> bool:
        if not isinstance(id, (str, int)) or isinstance(id, bool):
            return False
        with self._lock.read():
            self._check_open()
            return bool(self._store.rows_of([id]))

    def ids(self) -> Iterator[Id]:
        """Yield every id, in the order of adding.

        The index is read in parts, and may be changed between two of them: an item that is added or replaced meanwhile
        comes last.

        Raises:
            JinaInputError: the index is closed, or was saved since the iteration began.
            IndexFileError: an item is damaged.
        """
        return (item.id for item in self._items())

    def payloads(self) -> Iterator[Any]:
        """Yield every payload, in the order of adding, as :meth:`ids` does.

        Raises:
            JinaInputError: the index is closed, or was saved since the iteration began.
            IndexFileError: an item is damaged.
        """
        return (item.value for item in self._items())

    def check_writable(self) -> None:
        """Check that the index may be changed.

        Raises:
            JinaInputError: the index is read-only.
            IndexFileError: this process was forked from the one that opened the index, and may only search it.
        """
        self._store.check_writable()

    def get(self, ids: Sequence[Id]) -> list[Any]:
        """Return the payloads of some ids.

        Args:
            ids: distinct ids.

        Returns:
            One payload per id; ``None`` for an id that is not in the index.

        Raises:
            JinaInputError: not a list of distinct ids.
            IndexFileError: an item is damaged.
        """
        distinct = check_ids(ids)
        with self._lock.read():
            self._check_open()
            rows = self._store.rows_of(distinct)
            items = self._store.items(list(rows.values()))
        return [items[rows[id]].value if id in rows else None for id in distinct]

    def remove(self, ids: Sequence[Id]) -> int:
        """Remove vectors; the removal is on disk when the method returns. Ids that are not in the index are ignored.

        Args:
            ids: distinct ids.

        Returns:
            The number of removed ids. :meth:`save` frees their disk space.

        Raises:
            JinaInputError: not a list of distinct ids, or the index is read-only.
            IndexFileError: the files cannot be written.
        """
        distinct = check_ids(ids)
        with self._changing():
            rows = list(self._store.rows_of(distinct).values())
            if rows:
                self._codes.check()
                self._store.remove(rows)
                self._codes.remove(rows)
        return len(rows)

    def verify(self) -> None:
        """Read all files and compare them with their checksums. Other threads may search meanwhile.

        Raises:
            IndexFileError: something is damaged.
        """
        with self._lock.read():
            self._check_open()
            self._store.verify()

    def save(self, path: str | Path | None = None) -> None:
        """Write the index anew, without removed vectors, to its own or another folder.

        Every ``add`` and ``remove`` is on disk when it returns, so saving is only needed to copy an index, to keep one
        that was made without a path, or to free disk space. A crash leaves the previous content of the folder.

        Args:
            path: a folder without an index, or one whose index is replaced and not open; by default the index's own.

        Raises:
            IndexFileError: the index in that folder is open elsewhere, or the folder cannot be written.
            JinaInputError: the index is read-only, and ``path`` is its own folder.
        """
        folder = self.path if path is None else Path(path)
        with self._renumbering, self._lock.write(), writing(folder):
            self._check_open()
            folder.mkdir(parents=True, exist_ok=True)
            if folder.resolve() != self.path.resolve():
                publish_generation(folder, self._write_generation(folder))
                return
            self._store.check_writable()
            generation = self._write_generation(folder)
            self._store.close()
            self._closed = True
            try:
                publish_generation(folder, generation)
            finally:
                self._read(IndexStore(folder))
                self._closed = False

    def close(self) -> None:
        """Release the files. The folder of an index without a path is deleted."""
        with self._lock.write():
            if not self._closed:
                self._closed = True
                self._store.close()
                self._vectors = np.empty((0, 0), np.uint8)
                self._codes.clear()
        if self._temporary is not None:
            self._temporary()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, {len(self):,} of {self.dimensions} dimensions)"

    def _append(
        self,
        ids: Any,
        payloads: Any,
        codes: NDArray[np.uint8],
        encode: Callable[[slice], NDArray[np.uint8]],
        lengths: NDArray[np.int64],
        *,
        replace: bool,
    ) -> None:
        """Add items with their codes, as :meth:`IndexStore.add` takes them."""
        distinct, contents = check_items(ids, payloads, len(lengths))
        if not distinct:
            return
        with self._changing():
            first_row = self._store.rows
            replaced = list(self._store.rows_of(distinct).values()) if replace else []
            if replaced:
                self._codes.check()
            try:
                self._store.add(distinct, contents, codes, encode, lengths, replaced)
            except sqlite3.IntegrityError:
                # Looking for the ids before adding them would take as long as adding them.
                present = self._store.rows_of(distinct)
                if not present:
                    raise damaged(self._store.folder, DATABASE) from None
                raise JinaInputError(
                    f"the index has the id {next(iter(present))!r} already; choose another id, or pass replace=True"
                ) from None
            if replaced:
                self._codes.remove(replaced)
            self._codes.append(codes, first_row)
            self._vectors = self._map_vectors()

    def _items(self) -> Iterator[StoredItem]:
        """Yield every item, in the order of rows. The lock is free while the caller has one."""
        store, row = self._store, -1
        while True:
            with self._lock.read():
                self._check_open()
                if self._store is not store:  # Saving gives rows new numbers.
                    raise JinaInputError("the index was saved while its items were read; read them again")
                items = store.items_after(row)
            if not items:
                return
            yield from items
            row = items[-1].row

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock for a change. After Ctrl-C, which may come when the change is on disk, read the index again."""
        with self._lock.write():
            self._check_open()
            try:
                yield
            except KeyboardInterrupt:
                self._store.read()
                self._read(self._store)
                raise

    def _map_vectors(self) -> NDArray[np.uint8]:
        # Multi-vectors of a document follow each other, so reading ahead helps.
        return self._store.map_vectors(random=self._kind == "vectors")

    def _hits(self, rows: Sequence[Sequence[int]], scores: Sequence[Sequence[float]]) -> list[list[Hit]]:
        """Return the hits for rows on disk and their scores, one list per query."""
        items = self._store.items(sorted({row for query_rows in rows for row in query_rows}))
        return [
            [Hit(items[row].id, score, items[row].value) for row, score in zip(query_rows, values, strict=True)]
            for query_rows, values in zip(rows, scores, strict=True)
        ]

    def _counts(self, k: Any, oversampling: Any) -> tuple[int, int]:
        """Return the number of results and of candidates of a search, after checking its arguments."""
        results = min(as_count("k", k), len(self._codes))
        check_oversampling(oversampling)
        return results, int(min(len(self._codes), -(-results * oversampling // 1)))

    def _check_open(self) -> None:
        if self._closed:
            raise JinaInputError("the index is closed; load it again to use it")

    def _write_generation(self, folder: Path) -> str:
        self._codes.check()
        clustering = self._codes.clustering_by_row()
        return write_generation(folder, self._store.settings, numbered_anew(self._store, self._codes), clustering)


def _remove_folder(folder: Path, process: int) -> None:
    """Delete the folder of a temporary index, unless a forked process has ended that only inherited the index."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
