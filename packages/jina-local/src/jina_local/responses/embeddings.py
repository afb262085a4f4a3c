"""Build responses to embedding requests: one vector per input, one per token, or one score per term."""

from __future__ import annotations

from typing import Any

import numpy as np
import pybase64
from jina_client.quantization import quantize

from ..backend import Backend, Vectors
from ..limits import Charge
from ..validation.embeddings import EmbeddingBody


def embedding_response(backend: Backend, body: EmbeddingBody, charge: Charge) -> dict[str, Any]:
    """Return the response to an embedding request.

    Args:
        backend: Computes the vectors.
        body: The validated request.
        charge: Called with the number of tokens before they are computed.

    Returns:
        ``{"model", "object", "usage", "data"}``. Vectors are base64 strings, or float32 arrays that become JSON lists.
    """
    output = backend.embed(body, charge)
    values: Any = output.vectors
    usage = {"total_tokens": output.tokens, "prompt_tokens": output.tokens}
    if "sparse" in body.model.fields:
        usage = {"input_tokens": output.tokens, "output_tokens": 0, "total_tokens": output.tokens}
    elif body.multi_vector:
        values = [_encode(rows, body.embedding_type) for rows in values]
    else:
        values = _encode(np.asarray(output.vectors), body.embedding_type)
    name = "embeddings" if body.multi_vector else "embedding"
    data: list[dict[str, Any]] = [{"object": name, "index": index, name: value} for index, value in enumerate(values)]
    for item, tokens in zip(data, output.tokenized_inputs or (), strict=False):
        item["tokenized_input"] = tokens
    return {"model": body.model.id, "object": "list", "usage": usage, "data": data}


def _encode(vectors: Vectors, embedding_type: str) -> list[Any]:
    """Encode each vector for the wire. The bytes of both binary layouts are JSON floats there (``-78.0``)."""
    if embedding_type == "base64":
        return [pybase64.b64encode_as_string(row.astype("<f4").tobytes()) for row in vectors]
    if embedding_type == "binary":
        return list(quantize(vectors, "binary").astype(np.float32))
    if embedding_type == "ubinary":
        return list(quantize(vectors, "ubinary").astype(np.float32))
    return list(vectors)
