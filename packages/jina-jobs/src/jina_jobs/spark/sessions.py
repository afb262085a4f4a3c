"""The driver and the cores of a session."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from ..errors import JobUsageError


def spark_context(spark: SparkSession, what: str) -> Any:
    """Return the context of a session.

    Raises:
        JobUsageError: a session of Spark Connect, which has none; ``what`` needs it.
    """
    try:
        return spark.sparkContext
    except Exception as error:
        raise JobUsageError(f"{what} needs a session on the driver, and Spark Connect has none") from error


def tasks_at_once(spark: SparkSession) -> int:
    """Return the number of tasks that all cores of the session run at the same time."""
    context = spark_context(spark, "a limit without concurrency=")
    cores: int = context.defaultParallelism
    return max(1, cores // int(context.getConf().get("spark.task.cpus", "1")))
