"""Hugging Face's text-embeddings-inference. Its requests follow the source of version 1.9; it was not tried.

Only its own endpoint ``/embed`` has ``truncate``, which must always be sent: the server truncates long texts by default
since version 1.9 (``--auto-truncate``). It normalizes after truncating to ``dimensions``. Its own default is at most
32 inputs per request (``--max-client-batch-size``). A server has one model and does not read ``model``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ..errors import JinaResponseError
from ..protocol import Call
from .base import TEXT, ByEndpoint
from .openai_form import OpenAIForm, prefixed

_PATHS = {"embeddings": "/embed", "rerank": "/rerank"}


class TextEmbeddingsInference(OpenAIForm):
    """Hugging Face's text-embeddings-inference, text only. Its ``base_url`` is the root, with or without ``/v1``."""

    name = "tei"
    title = "text-embeddings-inference"
    root_ends_in_v1 = False
    fields: ClassVar[ByEndpoint] = {
        "embeddings": frozenset({"model", "input", "embedding_type", "task", "dimensions", "normalized", "truncate"}),
        "rerank": frozenset({"model", "query", "documents", "top_n", "truncation"}),
    }
    kinds: ClassVar[ByEndpoint] = {"embeddings": TEXT, "rerank": TEXT}
    sizes: ClassVar[Mapping[str, int]] = {"text": 32}

    @classmethod
    def made(cls, call: Call, response: Any, headers: Mapping[str, str]) -> bool:
        """Recognize a bare list of scores or vectors."""
        if not isinstance(response, list) or not response:
            return False
        if call.path == "rerank":
            return all(isinstance(item, dict) and "score" in item for item in response)
        return call.path == "embeddings" and all(isinstance(item, list) for item in response)

    @classmethod
    def made_error(cls, body: Any) -> bool:
        """Recognize the key ``error_type``."""
        return isinstance(body, dict) and "error_type" in body

    def translate(self, endpoint: str, call: Call) -> Call:
        """Translate a call to the server's own endpoints, ``/embed`` and ``/rerank``."""
        return replace(super().translate(endpoint, call), path=_PATHS[endpoint])

    def embeddings(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a request to ``/embed``."""
        body = {
            "inputs": prefixed(payload),
            "normalize": payload.get("normalized", True),
            "truncate": payload.get("truncate", False),
        }
        return body | ({"dimensions": payload["dimensions"]} if "dimensions" in payload else {})

    def rerank(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a request to ``/rerank``, which has no ``top_n``."""
        return {
            "query": payload["query"],
            "texts": payload["documents"],
            "truncate": payload.get("truncation") or False,
            "raw_scores": False,
            "return_text": False,
        }

    def decode(self, call: Call, response: Any, headers: Mapping[str, str]) -> Any:
        """Return vectors or scores from a bare list, and the tokens from a header."""
        if not isinstance(response, list):
            raise JinaResponseError(f"expected a list, got {type(response).__name__}")
        tokens = headers.get("x-compute-tokens", "")
        usage = {"usage": {"total_tokens": int(tokens)}} if tokens.isdecimal() and len(tokens) < 16 else {}
        if call.path == "embeddings":
            return {"data": [{"index": index, "embedding": vector} for index, vector in enumerate(response)], **usage}
        return {"results": _best(response, call.payload or {}), **usage}


def _best(response: list[Any], payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the scores in Jina's form, the best ``top_n`` of them: the server returns those of all documents."""
    if not all(isinstance(item, dict) for item in response):
        raise JinaResponseError("expected a list of scores")
    results = [{"index": item.get("index"), "relevance_score": item.get("score")} for item in response]
    if len(results) != len(payload["documents"]):
        raise JinaResponseError(f"expected {len(payload['documents'])} scores, got {len(results)}")
    results.sort(key=lambda item: -item["relevance_score"] if isinstance(item["relevance_score"], float) else 0)
    return results[: payload.get("top_n")]
