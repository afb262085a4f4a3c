"""The SQLite file of an index: its schema, its connection, and the rows that other modules read and write.

The names of tables, columns and settings belong to the file format and must not change: the table ``lists`` holds the
IVF cells, and the setting ``originals`` the precision of the stored vectors.

Version 2 added the setting ``removed``, the number of removed rows, so that opening an index does not have to count
them. In version 3 the checksum of an item is four bytes, which are computed for many items together; the items of an
older index keep their numbers. The first change of an older index makes it one of version 3.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
from jina_client import JinaInputError
from numpy.typing import NDArray
from zlib_ng.zlib_ng import crc32

from .cells import Clustering
from .errors import IndexFileError
from .files import DATABASE, damaged
from .items import ItemColumns
from .settings import IndexSettings

PARAMETERS_PER_STATEMENT = 500
"""Values in one SQL statement. Every version of SQLite accepts at least 999."""

_ROWS_PER_STATEMENT = 80

SELECT_ITEMS = "SELECT row, id, payload, first_vector, vectors, crc FROM items"
_INSERT_IDS = (
    "INSERT INTO items SELECT ?1 + key, value, NULL, ?2 + key, 1, substr(?3, 4 * key + 1, 4) FROM json_each(?4)"
)
_SELECT_CELLS = "SELECT number, centroid, rows, crc FROM lists ORDER BY number"

_APPLICATION_ID = 0x4A494E41
_VERSION = 3
_OLDEST_VERSION = 1
_GENERATION = re.compile(r"[0-9a-f]{16}")
_SCHEMA = (
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value)",
    "CREATE TABLE batches (first_row INTEGER PRIMARY KEY, rows INTEGER NOT NULL, codes_crc INTEGER NOT NULL, "
    "first_vector INTEGER NOT NULL, vectors INTEGER NOT NULL, vectors_crc INTEGER NOT NULL)",
    "CREATE TABLE items (row INTEGER PRIMARY KEY, id NOT NULL UNIQUE, payload BLOB, first_vector INTEGER NOT NULL, "
    "vectors INTEGER NOT NULL, crc INTEGER NOT NULL)",
)
# Created when an index is clustered for the first time.
_CELL_SCHEMA = (
    "CREATE TABLE lists (number INTEGER PRIMARY KEY, centroid BLOB NOT NULL, rows BLOB NOT NULL, crc INTEGER NOT NULL)"
)
_CENTROID = np.dtype("<f4")
_ROWS = np.dtype("<i8")


class Batch(NamedTuple):
    """One row of the table ``batches``: rows that follow each other, and the checksums of their bytes."""

    first_row: int
    rows: int
    codes_crc: int
    first_vector: int
    vectors: int
    vectors_crc: int


def connect(folder: Path, *, read_only: bool, locked: bool = True) -> sqlite3.Connection:
    """Open the SQLite file of an index.

    A connection for writing is exclusive: it fails if another connection is open, and others fail until it is closed.

    Args:
        folder: the index folder.
        read_only: whether to open the file without changing anything.
        locked: whether to respect the locks of other connections. Without them, the connection must be read-only.

    Raises:
        IndexFileError: another connection is open, or the file is not a SQLite database.
    """
    mode = "ro" if read_only else "rw"
    uri = f"{(folder / DATABASE).resolve().as_uri()}?mode={mode}{'' if locked else '&immutable=1'}"
    database = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        # A file from an unknown source must not make SQLite run anything.
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
            raise IndexFileError(
                f"the index in {folder} is open elsewhere: one process can have it open for writing, or several with "
                "read_only=True; close the other one first"
            ) from None
        raise IndexFileError(f"{folder / DATABASE} cannot be opened ({error}); check the permissions") from None
    except sqlite3.DatabaseError as error:
        database.close()
        raise IndexFileError(f"{folder / DATABASE} is not an index: {error}; restore the folder from a copy") from None
    return database


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Commit the statements of the block together, or none of them if the block raises."""
    try:
        database.execute("BEGIN")
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def create_tables(database: sqlite3.Connection, settings: IndexSettings, generation: str) -> None:
    """Create the tables of an empty index and write its settings."""
    for table in _SCHEMA:
        database.execute(table)
    values = settings.to_file() | {"generation": generation, "removed": 0}
    database.executemany("INSERT INTO settings VALUES (?, ?)", values.items())


