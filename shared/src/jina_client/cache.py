"""Vectors that were paid for, kept in a file: a job that died goes on where it was, and a second run costs nothing.

A vector is found again by a hash of all that it depends on: the service, the model, every option that was sent (task,
dimensions, encoding, and so on) and the content; for late chunking, the whole document and the chunk's place in it. The
texts themselves are not kept. The file is an SQLite database in its write-ahead mode: several threads and processes may
use it at once, and a crash loses nothing that was written.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from .errors import JinaInputError
from .media import Media

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .inputs import Item

# Bumped when keys or values change their meaning.
_VERSION = 1
_APPLICATION_ID = 0x4A434C45
_BUSY_SECONDS = 30.0
# Names in one query; SQLite takes 32,766 since 2020.
_AT_ONCE = 500


class EmbeddingCache:
    """A file of vectors. It may be used by several threads and processes at once, and pickled.

    Args:
        path: the file; it and its folder are made when they are first needed.
        read_only: whether nothing is to be added.

    Raises:
        JinaInputError: at first use, a file that is no such cache, or cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.path = os.path.abspath(os.fspath(path))  # noqa: PTH100 - a process may change its folder
        self.read_only = read_only
        self.__setstate__(self.__getstate__())

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "read_only": self.read_only}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self.read_only = state["path"], state["read_only"]
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._pid = 0

    def __repr__(self) -> str:
        return f"EmbeddingCache({self.path!r})"

    def __len__(self) -> int:
        with self._connection() as connection:
            found: tuple[int] = connection.execute("SELECT count(*) FROM vectors").fetchone()
        return found[0]

    def get(self, keys: Sequence[bytes | None], width: int | None, dtype: np.dtype[Any]) -> dict[int, NDArray[Any]]:
        """The vectors that are there.

        Args:
            keys: of :func:`keys_of`.
            width: the length of a row, where it is known: a row of another length is not taken.
            dtype: of the numbers.

        Returns:
            By the place of the key, the vector. Of equal keys each has it.
        """
        found: dict[bytes, bytes] = {}
        wanted = list(dict.fromkeys(key for key in keys if key is not None))
        with self._connection() as connection:
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                found.update(connection.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", some))
        rows = {key: np.frombuffer(value, dtype.newbyteorder("<")).astype(dtype) for key, value in found.items()}
        good = {key: row for key, row in rows.items() if width is None or len(row) == width}
        return {place: good[key] for place, key in enumerate(keys) if key in good}

    def put(self, keys: Iterable[bytes | None], vectors: NDArray[Any]) -> None:
        """Keep vectors, one for each key that is one; a vector that is there already stays."""
        if self.read_only:
            return
        rows = vectors.astype(vectors.dtype.newbyteorder("<"), copy=False)
        with self._connection() as connection, connection:
            connection.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?)",
                ((key, row.tobytes()) for key, row in zip(keys, rows, strict=True) if key is not None),
            )

    def clear(self) -> None:
        """Forget all vectors, and give the space back."""
        with self._connection() as connection:
            with connection:
                connection.execute("DELETE FROM vectors")
            connection.execute("VACUUM")

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None and self._pid == os.getpid():
                opened.close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                # A connection must not be carried over a fork.
                if self._opened is None or self._pid != os.getpid():
                    self._opened, self._pid = self._connect(), os.getpid()
                yield self._opened
            except sqlite3.Error as error:
                raise JinaInputError(f"the cache {self.path} cannot be used: {error}") from None

    def _connect(self) -> sqlite3.Connection:
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)  # noqa: PTH103, PTH120
        except OSError as error:
            raise JinaInputError(f"the cache {self.path} cannot be made: {error.strerror}") from None
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # In this order, for another process may be making it.
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        owner, version = self._made_by(connection)
        if (owner, version) == (_APPLICATION_ID, _VERSION):
            return
        if tables and owner != _APPLICATION_ID:
            raise JinaInputError(f"{self.path} is another program's database: name a file of its own for the cache")
        if owner == _APPLICATION_ID and version > _VERSION:
            raise JinaInputError(f"the cache {self.path} was made by a newer version of this package")
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if self._made_by(connection) == (_APPLICATION_ID, _VERSION):
                return  # Another process was faster, and may have kept vectors in it already.
            connection.execute("DROP TABLE IF EXISTS vectors")
            connection.execute("CREATE TABLE vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID")
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        # Refused at once while another process uses the file, which works in the other mode too.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")

    @staticmethod
    def _made_by(connection: sqlite3.Connection) -> tuple[int, int]:
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return owner, version


def keys_of(
    service: str, fields: Mapping[str, Any], items: Sequence[Item], documents: Sequence[range]
) -> list[bytes | None]:
    """What each input's vector is found by; ``None`` for one that the service fetches, which may change.

    Args:
        service: who answers, such as the base URL: two services may call different models by one name.
        fields: all of the request but its inputs.
        items: the inputs; what is no text is known by its bytes.
        documents: with late chunking, the ranges of inputs that are read together; else nothing.

    Raises:
        JinaInputError: a file that cannot be read.
    """
    base = hashlib.blake2b(orjson.dumps([_VERSION, service, fields], option=orjson.OPT_SORT_KEYS), digest_size=32)
    hashes = [_content(item) for item in items]
    context = {index: (number, batch) for number, batch in enumerate(documents) for index in batch}
    # Only texts can be the chunks of a document.
    wholes = [hashlib.blake2b(b"".join(hashes[index] or b"" for index in batch)).digest() for batch in documents]
    keys: list[bytes | None] = []
    for index, content in enumerate(hashes):
        if content is None:
            keys.append(None)
            continue
        key = base.copy()
        key.update(content)
        if index in context:
            number, batch = context[index]
            key.update(wholes[number] + (index - batch.start).to_bytes(8, "little"))
        keys.append(key.digest())
    return keys


def _content(item: Item) -> bytes | None:
    if any(isinstance(part, Media) and part.url is not None for part in getattr(item, "parts", (item,))):
        return None
    kind, data = ("text", item.encode()) if isinstance(item, str) else ("media", orjson.dumps(item.wire()))
    return hashlib.blake2b(data, digest_size=32, person=kind.encode()).digest()
