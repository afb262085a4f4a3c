"""The parts that the outputs of all databases share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import numpy as np
import pyarrow as pa

from ..errors import JobError, JobUsageError
from ..outputs.choice import Encoding
from ..outputs.files import VECTOR, vectors_of
from ..rows import ID, ROW

# Ids of databases that take numbers and UUIDs only.
_NAMESPACE = UUID("7c1f4c1e-6f0a-4f0e-9d0b-2f1a3b5c7d9e")


class DatabaseOutput(ABC):
    """A collection or table.

    Args:
        scheme: of the address.
        address: the address; of a database in a folder its path.
        options: what follows the question mark.

    Attributes:
        rows_at_once: the least rows of one upsert, but for the last.
        encodings: what it stores; the message for others.
    """

    takes_parts = True
    rows_at_once = 512
    extra = ""
    known_options: frozenset[str] = frozenset()

    def __init__(self, scheme: str, address: str, options: dict[str, str]) -> None:
        self.scheme, self.address, self.options = scheme, address, options
        unknown = sorted(options.keys() - self.known_options)
        if unknown:
            allowed = ", ".join(sorted(self.known_options)) or "none"
            raise JobUsageError(f"the output has the unknown option {unknown[0]!r}. Known for {scheme} are: {allowed}")
        self.quantization: str | None = None
        self.facts: dict[str, Any] = {}

    @property
    def state(self) -> Path:
        """The path of the manifest and the journal: in the current folder."""
        return Path(f"{self.scheme.partition('+')[0]}-{self.collection}")

    @property
    @abstractmethod
    def collection(self) -> str:
        """The name of the collection or table."""

    @abstractmethod
    def upsert(self, batch: pa.RecordBatch) -> None:
        """Insert or replace rows, and create the collection for the first ones."""

    @abstractmethod
    def complete(self) -> None:
        """Build the index."""

    @abstractmethod
    def count(self) -> int | None:
        """Return the number of rows; ``None`` if there is no such collection."""

    @abstractmethod
    def drop(self) -> None:
        """Remove the collection if it exists."""

    def accept(self, encoding: Encoding) -> Encoding:
        """Return the encoding to embed with, and note how the database is to quantize.

        Raises:
            JobUsageError: the database cannot store it.
        """
        return encoding

    def describe(self) -> str:
        """Return the address without a user and a password."""
        parts = urlsplit(self.address)
        place = self.address if self.scheme.endswith("+file") else f"{parts.netloc.rpartition('@')[2]}{parts.path}"
        quantization = f" ({self.quantization} quantization)" if self.quantization else ""
        table = (
            "" if place.endswith(f"/{self.collection}") or place == self.collection else f", table {self.collection}"
        )
        return f"{self.scheme}://{place.removeprefix(f'{self.scheme}://')}{table}{quantization}"

    def exists(self) -> bool:
        """Return whether the collection has rows."""
        with self._reporting():
            return bool(self.count())

    def remove(self) -> None:
        """Remove the collection."""
        with self._reporting():
            self.drop()

    def start(self, facts: Mapping[str, Any]) -> None:
        """Connect, so that a wrong address costs nothing."""
        if "encoding" not in facts:
            raise JobUsageError(f"{self.scheme} is for vectors: choose .parquet or .jsonl")
        self.facts = dict(facts)
        with self._reporting():
            self.count()

    def write(self, batch: pa.RecordBatch) -> None:
        """Upsert results."""
        with self._reporting():
            last = {row_id: number for number, row_id in enumerate(batch.column(ID).to_pylist())}
            if len(last) < len(batch):
                # Of rows with the same id the last one counts, in one upsert as in several.
                batch = batch.take(pa.array(sorted(last.values())))
            self.upsert(batch.drop_columns([ROW]))

    def finish(self, schema: pa.Schema | None, batches: Iterable[pa.RecordBatch], count: int) -> list[dict[str, Any]]:
        """Build the index, and return how many rows the collection has."""
        with self._reporting():
            stored = self.count()
            if stored:
                self.complete()
        return [{"collection": self.describe(), "rows": stored or 0}]

    def close(self) -> None:  # noqa: B027 - not all of them hold a connection
        """Disconnect."""

    def library(self, name: str) -> Any:
        """Return the library of the database.

        Raises:
            JobError: it is not installed.
        """
        try:
            return import_module(name)
        except ImportError as error:
            raise JobError(
                f'{self.scheme} needs {error.name}, which is not installed: pip install "jina-jobs[{self.extra}]"'
            ) from error

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except JobError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise JobError(
                f"{self.describe()} failed: {reason[:400]}. The journal keeps what it has not confirmed: "
                "correct this, then run with --resume"
            ) from error


def columns_of(batch: pa.RecordBatch) -> tuple[list[Any], np.ndarray[Any, Any] | list[Any], list[dict[str, Any]]]:
    """Return the ids, the vectors, and the other columns of each row."""
    column = batch.column(VECTOR)
    vectors: Any
    if pa.types.is_list(column.type):
        vectors = [vectors_of(matrix) for matrix in (each.values for each in column)]
    else:
        vectors = vectors_of(column)
    others = batch.drop_columns([ID, VECTOR]).to_pylist() or [{} for _ in range(len(batch))]
    return batch.column(ID).to_pylist(), vectors, others


def id_as_uuid(value: Any) -> int | str:
    """Return an id for a database that takes unsigned integers and UUIDs: the same one for the same value."""
    if isinstance(value, int) and value >= 0:
        return value
    try:
        return str(UUID(value))
    except (ValueError, TypeError, AttributeError):
        return str(uuid5(_NAMESPACE, str(value)))


def as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of which all are JSON: dates and other types as strings."""
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain
