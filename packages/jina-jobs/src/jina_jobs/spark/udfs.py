"""Pandas UDFs, for ``select`` and ``withColumn``. Each returns a struct with the results and the error of a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Unpack, cast

import pandas as pd
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.functions import pandas_udf
from pyspark.sql.udf import UserDefinedFunction

from ..errors import JobUsageError
from ..operators import (
    Operation,
    TableClassifyOptions,
    TableEmbedOptions,
    TableMultiVectorOptions,
    TableRerankOptions,
)
from .running import OperatorRun, SparkOptions

_TEXT, _IMAGE, _QUERY, _DOCUMENTS = "text", "image", "query", "documents"
_TYPES = {
    _TEXT: (pa.string(), "texts"),
    _IMAGE: (None, "images"),
    _QUERY: (pa.string(), "texts"),
    _DOCUMENTS: (None, "lists of texts, or texts with JSON lists"),
}


class UdfEmbedOptions(SparkOptions, TableEmbedOptions, total=False):
    """Options of :func:`embed_udf`. The names of columns that are read are not among them."""

    images: bool
    """Whether the column holds images: paths, URLs, data URIs or bytes."""


class UdfMultiVectorOptions(SparkOptions, TableMultiVectorOptions, total=False):
    """Options of :func:`embed_multi_vector_udf`."""

    images: bool
    """Whether the column holds images."""


class UdfClassifyOptions(SparkOptions, TableClassifyOptions, total=False):
    """Options of :func:`classify_udf`."""

    images: bool
    """Whether the column holds images."""


class UdfRerankOptions(SparkOptions, TableRerankOptions, total=False):
    """Options of :func:`rerank_udf`."""


def embed_udf(*, model: str, **options: Unpack[UdfEmbedOptions]) -> UserDefinedFunction:
    """Return the UDF of one column that gives one vector per row.

    Late chunking needs :func:`~jina_jobs.spark.embed`, which brings the rows of each document together.

    Example:
        >>> vectors = passages.withColumn("result", embed_udf(model="jina-embeddings-v3")("text"))
        >>> vectors.select("id", "result.embedding", "result.error")

    Args:
        model: the model's id.
        **options: see :class:`UdfEmbedOptions`, :class:`SparkOptions` and
            :class:`jina_jobs.operators.TableEmbedOptions`.

    Raises:
        JobUsageError: an option that cannot work, or there is no session.
        JinaInputError: an unknown option, a model or a value that cannot work, or a missing key.
    """
    return _one_column("embed", {"model": model, **options})


def embed_multi_vector_udf(*, model: str, **options: Unpack[UdfMultiVectorOptions]) -> UserDefinedFunction:
    """Return the UDF of one column that gives one vector per token of each row; see :func:`embed_udf`.

    Args:
        model: the model's id.
        **options: see :class:`SparkOptions` and :class:`jina_jobs.operators.TableMultiVectorOptions`.
    """
    return _one_column("embed_multi_vector", {"model": model, **options})


def classify_udf(*, model: str | None = None, **options: Unpack[UdfClassifyOptions]) -> UserDefinedFunction:
    """Return the UDF of one column that gives one label per row, with its score; see :func:`embed_udf`.

    Args:
        model: the embedding model, for labels.
        **options: see :class:`SparkOptions` and :class:`jina_jobs.operators.TableClassifyOptions`.
    """
    return _one_column("classify", {"model": model, **options})


def rerank_udf(*, model: str, **options: Unpack[UdfRerankOptions]) -> UserDefinedFunction:
    """Return the UDF of two columns, the query and its candidates, that sorts the candidates; see :func:`embed_udf`.

    Args:
        model: the reranker's id.
        **options: see :class:`SparkOptions` and :class:`jina_jobs.operators.TableRerankOptions`.
    """
    columns = {"query_column": _QUERY, "documents_column": _DOCUMENTS}
    run = _run("rerank", {"model": model, **options}, columns)

    def jina_rerank(columns: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        yield from _frames(run, (_QUERY, _DOCUMENTS), columns)

    return _udf(jina_rerank, run)


def _one_column(name: Operation, options: dict[str, Any]) -> UserDefinedFunction:
    images = options.pop("images", False)
    column = _IMAGE if images else _TEXT
    run = _run(name, options, {"image_column": _IMAGE} if images else {"column": _TEXT})

    def function(columns: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        yield from _frames(run, (column,), ((each,) for each in columns))

    function.__name__ = f"jina_{name}"
    return _udf(function, run)


def _run(name: Operation, options: dict[str, Any], columns: dict[str, str]) -> OperatorRun:
    for option in ("column", "image_column", "group_column", "query_column", "documents_column"):
        if options.get(option) is not None:
            hint = "call embed() for late chunking" if option == "group_column" else "leave it out"
            raise JobUsageError(f"{option}=: a UDF reads the columns that it is called with: {hint}")
    spark = SparkSession.getActiveSession()
    if spark is None:
        raise JobUsageError(f"{name}_udf() needs a session: call SparkSession.builder.getOrCreate() before it")
    return OperatorRun(name, {**options, **columns}, spark)


def _frames(
    run: OperatorRun, names: tuple[str, ...], columns: Iterator[tuple[pd.Series, ...]]
) -> Iterator[pd.DataFrame]:
    """Yield results and errors of columns that have these names for the operator."""
    batches = (
        pa.RecordBatch.from_arrays([_array(*pair) for pair in zip(names, each, strict=True)], names=list(names))
        for each in columns
    )
    for batch in run.stream(batches):
        yield batch.select(run.result_type.names).to_pandas()


def _udf(function: Any, run: OperatorRun) -> UserDefinedFunction:
    # Otherwise Spark may run it again for each field that is read of its result.
    return cast(UserDefinedFunction, pandas_udf(function, run.result_type).asNondeterministic())


def _array(name: str, values: pd.Series) -> pa.Array:
    kind, allowed = _TYPES[name]
    try:
        array = pa.array(values, kind, from_pandas=True)
    except pa.ArrowException as error:
        raise JobUsageError(f"the UDF must be called with {allowed}: {error}") from error
    # Of a batch that has only nulls.
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array
