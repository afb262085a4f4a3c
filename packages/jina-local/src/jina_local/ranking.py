"""How well a document answers a query: a blend of late interaction and of the pooled vectors.

    score = 0.7 * mean over the query's tokens of (max over the document's tokens of their cosine)
          + 0.3 * cosine of the two mean vectors

The first term is ColBERT's MaxSim (Khattab and Zaharia 2020, https://arxiv.org/abs/2004.12832) divided by the number of
the query's tokens. On four retrieval sets the blend ranked better than either term; MaxSim alone is weak on very short
documents. A score lies between -1 and 1, normally between 0 and 1. It is not calibrated: the hosted rerankers of the
first two generations give a probability, this gives a similarity, and only the order can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .encoder import Encoder
from .lift import normalize

MAXSIM_WEIGHT = 0.7
COSINE_WEIGHT = 1.0 - MAXSIM_WEIGHT
_DECIMALS = 8


@dataclass(frozen=True, slots=True)
class Relevance:
    """What a query makes of documents.

    Attributes:
        scores: one for each document, rounded to 8 decimals as the hosted service rounds.
        means: each document's mean token vector, ``(n, dimensions)``, not normalised.
    """

    scores: list[float]
    means: NDArray[np.float32]


def relevance(encoder: Encoder, query: Sequence[int], documents: Sequence[Sequence[int]]) -> Relevance:
    """The score of each document for one query.

    Args:
        encoder: the model.
        query: the query's token ids, without special tokens.
        documents: each document's token ids, likewise. Special tokens take part in both terms.
    """
    query_tokens = encoder.token_vectors([query])[0]
    query_rows = normalize(query_tokens)
    query_mean = query_tokens.mean(axis=0, dtype=np.float64)
    best = np.full((len(documents), len(query_rows)), -np.inf)
    # Keyed by where they stand in the document, to be summed in that order whatever the batches were.
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
    """The documents' indices by descending score, equal scores by index; the first ``top_n`` where it is given."""
    return sorted(range(len(scores)), key=lambda index: (-scores[index], index))[:top_n]
