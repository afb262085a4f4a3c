"""The choice of an output by its address, and what all outputs have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa

from ..errors import JobUsageError
from ..rows import ROW, is_unicode, printable

Encoding = Literal["float32", "float16", "int8", "binary"]

FILE_SUFFIXES = (".parquet", ".npy", ".jsonl", ".jsonl.gz", ".ndjson")


class Output(Protocol):
    """Where the results of a job go.

    Attributes:
        takes_parts: whether results are delivered as they come; otherwise all at the end.
    """

    takes_parts: bool

    @property
    def state(self) -> Path:
        """The path whose name, with endings, the manifest and the journal get."""

    def accept(self, encoding: Encoding) -> Encoding:
        """Return the encoding to embed with: another one if the output quantizes vectors itself.

        Raises:
            JobUsageError: the output cannot store it.
        """

    def describe(self) -> str:
        """Return the address without secrets, for the manifest and the summary."""

    def exists(self) -> bool:
        """Return whether something is there that a new job would replace."""

    def remove(self) -> None:
        """Remove what a job of the same output has written."""

    def start(self, facts: Mapping[str, Any]) -> None:
        """Connect, before anything is paid for.

        Args:
            facts: ``model``, ``encoding``, ``dimensions`` and what else tells what the vectors are.
        """

    def write(self, batch: pa.RecordBatch) -> None:
        """Deliver results. The same ones may come again after a crash."""

    def finish(self, schema: pa.Schema | None, batches: Iterable[pa.RecordBatch], count: int) -> list[dict[str, Any]]:
        """Complete the output, and return a description of its files or its collection.

        Args:
            schema: of all batches; ``None`` if there are no results.
            batches: all results in the order of the input, where the output does not take parts.
            count: the number of results.
        """

    def close(self) -> None:
        """Disconnect."""


def open_output(address: str) -> Output:
    """Return the output that an argument names: a file by its ending, or a database by its scheme.

    Raises:
        JobUsageError: an unknown ending or scheme, or a name that is not valid UTF-8.
    """
    from .files import FileOutput

    if "://" in address:
        # Here, because databases build on files.
        from ..databases import open_database

        return open_database(address)
    path = Path(address).expanduser()
    if not path.name.lower().endswith(FILE_SUFFIXES) or path.name.lower() in FILE_SUFFIXES:
        raise JobUsageError(
            f"the output {address} must end with {', '.join(FILE_SUFFIXES)}, or be the address of a database, such as "
            "qdrant+http://…, qdrant+file://…, postgresql://…, lancedb+file://… or milvus+http://…"
        )
    if not is_unicode(address):
        raise JobUsageError(f"the name of the output {printable(address)} is not valid UTF-8: choose another")
    return FileOutput(path)


def without_row(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch without the number of the row, which only the journal needs."""
    return batch.drop_columns([ROW])
