"""One search result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result.

    Attributes:
        id: the id that the caller added the vector with.
        score: the dot product with the query (the cosine if both have length 1), or MaxSim; larger is nearer.
        payload: the JSON value that the caller added with the vector, or ``None``.
    """

    id: str | int
    score: float
    payload: Any = None
