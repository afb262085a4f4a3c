"""Output files: Parquet, numpy arrays with ids, and JSON lines. Each gets its name when it is complete."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import JobError, JobUsageError
from ..rows import converted
from .choice import Encoding, without_row

VECTOR = "embedding"
# Bytes of one row group.
_ROW_GROUP = 32 * 2**20
_IDS = ".ids.jsonl"


class FileOutput:
    """A file, and for ``.npy`` a second one with ids and kept columns.

    Args:
        path: the file.
    """

    takes_parts = False

    def __init__(self, path: Path) -> None:
        self.state = path
        self._suffix = path.suffix.lower()
        self._facts: dict[str, Any] = {}

    def accept(self, encoding: Encoding) -> Encoding:
        """Return the encoding: files store each."""
        return encoding

    def describe(self) -> str:
        """Return the path."""
        return str(self.state)

    def exists(self) -> bool:
        """Return whether the file, or the one with the ids, is there."""
        return any(path.exists() for path in self._paths())

    def remove(self) -> None:
        """Remove the file."""
        for path in self._paths():
            path.unlink(missing_ok=True)

    def start(self, facts: Mapping[str, Any]) -> None:
        """Check that the folder can be written."""
        self._facts = {name: value for name, value in facts.items() if value is not None}
        if self._suffix == ".npy" and "encoding" not in facts:
            raise JobUsageError(f"the output {self.state} is for vectors: choose .parquet or .jsonl")
        if self._suffix == ".npy" and facts.get("multi_vectors"):
            raise JobUsageError(f"the output {self.state} has one vector per row: choose .parquet or .jsonl")
        if self.state.is_dir():
            raise JobError(f"the output {self.state} is a folder: pass the name of a file")
        try:
            self.state.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JobError(f"cannot create the folder {self.state.parent}: {error.strerror}") from error
        if not os.access(self.state.parent, os.W_OK):
            raise JobError(f"the folder {self.state.parent} cannot be written: choose another output")

    def write(self, batch: pa.RecordBatch) -> None:
        """Do nothing: the journal has the results until the end."""

    def finish(self, schema: pa.Schema | None, batches: Iterable[pa.RecordBatch], count: int) -> list[dict[str, Any]]:
        """Write the file under a temporary name, then rename it."""
        own = schema or pa.schema([("row", pa.int64()), ("id", pa.int64()), (VECTOR, pa.list_(pa.float32()))])
        if self._suffix == ".parquet":
            own = pa.schema([field if _has_fields(field.type) else pa.field(field.name, pa.string()) for field in own])
        parts = (without_row(converted(batch, own)) for batch in batches)
        shown = own.remove(own.get_field_index("row"))
        with ExitStack() as stack:
            files = [stack.enter_context(_replaced(path)) for path in self._paths()]
            if self._suffix == ".npy":
                _write_numpy(files[0], files[1], shown, parts, count)
            elif self._suffix == ".parquet":
                _write_parquet(files[0], shown.with_metadata({"jina_jobs": orjson.dumps(self._facts)}), parts)
            else:
                _write_lines(files[0], parts, compress=self._suffix == ".gz")
        return [
            {"path": str(path), "bytes": file.size, "sha256": file.digest.hexdigest()}
            for path, file in zip(self._paths(), files, strict=True)
        ]

    def close(self) -> None:
        """Do nothing."""

    def _paths(self) -> list[Path]:
        ids = self.state.with_name(self.state.stem + _IDS)
        return [self.state, ids] if self._suffix == ".npy" else [self.state]


class _Hashing(io.RawIOBase):
    """A file that computes the digest of what is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._file.write(content)
        self.digest.update(content)
        size = memoryview(content).nbytes
        self.size += size
        return size

    def tell(self) -> int:
        return self.size


@contextmanager
def _replaced(path: Path) -> Iterator[_Hashing]:
    """Open a temporary file, and give it its name once it is complete and on the disk."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            hashing = _Hashing(file)
            yield hashing
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise JobError(
            f"cannot write {path}: {error.strerror or error}. All results are safe: make room, then run with --resume"
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _has_fields(kind: pa.DataType) -> bool:
    """Return whether all structs of a type have fields. Parquet has no type for others, such as empty JSON objects."""
    if not pa.types.is_nested(kind):
        return True
    return kind.num_fields > 0 and all(_has_fields(kind.field(index).type) for index in range(kind.num_fields))


def _write_parquet(file: _Hashing, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    plain = [name for name in schema.names if name != VECTOR]
    # Vectors do not compress, and no two are alike.
    options: dict[str, Any] = {"use_dictionary": plain, "compression": {VECTOR: "none"} | dict.fromkeys(plain, "zstd")}
    if any(pa.types.is_nested(field.type) and field.name != VECTOR for field in schema):
        options = {"compression": "zstd"}
    elif VECTOR in schema.names and pa.types.is_nested(schema.field(VECTOR).type):
        options["compression"] = dict.fromkeys(plain, "zstd")
        options["use_dictionary"] = plain
    with pq.ParquetWriter(file, schema, **options) as writer:
        group: list[pa.RecordBatch] = []
        for batch in batches:
            group.append(batch)
            if sum(each.nbytes for each in group) >= _ROW_GROUP:
                writer.write_table(pa.Table.from_batches(group, schema))
                group = []
        if group:
            writer.write_table(pa.Table.from_batches(group, schema))


def _write_numpy(
    file: _Hashing, ids: _Hashing, schema: pa.Schema, batches: Iterable[pa.RecordBatch], count: int
) -> None:
    kind = schema.field(VECTOR).type
    is_list = pa.types.is_fixed_size_list(kind)
    dtype = kind.value_type.to_pandas_dtype() if is_list else np.uint8
    width = kind.list_size if is_list else getattr(kind, "byte_width", 0)
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": (count, width)}
    np.lib.format.write_array_header_1_0(cast(Any, file), header)
    for batch in batches:
        file.write(np.ascontiguousarray(vectors_of(batch.column(VECTOR))).data.cast("B"))
        for line in batch.drop_columns([VECTOR]).to_pylist():
            ids.write(_line(line))


def _write_lines(file: _Hashing, batches: Iterable[pa.RecordBatch], *, compress: bool) -> None:
    with ExitStack() as stack:
        write: Callable[[bytes], Any] = file.write
        if compress:
            write = stack.enter_context(
                gzip.GzipFile(fileobj=cast(Any, file), mode="wb", compresslevel=6, mtime=0)
            ).write
        for batch in batches:
            has_vectors = VECTOR in batch.schema.names and not pa.types.is_list(batch.schema.field(VECTOR).type)
            if not has_vectors:
                write(b"".join(map(_line, batch.to_pylist())))
                continue
            vectors = vectors_of(batch.column(VECTOR))
            vectors = vectors.astype(np.float32) if vectors.dtype == np.float16 else np.ascontiguousarray(vectors)
            others = batch.drop_columns([VECTOR]).to_pylist()
            write(b"".join(_line({**line, VECTOR: row}) for line, row in zip(others, vectors, strict=True)))


def vectors_of(column: pa.Array) -> np.ndarray[Any, Any]:
    """Return a column of vectors as an array of shape ``(n, dims)``, or of bytes ``(n, ceil(dims / 8))``."""
    if pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(len(column), column.type.list_size)
    width = column.type.byte_width
    content = np.frombuffer(column.buffers()[1], np.uint8)
    start = column.offset * width
    return content[start : start + len(column) * width].reshape(len(column), width)


def _line(values: Mapping[str, Any]) -> bytes:
    return orjson.dumps(values, default=_json, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return list(value)
    return str(value)
