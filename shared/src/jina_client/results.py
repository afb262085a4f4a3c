"""What the client gives back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the service counted, summed over all requests of a call.

    Attributes:
        total_tokens: what is billed.
        prompt_tokens: the part of it that was input; services that do not send it count input only, so it is the total.
    """

    total_tokens: int = 0
    prompt_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.total_tokens + other.total_tokens, self.prompt_tokens + other.prompt_tokens)

    def to_dict(self) -> dict[str, int]:
        """``{"prompt_tokens": …, "total_tokens": …}``, as the wire has it."""
        return {"prompt_tokens": self.prompt_tokens, "total_tokens": self.total_tokens}


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """One vector for each input, in the order of the inputs.

    Attributes:
        vectors: float32 of shape ``(n, dims)``; for ``binary`` int8, for ``ubinary`` uint8, of shape
            ``(n, ceil(dims / 8))``.
        usage: the tokens counted.
        model: the model that answered.
    """

    vectors: NDArray[Any] = field(repr=False)
    usage: Usage
    model: str

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
        """The vectors as lists of Python numbers, the form that frameworks store."""
        rows: list[list[float]] = self.vectors.tolist()
        return rows


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """One document of a ranking.

    Attributes:
        index: its place in the caller's own list.
        relevance_score: higher is more relevant; 0 to 1 for most models, but it may be negative (``jina-reranker-v3``)
            or above 1 (ColBERT). Scores of different models are not comparable.
        document: the caller's own object.
    """

    index: int
    relevance_score: float
    document: Any


@dataclass(frozen=True, slots=True)
class RerankResult:
    """Documents from the most to the least relevant.

    Attributes:
        results: at most ``top_n``, sorted by ``relevance_score`` from the highest.
        usage: the tokens counted.
        model: the model that answered.
    """

    results: list[RankedDocument]
    usage: Usage
    model: str

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[RankedDocument]:
        return iter(self.results)
