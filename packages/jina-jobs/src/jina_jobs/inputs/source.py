"""A source: the input of a job as numbered records, and the facts by which a later run recognizes it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from ..errors import JobError
from .files import STDIN, InputFile, content_digest, find_files
from .tables import columns_of, parquet_count, parquet_schema, rows_of

PATH_COLUMN = "path"
_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the input.

    Attributes:
        number: its number, from 0, over all files.
        values: by column; empty if the row is broken.
        place: where it is, for messages.
        error: why it is broken; empty if it is not.
        checksum: of this record and all before it.
    """

    number: int
    values: dict[str, Any]
    place: str
    error: str
    checksum: int


class Source(Protocol):
    """Where the rows of a job come from. It must yield the same records each time.

    Attributes:
        types: the Arrow types of columns, where the source knows them.
        total: the number of records; ``None`` if unknown.
    """

    types: dict[str, pa.DataType]
    total: int | None

    def records(self) -> Iterator[Record]:
        """Yield the records."""

    def fingerprint(self) -> dict[str, Any]:
        """Return facts that are different for another input, as JSON."""

    def share(self, rows: int) -> float | None:
        """Return the part of the input that its first rows are, from 0 to 1; ``None`` if its size is unknown."""


@dataclass
class TableSource:
    """The rows of tables, or one row for each text, image or PDF of a folder.

    A folder has the columns ``path``, and ``text`` or ``image``.

    Args:
        spec: a file, a folder, a pattern, or ``-`` for standard input.
        columns: those that the job reads; all tables must have them.
        limit: the most records.

    Raises:
        JobError: an input that does not exist, or a missing column.
    """

    spec: str
    columns: Sequence[str]
    limit: int | None = None
    types: dict[str, pa.DataType] = field(init=False, default_factory=dict)
    total: int | None = field(init=False, default=None)
    files: list[InputFile] = field(init=False)

    def __post_init__(self) -> None:
        self.files = find_files(self.spec)
        self.is_folder = self.files[0].kind in ("text", "image", "pdf")
        self._read = self._records = 0
        self._bytes = sum(file.size for file in self.files)
        if self.is_folder:
            self._check({PATH_COLUMN, "text", "image"}, self.spec)
            self.total = len(self.files)
        for file in self.files:
            if (names := columns_of(file)) is not None:
                self._check(names, str(file.path))
        if all(file.kind == "parquet" for file in self.files):
            self.total = sum(map(parquet_count, self.files))
        if self.files[0].kind == "parquet":
            schema = parquet_schema(self.files[0])
            self.types = {name: schema.field(name).type for name in self.columns}
        elif self.files[0].kind == "jsonl":
            self._check_first_lines()
        if self.total is not None and self.limit is not None:
            self.total = min(self.total, self.limit)

    def records(self) -> Iterator[Record]:
        """Yield the records."""
        checksum = self._read = self._records = 0
        for number, (values, error, place) in enumerate(self._rows()):
            if number == self.limit:
                return
            self._records = number + 1
            if values is None:
                checksum = zlib.crc32(error.encode("utf-8", "surrogateescape"), checksum)
                yield Record(number, {}, place, error, checksum)
            else:
                for name in self.columns:
                    checksum = zlib.crc32(_content(values.get(name)), checksum)
                yield Record(number, values, place, "", checksum)

    def fingerprint(self) -> dict[str, Any]:
        """Return the names and digests of the files; of a folder of media the number and the size."""
        if self.spec == STDIN:
            return {"files": {STDIN: ""}}
        if self.is_folder:
            return {"folder": self.spec, "count": len(self.files), "bytes": self._bytes}
        return {"files": {str(file.path): content_digest(file.path) for file in self.files}}

    def share(self, rows: int) -> float | None:
        """Return the part of the input that its first rows are, from 0 to 1; ``None`` if its size is unknown."""
        if self.total is not None:
            return rows / max(1, self.total)
        if not self._bytes or not self._records or self.limit is not None:
            return None if self.limit is None else rows / self.limit
        # Reading is ahead of the rows that are done.
        return min(1.0, self._read / self._bytes) * min(1.0, rows / self._records)

    def _rows(self) -> Iterator[tuple[dict[str, Any] | None, str, str]]:
        for file in self.files:
            if self.is_folder:
                self._read += file.size
                yield self._medium(file)
                continue
            for values, error, line in rows_of(file, self.columns, self._count):
                yield values, error, f"{file.path}:{line}"

    def _medium(self, file: InputFile) -> tuple[dict[str, Any] | None, str, str]:
        name = str(file.path)
        values: dict[str, Any] = {PATH_COLUMN: name}
        if file.kind != "text":
            return {**values, "image": file.path, "text": None}, "", name
        try:
            return {**values, "text": file.path.read_text(encoding="utf-8"), "image": None}, "", name
        except (OSError, UnicodeDecodeError) as error:
            return None, f"{name} cannot be read as UTF-8 text: {error}", name

    def _count(self, size: int) -> None:
        self._read += size

    def _check(self, names: Sequence[str] | set[str], place: str) -> None:
        for name in self.columns:
            if name not in names:
                raise JobError(f"{place} has no column {name!r}. Its columns are: {', '.join(sorted(names))}")

    def _check_first_lines(self) -> None:
        """Reject a column that none of the first rows has, before anything is paid for."""
        names: set[str] = set()
        for count, (values, _, _) in enumerate(rows_of(self.files[0], self.columns, lambda size: None)):
            names |= set(values or ())
            if count == _LOOKED_AT or names.issuperset(self.columns):
                break
        if names:
            self._check(names, str(self.files[0].path))


def open_source(spec: str, columns: Sequence[str], limit: int | None = None) -> TableSource:
    """Return the source that an argument names; see :class:`TableSource`."""
    return TableSource(spec, columns, limit)


def _content(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape") + b"\0"
    return value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
