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
from .running import OperatorRun, SparkOptions

_ORDER = "__jina_order"


class SparkEmbedOptions(SparkOptions, TableEmbedOptions, total=False):
    """Options of :func:`embed`."""

    order_column: str | None
    """The column with the place of a row in its document, with ``group_column``; by default their order in the
    DataFrame."""


class SparkMultiVectorOptions(SparkOptions, TableMultiVectorOptions, total=False):
    """Options of :func:`embed_multi_vector`."""


class SparkRerankOptions(SparkOptions, TableRerankOptions, total=False):
    """Options of :func:`rerank`."""


class SparkClassifyOptions(SparkOptions, TableClassifyOptions, total=False):
    """Options of :func:`classify`."""


def embed(df: DataFrame, *, model: str, **options: Unpack[SparkEmbedOptions]) -> DataFrame:
    """Add one vector per row, in the column ``embedding``, and why a row failed, in the column ``error``.

    Rows keep their columns, and their order within a partition. With ``group_column`` (late chunking) Spark brings the
    rows of each document together, which shuffles the DataFrame.

    Args:
        df: the rows.
        model: the model's id.
        **options: see :class:`SparkOptions`, :class:`SparkEmbedOptions` and
            :class:`jina_jobs.operators.TableEmbedOptions`.

    Raises:
        JobUsageError: an option or a column that cannot work; nothing was sent.
        JinaInputError: an unknown option, a model or a value that cannot work, or a missing key.
    """
    order = options.pop("order_column", None)
    group = options.get("group_column")
    if order is not None and group is None:
        raise JobUsageError("order_column= orders the chunks of a document: pass group_column= too")
    return _mapped("embed", df, {"model": model, **options}, group, order)


def embed_multi_vector(df: DataFrame, *, model: str, **options: Unpack[SparkMultiVectorOptions]) -> DataFrame:
    """Add one vector per token of each row, in the column ``embedding``, and the column ``error``; see :func:`embed`.

    Args:
        df: the rows.
        model: the model's id.
        **options: see :class:`SparkOptions` and :class:`jina_jobs.operators.TableMultiVectorOptions`.
    """
    return _mapped("embed_multi_vector", df, {"model": model, **options})


def rerank(df: DataFrame, *, model: str, **options: Unpack[SparkRerankOptions]) -> DataFrame:
    """Sort the candidates of each row: the columns ``results`` and ``error``; see :func:`embed`.

    Args:
        df: the rows, with a query and its candidates each.
        model: the reranker's id.
        **options: see :class:`SparkOptions` and :class:`jina_jobs.operators.TableRerankOptions`.
    """
    return _mapped("rerank", df, {"model": model, **options})


def classify(df: DataFrame, *, model: str | None = None, **options: Unpack[SparkClassifyOptions]) -> DataFrame:
    """Give each row a label: the columns ``prediction``, ``prediction_score`` and ``error``; see :func:`embed`.

    Args:
        df: the rows.
        model: the embedding model, for labels.
        **options: see :class:`SparkOptions` and :class:`jina_jobs.operators.TableClassifyOptions`.
    """
    return _mapped("classify", df, {"model": model, **options})


def _mapped(
    name: Operation, df: DataFrame, options: dict[str, Any], group: str | None = None, order: str | None = None
) -> DataFrame:
    if not isinstance(df, DataFrame):
        raise JobUsageError(
            f"the first argument must be a Spark DataFrame, got {type(df).__module__}.{type(df).__name__}"
        )
    run = OperatorRun(name, options, df.sparkSession)
    _check_columns(df, run)
    schema = StructType([*df.schema.fields, *run.result_type.fields])

    def function(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from run.stream(batches)

    # Spark shows this name in its plans.
    function.__name__ = f"jina_{name}"
    return (df if group is None else _grouped(df, group, order)).mapInArrow(function, schema)


def _check_columns(df: DataFrame, run: OperatorRun) -> None:
    """Check the columns that the operator reads and adds."""
    if dotted := [name for name in df.columns if "." in name or "`" in name]:
        raise JobUsageError(
            f"column {dotted[0]!r} has a dot or a backtick, and Spark cannot pass it to Python: rename it"
        )
    read = set(run.columns)
    run.check(
        pa.schema([(each.name, _arrow_type(each.dataType) if each.name in read else pa.null()) for each in df.schema])
    )


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
