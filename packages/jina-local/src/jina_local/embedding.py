"""Answers that hold vectors: one for each input, one for each token, or a score for each term."""

from __future__ import annotations

from typing import Any

import numpy as np
import pybase64
from jina_client.quantization import quantize

from .backend import Backend, Vectors
from .limits import Charge
from .reading.requests import EmbeddingRequest


def answer(backend: Backend, asked: EmbeddingRequest, charge: Charge) -> dict[str, Any]:
    """The answer to a request for embeddings.

    Args:
        backend: what computes.
        asked: the request.
        charge: called with the tokens before they are computed.

    Returns:
        ``{"model", "object", "usage", "data"}``. Vectors are base64 strings, or float32 arrays that become JSON lists.
    """
    found = backend.embed(asked, charge)
    values: Any = found.vectors
    usage = {"total_tokens": found.tokens, "prompt_tokens": found.tokens}
    if "sparse" in asked.model.fields:
        usage = {"input_tokens": found.tokens, "output_tokens": 0, "total_tokens": found.tokens}
    elif asked.multi_vector:
        values = [_encoded(rows, asked.embedding_type) for rows in values]
    else:
        values = _encoded(np.asarray(found.vectors), asked.embedding_type)
    name = "embeddings" if asked.multi_vector else "embedding"
    data: list[dict[str, Any]] = [{"object": name, "index": index, name: value} for index, value in enumerate(values)]
    for item, tokens in zip(data, found.tokenized or (), strict=False):
        item["tokenized_input"] = tokens
    return {"model": asked.model.id, "object": "list", "usage": usage, "data": data}


def _encoded(vectors: Vectors, embedding_type: str) -> list[Any]:
    """Each vector as the wire has it. The bytes of both binary layouts travel as JSON floats (``-78.0``)."""
    if embedding_type == "base64":
        return [pybase64.b64encode_as_string(row.astype("<f4").tobytes()) for row in vectors]
    if embedding_type == "binary":
        return list(quantize(vectors, "binary").astype(np.float32))
    if embedding_type == "ubinary":
        return list(quantize(vectors, "ubinary").astype(np.float32))
    return list(vectors)
