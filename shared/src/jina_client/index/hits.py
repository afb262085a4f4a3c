"""What a search finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Hit:
    """One result of a search.

    Attributes:
        id: the caller's own.
        score: the dot product with the query (the cosine for vectors of length 1), or MaxSim; larger is nearer.
        payload: what was given with the vector, or ``None``.
    """

    id: str | int
    score: float
    payload: Any = None
