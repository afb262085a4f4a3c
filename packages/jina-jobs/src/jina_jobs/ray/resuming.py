"""Datasets without the rows that an earlier run has written."""

from __future__ import annotations

from os import PathLike
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray
from pyarrow import fs
from ray.data import Dataset

from ..errors import JobError


def without_finished(dataset: Dataset, folder: str | PathLike[str], id_column: str) -> Dataset:
    """Return a dataset without the rows whose ids are in the Parquet files of a folder.

    Args:
        dataset: the rows.
        folder: a path or an address that pyarrow understands, such as ``s3://bucket/vectors``; it need not exist.
        id_column: the column with a unique id for each row, in the dataset and in the files.

    Raises:
        JobError: a file that is not complete, or has no ids.
    """
    finished = _ids(str(folder), id_column)
    if not len(finished):
        return dataset
    return dataset.map_batches(
        _unfinished,
        batch_size=None,
        batch_format="pyarrow",
        fn_kwargs={"finished": ray.put(finished), "id_column": id_column},
    )


def _unfinished(table: pa.Table, *, finished: Any, id_column: str) -> pa.Table:
    ids = table.column(id_column)
    if ids.null_count:
        raise JobError(f"column {id_column!r} has {ids.null_count} nulls: resume= needs an id for each row")
    return table.filter(pc.invert(pc.is_in(ids, value_set=ray.get(finished).cast(ids.type))))


def _ids(folder: str, id_column: str) -> pa.Array:
    filesystem, path = fs.FileSystem.from_uri(folder) if "://" in folder else (fs.LocalFileSystem(), folder)
    files = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))
    parts = []
    for file in sorted(each.path for each in files if each.path.endswith(".parquet")):
        try:
            parts.append(pq.read_table(file, columns=[id_column], filesystem=filesystem, partitioning=None))
        except (pa.ArrowException, OSError) as error:
            raise JobError(
                f"{file} is not a complete Parquet file ({error}): the run that wrote it was interrupted. Delete it, "
                "and its rows are sent again"
            ) from error
        if id_column not in parts[-1].column_names:
            raise JobError(f"{file} has no column {id_column!r}: resume= needs the output of the same job")
    return pa.concat_tables(parts).column(id_column).combine_chunks() if parts else pa.nulls(0)
