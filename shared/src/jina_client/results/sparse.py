"""Sparse vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .sequence import ResultSequence
from .usage import Usage


@dataclass(frozen=True, slots=True)
class SparseEmbeddings(ResultSequence[dict[str, float]]):
    """Weighted tokens of each input, in the order of the inputs.

    Attributes:
        vectors: one dictionary from token to weight per input.
        usage: tokens counted by the service.
        model: the model that the service used.
    """

    vectors: Sequence[dict[str, float]] = field(repr=False)
    usage: Usage
    model: str

    def _values(self) -> Sequence[dict[str, float]]:
        return self.vectors
