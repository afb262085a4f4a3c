"""Answers that hold vectors: one for each input, one for each token, or a score for each term."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pybase64
from jina_client.quantization import quantize
from numpy.typing import NDArray

from . import late_chunking, multi_vector, sparse
from .encoder import SPECIAL_TOKENS, Encoder
from .errors import FlatRefusal, token_limit_exceeded
from .lift import to_dimensions
from .limits import Charge
from .reading.requests import EmbeddingRequest

MAX_TOKEN_VECTORS = 131_072
"""The most vectors of tokens in one answer: 64 MB of float32."""

_SPECIAL = len(SPECIAL_TOKENS)


def answer(encoder: Encoder, asked: EmbeddingRequest, texts: Sequence[str], charge: Charge) -> dict[str, Any]:
    """The answer to a request for embeddings.

    Args:
        encoder: the model.
        asked: the request.
        texts: what its inputs say, one for each vector.
        charge: called with the tokens before they are computed.

    Returns:
        ``{"model", "object", "usage", "data"}``. Vectors are base64 strings, or float32 arrays that become JSON lists.
    """
    sequences = encoder.tokenize(texts, most=asked.model.context)
    if asked.late_chunking:
        usage, data = _late_chunks(encoder, asked, sequences, charge)
    else:
        sequences = _within_context(sequences, asked)
        if asked.input_type == "query":
            sequences = [multi_vector.cut_query(ids) for ids in sequences]
        tokens = count(sequences)
        if asked.multi_vector and tokens > MAX_TOKEN_VECTORS:
            detail = (
                f"The answer would hold {tokens:,} vectors, more than {MAX_TOKEN_VECTORS:,}. Send fewer texts at once."
            )
            raise FlatRefusal(413, detail, "REQUEST_TOO_LARGE")
        charge(tokens)
        usage = {"total_tokens": tokens, "prompt_tokens": tokens}
        if "sparse" in asked.model.fields:
            usage = {"input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens}
            data = _items("embedding", sparse.sparse_vectors(encoder, sequences))
        elif asked.multi_vector:
            data = _token_vectors(encoder, asked, sequences)
        else:
            data = _vectors(encoder.mean_vectors(sequences), asked)
    return {"model": asked.model.id, "object": "list", "usage": usage, "data": data}


def count(sequences: Sequence[Sequence[int]]) -> int:
    """The tokens of sequences, special ones included."""
    return sum(len(ids) + _SPECIAL for ids in sequences)


def _late_chunks(
    encoder: Encoder, asked: EmbeddingRequest, chunks: Sequence[Sequence[int]], charge: Charge
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    total = sum(map(len, chunks))
    if total > asked.model.context:
        advice = "Late chunking reads all inputs as one document: send it in several requests."
        raise token_limit_exceeded(asked.model.context, advice)
    charge(total + _SPECIAL)
    usage = {"total_tokens": total + _SPECIAL, "prompt_tokens": total + _SPECIAL}
    return usage, _vectors(late_chunking.chunk_vectors(encoder, chunks), asked)


def _vectors(pooled: NDArray[np.float32], asked: EmbeddingRequest) -> list[dict[str, Any]]:
    vectors = to_dimensions(pooled, asked.model.dimensions, asked.dimensions, normalized=asked.normalized)
    return _items("embedding", _encoded(vectors, asked.embedding_type))


def _token_vectors(
    encoder: Encoder, asked: EmbeddingRequest, sequences: Sequence[Sequence[int]]
) -> list[dict[str, Any]]:
    make = multi_vector.query_vectors if asked.input_type == "query" else multi_vector.document_vectors
    vectors = make(encoder, sequences, asked.dimensions or multi_vector.DIMENSIONS)
    items = _items("embeddings", [_encoded(rows, asked.embedding_type) for rows in vectors])
    if asked.return_tokenized_input:
        for item, ids in zip(items, sequences, strict=True):
            item["tokenized_input"] = encoder.tokens(ids)
    return items


def _items(name: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"object": name, "index": index, name: value} for index, value in enumerate(values)]


def _within_context(sequences: Sequence[Sequence[int]], asked: EmbeddingRequest) -> list[Sequence[int]]:
    limit = asked.model.context
    if asked.truncate is False and any(len(ids) > limit for ids in sequences):
        advice = "Use 'truncate: true' to automatically truncate, or split into smaller chunks."
        raise token_limit_exceeded(limit, advice)
    return [ids[:limit] for ids in sequences]


def _encoded(vectors: NDArray[np.float32], embedding_type: str) -> list[Any]:
    """Each vector as the wire has it. The bytes of both binary layouts travel as JSON floats (``-78.0``)."""
    if embedding_type == "base64":
        return [pybase64.b64encode_as_string(row.astype("<f4").tobytes()) for row in vectors]
    if embedding_type == "binary":
        return list(quantize(vectors, "binary").astype(np.float32))
    if embedding_type == "ubinary":
        return list(quantize(vectors, "ubinary").astype(np.float32))
    return list(vectors)