def mark_format(database: sqlite3.Connection) -> None:
    """Write the format's id and version into the file."""
    database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {_VERSION}")


def read_schema(database: sqlite3.Connection, folder: Path) -> bool:
    """Check the format's id, version and tables.

    Returns:
        Whether the table of IVF cells exists.

    Raises:
        IndexFileError: the file is not an index, has another version, or has other tables.
    """
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION_ID:
        raise IndexFileError(f"{folder / DATABASE} is not an index: another program wrote it; check the path")
    if not _OLDEST_VERSION <= version <= _VERSION:
        raise IndexFileError(
            f"{folder} has version {version} of the format, and this release reads {_OLDEST_VERSION} to {_VERSION}; "
            "install the release of jina-index that wrote it"
        )
    tables = [sql for (sql,) in database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
    has_cells = _CELL_SCHEMA in tables
    if sorted(tables) != sorted((*_SCHEMA, _CELL_SCHEMA) if has_cells else _SCHEMA):
        raise damaged(folder, f"the schema of {DATABASE}")
    return has_cells


def read_settings(database: sqlite3.Connection, folder: Path) -> tuple[IndexSettings, str, int | None]:
    """Return the settings, the name of the generation, and the number of removed rows, which version 1 does not have.

    Raises:
        IndexFileError: a setting is missing, unknown or not allowed.
    """
    values = dict(database.execute("SELECT name, value FROM settings"))
    generation, removed = values.pop("generation", None), values.pop("removed", None)
    if not isinstance(generation, str) or not _GENERATION.fullmatch(generation):
        raise damaged(folder, f"the generation in {DATABASE}")
    if not isinstance(removed, int | None):
        raise damaged(folder, f"the number of removed rows in {DATABASE}")
    try:
        return IndexSettings.from_file(values), generation, removed
    except (TypeError, JinaInputError) as error:
        raise damaged(folder, f"the settings in {DATABASE} ({error})") from None


def read_totals(database: sqlite3.Connection, folder: Path) -> tuple[int, int]:
    """Return the number of rows and the number of vectors that were ever added, including removed ones.

    Raises:
        IndexFileError: the batches are not contiguous, or an item lies outside them.
    """
    rows = vectors = 0
    for first_row, count, first_vector, length in database.execute(
        "SELECT first_row, rows, first_vector, vectors FROM batches ORDER BY first_row"
    ):
        if (first_row, first_vector) != (rows, vectors) or count < 1 or length < count:
            raise damaged(folder, f"the batch of row {first_row} in {DATABASE}")
        rows, vectors = rows + count, vectors + length
    # Two subqueries, because SQLite reads the whole table for two aggregates in one.
    lowest, highest = database.execute("SELECT (SELECT MIN(row) FROM items), (SELECT MAX(row) FROM items)").fetchone()
    if highest is not None and (lowest < 0 or highest >= rows):
        raise damaged(folder, f"the rows {lowest} to {highest} of {DATABASE}")
    return rows, vectors


def insert_items(database: sqlite3.Connection, items: ItemColumns) -> None:
    """Insert items, with the checksum of each.

    Args:
        database: the connection, inside a transaction.
        items: the items.

    Raises:
        sqlite3.IntegrityError: an item has the id of another.
    """
    checksums = items.checksums()
    ids = orjson.dumps(items.ids)
    # SQLite ends a string of JSON at a zero character.
    if items.payloads.count(None) == len(items.ids) and (items.vectors == 1).all() and b"\\u0000" not in ids:
        # SQLite makes the rows from two values, which takes a quarter of the time of passing every number.
        database.execute(_INSERT_IDS, (items.first_row, int(items.first_vectors[0]), checksums, ids))
        return
    rows = range(items.first_row, items.first_row + len(items.ids))
    numbers = items.first_vectors.tolist(), items.vectors.tolist()
    parts = (checksums[start : start + 4] for start in range(0, len(checksums), 4))
    columns = zip(rows, items.ids, items.payloads, *numbers, parts, strict=True)
    # Several rows per statement take half the time of one.
    while part := tuple(islice(columns, _ROWS_PER_STATEMENT)):
        values = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(part))
        database.execute(f"INSERT INTO items VALUES {values}", tuple(chain.from_iterable(part)))


