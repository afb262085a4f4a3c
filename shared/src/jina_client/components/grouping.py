"""Chunks in a flat list, grouped by their documents for late chunking, and the results back in their order."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

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
    completed, failed, usage = results_so_far(error, len(groups), on_error, raise_partial=False)
    vectors = {
        chunk: row
        for number, part in completed.items()
        for chunk, row in zip(groups[number], part.vectors, strict=True)
    }
    reasons = {chunk: reason for number, reason in failed.items() for chunk in groups[number]}
    if on_error == "raise":
        raise PartialFailureError(vectors, reasons, usage) from error.__cause__
    kept = sorted(vectors)
    rows = np.stack([vectors[chunk] for chunk in kept]) if kept else no_embeddings(model).vectors
    return Embeddings(rows, usage, model, np.asarray(kept, np.intp), reasons)


def results_so_far(
    error: JinaError, count: int, on_error: OnError, *, raise_partial: bool = True
) -> tuple[Mapping[int, Any], Mapping[int, JinaError], Usage]:
    """Return what a call for ``count`` inputs completed, what failed, and its usage.

    Raises:
        JinaError: the error itself, if nothing was sent, or if ``on_error`` is ``"raise"``. With ``raise_partial``
            off, only an error that completed nothing.
    """
    if isinstance(error, PartialFailureError):
        if on_error == "raise" and raise_partial:
            raise error
        return error.completed, error.failed, error.usage or Usage()
    if on_error == "raise" or isinstance(error, JinaInputError):
        raise error
    return {}, dict.fromkeys(range(count), error), Usage()
