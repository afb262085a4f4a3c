"""Chunks in a flat list, grouped by their documents for late chunking, and the results back in their order."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from ..errors import JinaError, JinaInputError, PartialFailureError
from ..options import OnError
from ..results import Embeddings, Usage
from .roles import no_embeddings


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
