"""Late chunking: each chunk's vector is made from token vectors that have seen the whole document.

The method is that of Günther et al. 2024 (https://arxiv.org/abs/2409.04701): run the network over the document once,
then take the mean over each chunk's own tokens. The first chunk also pools [CLS] and the last one [SEP], as the
reference implementation does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .encoder import Encoder

# How much of the first chunk is repeated before each later window of a long document. It usually names the subject.
_CONTEXT_TOKENS = 64


def chunk_vectors(encoder: Encoder, chunks: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """One vector for each chunk of one document, not normalised.

    The document is the chunks' token ids one after the other: nothing stands between them, so a chunk's tokens are
    those it has alone and its span is exact. A document longer than the network's window is read in windows that
    overlap by half, each later one behind the first chunk's first 64 tokens.

    Args:
        encoder: the model.
        chunks: the token ids of each chunk, without special tokens, in the document's order; at least one.

    Returns:
        float32 of shape ``(len(chunks), dimensions)``. A chunk without tokens gets the mean of the whole document,
        for it says nothing that the document does not.
    """
    document = [token for chunk in chunks for token in chunk]
    context = min(len(chunks[0]), _CONTEXT_TOKENS)
    tokens = encoder.token_vectors([document], context)[0].astype(np.float64)
    means = np.empty((len(chunks), encoder.dimensions))
    for number, (start, end) in enumerate(spans([len(chunk) for chunk in chunks])):
        means[number] = (tokens[start:end] if end > start else tokens).mean(axis=0)
    return means.astype(np.float32)


def spans(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Each chunk's rows ``[start, end)`` among the document's token vectors.

    Args:
        lengths: the chunks' tokens. Row 0 is [CLS], which the first span takes in; the last row is [SEP], which the
            last span takes in.
    """
    found, start = [], 1
    for number, length in enumerate(lengths):
        end = start + length
        found.append((start - (number == 0), end + (number == len(lengths) - 1)))
        start = end
    return found
