"""An operator in Spark: its options on the driver, its batches on an executor, and its counts back on the driver."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from jina_client.integration import LIMITS, RateLimiter, check_whole, frames_to_caller
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_type
from pyspark.sql.types import StructField, StructType

from ..client_threads import Counts
from ..errors import JobUsageError
from ..operators import Operation, TableOptions, table_operator
from ..tables import TableOperator
from .limits import DriverLimits
from .sessions import spark_context, tasks_at_once

_OWN = ("concurrency", "limits", "usage")


class UsageCounter:
    """Counts rows, tokens and requests of all executors.

    Spark adds the counts of a task when it succeeds. A task that failed, or whose worker died, is not counted, though
    its requests were paid for.

    Args:
        spark: the session. Spark Connect has no accumulators.

    Raises:
        JobUsageError: a session of Spark Connect.
    """

    def __init__(self, spark: SparkSession) -> None:
        self.accumulator = spark_context(spark, "UsageCounter").accumulator(Counts(), _CountsParam())

    @property
    def counts(self) -> Counts:
        """The work of the tasks that have succeeded so far."""
        counts: Counts = self.accumulator.value
        return counts


class _CountsParam:
    """How Spark adds counts: the interface of its ``AccumulatorParam``."""

    def zero(self, value: Counts) -> Counts:
        return Counts()

    def addInPlace(self, value1: Counts, value2: Counts) -> Counts:
        return value1 + value2


class SparkOptions(TableOptions, total=False):
    """Options of every function and UDF."""

    concurrency: int | None
    """The number of tasks that run at the same time, among which the limits in ``client`` are divided; by default all
    cores of the session."""
    limits: DriverLimits | None
    """Limits that all tasks keep together, exactly, instead of divided ones."""
    usage: UsageCounter | None
    """Counts rows, tokens and requests."""


class OperatorRun:
    """Runs an operator in tasks. It travels to the executors, and shows nothing of what it holds.

    Args:
        name: the function.
        options: the function's.
        spark: the session.

    Attributes:
        columns: those that the operator reads.
        result_type: the columns that it adds, as Spark has them.

    Raises:
        JobUsageError: an option that Spark cannot express, or limits that are too low to be divided.
        JinaInputError: as :func:`~jina_jobs.operators.table_operator` does.
    """

    def __init__(self, name: Operation, options: Mapping[str, Any], spark: SparkSession) -> None:
        own = {option: options.get(option) for option in _OWN}
        for option, kind in (("limits", DriverLimits), ("usage", UsageCounter)):
            if own[option] is not None and not isinstance(own[option], kind):
                raise JobUsageError(f"{option} must be a {kind.__name__}, got {type(own[option]).__name__}")
        operator = table_operator(name, {option: value for option, value in options.items() if option not in _OWN})
        if options.get("encoding") == "float16":
            raise JobUsageError("encoding='float16': Spark has no such numbers. Choose float32, int8 or binary")
        if spark.conf.get("spark.speculation", "false") == "true":
            warnings.warn(
                "spark.speculation is on: Spark runs slow tasks twice, and both copies send and pay for their requests",
                UserWarning,
                stacklevel=frames_to_caller(),
            )
        self._operator = _limited(operator, spark, own["concurrency"], own["limits"])
        self._types = {column: _variable(kind) for column, kind in operator.result_types.items()}
        self._accumulator = None if own["usage"] is None else own["usage"].accumulator
        self.columns = operator.columns
        self.result_type = StructType([StructField(name, from_arrow_type(kind)) for name, kind in self._types.items()])

    def check(self, schema: pa.Schema) -> None:
        """Check the input's columns; see :meth:`~jina_jobs.tables.TableOperator.output_schema`."""
        self._operator.output_schema(schema)

    def stream(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of batches with their results and errors, in the types that Spark has."""
        before = self._operator.counts
        try:
            for batch in self._operator.stream(batches):
                columns = [
                    column.cast(self._types[name]) if name in self._types else column
                    for name, column in zip(batch.schema.names, batch.columns, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
        finally:
            if self._accumulator is not None:
                self._accumulator.add(self._operator.counts - before)


def _limited(
    operator: TableOperator, spark: SparkSession, concurrency: int | None, shared: DriverLimits | None
) -> TableOperator:
    """Return the operator whose clients keep the limits together."""
    check_whole("concurrency", concurrency)
    if isinstance(operator.client_options.get("limiter"), RateLimiter):
        raise JobUsageError(
            "client={'limiter': …}: each worker would keep the whole limits in a copy of its own. Pass DriverLimits, "
            "which tasks share, as limits="
        )
    limits = {name: limit for name in LIMITS if (limit := operator.client_options.get(name)) is not None}
    if shared is not None:
        if limits:
            raise JobUsageError(f"limits= has the limits: leave {', '.join(limits)} out of client=")
        return operator.with_client(limiter=shared.limiter())
    if not limits:
        return operator
    tasks = concurrency or tasks_at_once(spark)
    for name, limit in limits.items():
        if limit < tasks:
            raise JobUsageError(
                f"{name}={limit} cannot be divided among the {tasks} tasks that run at the same time: pass it to "
                "DriverLimits, which tasks share, as limits=; or run fewer tasks, and pass their number as concurrency="
            )
    return operator.with_client(**{name: limit // tasks for name, limit in limits.items()})


def _variable(kind: pa.DataType) -> pa.DataType:
    """Return the type that Spark has for one whose size is fixed."""
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        return pa.list_(_variable(kind.value_type))
    return pa.binary() if pa.types.is_fixed_size_binary(kind) else kind
