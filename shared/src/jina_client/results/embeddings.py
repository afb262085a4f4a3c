"""Dense vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaError
from ..lists import Lists, as_lists
from .usage import Usage


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """One vector for each input, in the order of the inputs.

    Attributes:
        vectors: float32 of shape ``(n, dims)``; for ``binary`` int8 and for ``ubinary`` uint8 of shape
            ``(n, ceil(dims / 8))``.
        usage: tokens counted by the service.
        model: the model that the service used.
        input_indices: the index of each row's input if they differ, because a PDF has one row per page or because
            inputs failed; otherwise ``None``.
        failed: the errors of inputs without a row, by index; only with ``on_error="return"``.
        windows: number of overlapping windows in which late chunking read the document; more than 1 if the document is
            longer than the model's context.
    """

    vectors: NDArray[Any] = field(repr=False)
    usage: Usage
    model: str
    input_indices: NDArray[np.intp] | None = field(default=None, repr=False)
    failed: Mapping[int, JinaError] = field(default_factory=dict)
    windows: int = 1
    _lists: Lists | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter(self.vectors)

    def __getitem__(self, index: int | slice) -> NDArray[Any]:
        rows: NDArray[Any] = self.vectors[index]
        return rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.vectors, dtype=dtype, copy=copy)

    def tolist(self) -> list[list[float]]:
        """Return the vectors as lists of Python numbers, the form that frameworks store."""
        made = None if self._lists is None else self._lists.take(len(self.vectors))
        return as_lists(self.vectors) if made is None else made
