"""An operator in Spark: its options on the driver, its batches on an executor, and its counts back on the driver."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from jina_client.integration import check_whole, frames_to_caller
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_type
from pyspark.sql.types import StructField, StructType

from ..client_threads import Counts
from ..errors import JobUsageError
from ..operators import Operation, table_operator
from ..tables import TableOperator

_LIMITS = ("requests_per_minute", "tokens_per_minute", "max_concurrency")


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


def spark_context(spark: SparkSession, what: str) -> Any:
    """Return the context of a session.

    Raises:
        JobUsageError: a session of Spark Connect, which has none.
    """
    try:
        return spark.sparkContext
    except Exception as error:
        raise JobUsageError(f"{what} needs a session on the driver, and Spark Connect has none") from error


def spark_operator(
    name: Operation, options: Mapping[str, Any], spark: SparkSession, concurrency: int | None
) -> TableOperator:
    """Return an operator whose clients together keep the limits of ``client``.

    Args:
        name: the function.
        options: the operator's.
        spark: the session.
        concurrency: the tasks that run at the same time.

    Raises:
        JobUsageError: an option that Spark cannot express, or limits that are too low to be divided.
        JinaInputError: as :func:`~jina_jobs.operators.table_operator` does.
    """
    operator = table_operator(name, options)
    if options.get("encoding") == "float16":
        raise JobUsageError("encoding='float16': Spark has no such numbers. Choose float32, int8 or binary")
    check_whole("concurrency", concurrency)
    if spark.conf.get("spark.speculation", "false") == "true":
        warnings.warn(
            "spark.speculation is on: Spark runs slow tasks twice, and both copies send and pay for their requests",
            UserWarning,
            stacklevel=frames_to_caller(),
        )
    limits = {each: limit for each in _LIMITS if (limit := operator.client_options.get(each)) is not None}
    return operator.with_client(**_divided(limits, concurrency or _tasks_at_once(spark))) if limits else operator


def _divided(limits: Mapping[str, int], tasks: int) -> dict[str, int]:
    for name, limit in limits.items():
        if limit < tasks:
            raise JobUsageError(
                f"{name}={limit} cannot be divided among the {tasks} tasks that run at the same time: raise it, or run "
                "fewer and pass their number as concurrency="
            )
    return {name: limit // tasks for name, limit in limits.items()}


def _tasks_at_once(spark: SparkSession) -> int:
    context = spark_context(spark, "a limit without concurrency=")
    cores: int = context.defaultParallelism
    return max(1, cores // int(context.getConf().get("spark.task.cpus", "1")))


def result_type(operator: TableOperator) -> StructType:
    """Return the columns that an operator adds, as Spark has them."""
    columns = operator.result_types.items()
    return StructType([StructField(name, from_arrow_type(_variable(kind))) for name, kind in columns])


class OperatorRun:
    """Runs an operator in a task. It travels to the executors, and shows nothing of what it holds.

    Args:
        operator: the operator.
        usage: counts what the tasks do.
    """

    def __init__(self, operator: TableOperator, usage: UsageCounter | None) -> None:
        self._operator = operator
        self._types = {column: _variable(kind) for column, kind in operator.result_types.items()}
        self._accumulator = None if usage is None else usage.accumulator

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


def _variable(kind: pa.DataType) -> pa.DataType:
    """Return the type that Spark has for one whose size is fixed."""
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        return pa.list_(_variable(kind.value_type))
    return pa.binary() if pa.types.is_fixed_size_binary(kind) else kind
