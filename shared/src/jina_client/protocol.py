"""The wire protocol without any I/O: a validated request to a JSON body, a JSON body to numbers.

Fields follow Jina's published OpenAPI description. Float vectors travel as base64 (little-endian float32): a quarter of
the bytes of JSON numbers and a twentieth of the time to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pybase64
from numpy.typing import NDArray

from .errors import JinaConnectionError, JinaInputError, JinaResponseError
from .models import EMBEDDING_TYPES, EmbeddingType, Endpoint, Model, canonical_id, find_model, models_for
from .results import Usage

_FLOATS = ("float", "base64")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """The validated options of an embedding call; the inputs come batch by batch."""

    model: str
    embedding_type: EmbeddingType
    fields: Mapping[str, Any]
    row: Model | None = field(repr=False)
    width: int | None

    @classmethod
    def build(
        cls,
        *,
        model: str,
        task: str | None,
        dimensions: int | None,
        late_chunking: bool,
        embedding_type: EmbeddingType,
        normalized: bool | None,
        truncate: bool | None,
    ) -> EmbedRequest:
        """Check every option against the model's row of the catalogue.

        Raises:
            JinaInputError: an option that the model does not take, or a value that it does not allow.
        """
        name, row = _model(model, "embeddings")
        if embedding_type not in EMBEDDING_TYPES:
            raise JinaInputError(f"embedding_type must be one of {', '.join(EMBEDDING_TYPES)}, got {embedding_type!r}")
        for flag, value in (("late_chunking", late_chunking), ("normalized", normalized), ("truncate", truncate)):
            if value is not None and not isinstance(value, bool):
                raise JinaInputError(f"{flag} must be True or False, got {value!r}")
        given: dict[str, Any] = {
            "task": _task(row, task),
            "dimensions": _dimensions(row, dimensions),
            "late_chunking": late_chunking or None,
            # The service's own default has been described both ways, so it is always said.
            "normalized": True if normalized is None and row and "normalized" in row.fields else normalized,
            "truncate": truncate,
        }
        fields = _taken(row, given)
        full = dimensions or (row.dimensions if row else None)
        width = full if full is None or embedding_type in _FLOATS else -(-full // 8)
        return cls(model=name, embedding_type=embedding_type, fields=fields, row=row, width=width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of the vectors."""
        names: dict[EmbeddingType, str] = {"binary": "int8", "ubinary": "uint8"}
        return np.dtype(names.get(self.embedding_type, "float32"))

    def encode(self, inputs: Sequence[Any]) -> bytes:
        """The JSON body that asks for the vectors of these inputs."""
        wire_type = "base64" if self.embedding_type in _FLOATS else self.embedding_type
        return orjson.dumps({"model": self.model, "embedding_type": wire_type, **self.fields, "input": inputs})

    def decode(self, body: Mapping[str, Any], batch: range) -> NDArray[Any]:
        """The vectors of an answer, one row for each input, in the order of the inputs.

        Args:
            body: the answer.
            batch: the indices, in the caller's own list, of the inputs that were sent.

        Raises:
            JinaResponseError: a wrong count, a missing or repeated index, a wrong length, a number that is not finite.
        """
        items = _placed(body.get("data"), len(batch), "data", "vectors")
        vectors: NDArray[Any] | None = None
        for row, (index, item) in enumerate(zip(batch, items, strict=True)):
            vector = self._vector(item.get("embedding"), index)
            if vectors is None:
                vectors = np.empty((len(batch), self.width or len(vector)), self.dtype)
            if vector.shape != vectors.shape[1:]:
                raise JinaResponseError(
                    f"the vector of input {index} has length {len(vector)}, expected {vectors.shape[1]}"
                )
            vectors[row] = vector
        assert vectors is not None
        if vectors.dtype.kind == "f" and not (finite := np.isfinite(vectors).all(axis=1)).all():
            raise JinaResponseError(f"the vector of input {batch[int(finite.argmin())]} holds a NaN or an infinity")
        return vectors

    def _vector(self, value: Any, index: int) -> NDArray[Any]:
        try:
            if self.embedding_type in _FLOATS:
                if isinstance(value, str):
                    return np.frombuffer(pybase64.b64decode(value, validate=True), "<f4")
                return _numbers(value).astype(np.float32)
            codes = _numbers(value)
            low, high = (-128, 127) if self.embedding_type == "binary" else (0, 255)
            if not ((codes >= low) & (codes <= high) & (codes == np.rint(codes))).all():
                raise ValueError(f"numbers outside {low} to {high}")
            return codes.astype(self.dtype)
        except (ValueError, TypeError) as error:
            raise JinaResponseError(f"the vector of input {index} cannot be read: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest:
    """A validated rerank call."""

    model: str
    query: str
    top_n: int | None
    fields: Mapping[str, Any]

    @classmethod
    def build(
        cls, *, model: str, query: str, top_n: int | None, truncation: bool | None, max_doc_length: int | None
    ) -> RerankRequest:
        """Check every option against the model's row of the catalogue.

        Raises:
            JinaInputError: an option that the model does not take, or a value that it does not allow.
        """
        name, row = _model(model, "rerank")
        if top_n is not None and (isinstance(top_n, bool) or not isinstance(top_n, int) or top_n < 1):
            raise JinaInputError(f"top_n must be a whole number of 1 or more, or None for all documents, got {top_n!r}")
        if truncation is not None and not isinstance(truncation, bool):
            raise JinaInputError(f"truncation must be True or False, got {truncation!r}")
        if max_doc_length is not None and not (isinstance(max_doc_length, int) and 1 <= max_doc_length <= 8192):
            raise JinaInputError(f"max_doc_length must be 1 to 8192 tokens, got {max_doc_length!r}")
        fields = _taken(row, {"truncation": truncation, "max_doc_length": max_doc_length})
        return cls(model=name, query=query, top_n=top_n, fields=fields)

    def encode(self, documents: Sequence[Any]) -> bytes:
        """The JSON body. The documents are not asked back: the caller has them."""
        body: dict[str, Any] = {"model": self.model, "query": self.query, "documents": documents, **self.fields}
        if self.top_n is not None:
            body["top_n"] = min(self.top_n, len(documents))
        return orjson.dumps({**body, "return_documents": False})

    def decode(self, body: Mapping[str, Any], count: int) -> list[tuple[int, float]]:
        """``(index, relevance_score)`` from the highest score down; equal scores in the order of the documents.

        Raises:
            JinaResponseError: a wrong count, a missing, repeated or impossible index, a score that is not finite.
        """
        results = body.get("results")
        expected = count if self.top_n is None else min(self.top_n, count)
        if not isinstance(results, list) or len(results) != expected:
            found = len(results) if isinstance(results, list) else "no list of"
            raise JinaResponseError(f"expected {expected} results, got {found}")
        scores: dict[int, float] = {}
        for item in results:
            index, score = (item.get("index"), item.get("relevance_score")) if isinstance(item, dict) else (None, None)
            if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count or index in scores:
                raise JinaResponseError(f"a result has index {index!r}, expected each of 0 to {count - 1} at most once")
            if isinstance(score, bool) or not isinstance(score, (int, float)) or not np.isfinite(score):
                raise JinaResponseError(f"document {index} has relevance_score {score!r}, expected a number")
            scores[index] = float(score)
        return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a successful answer.

    Raises:
        JinaConnectionError: the body is cut short, which another try may mend.
        JinaResponseError: the body is no JSON object.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        if not body.strip() or body.lstrip()[:1] in b"{[":
            raise JinaConnectionError(
                f"the answer broke off after {len(body)} bytes: its JSON is not complete"
            ) from None
        raise JinaResponseError(
            f"the answer is no JSON (it begins with {body[:60]!r}): is base_url the root of an API?"
        ) from None
    if not isinstance(parsed, dict):
        raise JinaResponseError(f"the answer is a JSON {type(parsed).__name__}, expected an object")
    return parsed


def usage_of(body: Mapping[str, Any]) -> Usage:
    """The tokens of an answer; a service that does not count gives zero."""
    sent = body.get("usage")
    counts = sent if isinstance(sent, dict) else {}
    total, prompt = counts.get("total_tokens"), counts.get("prompt_tokens")
    total = total if isinstance(total, int) else prompt if isinstance(prompt, int) else 0
    return Usage(total, prompt if isinstance(prompt, int) else total)


def model_of(body: Mapping[str, Any], asked: str) -> str:
    """The model that an answer names, else the one that was asked for."""
    named = body.get("model")
    return named if isinstance(named, str) and named else asked


def _model(model: Any, endpoint: Endpoint) -> tuple[str, Model | None]:
    if not isinstance(model, str) or not model.strip():
        raise JinaInputError(f"model must be a model id such as {models_for(endpoint)[0].id!r}, got {model!r}")
    row = find_model(model)
    if row is not None and endpoint not in row.endpoints:
        allowed = ", ".join(known.id for known in models_for(endpoint))
        raise JinaInputError(
            f"{row.id} is a model for {' and '.join(row.endpoints)}, not {endpoint}; use one of: {allowed}"
        )
    return (row.id if row else canonical_id(model)), row


def _task(row: Model | None, task: str | None) -> str | None:
    if row is None:
        return task
    if task is None:
        # Without a task, jina-embeddings-v3 would run without its adapters; documents are what is embedded most.
        return row.task_for("document")
    if not row.tasks:
        raise JinaInputError(f"{row.id} has no tasks: leave task out (got {task!r})")
    if task not in row.tasks:
        raise JinaInputError(f"{row.id} has no task {task!r}; it has: {', '.join(row.tasks)}")
    return task


def _dimensions(row: Model | None, dimensions: int | None) -> int | None:
    if dimensions is None:
        return None
    if isinstance(dimensions, bool) or not isinstance(dimensions, int) or dimensions < 1:
        raise JinaInputError(f"dimensions must be a whole number of 1 or more, got {dimensions!r}")
    if row and "dimensions" not in row.fields:
        raise JinaInputError(
            f"{row.id} always gives {row.dimensions} dimensions: leave dimensions out (got {dimensions})"
        )
    if row and not row.allows_dimensions(dimensions):
        raise JinaInputError(f"{row.id} gives {row.allowed_dimensions} dimensions, got {dimensions}")
    return dimensions


def _taken(row: Model | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that were given, all of them fields that the model takes."""
    fields = {name: value for name, value in given.items() if value is not None}
    for name in fields:
        if row and name not in row.fields:
            raise JinaInputError(f"{row.id} does not take {name}; it takes: {', '.join(sorted(row.fields)) or 'none'}")
    return fields


def _placed(items: Any, count: int, name: str, what: str) -> list[Mapping[str, Any]]:
    """Items in the order of their ``index``; in the order they came where no item has one."""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise JinaResponseError(f"the answer has no list of objects in {name!r}")
    if len(items) != count:
        raise JinaResponseError(f"expected {count} {what}, got {len(items)}")
    indices = [item.get("index") for item in items]
    if all(index is None for index in indices):
        return items
    placed: list[Mapping[str, Any] | None] = [None] * count
    for index, item in zip(indices, items, strict=True):
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count or placed[index] is not None:
            raise JinaResponseError(f"{name!r} has index {index!r}, expected each of 0 to {count - 1} once")
        placed[index] = item
    return placed  # type: ignore[return-value]


def _numbers(value: Any) -> NDArray[np.float64]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list of numbers, got {type(value).__name__}")
    if not all(type(number) in (int, float) for number in value):
        raise ValueError("the list holds something that is no number")
    return np.array(value, dtype=np.float64)
