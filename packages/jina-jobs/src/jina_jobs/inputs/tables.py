"""The rows of tables: JSON lines, CSV, TSV and Parquet. A broken row has an error, and does not end the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import JobError
from .files import DAMAGED, STDIN, InputFile, opened

# A quote that is never closed would otherwise read the rest of the file as one field.
_LONGEST_FIELD = 32 * 2**20
_PARQUET_ROWS = 512
# Of files whose columns may hold pictures.
_LARGE_ROWS = 32
_SHOWN = 80

Values = dict[str, Any]
RawRow = tuple[Values | None, str, int]
"""The values of a row, or ``None``, why it is broken, and its line or row in the file, from 1."""


def rows_of(file: InputFile, columns: Sequence[str], on_read: Callable[[int], None]) -> Iterator[RawRow]:
    """Yield the rows of a file with some of their columns; all of them where ``columns`` is empty.

    Raises:
        JobError: the file is damaged, such as a truncated archive. The rows before were yielded.
    """
    name, place = _name(file), 0
    try:
        for row in _parquet(file, columns, on_read) if file.kind == "parquet" else _text_rows(file, on_read):
            place = row[2]
            yield row
    except csv.Error as error:
        raise JobError(
            f"{name} cannot be read after line {place}: {error}. Look for a quote that is not closed there"
        ) from error
    except DAMAGED as error:
        raise JobError(f"{name} is damaged or cut off after {place} lines or rows: {error}") from error


def columns_of(file: InputFile) -> list[str] | None:
    """Return the columns that a file declares; ``None`` for JSON lines and standard input, which declare none."""
    if file.kind == "parquet":
        return _distinct(parquet_schema(file).names, file)
    if file.kind in ("csv", "tsv"):
        with opened(file.path) as stream:
            return _header(stream, file.kind, file)
    return None


def parquet_schema(file: InputFile) -> pa.Schema:
    """Return the types of the columns of a Parquet file, as they are read: times in microseconds."""
    try:
        return _in_microseconds(pq.read_schema(file.path))
    except (pa.ArrowException, OSError) as error:
        raise JobError(f"{file.path} is not a readable Parquet file: {error}") from error


def parquet_count(file: InputFile) -> int:
    """Return the number of rows of a Parquet file."""
    return int(pq.read_metadata(file.path).num_rows)


def _name(file: InputFile) -> str:
    return "standard input" if str(file.path) == STDIN else str(file.path)


def _parquet(file: InputFile, columns: Sequence[str], on_read: Callable[[int], None]) -> Iterator[RawRow]:
    place = 0
    with pq.ParquetFile(file.path) as content:
        share = file.size / max(1, content.metadata.num_rows)
        fields = _in_microseconds(content.schema_arrow)
        convert = fields != content.schema_arrow
        large = any(_may_be_large(fields.field(name).type) for name in columns or fields.names)
        for batch in content.iter_batches(_LARGE_ROWS if large else _PARQUET_ROWS, columns=list(columns) or None):
            on_read(int(share * len(batch)))
            if convert:
                types = pa.schema([fields.field(name) for name in batch.schema.names])
                batch = batch.cast(types, safe=False)
            for values in batch.to_pylist():
                place += 1
                yield values, "", place


def _in_microseconds(schema: pa.Schema) -> pa.Schema:
    """Return a schema without times in nanoseconds, which Python has only with pandas."""
    for index, field in enumerate(schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            schema = schema.set(index, field.with_type(pa.timestamp("us", field.type.tz)))
        elif pa.types.is_duration(field.type) and field.type.unit == "ns":
            schema = schema.set(index, field.with_type(pa.duration("us")))
    return schema


def _may_be_large(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_struct(kind))


def _text_rows(file: InputFile, on_read: Callable[[int], None]) -> Iterator[RawRow]:
    with opened(file.path, on_read) as stream:
        kind = file.kind if file.kind != "stdin" else _sniff(stream)
        yield from _json_lines(stream, file) if kind == "jsonl" else _separated(stream, kind, file)


def _sniff(stream: io.BufferedReader[Any]) -> str:
    head = stream.peek(2**12)
    if head.startswith(b"PAR1"):
        raise JobError("standard input is Parquet, which is read from its end: pass a file")
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"{"):
        return "jsonl"
    return "tsv" if b"\t" in head.partition(b"\n")[0] else "csv"


def _json_lines(stream: IO[bytes], file: InputFile) -> Iterator[RawRow]:
    for place, line in enumerate(stream, 1):
        line = line.removeprefix(b"\xef\xbb\xbf") if place == 1 else line
        if not (content := line.strip()):
            continue
        if place == 1 and content.startswith(b"["):
            raise JobError(
                f"{file.path} is one JSON list: write one JSON object per line (JSON lines), as with jq -c '.[]'"
            )
        try:
            values = orjson.loads(content)
        except ValueError as error:
            yield None, f"the line is not valid JSON ({error}): {_shown(content)}", place
            continue
        if isinstance(values, dict):
            yield values, "", place
        else:
            yield None, f"the line must be a JSON object, got {type(values).__name__}: {_shown(content)}", place


def _header(stream: IO[bytes], kind: str, file: InputFile) -> list[str]:
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        return _first_line(_csv_reader(text, kind), file)
    finally:
        text.detach()


def _csv_reader(text: Iterable[str], kind: str) -> Any:
    csv.field_size_limit(_LONGEST_FIELD)
    # Strict, because a quote that is not closed would otherwise take the rows up to the next quote into its field.
    return csv.reader(text, delimiter="\t" if kind == "tsv" else ",", strict=True)


def _first_line(reader: Iterator[list[str]], file: InputFile) -> list[str]:
    try:
        names = next(reader, None)
    except csv.Error as error:
        raise JobError(
            f"the first line of {_name(file)}, which must name the columns, cannot be read: {error}"
        ) from None
    if not names:
        raise JobError(f"{_name(file)} is empty: its first line must name the columns")
    return _distinct(names, file)


def _distinct(names: list[str], file: InputFile) -> list[str]:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise JobError(f"{_name(file)} names the column {twice!r} twice")
    return names


def _separated(stream: IO[bytes], kind: str, file: InputFile) -> Iterator[RawRow]:
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    reader = _csv_reader(text, kind)
    names = _first_line(reader, file)
    for fields, error in _csv_rows(reader):
        if error:
            yield None, error, reader.line_num
        elif not fields:
            continue
        elif len(fields) == len(names):
            yield dict(zip(names, fields, strict=True)), "", reader.line_num
        else:
            line_text = _shown(",".join(fields).encode("utf-8", "replace"))
            yield None, f"the line has {len(fields)} fields and the header {len(names)}: {line_text}", reader.line_num
    text.detach()


def _csv_rows(reader: Any) -> Iterator[tuple[list[str], str]]:
    """Yield the fields of each row of a CSV reader, and why they cannot be read; empty if they can.

    Raises:
        csv.Error: the row that cannot be read has several lines, which may be rows that a quote has taken.
    """
    while True:
        before = reader.line_num
        try:
            yield next(reader), ""
        except StopIteration:
            return
        except csv.Error as error:
            if reader.line_num > before + 1:
                raise
            yield [], f"the line has a quote that is not closed, or text after the closing one ({error})"


def _shown(content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
