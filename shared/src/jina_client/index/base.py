"""What both indexes have in common: opening, adding, removing, saving, and who may read while somebody writes."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from ..errors import JinaInputError
from . import store
from .hits import Hit
from .lists import Lists
from .locks import ReadWriteLock
from .nearest import nearest_bits, nearest_bits_in_lists, nearest_floats, require_faiss
from .originals import Originals
from .store import FirstStage, Id, IndexFileError, Kind, Settings, Store

# Rows copied at once when an index is saved elsewhere.
_ROWS_AT_ONCE = 16_384
# Queries for which lists are chosen at once: for each query and list some bytes are needed.
_QUERIES_AT_ONCE = 1024


class Index:
    """An index in a folder, with the first stage in memory. See the subclasses."""

    _kind: Kind

    def __init__(
        self,
        dimensions: int,
        path: str | Path | None,
        *,
        originals: Originals,
        first_stage: FirstStage,
        model: str,
    ) -> None:
        require_faiss()
        settings = Settings(self._kind, dimensions, originals, first_stage, model)
        folder, self._temporary = Path(path) if path is not None else None, None
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="jina-index-"))
            self._temporary = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._open(Store.create(folder, settings))

    @classmethod
    def load(cls, path: str | Path, *, verify: bool = True, read_only: bool = False) -> Self:
        """Open an index that is there.

        Args:
            path: its folder.
            verify: read every byte and compare it with the checksums. Without it, sizes and the first stage are checked
                at once, an id and its payload when they are found, and the vectors on disk not at all.
            read_only: change nothing. Several processes can have an index open that way, or one process for writing.

        Raises:
            IndexFileError: no index, another kind of index, damaged files, links, or one that is open elsewhere.
        """
        require_faiss()
        index = cls.__new__(cls)
        index._temporary = None
        opened = Store(Path(path), read_only=read_only)
        try:
            if opened.settings.kind != cls._kind:
                raise IndexFileError(f"{path} holds an index of {opened.settings.kind}, {cls.__name__} has {cls._kind}")
            if verify:
                opened.verify()
            index._open(opened)
        except BaseException:
            opened.close()
            raise
        return index

    def _open(self, opened: Store) -> None:
        self._lock = ReadWriteLock()
        # Held as long as rows must keep their numbers.
        self._renumbering = threading.Lock()
        self._closed = False
        self._read(opened)

    def _read(self, opened: Store) -> None:
        self._store = opened
        codes = opened.read_codes()
        # For each place in memory its row on disk; None stands for the same, as long as nothing was removed or sorted.
        self._rows: NDArray[Any] | None = opened.live_rows()
        if self._rows is not None:
            codes = codes[self._rows]
        self._codes = codes
        self._count = len(codes)
        self._lists: Lists | None = None
        self._vectors = opened.map_vectors()
        lists = opened.read_lists()
        if lists is not None:
            self._sort(lists)

    def _sort(self, lists: store.Clustering) -> None:
        """Put the rows in memory into the order of lists; those that are in none go behind them."""
        centroids, members = lists
        number_of = np.full(self._store.rows, len(members), np.int32)
        for number, rows in enumerate(members):
            number_of[rows] = number
        live = np.arange(self._count) if self._rows is None else self._rows[: self._count]
        numbers = number_of[live]
        # Rows ascend in each list, which settles what comes first among equals.
        order = np.lexsort((live, numbers))
        rows = live[order].astype(_type_of_rows(self._store.rows))
        self._codes, self._rows = self._codes[order], rows
        self._lists = Lists(centroids, np.searchsorted(numbers[order], np.arange(len(members) + 1)))

    @property
    def path(self) -> Path:
        """The folder."""
        return self._store.folder

    @property
    def dimensions(self) -> int:
        """The length of the vectors."""
        return self._store.settings.dimensions

    @property
    def originals(self) -> Originals:
        """How the vectors lie on disk."""
        return self._store.settings.originals

    @property
    def model(self) -> str:
        """What the vectors were made with, where the one who made the index said so."""
        return self._store.settings.model

    @property
    def read_only(self) -> bool:
        """Whether it was opened to change nothing."""
        return self._store.read_only

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def memory(self) -> int:
        """The bytes that the first stage takes in memory."""
        each = self._store.settings.code_width + (0 if self._rows is None else self._rows.itemsize)
        return self._count * each + (0 if self._lists is None else self._lists.memory)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, id: object) -> bool:
        if not isinstance(id, (str, int)) or isinstance(id, bool):
            return False
        with self._lock.read():
            self._check_open()
            return bool(self._store.rows_of([id]))

    def ids(self) -> Iterator[Id]:
        """Every id, in the order in which they were added."""
        return (item.id for item in self._store.all_items())

    def payloads(self) -> Iterator[Any]:
        """Every payload, in the order in which they were added."""
        return (_payload(item) for item in self._store.all_items())

    def get(self, ids: Sequence[Id]) -> list[Any]:
        """The payloads of ids, ``None`` for one that is not there."""
        listed = store.check_ids(ids)
        with self._lock.read():
            self._check_open()
            rows = self._store.rows_of(listed)
            items = self._store.items(list(rows.values()))
        return [_payload(items[rows[each]]) if each in rows else None for each in listed]

    def remove(self, ids: Sequence[Id]) -> int:
        """Remove vectors. When it returns, that is on disk. Ids that are not there are passed over.

        Returns:
            How many were removed. Their bytes on disk are given back when the index is saved.
        """
        listed = store.check_ids(ids)
        with self._lock.write():
            self._check_open()
            found = list(self._store.rows_of(listed).values())
            if found:
                self._store.remove(found)
                self._forget(found)
        return len(found)

    def save(self, path: str | Path | None = None) -> None:
        """Write the index anew, without what was removed; to another folder, or where it is.

        Every ``add`` and ``remove`` is on disk when it returns, so this is for a copy, for keeping an index that has no
        path, or for giving back disk space. It is all there or not at all: a crash leaves what was there before.

        Args:
            path: a folder without an index, or with one that is replaced and not open; by default its own.

        Raises:
            IndexFileError: the folder's index is open elsewhere.
        """
        with self._renumbering, self._lock.write():
            self._check_open()
            own = self._store.folder
            folder = own if path is None else Path(path)
            folder.mkdir(parents=True, exist_ok=True)
            if folder.resolve() != own.resolve():
                store.publish_generation(folder, self._write_generation(folder))
                return
            if self._store.read_only:
                raise JinaInputError(f"the index in {own} was opened read-only")
            generation = self._write_generation(folder)
            self._store.close()
            store.publish_generation(folder, generation)
            self._read(Store(folder))

    def close(self) -> None:
        """Give the files free. An index without a path is gone."""
        with self._lock.write():
            if not self._closed:
                self._closed = True
                self._store.close()
                self._vectors = self._codes = np.empty((0, 0), np.uint8)
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
        vectors: NDArray[np.uint8],
        lengths: Sequence[int],
        *,
        replace: bool,
    ) -> None:
        listed = store.check_ids(ids)
        if isinstance(payloads, (str, bytes, dict)):
            raise JinaInputError(f"payloads must be a list, one for each id, got a {type(payloads).__name__}")
        given = [None] * len(listed) if payloads is None else list(payloads)
        if not len(listed) == len(lengths) == len(given):
            raise JinaInputError(
                f"{len(listed)} ids, {len(lengths)} vectors and {len(given)} payloads: there must be one of each"
            )
        if not listed:
            return
        contents = [store.to_json(payload, f"payloads[{place}]") for place, payload in enumerate(given)]
        with self._lock.write():
            self._check_open()
            known = self._store.rows_of(listed)
            if known and not replace:
                raise JinaInputError(f"the index has the id {next(iter(known))!r} already: pass replace=True")
            first = self._store.rows
            self._store.add(listed, contents, codes, vectors, lengths, list(known.values()))
            if known:
                self._forget(list(known.values()))
            self._make_room(self._count + len(listed))
            places = slice(self._count, self._count + len(listed))
            self._codes[places] = codes
            if self._rows is not None:
                self._rows = self._rows.astype(_type_of_rows(self._store.rows), copy=False)
                self._rows[places] = np.arange(first, first + len(listed))
            self._count = places.stop
            self._vectors = self._store.map_vectors()

    def _make_room(self, count: int) -> None:
        """Room for more rows than asked for; memory that was never written to takes none."""
        if count > len(self._codes):
            room = max(count, 2 * self._count)
            self._codes = _enlarged(self._codes[: self._count], room)
            if self._rows is not None:
                self._rows = _enlarged(self._rows[: self._count], room)

    def _forget(self, rows: Sequence[int]) -> None:
        """Take rows out of memory; what is behind them moves up."""
        if self._rows is None:
            self._rows = _enlarged(np.arange(self._count, dtype=_type_of_rows(self._store.rows)), len(self._codes))
        gone = np.isin(self._rows[: self._count], rows)
        places = np.flatnonzero(gone)
        if self._lists is not None:
            self._lists.forget(places)
        end = int(places[0])
        for start in range(end, self._count, _ROWS_AT_ONCE):
            part = slice(start, min(start + _ROWS_AT_ONCE, self._count))
            left = ~gone[part]
            moved = slice(end, end + int(left.sum()))
            self._codes[moved], self._rows[moved] = self._codes[part][left], self._rows[part][left]
            end = moved.stop
        self._count = end

    def _candidates(self, queries: NDArray[np.float32], count: int, probes: int | None = None) -> NDArray[np.int64]:
        """The rows on disk of the nearest by the first stage: ``(q, count)``, in no order."""
        codes = self._codes[: self._count]
        rows = None if self._rows is None else self._rows[: self._count]
        if self._store.settings.first_stage == "float":
            places = nearest_floats(queries, codes.view("<f4"), count)
            return places if rows is None else rows[places]
        bits = np.packbits(queries > 0, axis=1)
        if self._lists is None or rows is None or probes is None or probes >= len(self._lists):
            return nearest_bits(bits, codes, count, rows, ascending=self._lists is None)
        bounds = self._lists.bounds
        in_lists = count - (self._count - int(bounds[-1]))
        found = []
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            part = slice(start, start + _QUERIES_AT_ONCE)
            chosen = self._lists.choose(queries[part], probes, in_lists)
            found.append(nearest_bits_in_lists(bits[part], codes, count, rows, bounds, chosen))
        return np.concatenate(found)

    def _hits(self, rows: Sequence[Sequence[int]], scores: Sequence[Sequence[float]]) -> list[list[Hit]]:
        """Results from rows on disk."""
        items = self._store.items(sorted({row for own in rows for row in own}))
        return [
            [Hit(items[row].id, score, _payload(items[row])) for row, score in zip(own, values, strict=True)]
            for own, values in zip(rows, scores, strict=True)
        ]

    def _how_many(self, k: Any, oversampling: Any) -> tuple[int, int]:
        """The number of results, and that of candidates."""
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise JinaInputError(f"k must be a whole number above 0, got {k!r}")
        if isinstance(oversampling, bool) or not isinstance(oversampling, (int, float)) or not oversampling >= 1:
            raise JinaInputError(f"oversampling must be a number of 1 or more, got {oversampling!r}")
        wanted = min(int(k), self._count)
        return wanted, int(min(self._count, -(-wanted * oversampling // 1)))

    def _check_open(self) -> None:
        if self._closed:
            raise JinaInputError("the index is closed")

    def _write_generation(self, folder: Path) -> str:
        """What is not removed, row after row, as new rows."""
        order = None if self._rows is None else np.argsort(self._rows[: self._count])
        lists = None
        if self._lists is not None and order is not None:
            new = np.empty(self._count, np.int64)
            new[order] = np.arange(self._count)
            lists = self._lists.centroids, np.split(new, self._lists.bounds[1:])[:-1]
        return store.write_generation(folder, self._store.settings, self._batches(order), lists)

    def _batches(self, order: NDArray[np.int64] | None) -> Iterator[store.Batch]:
        row = vector = 0
        for start in range(0, self._count, _ROWS_AT_ONCE):
            places = np.arange(start, min(start + _ROWS_AT_ONCE, self._count))
            if order is not None:
                places = order[places]
            rows = (places if self._rows is None else self._rows[places]).tolist()
            old = self._store.items(rows)
            items, kept = [], []
            for each in rows:
                item = old[each]
                items.append(store.Item(row, item.id, item.payload, vector, item.vectors))
                kept.append(np.arange(item.first_vector, item.first_vector + item.vectors))
                row, vector = row + 1, vector + item.vectors
            yield items, self._codes[places], self._vectors[np.concatenate(kept)]


def _type_of_rows(rows: int) -> type[np.signedinteger[Any]]:
    """What holds the numbers of so many rows."""
    return np.int32 if rows <= np.iinfo(np.int32).max else np.int64


def _enlarged(array: NDArray[Any], rows: int) -> NDArray[Any]:
    larger = np.empty((rows, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


def _payload(item: store.Item) -> Any:
    return None if item.payload is None else orjson.loads(item.payload)
