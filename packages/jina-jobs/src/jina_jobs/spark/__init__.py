"""Spark: functions that add vectors, rankings and labels to a DataFrame, and the same as pandas UDFs.

The functions check their options and columns at once, on the driver. Like every transformation they send nothing before
an action runs, and each action on the result sends everything again: write or persist the result first.

Example:
    >>> from jina_jobs.spark import embed
    >>> embed(passages, column="text", model="jina-embeddings-v3").write.parquet("vectors.parquet")
"""

try:
    import pandas  # noqa: F401 - pyspark needs it for every function that works on Arrow data
    import pyspark  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'jina_jobs.spark needs {error.name}, which is not installed: pip install "jina-jobs[spark]"', name=error.name
    ) from error

from .frames import classify, embed, embed_multi_vector, rerank
from .limits import DriverLimits
from .running import SparkOptions, UsageCounter
from .udfs import classify_udf, embed_multi_vector_udf, embed_udf, rerank_udf

__all__ = [
    "DriverLimits",
    "SparkOptions",
    "UsageCounter",
    "classify",
    "classify_udf",
    "embed",
    "embed_multi_vector",
    "embed_multi_vector_udf",
    "embed_udf",
    "rerank",
    "rerank_udf",
]
