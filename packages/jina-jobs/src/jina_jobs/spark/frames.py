"""Functions that add columns to a DataFrame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Unpack

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import DataType, StructType, TimestampType

from ..errors import JobUsageError
from ..operators import (
    Operation,
    TableClassifyOptions,
    TableEmbedOptions,
    TableMultiVectorOptions,
    TableRerankOptions,
)
from ..tables import TableOperator
from .running import OperatorRun, UsageCounter, result_type, spark_operator

_ORDER = "__jina_order"


def embed(
    df: DataFrame,
    *,
    model: str,
    order_column: str | None = None,
    concurrency: int | None = None,
    usage: UsageCounter | None = None,
    **options: Unpack[TableEmbedOptions],
) -> DataFrame:
    """Add one vector per row.

    Args:
        df: any DataFrame. Its rows keep their columns, and their order within a partition.
        model: the model's id.
        order_column: the column that orders the chunks of a document, with ``group_column``; by default their order in
            ``df``.
        concurrency: the number of tasks that run at the same time, among which the limits of ``client`` are divided; by
            default all cores of the session.
        usage: counts rows, tokens and requests.
        **options: see :class:`jina_jobs.operators.TableEmbedOptions`. With ``group_column`` Spark brings the rows of
            each document together, which shuffles ``df``.

    Raises:
        JobUsageError: an option or a column that cannot work; nothing was sent.
        JinaInputError: an unknown option, a model or a value that cannot work, or a missing key.
    """
    group = options.get("group_column")
    if order_column is not None and group is None:
        raise JobUsageError("order_column= orders the chunks of a document: pass group_column= too")
    return _mapped("embed", df, {"model": model, **options}, concurrency, usage, group, order_column)


def embed_multi_vector(
    df: DataFrame,
    *,
    model: str,
    concurrency: int | None = None,
    usage: UsageCounter | None = None,
    **options: Unpack[TableMultiVectorOptions],
) -> DataFrame:
    """Add a list of vectors per row, one for each token.

    Args:
        df: as for :func:`embed`.
        model: the model's id.
        concurrency: as for :func:`embed`.
        usage: as for :func:`embed`.
        **options: see :class:`jina_jobs.operators.TableMultiVectorOptions`.
    """
    return _mapped("embed_multi_vector", df, {"model": model, **options}, concurrency, usage)


def rerank(
    df: DataFrame,
    *,
    model: str,
    concurrency: int | None = None,
    usage: UsageCounter | None = None,
    **options: Unpack[TableRerankOptions],
) -> DataFrame:
    """Add to each row its candidates, sorted by their relevance to its query.

    Args:
        df: as for :func:`embed`.
        model: the reranker's id.
        concurrency: as for :func:`embed`.
        usage: as for :func:`embed`.
        **options: see :class:`jina_jobs.operators.TableRerankOptions`.
    """
    return _mapped("rerank", df, {"model": model, **options}, concurrency, usage)


def classify(
    df: DataFrame,
    *,
    model: str | None = None,
    concurrency: int | None = None,
    usage: UsageCounter | None = None,
    **options: Unpack[TableClassifyOptions],
) -> DataFrame:
    """Add one label per row, with its score.

    Args:
        df: as for :func:`embed`.
        model: the embedding model, for labels.
        concurrency: as for :func:`embed`.
        usage: as for :func:`embed`.
        **options: see :class:`jina_jobs.operators.TableClassifyOptions`.
    """
    named = {} if model is None else {"model": model}
    return _mapped("classify", df, {**named, **options}, concurrency, usage)


def _mapped(
    name: Operation,
    df: DataFrame,
    options: dict[str, Any],
    concurrency: int | None,
    usage: UsageCounter | None,
    group: str | None = None,
    order: str | None = None,
) -> DataFrame:
    if not isinstance(df, DataFrame):
        raise JobUsageError(
            f"the first argument must be a Spark DataFrame, got {type(df).__module__}.{type(df).__name__}"
        )
    operator = spark_operator(name, options, df.sparkSession, concurrency)
    schema = _output_schema(df, operator)
    run = OperatorRun(operator, usage)

    def function(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from run.stream(batches)

    # Spark shows this name in its plans.
    function.__name__ = f"jina_{name}"
    return (df if group is None else _grouped(df, group, order)).mapInArrow(function, schema)


def _output_schema(df: DataFrame, operator: TableOperator) -> StructType:
    """Return the schema of the result, after checking the columns that the operator reads and adds."""
    if dotted := [name for name in df.columns if "." in name or "`" in name]:
        raise JobUsageError(
            f"column {dotted[0]!r} has a dot or a backtick, and Spark cannot pass it to Python: rename it"
        )
    read = set(operator.columns)
    fields = [(each.name, _arrow_type(each.dataType) if each.name in read else pa.null()) for each in df.schema]
    operator.output_schema(pa.schema(fields))
    return StructType([*df.schema.fields, *result_type(operator).fields])


def _arrow_type(kind: DataType) -> pa.DataType:
    return pa.timestamp("us") if isinstance(kind, TimestampType) else to_arrow_type(kind)


def _grouped(df: DataFrame, group: str, order: str | None) -> DataFrame:
    """Bring the rows of each document together, in order."""
    if order is None:
        numbered = df.withColumn(_ORDER, F.monotonically_increasing_id())
        return numbered.repartition(F.col(group)).sortWithinPartitions(group, _ORDER).drop(_ORDER)
    if order not in df.columns:
        raise JobUsageError(f"there is no column {order!r}; the columns are: {', '.join(df.columns)}")
    return df.repartition(F.col(group)).sortWithinPartitions(group, order)
