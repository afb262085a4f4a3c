"""Build responses to rerank requests."""

from __future__ import annotations

from typing import Any

from ..backend import Backend
from ..limits import Charge
from ..rerank import best_first
from ..validation.rerank import RerankBody


def rerank_response(backend: Backend, body: RerankBody, charge: Charge) -> dict[str, Any]:
    """Return the response to a rerank request.

    Args:
        backend: Computes the scores.
        body: The validated request.
        charge: Called with the number of tokens before they are computed.

    Returns:
        ``{"model", "object", "usage", "results"}``, with results by descending score.
    """
    output = backend.rerank(body, charge)
    results = []
    for index in best_first(output.scores, body.top_n):
        result: dict[str, Any] = {"index": index, "relevance_score": output.scores[index]}
        if body.return_documents:
            result["document"] = body.echo[index]
        if output.embeddings is not None:
            result["embedding"] = output.embeddings[index]
        results.append(result)
    return {"model": body.model.id, "object": "list", "usage": {"total_tokens": output.tokens}, "results": results}
