"""The result of reranking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .usage import Usage


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """One document of a ranking.

    Attributes:
        index: its place in the caller's own list.
        relevance_score: higher is more relevant; 0 to 1 for most models, but it may be negative (``jina-reranker-v3``)
            or above 1 (ColBERT). Scores of different models are not comparable.
        document: the caller's own object; ``None`` where documents were not wanted back.
        embedding: the document's vector, float32, where it was asked for.
    """

    index: int
    relevance_score: float
    document: Any
    embedding: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)


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
