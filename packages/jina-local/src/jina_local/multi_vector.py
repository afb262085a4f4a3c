"""One vector per token, as ColBERT models return them.

Each token vector is truncated to the requested length and normalized. Of the ways tried to shorten these vectors,
truncation loses the least quality.

A query always has 32 vectors. ColBERT pads a short query with mask tokens, which it was trained to use. This model was
not: mask tokens lower nDCG@10 on 400 docstrings from 0.71 to 0.42. So a short query is padded by repeating its own
vectors in turn, which keeps the ranking of the query without padding (0.71).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .encoder import SPECIAL_TOKENS, Encoder
from .projection import Vectors, normalize

QUERY_VECTORS = 32
DIMENSIONS = 128


def document_vectors(encoder: Encoder, documents: Sequence[Sequence[int]], dimensions: int) -> list[Vectors]:
    """Return the token vectors of each document, including those of [CLS] and [SEP].

    Args:
        encoder: The model.
        documents: Token ids of each document, without special tokens.
        dimensions: Length of a vector.

    Returns:
        For each document float32 of shape ``(len(document) + 2, dimensions)``, rows of L2 norm 1.
    """
    return [normalize(vectors) for vectors in encoder.token_vectors(documents, width=dimensions)]


def query_vectors(encoder: Encoder, queries: Sequence[Sequence[int]], dimensions: int) -> list[Vectors]:
    """Return exactly 32 vectors for each query: long queries are truncated, short ones padded.

    Args:
        encoder: The model.
        queries: Token ids of each query, without special tokens.
        dimensions: Length of a vector.

    Returns:
        For each query float32 of shape ``(32, dimensions)``, rows of L2 norm 1.
    """
    vectors = document_vectors(encoder, [truncate_query(query) for query in queries], dimensions)
    return [rows[np.resize(np.arange(len(rows)), QUERY_VECTORS)] for rows in vectors]


def truncate_query(query: Sequence[int]) -> Sequence[int]:
    """Return the leading tokens of a query that fit into 32 vectors together with [CLS] and [SEP]."""
    return query[: QUERY_VECTORS - len(SPECIAL_TOKENS)]
