"""An open index folder: appending, removing and reading, with every change on disk when a method returns.

A folder holds ``index.sqlite3``, ``codes-<generation>.bin`` and ``vectors-<generation>.bin``. SQLite stores the ids,
the payloads, the checksums and, once the index was clustered, the IVF cells; it alone decides what the index contains.
The other two files only grow: a batch is appended and flushed to the disk, and then one SQLite transaction makes it
part of the index. The next batch overwrites what a crash left behind the last one. A file that is shorter than SQLite
says, or whose content does not match the checksums, raises :class:`jina_index.IndexFileError`.
"""

from __future__ import annotations

import contextlib
import mmap
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jina_client import JinaInputError
from numpy.typing import NDArray

from . import database as tables
from .cells import Clustering
from .connection import IndexConnection
from .database import PARAMETERS_PER_STATEMENT, SELECT_ITEMS, insert_cells
from .errors import IndexFileError
from .files import (
    DATABASE,
    HEADER_LENGTH,
    as_bytes,
    check_file,
    compare,
    damaged,
    flush,
    read_into,
    reject_links,
    write,
    writing,
)
from .generations import publish_generation, remove_other_generations, write_generation
from .items import Id, ItemColumns, StoredItem
from .settings import IndexSettings
from .stored_vectors import vector_width
from .threads import BLOCK_ROWS, background, for_each_block, for_each_number, wait_until_ended

# Rows that have one checksum, and that one thread writes.
ROWS_PER_BATCH = 4096
_BYTES_PER_READ = 2**22
_ITEMS_PER_READ = 1000


