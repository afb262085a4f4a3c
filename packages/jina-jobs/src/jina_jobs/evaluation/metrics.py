"""Measures of a ranking, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000


def ndcg(ranked: Sequence[int], grades: Mapping[int, float], k: int) -> float:
    """Return nDCG@k with linear gains, as trec_eval computes it.

    Args:
        ranked: documents, best first.
        grades: of the relevant documents, above 0.
        k: how many are looked at.
    """
    gain = sum(grades.get(document, 0.0) / np.log2(place + 2) for place, document in enumerate(ranked[:k]))
    ideal = sorted(grades.values(), reverse=True)[:k]
    best = sum(grade / np.log2(place + 2) for place, grade in enumerate(ideal))
    return float(gain / best) if best else 0.0


def recall(ranked: Sequence[int], grades: Mapping[int, float], k: int) -> float:
    """Return the share of the relevant documents among the first k."""
    return len(grades.keys() & set(ranked[:k])) / len(grades) if grades else 0.0


def interval(values: NDArray[np.float64], seed: int = 0, confidence: float = 0.95) -> tuple[float, float]:
    """Return a confidence interval of a mean over queries, by the percentile bootstrap.

    Of the differences of two variants, query by query, it is that of the paired bootstrap.

    Args:
        values: one per query.
        seed: of the resampling, so that a report can be repeated.
        confidence: of the interval.
    """
    generator = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, 100):
        means[start : start + 100] = values[generator.integers(0, len(values), (100, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
