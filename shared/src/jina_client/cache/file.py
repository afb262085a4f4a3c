"""The file of a cache."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaInputError
from .keys import VERSION

_APPLICATION_ID = 0x4A434C45
_BUSY_SECONDS = 30.0
# Keys per query; SQLite has accepted 32,766 since 2020.
_KEYS_PER_QUERY = 500
# Errors of reading a file for which SQLite cannot make the two files of its log, unless nobody changes the file.
_NEEDS_FILES = ("SQLITE_CANTOPEN", "SQLITE_READONLY")

_caches: WeakSet[EmbeddingCache] = WeakSet()
_caches_lock = threading.Lock()
_paused_by_fork = ExitStack()


class EmbeddingCache:
    """A file of vectors. Several threads and processes may use it concurrently; it can be pickled.

    Args:
        path: the file; it and its folder are created on first use, unless ``read_only``.
        read_only: whether to add nothing. The process then needs no permission to write to the file. If it cannot write
            to the folder either, no other process may change the file meanwhile.

    Raises:
        JinaInputError: on first use, for a file that is not such a cache or cannot be opened, and with ``read_only``
            for one that does not exist.
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.path = os.path.abspath(os.fspath(path))  # noqa: PTH100 - a process may change its folder
        self.read_only = read_only
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        with _caches_lock:
            _caches.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.path, self.read_only)

    def __repr__(self) -> str:
        return f"EmbeddingCache({self.path!r})"

    def __len__(self) -> int:
        with self._connection() as connection:
            count: tuple[int] = connection.execute("SELECT count(*) FROM vectors").fetchone()
        return count[0]

    def get(self, keys: Sequence[bytes | None], width: int | None, dtype: np.dtype[Any]) -> dict[int, NDArray[Any]]:
        """Return the vectors that the file holds.

        Args:
            keys: from :func:`cache_keys`.
            width: the length of a row; rows of another length are ignored. ``None`` if unknown.
            dtype: the type of the numbers.

        Returns:
            The vectors by the place of their key. Equal keys have equal vectors.
        """
        stored: dict[bytes, bytes] = {}
        unique = list(dict.fromkeys(key for key in keys if key is not None))
        with self._connection() as connection:
            for start in range(0, len(unique), _KEYS_PER_QUERY):
                part = unique[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(part))
                stored.update(connection.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part))
        rows = {key: np.frombuffer(value, dtype.newbyteorder("<")).astype(dtype) for key, value in stored.items()}
        valid = {key: row for key, row in rows.items() if width is None or len(row) == width}
        return {place: valid[key] for place, key in enumerate(keys) if key in valid}

    def put(self, keys: Iterable[bytes | None], vectors: NDArray[Any]) -> None:
        """Add vectors, one for each key that is not ``None``. A vector that the file already holds stays."""
        if self.read_only:
            return
        rows = vectors.astype(vectors.dtype.newbyteorder("<"), copy=False)
        with self._connection() as connection, connection:
            connection.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?)",
                ((key, row.tobytes()) for key, row in zip(keys, rows, strict=True) if key is not None),
            )

    def clear(self) -> None:
        """Delete all vectors, and return the disk space."""
        with self._connection() as connection:
            with connection:
                connection.execute("DELETE FROM vectors")
            connection.execute("VACUUM")

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._closed():
            pass

    def __del__(self) -> None:
        # Python 3.13 warns of databases that nobody closed.
        if hasattr(self, "_database"):
            self.close()

    @contextmanager
    def _closed(self) -> Iterator[None]:
        """Wait until no thread uses the file, and keep it closed for the block."""
        with self._lock:
            database, self._database = self._database, None
            if database is not None:
                database.close()
            yield

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._database is None:
                    self._database = self._connect()
                yield self._database
            except sqlite3.Error as error:
                raise JinaInputError(
                    f"the cache {self.path} cannot be used ({error}): check the file, or pass another one as cache="
                ) from None

    def _connect(self) -> sqlite3.Connection:
        if self.read_only:
            return self._connect_to_read()
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)  # noqa: PTH103, PTH120
        except OSError as error:
            raise JinaInputError(
                f"the cache {self.path} cannot be created ({error.strerror}): pass another path as cache="
            ) from None
        return self._open(self.path)

    def _connect_to_read(self) -> sqlite3.Connection:
        path = Path(self.path)
        try:
            path.stat()
        except OSError as error:
            raise JinaInputError(
                f"the cache {path} cannot be read ({error.strerror}), and read_only=True does not create it: "
                "pass another path as cache="
            ) from None
        try:
            return self._open(f"{path.as_uri()}?mode=ro")
        except sqlite3.OperationalError as error:
            # A log shows that another process has the file open, or crashed.
            if not error.sqlite_errorname.startswith(_NEEDS_FILES) or path.with_name(f"{path.name}-wal").exists():
                raise
        return self._open(f"{path.as_uri()}?mode=ro&immutable=1")

    def _open(self, address: str) -> sqlite3.Connection:
        connection = sqlite3.connect(address, timeout=_BUSY_SECONDS, check_same_thread=False, uri=self.read_only)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # In this order, because another process may be creating the file.
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        owner, version = self._creator(connection)
        if (owner, version) == (_APPLICATION_ID, VERSION):
            return
        if tables and owner != _APPLICATION_ID:
            raise JinaInputError(f"{self.path} is another program's database: pass another file as cache=")
        if owner == _APPLICATION_ID and version > VERSION:
            raise JinaInputError(f"the cache {self.path} was created by a newer version: update jina-client")
        if self.read_only:
            raise JinaInputError(f"{self.path} is not a cache of this version, and read_only=True does not create one")
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if self._creator(connection) == (_APPLICATION_ID, VERSION):
                return  # Another process was faster, and may have added vectors already.
            connection.execute("DROP TABLE IF EXISTS vectors")
            connection.execute("CREATE TABLE vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID")
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        # SQLite rejects this while another process uses the file, which works in the other mode too.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")

    @staticmethod
    def _creator(connection: sqlite3.Connection) -> tuple[int, int]:
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return owner, version


def _reopen(path: str, read_only: bool) -> EmbeddingCache:
    return EmbeddingCache(path, read_only=read_only)


def _close_before_fork() -> None:
    """Close all caches until both processes continue.

    A child that inherits an open connection takes the parent's file locks for its own, although the system gives it
    none, and two processes then write at the same time: https://sqlite.org/howtocorrupt.html, section 2.6.
    """
    _paused_by_fork.enter_context(_caches_lock)
    for cache in list(_caches):
        _paused_by_fork.enter_context(cache._closed())


def _continue_after_fork() -> None:
    # Another thread may fork as soon as the first lock is free.
    _paused_by_fork.pop_all().close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_close_before_fork, after_in_parent=_continue_after_fork, after_in_child=_continue_after_fork
    )
