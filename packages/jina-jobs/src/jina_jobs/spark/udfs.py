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
from .running import OperatorRun, UsageCounter, result_type, spark_operator

_TEXT, _IMAGE, _QUERY, _DOCUMENTS = "text", "image", "query", "documents"
_TYPES = {
    _TEXT: (pa.string(), "texts"),
    _IMAGE: (None, "images"),
    _QUERY: (pa.string(), "texts"),
    _DOCUMENTS: (None, "lists of texts, or texts with JSON lists"),
}


def embed_udf(
    *,
    model: str,
    images: bool = False,
    concurrency: int | None = None,
    usage: UsageCounter | None = None,
    **options: Unpack[TableEmbedOptions],
) -> UserDefinedFunction:
    """Return the UDF of one column that gives one vector per row.

    Example:
        >>> vectors = passages.withColumn("result", embed_udf(model="jina-embeddings-v3")("text"))
        >>> vectors.select("id", "result.embedding", "result.error")

    Args:
        model: the model's id.
        images: whether the column holds images: paths, URLs, data URIs or bytes.
        concurrency: as for :func:`~jina_jobs.spark.embed`.
        usage: as for :func:`~jina_jobs.spark.embed`.
        **options: see :class:`jina_jobs.operators.TableEmbedOptions`, without the names of columns that are read. Late
            chunking needs :func:`~jina_jobs.spark.embed`, which brings the rows of each document together.

    Raises:
        JobUsageError: an option that cannot work, or there is no session.
        JinaInputError: an unknown option, a model or a value that cannot work, or a missing key.
    """
    return _one_column("embed", {"model": model, **options}, images, concurrency, usage)


def embed_multi_vector_udf(
    *,
    model: str,
    images: bool = False,
    concurrency: int | None = None,
    usage: UsageCounter | None = None,
    **options: Unpack[TableMultiVectorOptions],
) -> UserDefinedFunction:
    """Return the UDF of one column that gives a list of vectors per row, one for each token.

    Args:
        model: the model's id.
        images: as for :func:`embed_udf`.
        concurrency: as for :func:`embed_udf`.
        usage: as for :func:`embed_udf`.
        **options: see :class:`jina_jobs.operators.TableMultiVectorOptions`.
    """
    return _one_column("embed_multi_vector", {"model": model, **options}, images, concurrency, usage)


def classify_udf(
    *,
    model: str | None = None,
    images: bool = False,
    concurrency: int | None = None,
    usage: UsageCounter | None = None,
    **options: Unpack[TableClassifyOptions],
) -> UserDefinedFunction:
    """Return the UDF of one column that gives one label per row, with its score.

    Args:
        model: the embedding model, for labels.
        images: as for :func:`embed_udf`.
        concurrency: as for :func:`embed_udf`.
        usage: as for :func:`embed_udf`.
        **options: see :class:`jina_jobs.operators.TableClassifyOptions`.
    """
    named = {} if model is None else {"model": model}
    return _one_column("classify", {**named, **options}, images, concurrency, usage)


def rerank_udf(
    *,
    model: str,
    concurrency: int | None = None,
    usage: UsageCounter | None = None,
    **options: Unpack[TableRerankOptions],
) -> UserDefinedFunction:
    """Return the UDF of two columns, the query and its candidates, that sorts the candidates of each row.

    Args:
        model: the reranker's id.
        concurrency: as for :func:`embed_udf`.
        usage: as for :func:`embed_udf`.
        **options: see :class:`jina_jobs.operators.TableRerankOptions`.
    """
    _check_no_columns(options)
    columns = {"query_column": _QUERY, "documents_column": _DOCUMENTS}
    results, names = _results("rerank", {"model": model, **options, **columns}, concurrency, usage)

    def jina_rerank(columns: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        return results.frames((_QUERY, _DOCUMENTS), columns)

    return _udf(jina_rerank, names)


def _one_column(
    name: Operation, options: dict[str, Any], images: bool, concurrency: int | None, usage: UsageCounter | None
) -> UserDefinedFunction:
    _check_no_columns(options)
    column = _IMAGE if images else _TEXT
    named = {"image_column": _IMAGE} if images else {"column": _TEXT}
    results, names = _results(name, {**options, **named}, concurrency, usage)

    def function(columns: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        return results.frames((column,), ((each,) for each in columns))

    function.__name__ = f"jina_{name}"
    return _udf(function, names)


class _Results:
    """The results of a UDF as pandas has them.

    Args:
        run: the operator.
        names: of the results.
    """

    def __init__(self, run: OperatorRun, names: list[str]) -> None:
        self._run, self._names = run, names

    def frames(self, names: tuple[str, ...], columns: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.DataFrame]:
        """Yield results and errors of columns that have these names for the operator."""
        batches = (
            pa.RecordBatch.from_arrays([_array(*pair) for pair in zip(names, each, strict=True)], names=list(names))
            for each in columns
        )
        for batch in self._run.stream(batches):
            yield batch.select(self._names).to_pandas()


def _results(
    name: Operation, options: dict[str, Any], concurrency: int | None, usage: UsageCounter | None
) -> tuple[_Results, Any]:
    spark = SparkSession.getActiveSession()
    if spark is None:
        raise JobUsageError(f"{name}_udf() needs a session: call SparkSession.builder.getOrCreate() before it")
    operator = spark_operator(name, options, spark, concurrency)
    return _Results(OperatorRun(operator, usage), list(operator.result_types)), result_type(operator)


def _udf(function: Any, results: Any) -> UserDefinedFunction:
    # Otherwise Spark may run it again for each field that is read of its result.
    return cast(UserDefinedFunction, pandas_udf(function, results).asNondeterministic())


def _check_no_columns(options: Any) -> None:
    for option in ("column", "image_column", "group_column", "query_column", "documents_column"):
        if options.get(option) is not None:
            hint = "call embed() for late chunking" if option == "group_column" else "leave it out"
            raise JobUsageError(f"{option}=: a UDF reads the columns that it is called with: {hint}")


def _array(name: str, values: pd.Series) -> pa.Array:
    kind, allowed = _TYPES[name]
    try:
        array = pa.array(values, kind, from_pandas=True)
    except pa.ArrowException as error:
        raise JobUsageError(f"the UDF must be called with {allowed}: {error}") from error
    # Of a batch that has only nulls.
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array
