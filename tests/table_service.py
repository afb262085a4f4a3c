"""A service for the tests of operators on tables: it embeds, reranks and classifies, and rejects texts with ``bad``."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from loopback import Answer, Sent, embeddings, ranking, vector_of

MODEL = "jina-embeddings-v3"
COLBERT = "jina-colbert-v2"
RERANKER = "jina-reranker-v2-base-multilingual"


def answer(sent: Sent) -> Answer:
    """Return the response of a correct service."""
    texts = sent.body.get("input") or [sent.body.get("query")]
    if any("bad" in text for text in texts):
        return Answer({"detail": "an input cannot be encoded"}, 422)
    if sent.path.endswith("/rerank"):
        return Answer(ranking(sent))
    if sent.path.endswith("/classify"):
        return Answer(_classification(texts))
    if sent.body["model"] == COLBERT or sent.body.get("return_multivector"):
        return Answer(_multi_vectors(sent))
    return Answer(embeddings(sent))


def matrix_of(text: str, dimensions: int = 128) -> np.ndarray:
    """Return one vector per word of a text."""
    return np.stack([vector_of(f"{text} {number}", dimensions) for number in range(len(text.split()))])


def _multi_vectors(sent: Sent) -> dict[str, Any]:
    width = sent.body.get("dimensions") or 128
    data = [
        {"index": index, "embeddings": [_base64(row) for row in matrix_of(text, width)]}
        for index, text in enumerate(sent.body["input"])
    ]
    return {"model": sent.body["model"], "usage": {"total_tokens": len(data)}, "data": data}


def _classification(texts: list[str]) -> dict[str, Any]:
    data = [
        {"object": "classification", "index": index, "prediction": "long" if len(text) > 6 else "short", "score": 0.75}
        for index, text in enumerate(texts)
    ]
    return {"usage": {"total_tokens": len(texts)}, "data": data}


def _base64(vector: np.ndarray) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
