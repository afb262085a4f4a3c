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
    """The state of a batch job; times are ISO 8601 as the service writes them.

    Attributes:
        id: what to ask for it by.
        status: see ``is_finished``.
        model: the embedding model.
        error: why the job failed as a whole.
        output_url, error_file_url: where the files can be fetched until ``expires_at``; they hold a signature.
        total, completed, failed: numbers of inputs.
        usage: the tokens counted.
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
        """Whether its status will not change any more."""
        return self.status not in ("pending", "processing")


@dataclass(frozen=True, slots=True)
class BatchOutput:
    """The lines of a batch job's output, as the service wrote them.

    Attributes:
        lines: one object for each input that was embedded, each with its ``custom_id``.
    """

    lines: tuple[Mapping[str, Any], ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.lines)

    def vectors(self) -> dict[str, NDArray[np.float32]]:
        """The vectors by ``custom_id``, in the order of the lines.

        The form of a line is not published. Read are ``{"custom_id", "embedding"}``, an embeddings answer
        (``{"custom_id", "data": […]}``), and either of them under ``body``, ``response`` or ``response.body``.

        Raises:
            JinaResponseError: a line of another form, or an id that comes twice.
        """
        found: dict[str, NDArray[np.float32]] = {}
        for number, line in enumerate(self.lines):
            name, values = line.get("custom_id"), _embedding(line)
            if not isinstance(name, str) or name in found:
                raise JinaResponseError(f"line {number} of the output has custom_id {name!r}, expected a new string")
            try:
                vector = np.array(values, dtype=np.float32)
            except (TypeError, ValueError):
                vector = np.empty(0, np.float32)
            if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all():
                raise JinaResponseError(f"the output of {name!r} holds no embedding that can be read; see lines")
            found[name] = vector
        return found


def _embedding(line: Mapping[str, Any]) -> Any:
    """The embedding in a line of a batch job's output, wherever it stands."""
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
