"""The embed task: vectors of texts, images and PDFs, also in the context of their document."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pyarrow as pa
from jina_client import AsyncJinaClient, Embeddings, JinaError
from jina_client.integration import Role, check_embedder, check_multi_vector_embedder, find_model, takes_images

from .errors import JobError, JobUsageError
from .inputs import Record
from .outputs.choice import Encoding
from .outputs.files import VECTOR
from .rows import Outcome, Row
from .tasks import (
    CALLS,
    METHODS,
    FailureCount,
    check_kept,
    distinct_columns,
    facts_of,
    in_groups,
    in_order,
    input_of,
    key_error,
    new_row,
    reason,
    tokens_of,
)

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
MULTI_VECTOR_ENCODINGS: tuple[Encoding, ...] = ("float32", "float16")
SCALE = "scale"
# Documents among which one that comes back is noticed.
_REMEMBERED = 100_000
# Rows of one call for multi-vectors, which are large.
_GROUP = 32


@dataclass(frozen=True, kw_only=True)
class EmbedTask:
    """Embed one vector per row.

    Args:
        model: the model's id.
        text_column: the column with texts.
        image_column: the column with images: paths, URLs, data URIs or bytes. A row has a text or an image.
        id_column: the column with ids; by default the number of the row.
        group_column: the column that says which document a row belongs to. The rows of one document must follow each
            other; each is embedded in the context of the others (late chunking).
        keep: columns to copy to the output.
        task: the adapter, such as ``retrieval.query``; by default the model's own for documents.
        dimensions: the length of the vectors; by default the model's full length.
        truncate: cut texts longer than the model's context; by default the service rejects them.
        multi_vectors: ask for one vector per token, of a model that gives either kind.
        input_type: ``query`` or ``document``, for multi-vectors.
        encoding: ``float32``; ``float16``; ``int8``, to be multiplied by ``scale``, a column of its own; or
            ``binary``, one bit per dimension in bytes.
        batch_size: rows per request.
        concurrency: the most documents in flight, with ``group_column``.

    Raises:
        JobUsageError: options that do not go together.
    """

    model: str
    text_column: str | None = None
    image_column: str | None = None
    id_column: str | None = None
    group_column: str | None = None
    keep: tuple[str, ...] = ()
    task: str | None = None
    dimensions: int | None = None
    truncate: bool | None = None
    multi_vectors: bool = False
    input_type: Role = "document"
    encoding: Encoding = "float32"
    batch_size: int | None = None
    concurrency: int = CALLS
    name = "embed"

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise JobUsageError(f"--encoding must be one of {', '.join(ENCODINGS)}, got {self.encoding!r}")
        if self.text_column is None and self.image_column is None:
            raise JobUsageError("pass --text-column, --image-column or both")
        if self.image_column is not None and find_model(self.model) and not takes_images(self.model):
            raise JobUsageError(f"--image-column needs a model that takes images, and {self.model} takes texts only")
        if self.group_column is not None and self.image_column is not None:
            raise JobUsageError("--group-column is for texts: leave --image-column out")
        if self.gives_multi_vectors and (self.group_column or self.encoding not in MULTI_VECTOR_ENCODINGS):
            raise JobUsageError(
                f"{self.model} gives one vector per token: leave --group-column out, and choose --encoding float32 or "
                "float16"
            )
        known = find_model(self.model)
        if self.gives_multi_vectors and self.task and known and not known.tasks:
            raise JobUsageError(f"{self.model} has no tasks: leave --task out")
        check_kept(self.keep, VECTOR, SCALE)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the job reads."""
        return distinct_columns(self.text_column, self.image_column, self.id_column, self.group_column, *self.keep)

    def facts(self) -> dict[str, Any]:
        """Return what the vectors depend on."""
        return facts_of(self) | {"multi_vectors": self.gives_multi_vectors}

    def check(self, service: str | None) -> None:
        """Raise JinaInputError for a model or an option that cannot work; ``service`` is the API's root."""
        options = self._multi_vector_options if self.gives_multi_vectors else self._options
        options = {**options, "batch_size": self.batch_size}
        model, task = options.pop("model"), options.pop("task")
        if self.gives_multi_vectors:
            check_multi_vector_embedder(model, service, METHODS, task=task, **options)
        else:
            late_chunking = self.group_column is not None
            check_embedder(model, service, METHODS, document_task=task, late_chunking=late_chunking, **options)

    @property
    def result_types(self) -> dict[str, pa.DataType]:
        """The result columns and their types. Vectors have a fixed size if the model's is known."""
        number = {"float16": pa.float16(), "int8": pa.int8()}.get(self.encoding, pa.float32())
        if self.gives_multi_vectors:
            return {VECTOR: pa.list_(pa.list_(number))}
        known = find_model(self.model)
        width = self.dimensions or (known.dimensions if known else -1)
        if self.encoding == "binary":
            return {VECTOR: pa.binary(-(-width // 8) if width > 0 else -1)}
        scale = {SCALE: pa.float32()} if self.encoding == "int8" else {}
        return {VECTOR: pa.list_(number, width), **scale}

    def row(self, record: Record) -> Row:
        """Return a record as a row."""
        row = new_row(record, self.id_column, self.keep)
        if not row.error:
            row.value, row.error = input_of(record, self.model, self.text_column, self.image_column)
        if self.group_column is not None:
            row.group = record.values.get(self.group_column)
            row.error = row.error or key_error(row.group, self.group_column)
        return row

    async def outcomes(self, client: AsyncJinaClient, rows: AsyncIterator[Row]) -> AsyncIterator[Outcome]:
        """Embed rows, and yield their vectors."""
        if self.gives_multi_vectors:
            stream = self._multi_vectors(client, rows)
        else:
            stream = self._independent(client, rows) if self.group_column is None else self._documents(client, rows)
        async with aclosing(stream) as outcomes:  # type: ignore[type-var]
            async for outcome in outcomes:
                yield outcome

    @property
    def gives_multi_vectors(self) -> bool:
        """Whether the job makes one vector per token, and not one per row."""
        known = find_model(self.model)
        only = known is not None and "embeddings" not in known.endpoints and "multi-vector" in known.endpoints
        return only or self.multi_vectors

    @property
    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "model": self.model,
            "task": self.task,
            "dimensions": self.dimensions,
            "truncate": self.truncate,
        }
        if self.encoding == "binary":
            options["embedding_type"] = "ubinary"
        return options

    @property
    def _multi_vector_options(self) -> dict[str, Any]:
        return {**self._options, "input_type": self.input_type}

    async def _independent(self, client: AsyncJinaClient, rows: AsyncIterator[Row]) -> AsyncIterator[Outcome]:
        waiting: deque[Row] = deque()

        async def values() -> AsyncIterator[Any]:
            async for row in rows:
                waiting.append(row)
                if not row.error:
                    yield row.value

        stream = client.embed_stream(values(), on_error="return", batch_size=self.batch_size, **self._options)
        async with aclosing(stream) as results:  # type: ignore[type-var]
            async for start, embeddings in results:
                own = embeddings.input_indices
                count = len(embeddings if own is None else set(own.tolist())) + len(embeddings.failed)
                rows_done = _take(waiting, count)
                sent = [row for row in rows_done if not row.error]
                for index, error in embeddings.failed.items():
                    sent[index - start].error = reason(error)
                yield self._outcome(rows_done, sent, start, embeddings)
        if waiting:
            yield Outcome(list(waiting))

    def _outcome(self, rows: list[Row], sent: list[Row], start: int, embeddings: Embeddings) -> Outcome:
        repeats = None
        if embeddings.input_indices is not None:
            done = {start + index: None for index, row in enumerate(sent) if not row.error}
            places = {index: place for place, index in enumerate(done)}
            repeats = [places[index] for index in embeddings.input_indices.tolist()]
            if repeats == list(range(len(done))):
                repeats = None
        return Outcome(rows, self._columns(embeddings.vectors), repeats, embeddings.usage.total_tokens)

    async def _multi_vectors(self, client: AsyncJinaClient, rows: AsyncIterator[Row]) -> AsyncIterator[Outcome]:
        counted = FailureCount()
        options = {**self._multi_vector_options, "batch_size": self.batch_size}

        async def call(unit: list[Row]) -> Outcome:
            sent = [row for row in unit if not row.error]
            if not sent:
                return Outcome(unit)
            try:
                result = await client.embed_multi_vector([row.value for row in sent], on_error="return", **options)
            except JinaError as error:
                counted.check(error)
                for row in sent:
                    row.error = reason(error)
                return Outcome(unit)
            for index, cause in result.failed.items():
                if len(result.failed) == len(sent):
                    counted.check(cause)
                sent[index].error = reason(cause)
            if len(result):
                counted.succeeded()
            return Outcome(unit, self._matrices(result.vectors), None, result.usage.total_tokens)

        async for outcome in in_order(in_groups(rows, self.batch_size or _GROUP), call, self.concurrency):
            yield outcome

    def _matrices(self, matrices: Sequence[np.ndarray[Any, Any]]) -> dict[str, pa.Array]:
        if not len(matrices):
            return {}
        tokens = encoded(np.concatenate(matrices), self.encoding)[VECTOR]
        starts = np.cumsum([0, *map(len, matrices)])
        return {VECTOR: pa.ListArray.from_arrays(pa.array(starts, pa.int32()), tokens)}

    async def _documents(self, client: AsyncJinaClient, rows: AsyncIterator[Row]) -> AsyncIterator[Outcome]:
        counted = FailureCount()

        async def call(document: list[Row]) -> Outcome:
            sent = [row for row in document if not row.error]
            if not sent:
                return Outcome(document)
            try:
                (embeddings,) = await client.embed_chunked([[row.value for row in sent]], **self._options)
            except JinaError as error:
                counted.check(error)
                for row in sent:
                    row.error = reason(error)
                return Outcome(document, tokens=tokens_of(error))
            counted.succeeded()
            return Outcome(document, self._columns(embeddings.vectors), None, embeddings.usage.total_tokens)

        async for outcome in in_order(documents_of(rows), call, self.concurrency):
            yield outcome

    def _columns(self, vectors: np.ndarray[Any, Any]) -> dict[str, pa.Array]:
        return encoded(vectors, self.encoding)


def encoded(vectors: np.ndarray[Any, Any], encoding: Encoding) -> dict[str, pa.Array]:
    """Return vectors as the columns of an encoding.

    Args:
        vectors: float32 of shape ``(n, dims)``; for ``binary`` the ubinary bytes.
        encoding: how to store them.
    """
    width = vectors.shape[1]
    if encoding == "binary":
        content = np.ascontiguousarray(vectors, np.uint8)
        array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(content), [None, pa.py_buffer(content)])
        return {VECTOR: array}
    columns = {}
    if encoding == "int8":
        largest = np.abs(vectors).max(axis=1, initial=0.0) / 127
        columns[SCALE] = pa.array(largest.astype(np.float32))
        vectors = np.rint(vectors / np.where(largest > 0, largest, 1)[:, None]).astype(np.int8)
    elif encoding == "float16":
        vectors = vectors.astype(np.float16)
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    return {VECTOR: pa.FixedSizeListArray.from_arrays(flat, width), **columns}


async def documents_of(rows: AsyncIterator[Row]) -> AsyncIterator[list[Row]]:
    """Yield the rows of one document after the other. Broken rows belong to the document before them."""
    document: list[Row] = []
    group: Any = None
    earlier: dict[Any, None] = {}
    async for row in rows:
        if document and not row.error and group is not None and row.group != group:
            yield document
            earlier[group] = None
            if len(earlier) > _REMEMBERED:
                del earlier[next(iter(earlier))]
            document, group = [], None
        if not row.error and not row.again and row.group in earlier:
            raise JobError(
                f"{row.place}: the document {row.group!r} has rows that do not follow each other, and late chunking "
                "reads a document as a whole: sort the input by the group column"
            )
        if not row.error:
            group = row.group
        document.append(row)
    if document:
        yield document


def _take(waiting: deque[Row], count: int) -> list[Row]:
    """Take rows until so many of them were sent; broken ones between them come along."""
    rows: list[Row] = []
    while count:
        row = waiting.popleft()
        rows.append(row)
        count -= not row.error
    return rows
