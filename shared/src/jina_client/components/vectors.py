"""Results of embedders in the forms that frameworks need, and chunks in groups for late chunking."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import quantization
from ..errors import JinaError, JinaInputError, PartialFailureError
from ..lists import as_lists
from ..models import Role
from ..options import OnError
from ..results import Embeddings, Usage


def is_empty(items: Any) -> bool:
    """Return whether a list is empty, as frameworks pass on routinely. The client rejects anything else."""
    return isinstance(items, (list, tuple)) and not items


def no_embeddings(model: str) -> Embeddings:
    """Return the result for an empty list."""
    return Embeddings(np.empty((0, 0), np.float32), Usage(), model)


def to_lists(embeddings: Embeddings, dimensions: int | None) -> list[list[float]]:
    """Return vectors as lists of floats; bits as a 0.0 or 1.0 for each dimension.

    Args:
        embeddings: the vectors.
        dimensions: how many dimensions bits stand for, if the number is not a multiple of 8.
    """
    vectors = embeddings.vectors
    if vectors.dtype.kind == "f":
        return embeddings.tolist()
    return as_lists(quantization.unpack(vectors, dimensions).astype(np.float32))


def embedding_identity(base_url: str, model: str, role: Role, options: Mapping[str, Any]) -> str:
    """Return a name that consists of the service, the model, the role, and every option that vectors depend on."""
    fields = {"url": base_url, "role": role, "model": model, "embedding_type": "float", **options}
    fields.pop("show_progress", None)
    return json.dumps(fields, sort_keys=True)


def chunks_by_document(documents: Sequence[Hashable | None]) -> list[list[int]]:
    """Return the indices of each document's chunks, documents in the order of their first chunk."""
    groups: dict[Hashable, list[int]] = {}
    for index, document in enumerate(documents):
        key = ("document", document) if document is not None else ("chunk", index)
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def in_chunk_order(groups: Sequence[Sequence[int]], parts: Sequence[Embeddings]) -> Embeddings:
    """Return the vectors of grouped chunks in the order of the chunks."""
    first = parts[0]
    vectors = np.empty((sum(map(len, groups)), first.vectors.shape[1]), first.vectors.dtype)
    for group, part in zip(groups, parts, strict=True):
        vectors[list(group)] = part.vectors
    return Embeddings(vectors, first.usage, first.model, windows=max(part.windows for part in parts))


def failed_chunks(groups: Sequence[Sequence[int]], error: JinaError, on_error: OnError, model: str) -> Embeddings:
    """Return or raise the results of a failed call, by chunk instead of by document."""
    if isinstance(error, PartialFailureError):
        completed, failed, usage = error.completed, error.failed, error.usage or Usage()
    elif on_error == "raise" or isinstance(error, JinaInputError):
        raise error
    else:
        completed, failed, usage = {}, dict.fromkeys(range(len(groups)), error), Usage()
    vectors = {
        chunk: row
        for number, part in completed.items()
        for chunk, row in zip(groups[number], part.vectors, strict=True)
    }
    reasons = {chunk: reason for number, reason in failed.items() for chunk in groups[number]}
    if on_error == "raise":
        raise PartialFailureError(vectors, reasons, usage) from error.__cause__
    chunks = sorted(vectors)
    rows = np.stack([vectors[chunk] for chunk in chunks]) if chunks else no_embeddings(model).vectors
    return Embeddings(rows, usage, model, np.asarray(chunks, np.intp), reasons)
