"""Late chunking: pool each chunk from token vectors that have seen the whole document.

The method is that of Günther et al. 2024 (https://arxiv.org/abs/2409.04701): run the network over the document once,
then take the mean over each chunk's own tokens. The first chunk also pools [CLS] and the last one [SEP], as in the
reference implementation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .encoder import Encoder

# Tokens of the first chunk that are repeated before each later window of a long document. They usually name the
# subject.
_CONTEXT_TOKENS = 64


def chunk_vectors(encoder: Encoder, chunks: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Embed the chunks of one document.

    The document is the concatenation of the chunks' token ids. Nothing stands between them, so a chunk has the same
    tokens as by itself and its span is exact. A document longer than the network's window is read in windows that
    overlap by half; each later window is preceded by the first chunk's first 64 tokens.

    Args:
        encoder: The model.
        chunks: Token ids of each chunk, without special tokens, in document order; at least one chunk.

    Returns:
        float32 of shape ``(len(chunks), dimensions)``, not normalized. A chunk without tokens gets the mean of the
        whole document.
    """
    document = [token for chunk in chunks for token in chunk]
    context = min(len(chunks[0]), _CONTEXT_TOKENS)
    tokens = encoder.token_vectors([document], context)[0].astype(np.float64)
    means = np.empty((len(chunks), encoder.dimensions))
    for number, (start, end) in enumerate(spans([len(chunk) for chunk in chunks])):
        means[number] = (tokens[start:end] if end > start else tokens).mean(axis=0)
    return means.astype(np.float32)


def spans(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Locate each chunk among the rows of the document's token vectors.

    Args:
        lengths: Number of tokens of each chunk. Row 0 is [CLS] and belongs to the first span; the last row is [SEP]
            and belongs to the last span.

    Returns:
        For each chunk its rows ``[start, end)``.
    """
    bounds, start = [], 1
    for number, length in enumerate(lengths):
        end = start + length
        bounds.append((start - (number == 0), end + (number == len(lengths) - 1)))
        start = end
    return bounds
