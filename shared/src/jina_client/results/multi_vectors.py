"""Vectors per token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from ..errors import JinaError
from ..lists import as_lists
from .sequence import ResultSequence
from .usage import Usage


@dataclass(frozen=True, slots=True, eq=False)
class MultiVectors(ResultSequence[NDArray[Any]]):
    """One vector per token of each input, in the order of the inputs.

    Attributes:
        vectors: float32 arrays of shape ``(tokens, dims)``; for ``binary`` int8 and for ``ubinary`` uint8 of shape
            ``(tokens, ceil(dims / 8))``.
        usage: tokens counted by the service.
        model: the model that the service used.
        tokens: the tokens of each input if they were requested; otherwise ``None``.
        input_indices: the index of each array's input if some inputs failed; otherwise ``None``.
        failed: the errors of inputs without vectors, by index; only with ``on_error="return"``.
    """

    vectors: Sequence[NDArray[Any]] = field(repr=False)
    usage: Usage
    model: str
    tokens: Sequence[tuple[str, ...]] | None = field(default=None, repr=False)
    input_indices: Sequence[int] | None = field(default=None, repr=False)
    failed: Mapping[int, JinaError] = field(default_factory=dict)

    def _values(self) -> Sequence[NDArray[Any]]:
        return self.vectors

    def tolist(self) -> list[list[list[float]]]:
        """Return the vectors as lists of lists of Python numbers."""
        return [as_lists(matrix) for matrix in self.vectors]
