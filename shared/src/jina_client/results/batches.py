"""Batch jobs and their output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaResponseError
from .usage import Usage

BatchStatus = Literal["pending", "processing", "completed", "failed", "expired", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """The state of a batch job. Times are ISO 8601 strings, as the service sends them.

    Attributes:
        id: the job's id, for the other methods of ``client.batches``.
        status: the current status; see ``is_finished``.
        model: the embedding model.
        error: the reason if the job failed as a whole.
        output_url, error_file_url: addresses of the files until ``expires_at``. They contain a signature: keep them
            secret.
        total, completed, failed: numbers of inputs.
        usage: tokens counted by the service.
    """

    id: str
    status: BatchStatus
    model: str
    created_at: str | None
    completed_at: str | None
    expires_at: str | None
    error: str | None
    output_url: str | None = field(repr=False)
    error_file_url: str | None = field(repr=False)
    total: int
    completed: int
    failed: int
    usage: Usage

    @property
    def is_finished(self) -> bool:
        """Whether the status is final."""
        return self.status not in ("pending", "processing")


@dataclass(frozen=True, slots=True)
class BatchOutput:
    """The output of a batch job.

    Attributes:
        lines: one object for each embedded input, as the service wrote it, with its ``custom_id``.
    """

    lines: tuple[Mapping[str, Any], ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.lines)

    def vectors(self) -> dict[str, NDArray[np.float32]]:
        """Return the vectors by ``custom_id``, in the order of the lines.

        Jina does not publish the form of a line. This method reads ``{"custom_id", "embedding"}``, an embeddings
        response (``{"custom_id", "data": […]}``), and either of them under ``body``, ``response`` or
        ``response.body``.

        Returns:
            float32 arrays of shape ``(dims,)``.

        Raises:
            JinaResponseError: a line of another form, or a repeated id.
        """
        vectors: dict[str, NDArray[np.float32]] = {}
        for number, line in enumerate(self.lines):
            name, values = line.get("custom_id"), _embedding(line)
            if not isinstance(name, str) or name in vectors:
                raise JinaResponseError(f"line {number} of the output has custom_id {name!r}, expected a unique string")
            try:
                vector = np.array(values, dtype=np.float32)
            except (TypeError, ValueError):
                vector = np.empty(0, np.float32)
            if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all():
                raise JinaResponseError(f"the output of {name!r} has no readable embedding; see BatchOutput.lines")
            vectors[name] = vector
        return vectors


def _embedding(line: Mapping[str, Any]) -> Any:
    """Return the embedding of a line from any of the places where it may be."""
    places: list[Any] = [line, line.get("body"), line.get("response")]
    if isinstance(places[2], Mapping):
        places.append(places[2].get("body"))
    for place in places:
        if not isinstance(place, Mapping):
            continue
        data = place.get("data")
        if isinstance(data, list) and len(data) == 1 and isinstance(data[0], Mapping):
            place = data[0]
        if "embedding" in place:
            return place["embedding"]
    return None