class IndexStore:
    """An open index folder. Only reading is thread-safe; the index above it has a lock.

    Args:
        folder: the folder.
        read_only: whether to open it without changing anything, as several processes may at the same time.

    Raises:
        IndexFileError: no index, damaged files, links, or an index that is open elsewhere.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self.read_only = read_only
        self._reading = threading.Lock()
        reject_links(folder)
        self._connection = IndexConnection(folder, read_only=read_only)
        try:
            generation = self.read()
            if not read_only:
                remove_other_generations(folder, generation)
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, folder: Path, settings: IndexSettings) -> IndexStore:
        """Create an empty index and open it.

        Args:
            folder: the folder, which is created if it does not exist.
            settings: the settings of the index.

        Raises:
            IndexFileError: the folder holds an index already, or cannot be created.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise IndexFileError(f"{folder} cannot be made a folder: {error.strerror}; choose another path") from None
        if (folder / DATABASE).exists():
            raise IndexFileError(f"{folder} holds an index already: load it, or choose another folder")
        with writing(folder):
            publish_generation(folder, write_generation(folder, settings, []))
        return cls(folder)

    def read(self) -> str:
        """Read the settings and totals, and return the generation. An interruption may have left older ones here.

        Raises:
            IndexFileError: the files are damaged.
        """
        with self._damage_reported():
            self._has_cells = tables.read_schema(self._database, self.folder)
            self.settings, generation, removed = tables.read_settings(self._database, self.folder)
            self.rows, self.vectors = tables.read_totals(self._database, self.folder)
            self._removed = self.rows - tables.count_items(self._database) if removed is None else removed
            self._vector_width = vector_width(self.settings)
            self._codes_path = self.folder / f"codes-{generation}.bin"
            self._vectors_path = self.folder / f"vectors-{generation}.bin"
            check_file(self._codes_path, generation, self.rows * self.settings.code_width, self.folder)
            check_file(self._vectors_path, generation, self.vectors * self._vector_width, self.folder)
        return generation

    def close(self) -> None:
        """Release the files. All changes are on disk already."""
        self._connection.close()

    def __del__(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()

    @property
    def _database(self) -> sqlite3.Connection:
        return self._connection.get()

    def add(
        self,
        ids: Sequence[Id],
        payloads: Sequence[bytes | None],
        codes: NDArray[np.uint8],
        encode: Callable[[slice], NDArray[np.uint8]],
        lengths: NDArray[np.int64],
        replaced: Sequence[int] = (),
    ) -> None:
        """Append a batch and flush it to the disk.

        Args:
            ids: the ids of the items, none of which is in the index.
            payloads: the payload of each as JSON, or ``None``.
            codes: bytes of shape ``(n, code_width)``. They are read after the vectors of their rows were encoded.
            encode: a function that returns the stored vectors of a part: bytes of shape ``(n, vector_width)``.
            lengths: the number of vectors of each item.
            replaced: rows to remove in the same transaction.

        Raises:
            JinaInputError: the index is read-only.
            IndexFileError: the files cannot be written.
        """
        self.check_writable()
        starts = np.concatenate([[0], np.cumsum(lengths)])
        with writing(self.folder), tables.transaction(self._database):
            self._delete(replaced)
            # The disk and SQLite work at the same time. Only the commit makes the new bytes part of the index.
            files = background().submit(self._write, codes, encode, starts)
            try:
                items = ItemColumns(self.rows, ids, payloads, self.vectors + starts[:-1], lengths)
                tables.insert_items(self._database, items)
            finally:
                # A later call must not write into the files at the same time.
                wait_until_ended([files])
            for batch in files.result():
                tables.insert_batch(self._database, batch)
        self.rows += len(ids)
        self.vectors += int(starts[-1])
        self._removed += len(replaced)

    def _write(
        self, codes: NDArray[np.uint8], encode: Callable[[slice], NDArray[np.uint8]], starts: NDArray[np.int64]
    ) -> list[tables.Batch]:
        """Write codes and vectors behind those of the index, flush them to the disk, and return their checksums.

        Args:
            codes: bytes of shape ``(n, code_width)``.
            encode: a function that returns the stored vectors of a part.
            starts: the position of each item's first vector, and the number of all vectors: shape ``(n + 1,)``.
        """
        batches: list[tables.Batch] = []
        flushes: list[Future[None]] = []

        def write_batch(rows: slice) -> None:
            first, last = int(starts[rows.start]), int(starts[rows.stop])
            first_row, first_vector = self.rows + rows.start, self.vectors + first
            # A block goes from the processor's cache into the file.
            blocks = (encode(slice(start, min(start + BLOCK_ROWS, last))) for start in range(first, last, BLOCK_ROWS))
            vectors_crc = write(self._vectors_path, first_vector * self._vector_width, blocks)
            codes_crc = write(self._codes_path, first_row * self.settings.code_width, [codes[rows]])
            size = rows.stop - rows.start
            batches.append(tables.Batch(first_row, size, codes_crc, first_vector, last - first, vectors_crc))
            # The disk begins while the processors encode the rest.
            if rows.stop < len(codes) and all(each.done() for each in flushes):
                flushes.append(background().submit(flush, self._vectors_path))

        for_each_block(write_batch, len(codes), ROWS_PER_BATCH)
        for each in flushes:
            if not each.cancel():
                each.result()
        paths = self._codes_path, self._vectors_path
        for_each_number(lambda number: flush(paths[number]), len(paths))
        return batches

    def remove(self, rows: Sequence[int]) -> None:
        """Remove items and flush the removal to the disk. Their bytes remain until the index is written anew.

        Raises:
            JinaInputError: the index is read-only.
            IndexFileError: the files cannot be written.
        """
        self.check_writable()
        with writing(self.folder), tables.transaction(self._database):
            self._delete(rows)
        self._removed += len(rows)

    def write_cells(self, clustering: Clustering) -> None:
        """Replace the IVF cells and flush them to the disk.

        Raises:
            JinaInputError: the index is read-only.
            IndexFileError: the files cannot be written.
        """
        self.check_writable()
        with writing(self.folder), tables.transaction(self._database):
            if self._has_cells:
                tables.delete_cells(self._database)
            insert_cells(self._database, clustering, create=not self._has_cells)
        self._has_cells = True

    def read_cells(self) -> Clustering | None:
        """Return the IVF cells, or ``None`` if there are none. Their members may include rows that were removed.

        Raises:
            IndexFileError: they are damaged.
        """
        if not self._has_cells:
            return None
        with self._damage_reported():
            return tables.read_cells(self._database, self.folder, self.settings.dimensions, self.rows)

    def rows_of(self, ids: Sequence[Id]) -> dict[Id, int]:
        """Return the rows of the ids that are in the index."""
        # SQLite distinguishes 1 from '1', as Python does.
        return dict(self._select("SELECT id, row FROM items WHERE id IN", ids))

    def items(self, rows: Sequence[int]) -> dict[int, StoredItem]:
        """Return the items of some rows.

        Raises:
            IndexFileError: one is damaged or missing.
        """
        items = {item.row: item for item in map(self._item, self._select(f"{SELECT_ITEMS} WHERE row IN", rows))}
        if len(items) < len(rows):
            missing = next(row for row in rows if row not in items)
            raise damaged(self.folder, f"row {missing} of {DATABASE}")
        return items

    def items_after(self, row: int) -> list[StoredItem]:
        """Return the next items behind a row, in the order of rows: a thousand at most, and none at the end.

        Raises:
            IndexFileError: one is damaged.
        """
        with self._reading:
            statement = f"{SELECT_ITEMS} WHERE row > ? ORDER BY row LIMIT ?"
            items = self._database.execute(statement, (row, _ITEMS_PER_READ)).fetchall()
        return list(map(self._item, items))

    def live_rows(self) -> NDArray[np.int64] | None:
        """Return the rows that are not removed, ascending, or ``None`` if no row is removed."""
        if not self._removed:
            return None
        rows = self._database.execute("SELECT row FROM items ORDER BY row")
        return np.fromiter((row for (row,) in rows), np.int64)

    def read_codes(self) -> tuple[NDArray[np.uint8], Callable[[], None]]:
        """Read the codes of all rows.

        Returns:
            Bytes of shape ``(rows, code_width)``, and a function that compares them with their checksums. It raises
            :class:`jina_index.IndexFileError` if they are damaged.
        """
        codes = np.empty((self.rows, self.settings.code_width), np.uint8)
        content = as_bytes(codes)

        def read(part: slice) -> None:
            with self._codes_path.open("rb", buffering=0) as file:
                file.seek(HEADER_LENGTH + part.start)
                read_into(file, content[part])

        for_each_block(read, len(content), _BYTES_PER_READ)
        return codes, partial(compare, codes, self._batches("first_row, rows, codes_crc"), self._codes_path)

    def map_vectors(self, *, random: bool = False) -> NDArray[np.uint8]:
        """Map the stored vectors into memory.

        Args:
            random: whether single vectors will be read from all over the file. The system then reads no pages around
                them; otherwise it reads ahead.

        Returns:
            Bytes of shape ``(vectors, vector_width)``, read-only.
        """
        if not self.vectors:
            return np.empty((0, self._vector_width), np.uint8)
        count = self.vectors * self._vector_width
        with self._vectors_path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), HEADER_LENGTH + count, access=mmap.ACCESS_READ)
        if random and hasattr(mmap, "MADV_RANDOM"):
            mapped.madvise(mmap.MADV_RANDOM)
        return np.frombuffer(mapped, np.uint8, count, HEADER_LENGTH).reshape(-1, self._vector_width)

    def verify(self) -> None:
        """Read all codes, stored vectors and items and compare them with their checksums.

        Raises:
            IndexFileError: something is damaged.
        """
        with self._damage_reported():
            problems = [text for (text,) in self._database.execute("PRAGMA quick_check") if text != "ok"]
            if problems:
                raise damaged(self.folder, f"{DATABASE} ({problems[0]})")
            _, compare_codes = self.read_codes()
            compare_codes()
            batches = self._batches("first_vector, vectors, vectors_crc")
            compare(self.map_vectors(), batches, self._vectors_path)
            items, last = 0, -1
            while part := self.items_after(last):
                items, last = items + len(part), part[-1].row
            if items != self.rows - self._removed:
                raise damaged(self.folder, f"the number of items in {DATABASE}")

    def _batches(self, columns: str) -> list[tuple[int, int, int]]:
        """Return the first row or vector, the number and the checksum of each batch."""
        with self._reading:
            return self._database.execute(f"SELECT {columns} FROM batches").fetchall()

    def _delete(self, rows: Sequence[int]) -> None:
        """Delete items, inside a transaction."""
        tables.delete_items(self._database, rows)
        tables.write_removed(self._database, self._removed + len(rows))

    def check_writable(self) -> None:
        """Check that the index may be changed.

        Raises:
            JinaInputError: the index is read-only.
            IndexFileError: this process was forked from the one that opened the index.
        """
        if self.read_only:
            raise read_only_error(self.folder)
        if self._connection.inherited:
            raise IndexFileError(
                f"the index in {self.folder} was opened before this process was forked, and only the process that "
                "opened it can change it; change it there, or open it after the fork"
            )

    @contextlib.contextmanager
    def _damage_reported(self) -> Iterator[None]:
        """Report whatever reading runs into, such as text in place of a number, as damage of the files."""
        try:
            yield
        except (sqlite3.DatabaseError, TypeError, ValueError, OverflowError) as error:
            raise damaged(self.folder, f"{DATABASE} ({error})") from None

    def _item(self, columns: tuple[Any, ...]) -> StoredItem:
        item = StoredItem._make(columns[:5])
        row, first_vector, vectors = item.row, item.first_vector, item.vectors
        if (
            not item.matches(columns[5])
            or not 0 <= row < self.rows
            or not 0 <= first_vector <= first_vector + vectors <= self.vectors
        ):
            raise damaged(self.folder, f"row {row} of {DATABASE}")
        return item

    def _select(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run a statement that ends in ``IN`` for any number of values."""
        results: list[tuple[Any, ...]] = []
        with self._reading:
            for start in range(0, len(values), PARAMETERS_PER_STATEMENT):
                part = values[start : start + PARAMETERS_PER_STATEMENT]
                marks = ", ".join("?" * len(part))
                results += self._database.execute(f"{statement} ({marks})", part)
        return results


def read_only_error(folder: Path | str) -> JinaInputError:
    """Return the error for a change of an index that is read-only."""
    return JinaInputError(f"the index in {folder} was opened read-only; open it without read_only=True to change it")
