"""Rerank scores of the stand-in: a blend of late interaction and pooled vectors.

    score = 0.7 * mean over the query's tokens of (max over the document's tokens of their cosine)
          + 0.3 * cosine of the two mean vectors

The first term is ColBERT's MaxSim (Khattab and Zaharia 2020, https://arxiv.org/abs/2004.12832) divided by the number of
query tokens. On four retrieval sets the blend ranked better than either term; MaxSim alone is weak on very short
documents. A score lies between -1 and 1, usually between 0 and 1. It is a similarity and not a calibrated probability,
unlike the scores of Jina's first two reranker generations: only the order is comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .encoder import Encoder
from .projection import normalize

MAXSIM_WEIGHT = 0.7
COSINE_WEIGHT = 1.0 - MAXSIM_WEIGHT
_DECIMALS = 8


@dataclass(frozen=True, slots=True)
class Relevance:
    """The relevance of documents to a query.

    Attributes:
        scores: One score per document, rounded to 8 decimals like the hosted service's.
        means: Mean token vector of each document, float32 of shape ``(n, dimensions)``, not normalized.
    """

    scores: list[float]
    means: NDArray[np.float32]


def relevance(encoder: Encoder, query: Sequence[int], documents: Sequence[Sequence[int]]) -> Relevance:
    """Score documents against one query.

    Args:
        encoder: The model.
        query: Token ids of the query, without special tokens.
        documents: Token ids of each document, without special tokens. Both terms include the vectors of the special
            tokens.
    """
    query_tokens = encoder.token_vectors([query])[0]
    query_rows = normalize(query_tokens)
    query_mean = query_tokens.mean(axis=0, dtype=np.float64)
    best = np.full((len(documents), len(query_rows)), -np.inf)
    # Keyed by position in the document, so that sums run in document order whatever the batches were.
    sums: dict[tuple[int, int], NDArray[np.float64]] = {}
    for rows in encoder.rows(documents):
        cosines = query_rows @ normalize(rows.vectors).T
        np.maximum(best[rows.sequence], cosines.max(axis=1), out=best[rows.sequence])
        sums[rows.sequence, rows.position] = rows.vectors.sum(axis=0, dtype=np.float64)
    totals = np.zeros((len(documents), encoder.dimensions))
    for document, position in sorted(sums):
        totals[document] += sums[document, position]
    cosine = totals @ query_mean / (np.linalg.norm(totals, axis=1) * np.linalg.norm(query_mean))
    scores = MAXSIM_WEIGHT * best.mean(axis=1) + COSINE_WEIGHT * cosine
    lengths = np.array([len(ids) + 2 for ids in documents], dtype=np.float64)
    means = (totals / lengths[:, np.newaxis]).astype(np.float32)
    return Relevance([round(float(score), _DECIMALS) for score in scores], means)


def best_first(scores: Sequence[float], top_n: int | None = None) -> list[int]:
    """Return document indices by descending score, and by index among equal scores.

    Args:
        scores: One score per document.
        top_n: Maximum number of indices; defaults to all.
    """
    return sorted(range(len(scores)), key=lambda index: (-scores[index], index))[:top_n]