def insert_batch(database: sqlite3.Connection, batch: Batch) -> None:
    """Insert a batch, inside a transaction."""
    database.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", batch)


def count_items(database: sqlite3.Connection) -> int:
    """Return the number of items, which takes long for millions."""
    (count,) = database.execute("SELECT COUNT(*) FROM items").fetchone()
    return int(count)


def write_removed(database: sqlite3.Connection, removed: int) -> None:
    """Write the number of removed rows, inside a transaction."""
    database.execute("INSERT OR REPLACE INTO settings VALUES ('removed', ?)", (removed,))
    mark_format(database)


def delete_items(database: sqlite3.Connection, rows: Sequence[int]) -> None:
    """Delete the items of some rows."""
    database.executemany("DELETE FROM items WHERE row = ?", [(row,) for row in rows])


def insert_cells(database: sqlite3.Connection, clustering: Clustering, *, create: bool) -> None:
    """Insert IVF cells.

    Args:
        database: the connection, inside a transaction.
        clustering: the cells.
        create: whether to create their table first.
    """
    if create:
        database.execute(_CELL_SCHEMA)
    for number, (centroid, rows) in enumerate(zip(clustering.centroids, clustering.members, strict=True)):
        content = centroid.astype(_CENTROID).tobytes(), rows.astype(_ROWS).tobytes()
        columns = (number, *content, _cell_crc(number, *content))
        database.execute("INSERT INTO lists VALUES (?, ?, ?, ?)", columns)


def delete_cells(database: sqlite3.Connection) -> None:
    """Delete all IVF cells; their table remains."""
    database.execute("DELETE FROM lists")


def read_cells(database: sqlite3.Connection, folder: Path, dimensions: int, total: int) -> Clustering | None:
    """Return the IVF cells, or ``None`` if there are none. Their members may include rows that were removed.

    Args:
        database: the connection; the table of cells exists.
        folder: the index folder, for messages.
        dimensions: the length of the centroids.
        total: the number of rows of the index.

    Raises:
        IndexFileError: a checksum is wrong, or a row is in two cells or does not exist.
    """
    centroids: list[NDArray[np.float32]] = []
    members: list[NDArray[np.int64]] = []
    for place, (number, centroid, rows, crc) in enumerate(database.execute(_SELECT_CELLS)):
        if (
            number != place
            or crc != _cell_crc(number, centroid, rows)
            or len(centroid) != dimensions * _CENTROID.itemsize
        ):
            raise damaged(folder, f"row {place} of the table lists in {DATABASE}")
        centroids.append(np.frombuffer(centroid, _CENTROID))
        members.append(np.frombuffer(rows, _ROWS))
    if not centroids:
        return None
    every = np.concatenate(members)
    is_member = np.zeros(total, np.bool_)
    if len(every):
        if every.min() < 0 or every.max() >= total:
            raise damaged(folder, f"the table lists in {DATABASE}")
        is_member[every] = True
    if np.count_nonzero(is_member) < len(every):
        raise damaged(folder, f"the table lists in {DATABASE}")
    return Clustering(np.stack(centroids), members)


def _cell_crc(number: int, centroid: bytes, rows: bytes) -> int:
    return crc32(rows, crc32(centroid, crc32(repr((number, len(rows))).encode())))
