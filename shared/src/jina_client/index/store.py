"""The files of an index, and what makes them survive a crash.

A folder holds ``index.sqlite3``, ``codes-<generation>.bin`` and ``vectors-<generation>.bin``. SQLite has the ids, the
payloads, the checksums and, where an index was clustered, its lists; what it says is there is there. The other two only
grow: a batch is appended and flushed to the disk, then one SQLite transaction makes it count. What a crash left behind
after the last one is overwritten by the next batch. A file that is shorter than SQLite says, or of other content, is
refused.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from ..errors import JinaError, JinaInputError
from .originals import NUMBERS, Originals, width

Id = str | int
Kind = Literal["vectors", "multi-vectors"]
FirstStage = Literal["bits", "float"]

DATABASE = "index.sqlite3"
_MAGIC = b"jinaindx"
_APPLICATION_ID = 0x4A494E41
_VERSION = 1
_GENERATION = re.compile(r"[0-9a-f]{16}")
_HEADER = len(_MAGIC) + 16
_MOST_DIMENSIONS = 65_536
_AT_ONCE = 500  # parameters of one SQL statement; SQLite has taken at least 999 since ever
_SCHEMA = (
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value)",
    "CREATE TABLE batches (first_row INTEGER PRIMARY KEY, rows INTEGER NOT NULL, codes_crc INTEGER NOT NULL, "
    "first_vector INTEGER NOT NULL, vectors INTEGER NOT NULL, vectors_crc INTEGER NOT NULL)",
    "CREATE TABLE items (row INTEGER PRIMARY KEY, id NOT NULL UNIQUE, payload BLOB, first_vector INTEGER NOT NULL, "
    "vectors INTEGER NOT NULL, crc INTEGER NOT NULL)",
)
# Made when an index is clustered for the first time.
_SCHEMA_OF_LISTS = (
    "CREATE TABLE lists (number INTEGER PRIMARY KEY, centroid BLOB NOT NULL, rows BLOB NOT NULL, crc INTEGER NOT NULL)"
)


class IndexFileError(JinaError):
    """The files are not those of an index, are damaged, or are open elsewhere."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an index is made for; kept in its files."""

    kind: Kind
    dimensions: int
    originals: Originals
    first_stage: FirstStage
    model: str = ""

    def __post_init__(self) -> None:
        if (
            isinstance(self.dimensions, bool)
            or not isinstance(self.dimensions, int)
            or not 1 <= self.dimensions <= _MOST_DIMENSIONS
        ):
            raise JinaInputError(f"dimensions must be a whole number from 1 to {_MOST_DIMENSIONS}")
        if not isinstance(self.model, str):
            raise JinaInputError(f"model must be a string, got {self.model!r}")
        for name, value, allowed in (
            ("kind", self.kind, ("vectors", "multi-vectors")),
            ("originals", self.originals, tuple(NUMBERS)),
            ("first_stage", self.first_stage, ("bits", "float")),
        ):
            if value not in allowed:
                raise JinaInputError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")

    @property
    def code_width(self) -> int:
        """The bytes of one row of the first stage."""
        return -(-self.dimensions // 8) if self.first_stage == "bits" else 4 * self.dimensions

    @property
    def vector_width(self) -> int:
        """The bytes of one vector on disk."""
        return width(self.originals, self.dimensions)


class Item(NamedTuple):
    """What SQLite has of one id: its place, its payload (JSON), and its vectors."""

    row: int
    id: Id
    payload: bytes | None
    first_vector: int
    vectors: int

    @property
    def crc(self) -> int:
        """The checksum of all of it."""
        row, id, payload, first_vector, vectors = self
        text = repr((row, id, first_vector, vectors)).encode()
        return zlib.crc32(payload or b"", zlib.crc32(text))


class Store:
    """An open index folder. Not thread-safe but for reading; the index above it locks.

    Args:
        folder: where the files are.
        read_only: change nothing; several processes may read at once.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self.read_only = read_only
        self._reading = threading.Lock()
        _refuse_links(folder)
        self._database = _connect(folder, read_only=read_only)
        try:
            with self._told_by_the_files():
                self._has_lists = self._read_schema()
                self.settings, self._generation = self._read_settings()
                self.rows, self.vectors = self._read_totals()
                self._paths = [folder / f"{name}-{self._generation}.bin" for name in ("codes", "vectors")]
                self._check_sizes()
            if not read_only:
                self._remove_other_generations()
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, folder: Path, settings: Settings) -> Store:
        """Make an empty index in a folder that has none."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise IndexFileError(f"{folder} cannot be made a folder: {error.strerror}") from None
        if (folder / DATABASE).exists():
            raise IndexFileError(f"{folder} holds an index already: load it, or take another folder")
        generation = write_generation(folder, settings, [])
        publish_generation(folder, generation)
        return cls(folder)

    def close(self) -> None:
        """Give the files free; nothing is left to be written."""
        self._database.close()

    def __del__(self) -> None:
        if hasattr(self, "_database"):
            self._database.close()

    def add(
        self,
        ids: Sequence[Id],
        payloads: Sequence[bytes | None],
        codes: Any,
        vectors: Any,
        lengths: Sequence[int],
        replaced: Sequence[int] = (),
    ) -> None:
        """Append a batch. When it returns, the batch is on disk.

        Args:
            ids: of the items; none of them there yet.
            payloads: JSON of each, or ``None``.
            codes: bytes ``(n, code_width)``.
            vectors: bytes ``(sum of lengths, vector_width)``.
            lengths: how many vectors each item has.
            replaced: rows that are removed in the same step.
        """
        self.check_writable()
        for path, content, offset in (
            (self._paths[0], codes, self.rows * self.settings.code_width),
            (self._paths[1], vectors, self.vectors * self.settings.vector_width),
        ):
            with path.open("r+b") as file:
                file.seek(_HEADER + offset)
                file.write(_bytes(content))
                file.flush()
                os.fsync(file.fileno())
        with _transaction(self._database):
            self._database.executemany("DELETE FROM items WHERE row = ?", [(row,) for row in replaced])
            self._database.execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)",
                (self.rows, len(ids), _crc(codes), self.vectors, len(vectors), _crc(vectors)),
            )
            starts = np.cumsum([self.vectors, *lengths]).tolist()
            items = [
                Item(self.rows + place, *each)
                for place, each in enumerate(zip(ids, payloads, starts[:-1], map(int, lengths), strict=True))
            ]
            self._database.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", map(_columns, items))
        self.rows += len(ids)
        self.vectors += len(vectors)

    def remove(self, rows: Sequence[int]) -> None:
        """Remove items. When it returns, they are gone for good; their bytes go when the index is saved anew."""
        self.check_writable()
        with _transaction(self._database):
            self._database.executemany("DELETE FROM items WHERE row = ?", [(row,) for row in rows])

    def write_lists(self, lists: Clustering) -> None:
        """Put lists in the place of those that are there. When it returns, they are on disk."""
        self.check_writable()
        with _transaction(self._database):
            if self._has_lists:
                self._database.execute("DELETE FROM lists")
            _insert_lists(self._database, lists, create=not self._has_lists)
        self._has_lists = True

    def read_lists(self) -> Clustering | None:
        """The lists, or ``None`` where there are none. Rows may be among them that were removed since.

        Raises:
            IndexFileError: they are damaged.
        """
        if not self._has_lists:
            return None
        with self._told_by_the_files():
            lists = [self._list(place, *columns) for place, columns in enumerate(self._database.execute(_SELECT_LISTS))]
        if not lists:
            return None
        rows = np.concatenate([own for _, own in lists])
        known = np.zeros(self.rows, np.bool_)
        if len(rows):
            if rows.min() < 0 or rows.max() >= self.rows:
                raise self._damaged(f"the lists of {DATABASE}")
            known[rows] = True
        if np.count_nonzero(known) < len(rows):
            raise self._damaged(f"the lists of {DATABASE}")
        return np.stack([centroid for centroid, _ in lists]), [own for _, own in lists]

    def _list(
        self, place: int, number: int, centroid: bytes, rows: bytes, crc: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        if (
            number != place
            or crc != _crc_of_list(number, centroid, rows)
            or len(centroid) != self.settings.dimensions * _CENTROID.itemsize
        ):
            raise self._damaged(f"list {place} of {DATABASE}")
        return np.frombuffer(centroid, _CENTROID), np.frombuffer(rows, _ROWS)

    def rows_of(self, ids: Sequence[Id]) -> dict[Id, int]:
        """The rows of those ids that are there."""
        # SQLite keeps 1 and '1' apart, as Python does.
        found = self._select("SELECT id, row FROM items WHERE id IN", ids)
        return dict(found)

    def items(self, rows: Sequence[int]) -> dict[int, Item]:
        """The items of some rows.

        Raises:
            IndexFileError: one that is damaged.
        """
        return {item.row: item for item in map(self._item, self._select(f"{_SELECT_ITEMS} WHERE row IN", rows))}

    def all_items(self) -> Iterator[Item]:
        """Every item, by row."""
        with self._reading:
            cursor = self._database.execute(f"{_SELECT_ITEMS} ORDER BY row")
        while True:
            with self._reading:
                found = cursor.fetchmany(_AT_ONCE)
            if not found:
                return
            yield from map(self._item, found)

    def live_rows(self) -> NDArray[np.int64] | None:
        """The rows that are not removed, or ``None`` where that is all of them."""
        (count,) = self._database.execute("SELECT COUNT(*) FROM items").fetchone()
        if count == self.rows:
            return None
        rows = self._database.execute("SELECT row FROM items ORDER BY row")
        return np.fromiter((row for (row,) in rows), np.int64, count)

    def read_codes(self) -> NDArray[np.uint8]:
        """All rows of the first stage, each batch checked: bytes ``(rows, code_width)``."""
        codes = np.fromfile(self._paths[0], np.uint8, self.rows * self.settings.code_width, offset=_HEADER)
        codes = codes.reshape(self.rows, self.settings.code_width)
        for first, count, crc in self._database.execute("SELECT first_row, rows, codes_crc FROM batches"):
            if _crc(codes[first : first + count]) != crc:
                raise self._damaged(f"rows {first} to {first + count - 1} of {self._paths[0].name}")
        return codes

    def map_vectors(self) -> NDArray[np.uint8]:
        """The vectors on disk, mapped into memory: bytes ``(vectors, vector_width)``."""
        shape = (self.vectors, self.settings.vector_width)
        if not self.vectors:
            return np.empty(shape, np.uint8)
        return np.memmap(self._paths[1], np.uint8, "r", offset=_HEADER, shape=shape)

    def verify(self) -> None:
        """Read every byte of the vectors and every item, and compare with the checksums.

        Raises:
            IndexFileError: something is damaged.
        """
        with self._told_by_the_files():
            problems = [text for (text,) in self._database.execute("PRAGMA quick_check") if text != "ok"]
            if problems:
                raise self._damaged(f"{DATABASE} ({problems[0]})")
            self._compare()

    def _compare(self) -> None:
        mapped = self.map_vectors()
        batches = self._database.execute("SELECT first_vector, vectors, vectors_crc FROM batches").fetchall()
        for first, count, crc in batches:
            if _crc(mapped[first : first + count]) != crc:
                raise self._damaged(f"vectors {first} to {first + count - 1} of {self._paths[1].name}")
        for _ in self.all_items():
            pass

    @contextlib.contextmanager
    def _told_by_the_files(self) -> Iterator[None]:
        """Whatever reading them runs into, such as text where a number belongs, is their fault."""
        try:
            yield
        except (sqlite3.DatabaseError, TypeError, ValueError, OverflowError) as error:
            raise self._damaged(f"{DATABASE} ({error})") from None

    def _item(self, columns: tuple[Any, ...]) -> Item:
        item = Item._make(columns[:5])
        row, _, payload, first_vector, vectors = item
        if (
            not (payload is None or isinstance(payload, bytes))
            or item.crc != columns[5]
            or not 0 <= row < self.rows
            or not 0 <= first_vector <= first_vector + vectors <= self.vectors
        ):
            raise self._damaged(f"row {row} of {DATABASE}")
        return item

    def _select(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        with self._reading:
            for start in range(0, len(values), _AT_ONCE):
                part = values[start : start + _AT_ONCE]
                marks = ", ".join("?" * len(part))
                found += self._database.execute(f"{statement} ({marks})", part)
        return found

    def _read_schema(self) -> bool:
        """Whether there is a place for lists."""
        (application,) = self._database.execute("PRAGMA application_id").fetchone()
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION_ID:
            raise IndexFileError(f"{self.folder / DATABASE} is no index")
        if version != _VERSION:
            raise IndexFileError(f"{self.folder} was written in version {version} of the format, this reads {_VERSION}")
        found = [sql for (sql,) in self._database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
        has_lists = _SCHEMA_OF_LISTS in found
        if sorted(found) != sorted((*_SCHEMA, _SCHEMA_OF_LISTS) if has_lists else _SCHEMA):
            raise self._damaged(f"the schema of {DATABASE}")
        return has_lists

    def _read_settings(self) -> tuple[Settings, str]:
        values = dict(self._database.execute("SELECT name, value FROM settings"))
        generation = values.pop("generation", None)
        if not isinstance(generation, str) or not _GENERATION.fullmatch(generation):
            raise self._damaged(f"the generation in {DATABASE}")
        try:
            return Settings(**values), generation
        except (TypeError, JinaInputError) as error:
            raise self._damaged(f"the settings in {DATABASE} ({error})") from None

    def _read_totals(self) -> tuple[int, int]:
        rows = vectors = 0
        for first_row, count, first_vector, length in self._database.execute(
            "SELECT first_row, rows, first_vector, vectors FROM batches ORDER BY first_row"
        ):
            if (first_row, first_vector) != (rows, vectors) or count < 1 or length < count:
                raise self._damaged(f"the batch of row {first_row} in {DATABASE}")
            rows, vectors = rows + count, vectors + length
        lowest, highest = self._database.execute("SELECT MIN(row), MAX(row) FROM items").fetchone()
        if highest is not None and (lowest < 0 or highest >= rows):
            raise self._damaged(f"the rows {lowest} to {highest} of {DATABASE}")
        return rows, vectors

    def _check_sizes(self) -> None:
        widths = (self.rows * self.settings.code_width, self.vectors * self.settings.vector_width)
        for path, content in zip(self._paths, widths, strict=True):
            if not path.is_file():
                raise IndexFileError(f"{path} is missing")
            with path.open("rb") as file:
                if file.read(_HEADER) != _header(self._generation):
                    raise self._damaged(f"the beginning of {path.name}")
            if path.stat().st_size < _HEADER + content:
                raise IndexFileError(
                    f"{path} has {path.stat().st_size} bytes of {_HEADER + content}: it was cut short, restore a copy"
                )

    def _remove_other_generations(self) -> None:
        """What an interrupted :func:`write_generation` left behind."""
        for path in self.folder.iterdir():
            found = re.fullmatch(r"(?:codes|vectors|new)-([0-9a-f]{16})\.(?:bin|sqlite3)", path.name)
            if found and found.group(1) != self._generation:
                path.unlink()

    def check_writable(self) -> None:
        """Raise :class:`jina_client.JinaInputError` where it was opened read-only."""
        if self.read_only:
            raise JinaInputError(f"the index in {self.folder} was opened read-only")

    def _damaged(self, what: str) -> IndexFileError:
        return IndexFileError(f"{self.folder} is damaged: {what} is not as it was written; restore a copy")


_SELECT_ITEMS = "SELECT row, id, payload, first_vector, vectors, crc FROM items"
_SELECT_LISTS = "SELECT number, centroid, rows, crc FROM lists ORDER BY number"
_CENTROID = np.dtype("<f4")
_ROWS = np.dtype("<i8")
Batch = tuple[Sequence[Item], NDArray[np.uint8], NDArray[np.uint8]]
Clustering = tuple[NDArray[np.float32], Sequence[NDArray[np.int64]]]
"""The centroids of lists ``(lists, dims)``, and the rows of each."""


def write_generation(folder: Path, settings: Settings, batches: Any, lists: Clustering | None = None) -> str:
    """Write new files beside those that are there, which they do not touch.

    Args:
        folder: where.
        settings: of the index.
        batches: an iterable of items with their codes and vectors, rows and vectors counted from 0.
        lists: of these rows, if there are any.

    Returns:
        The generation's name, for :func:`publish_generation`.
    """
    generation = secrets.token_hex(8)
    database = sqlite3.connect(folder / f"new-{generation}.sqlite3", isolation_level=None)
    with (
        contextlib.closing(database),
        (folder / f"codes-{generation}.bin").open("xb") as codes_file,
        (folder / f"vectors-{generation}.bin").open("xb") as vectors_file,
    ):
        database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {_VERSION}")
        database.execute("PRAGMA synchronous = FULL")
        for file in (codes_file, vectors_file):
            file.write(_header(generation))
        with _transaction(database):
            for table in _SCHEMA:
                database.execute(table)
            values = {name: getattr(settings, name) for name in Settings.__slots__} | {"generation": generation}
            database.executemany("INSERT INTO settings VALUES (?, ?)", values.items())
            for items, codes, vectors in batches:
                codes_file.write(_bytes(codes))
                vectors_file.write(_bytes(vectors))
                first = (items[0].row, len(items), _crc(codes), items[0].first_vector, len(vectors), _crc(vectors))
                database.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", first)
                database.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", map(_columns, items))
            if lists is not None:
                _insert_lists(database, lists, create=True)
            for file in (codes_file, vectors_file):
                file.flush()
                os.fsync(file.fileno())
    return generation


def publish_generation(folder: Path, generation: str) -> None:
    """Make a written generation the index of its folder: the one step that counts is the renaming of a file."""
    target = folder / DATABASE
    held = _connect(folder, read_only=False) if target.exists() else None
    try:
        (folder / f"new-{generation}.sqlite3").replace(target)
        _flush_folder(folder)
    finally:
        if held is not None:
            held.close()


def to_json(payload: Any, name: str) -> bytes | None:
    """A payload as it is stored.

    Raises:
        JinaInputError: one that is not JSON.
    """
    if payload is None:
        return None
    try:
        return orjson.dumps(payload)
    except (TypeError, ValueError) as error:
        raise JinaInputError(f"{name} is no JSON value: {error}") from None


def check_ids(ids: Any, name: str = "ids") -> list[Id]:
    """A list of distinct ids: strings, or whole numbers of 64 bits.

    Raises:
        JinaInputError: something else.
    """
    if isinstance(ids, (str, bytes)) or not isinstance(ids, Iterable):
        raise JinaInputError(f"{name} must be a list; for a single one pass [{ids!r}]")
    listed: list[Id] = [each.item() if isinstance(each, np.generic) else each for each in ids]
    for place, each in enumerate(listed):
        number = isinstance(each, int) and not isinstance(each, bool) and -(2**63) <= each < 2**63
        if not number and not (isinstance(each, str) and _is_utf8(each)):
            raise JinaInputError(f"{name}[{place}] must be a string or a whole number of 64 bits, got {each!r}")
    if len(set(listed)) < len(listed):
        twice = next(each for place, each in enumerate(listed) if each in listed[:place])
        raise JinaInputError(f"{name} holds {twice!r} twice")
    return listed


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _columns(item: Item) -> tuple[Any, ...]:
    return (*item, item.crc)


def _insert_lists(database: sqlite3.Connection, lists: Clustering, *, create: bool) -> None:
    if create:
        database.execute(_SCHEMA_OF_LISTS)
    for number, (own, rows) in enumerate(zip(*lists, strict=True)):
        content = own.astype(_CENTROID).tobytes(), rows.astype(_ROWS).tobytes()
        columns = (number, *content, _crc_of_list(number, *content))
        database.execute("INSERT INTO lists VALUES (?, ?, ?, ?)", columns)


def _crc_of_list(number: int, centroid: bytes, rows: bytes) -> int:
    return zlib.crc32(rows, zlib.crc32(centroid, zlib.crc32(repr((number, len(rows))).encode())))


def _crc(content: Any) -> int:
    return zlib.crc32(_bytes(content))


def _bytes(content: Any) -> memoryview:
    return np.ascontiguousarray(content).reshape(-1).data


def _header(generation: str) -> bytes:
    return _MAGIC + generation.encode()


def _refuse_links(folder: Path) -> None:
    if not (folder / DATABASE).is_file():
        raise IndexFileError(f"{folder} holds no index ({DATABASE} is missing)")
    for path in folder.iterdir():
        if path.is_symlink():
            raise IndexFileError(f"{path} is a link: an index is files of its own folder only")


def _connect(folder: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open the database; for writing nobody else may have it open, and nobody can until it is closed."""
    mode = "ro" if read_only else "rw"
    uri = f"{(folder / DATABASE).resolve().as_uri()}?mode={mode}"
    database = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        # Nothing that a file of unknown origin says is run.
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA cell_size_check = ON")
        database.execute("PRAGMA synchronous = EXTRA")
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("BEGIN" if read_only else "BEGIN EXCLUSIVE")
        database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        database.execute("COMMIT")
    except sqlite3.OperationalError as error:
        database.close()
        if "locked" in str(error):
            raise IndexFileError(f"the index in {folder} is open elsewhere: only one at a time can write") from None
        raise IndexFileError(f"{folder / DATABASE} cannot be opened: {error}") from None
    except sqlite3.DatabaseError as error:
        database.close()
        raise IndexFileError(f"{folder / DATABASE} is no index: {error}") from None
    return database


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _flush_folder(folder: Path) -> None:
    """Make a renaming last; on Windows a folder cannot be opened for that."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
