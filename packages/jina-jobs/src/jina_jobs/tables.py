"""Operators on Arrow tables: each row keeps its columns, and gets columns with its result and with its error.

Engines that run Python on parts of a table, such as Ray Data and Spark, run these. They know no engine.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing
from itertools import count
from typing import Any, Protocol, Self

import pyarrow as pa
from jina_client import AsyncJinaClient, Attempt, JinaInputError
from jina_client.integration import Media

from .client_threads import Counts, client_thread, close_client, counter_of
from .errors import JobUsageError
from .feeding import read_ahead
from .inputs import Record
from .rows import Outcome, Row
from .tasks import Task

# Rows that become Python objects together.
_SLICE = 512
# Rows of the output that are handed on together, so that single responses do not become tiny batches.
_GATHERED = 256


class TableTask(Task, Protocol):
    """A task whose results have known columns."""

    @property
    def result_types(self) -> dict[str, pa.DataType]:
        """The result columns and their types."""

    def check(self, service: str | None) -> None:
        """Raise JinaInputError for a model or an option that cannot work; ``service`` is the API's root."""


class TableOperator:
    """Applies a task to Arrow tables.

    It is picklable. Copies of it in one process share one client, which stays open between calls.

    Args:
        task: the task, with neither an id column nor columns to keep.
        output_column: the name of the first result column; a second one is ``<output_column>_<name>``. By default the
            task's own name, such as ``embedding``.
        error_column: the name of the column with errors: null for a row that succeeded.
        client: arguments of the client, such as ``base_url`` and ``tokens_per_minute``. The key and the address are
            read from the environment here, and travel with the operator.

    Attributes:
        task: the task.
        columns: the columns that it reads.
        result_types: the columns that it adds, with their types; the last is the error column.
        client_options: the arguments of the client, filled in.

    Raises:
        JobUsageError: names that do not go together.
        JinaInputError: a model or an option that cannot work, or a missing key.
    """

    def __init__(
        self,
        task: TableTask,
        *,
        output_column: str | None = None,
        error_column: str = "error",
        client: Mapping[str, Any] | None = None,
    ) -> None:
        if client is not None and not isinstance(client, Mapping):
            raise JobUsageError(
                "client must be a dictionary with arguments of the client, such as {'base_url': …}, got "
                f"{type(client).__name__}"
            )
        options = dict(client or {})
        settings = AsyncJinaClient(**options).settings
        self.client_options = {**options, "base_url": settings.base_url, "api_key": settings.api_key}
        for root in settings.roots:
            task.check(root)
        self.task = task
        self.columns = task.columns
        self._job = uuid.uuid4().hex
        first, *others = task.result_types
        output = first if output_column is None else output_column
        self._names = {first: output, **{name: f"{output}_{name}" for name in others}}
        self._error_column = error_column
        named = {**{name: task.result_types[own] for own, name in self._names.items()}, error_column: pa.string()}
        if not all(isinstance(name, str) and name for name in named):
            raise JobUsageError(f"output_column and error_column must be names, got {output!r} and {error_column!r}")
        if len(named) <= len(self._names):
            raise JobUsageError(f"error_column={error_column!r} is the name of a result column: choose another")
        self.result_types = named

    @property
    def counts(self) -> Counts:
        """The work of all copies of this operator in this process so far."""
        return counter_of(self._job).counts

    def output_schema(self, schema: pa.Schema) -> pa.Schema:
        """Return the schema of the output for that of the input. It is the same for tables without rows.

        Raises:
            JobUsageError: a column that is missing, of the wrong type, or of a name that the output needs.
        """
        for name in self.columns:
            if name not in schema.names:
                raise JobUsageError(
                    f"there is no column {name!r}; the columns are: {', '.join(schema.names) or 'none'}"
                )
            if schema.names.count(name) > 1:
                raise JobUsageError(f"there are {schema.names.count(name)} columns {name!r}: rename one")
            if pa.types.is_null(schema.field(name).type):
                raise JobUsageError(f"column {name!r} holds only nulls: choose another column")
        for name in self.result_types:
            if name in schema.names:
                option = "error_column" if name == self._error_column else "output_column"
                raise JobUsageError(
                    f"the input has a column {name!r}, as the output would: rename it, or pass {option}=…"
                )
        self._check_types(schema)
        return pa.schema([*schema, *(pa.field(name, kind) for name, kind in self.result_types.items())])

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return a table with the columns of the input, the results and the errors."""
        batches = list(self.stream(table.to_batches()))
        return pa.Table.from_batches(batches, self.output_schema(table.schema))

    def stream(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of batches with their results and errors, in order. Requests span the batches.

        Args:
            batches: any number, of one schema. They are read ahead in a thread, as far as requests are in flight.

        Yields:
            Batches of other sizes than those of the input; none for an input without rows.

        Raises:
            JobUsageError: see :meth:`output_schema`.
            JinaError: an error of the service that all rows would get.
        """
        with client_thread(self._job, self._new_client) as thread:
            yield from thread.iterate(self._results(thread.client, iter(batches)))

    def with_client(self, **options: Any) -> Self:
        """Return a copy with other arguments of the client; it has a client of its own.

        Raises:
            JinaInputError: arguments that do not go together.
        """
        copy = type(self).__new__(type(self))
        client_options = {**self.client_options, **options}
        AsyncJinaClient(**client_options)
        copy.__dict__.update({**self.__dict__, "client_options": client_options, "_job": uuid.uuid4().hex})
        return copy

    def close(self) -> None:
        """Close the client in this process. A later call opens another one."""
        close_client(self._job)

    def __repr__(self) -> str:
        """Show no option of the client: a header may be a secret."""
        return f"{type(self).__name__}({self.task!r})"

    def _new_client(self) -> AsyncJinaClient:
        counter, users_own = counter_of(self._job), self.client_options.get("on_attempt")

        def on_attempt(attempt: Attempt) -> None:
            counter.add_attempt(attempt)
            if users_own is not None:
                users_own(attempt)

        return AsyncJinaClient(**{**self.client_options, "on_attempt": on_attempt})

    def _check_types(self, schema: pa.Schema) -> None:
        kinds = {"text_column": _TEXT, "query_column": _TEXT, "image_column": _IMAGE, "documents_column": _LIST}
        for attribute, (names, allowed) in {**kinds, "group_column": _KEY}.items():
            column = getattr(self.task, attribute, None)
            if column is not None and not any(test(_plain(schema.field(column).type)) for test in allowed):
                raise JobUsageError(f"column {column!r} must hold {names}, got the type {schema.field(column).type}")

    async def _results(
        self, client: AsyncJinaClient, batches: Iterator[pa.RecordBatch]
    ) -> AsyncGenerator[pa.RecordBatch, None]:
        waiting: deque[pa.RecordBatch] = deque()
        results = _Results(self.task.result_types, self._names, self._error_column)
        rows = read_ahead(self._rows(batches, waiting))
        async with aclosing(rows) as rows, aclosing(self.task.outcomes(client, rows)) as outcomes:  # type: ignore[type-var]
            async for outcome in outcomes:
                failed = sum(bool(row.error) for row in outcome.rows)
                counter_of(self._job).add(Counts(len(outcome.rows), failed, outcome.tokens))
                results.add(outcome)
                if results.count >= _GATHERED:
                    for batch in results.taken(waiting):
                        yield batch
        for batch in results.taken(waiting):
            yield batch

    def _rows(self, batches: Iterator[pa.RecordBatch], waiting: deque[pa.RecordBatch]) -> Iterator[Row]:
        """Yield the rows of batches, and note the batches before their rows."""
        number, schema = 0, None
        for batch in batches:
            if batch.schema != schema:
                schema = batch.schema
                self.output_schema(schema)
            columns = batch.select(list(self.columns))
            for start in range(0, len(batch), _SLICE):
                waiting.append(batch.slice(start, _SLICE))
                for values in columns.slice(start, _SLICE).to_pylist():
                    row = self.task.row(Record(number, values, f"row {number}", "", 0))
                    row.error = row.error or _pdf_error(row.value)
                    yield row
                    number += 1


