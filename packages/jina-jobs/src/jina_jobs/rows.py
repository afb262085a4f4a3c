"""Rows: the records of a job's input, and their outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa

ROW = "row"
ID = "id"
"""Columns of every output; ``row`` is the number in the input, and is left out of what users read."""


@dataclass(slots=True)
class Row:
    """One row of the input.

    Attributes:
        number: its number in the input, from 0.
        id: the value of the id column; by default the number.
        value: what the service is sent, in the form of the call.
        kept: the values of the columns that go to the output unchanged.
        place: file and line.
        checksum: of the input up to this row.
        again: whether an earlier run tried it, and it failed.
        error: why it failed; empty if it did not.
        group: the document that it belongs to, for late chunking.
    """

    number: int
    id: Any
    value: Any
    kept: dict[str, Any]
    place: str
    checksum: int
    again: bool = False
    error: str = ""
    group: Any = None


@dataclass(slots=True)
class Outcome:
    """The outcome of consecutive rows.

    Attributes:
        rows: in the order of the input. Those that failed have an error.
        results: the columns with the results of the rows that did not fail, in their order.
        repeats: for each result the index of its row among those that did not fail; ``None`` if there is one for each.
        tokens: as the service counted them.
    """

    rows: Sequence[Row]
    results: Mapping[str, pa.Array] = field(default_factory=dict)
    repeats: Sequence[int] | None = None
    tokens: int = 0


def as_batch(outcome: Outcome, types: Mapping[str, pa.DataType]) -> pa.RecordBatch | None:
    """Return the rows that did not fail, with their results; ``None`` if all have failed.

    Args:
        outcome: the rows.
        types: the types of kept columns, where the source knows them.
    """
    done = [row for row in outcome.rows if not row.error]
    if not done:
        return None
    ids = [row.id for row in done]
    if outcome.repeats is not None:
        seen: dict[int, int] = {}
        ids = []
        for index in outcome.repeats:
            seen[index] = seen.get(index, 0) + 1
            ids.append(f"{done[index].id}#{seen[index]}")
        done = [done[index] for index in outcome.repeats]
    columns = {ROW: pa.array([row.number for row in done], pa.int64()), ID: as_array(ids)}
    for name in done[0].kept:
        columns[name] = as_array([row.kept[name] for row in done], types.get(name))
    return pa.RecordBatch.from_pydict({**columns, **outcome.results})


def as_array(values: Sequence[Any], kind: pa.DataType | None = None) -> pa.Array:
    """Return values as an Arrow array; as JSON strings if they are of types that do not go together."""
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, OverflowError):
        return pa.array([_as_string(value) for value in values], pa.string())


def is_unicode(value: Any) -> bool:
    """Return False for a string with bytes that are not valid UTF-8, which names of files and CSV fields may have."""
    return not isinstance(value, str) or printable(value) == value


def printable(value: Any) -> Any:
    r"""Return a value; a string with its bytes that are not valid UTF-8 escaped, such as ``\udcff``."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def unified(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return a schema that the columns of all schemas can be converted to: strings where the types differ too much."""
    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        fields = []
        for name in schemas[0].names:
            kinds = pa.unify_schemas([pa.schema([schema.field(name)]) for schema in schemas[:1]]).field(name)
            if any(schema.field(name).type != kinds.type for schema in schemas):
                kinds = _unified_field([schema.field(name) for schema in schemas])
            fields.append(kinds)
        return pa.schema(fields)


def converted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with the types of a schema that :func:`unified` returned."""
    if batch.schema.equals(schema):
        return batch
    columns = []
    for field_ in schema:
        column = batch.column(field_.name)
        if column.type != field_.type:
            try:
                column = column.cast(field_.type)
            except pa.ArrowException:
                column = pa.array([_as_string(value) for value in column.to_pylist()], pa.string())
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _unified_field(fields: Sequence[pa.Field]) -> pa.Field:
    try:
        return pa.unify_schemas([pa.schema([each]) for each in fields], promote_options="permissive").field(0)
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.field(fields[0].name, pa.string())


def _as_string(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value, default=str, option=orjson.OPT_SERIALIZE_NUMPY).decode()
