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
    """One document and its relevance.

    Attributes:
        index: the index in the list of documents.
        relevance_score: higher is more relevant. Most models score from 0 to 1, ``jina-reranker-v3`` also below 0 and
            ColBERT above 1. Scores of different models are not comparable.
        document: the object that the caller passed; ``None`` with ``return_documents=False``.
        embedding: the document's vector (float32) if it was requested.
    """

    index: int
    relevance_score: float
    document: Any
    embedding: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class RerankResult:
    """Documents from the most to the least relevant.

    Attributes:
        results: at most ``top_n`` documents, the highest ``relevance_score`` first.
        usage: tokens counted by the service.
        model: the model that the service used.
    """

    results: list[RankedDocument]
    usage: Usage
    model: str

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[RankedDocument]:
        return iter(self.results)