class _Results:
    """Outcomes that become columns.

    Args:
        types: of the task's results.
        names: the column of each result.
        error_column: the column with errors.

    Attributes:
        count: the rows that were added and not taken.
    """

    def __init__(self, types: Mapping[str, pa.DataType], names: Mapping[str, str], error_column: str) -> None:
        self._types, self._names, self._error_column = types, names, error_column
        self._outcomes: list[Outcome] = []
        self.count = 0

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of the next rows."""
        self._outcomes.append(outcome)
        self.count += len(outcome.rows)

    def taken(self, waiting: deque[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Take all rows, with the columns of the input, which this removes from ``waiting``."""
        columns = {
            name: pa.concat_arrays([_with_nulls(each, own, self._types[own]) for each in self._outcomes])
            for own, name in self._names.items()
            if self._outcomes
        }
        errors = [row.error or None for outcome in self._outcomes for row in outcome.rows]
        columns[self._error_column] = pa.array(errors, pa.string())
        self._outcomes, self.count, start = [], 0, 0
        while start < len(errors):
            batch = waiting.popleft()
            own = batch.slice(0, len(errors) - start)
            if len(own) < len(batch):
                waiting.appendleft(batch.slice(len(own)))
            added = {name: array.slice(start, len(own)) for name, array in columns.items()}
            schema = pa.schema([*own.schema, *(pa.field(name, array.type) for name, array in added.items())])
            yield pa.RecordBatch.from_arrays([*own.columns, *added.values()], schema=schema)
            start += len(own)


def _with_nulls(outcome: Outcome, name: str, kind: pa.DataType) -> pa.Array:
    """Return a result column with a null for each row that failed."""
    if name not in outcome.results:
        return pa.nulls(len(outcome.rows), kind)
    array, place = outcome.results[name], count()
    places = [None if row.error else next(place) for row in outcome.rows]
    if None in places:
        array = array.take(pa.array(places, pa.int64()))
    return array if array.type == kind else array.cast(kind)


def _pdf_error(value: Any) -> str:
    """Return why a PDF cannot be sent: its vectors would be several rows."""
    if isinstance(value, Mapping) and "pdf" in value:
        kind: str | None = "pdf"
    else:
        try:
            kind = Media(value, None, "the image").kind if isinstance(value, bytes) else None
        except JinaInputError:
            kind = None
    return "a PDF has one vector per page, and a row has one: turn its pages into images first" if kind == "pdf" else ""


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _is_text_list(kind: pa.DataType) -> bool:
    types = pa.types
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(is_list and (_is_text(_plain(kind.value_type)) or types.is_null(kind.value_type)))


def _is_key(kind: pa.DataType) -> bool:
    return not pa.types.is_nested(kind)


_TEXT = ("texts", (_is_text,))
_IMAGE = ("images: paths, URLs, data URIs or bytes", (_is_text, _is_binary, pa.types.is_struct))
_LIST = ("lists of texts, or texts with JSON lists", (_is_text, _is_text_list))
_KEY = ("names or numbers of documents", (_is_key,))
