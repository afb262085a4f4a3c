"""The form that servers of open weights share: embeddings as in OpenAI's API, reranking as in Jina's.

None of them has a ``task`` field. Instead, the client puts the model's own prefix for the task before each text. It
makes binary vectors from floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..models import find_model
from ..protocol import Call
from .base import Dialect, as_list, without_defaults


class OpenAIForm(Dialect):
    """Embeddings in OpenAI's form, reranking in Jina's."""

    packs_bits = False
    one_kind = True

    def translate(self, endpoint: str, call: Call) -> Call:
        """Translate a call, without the options whose value is the server's default."""
        payload = without_defaults(call.payload or {})
        body = self.embeddings(payload) if endpoint == "embeddings" else self.rerank(payload)
        return replace(call, payload=body)

    def embeddings(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the body of an embeddings request."""
        body = {
            "model": model_id(payload["model"]),
            "input": prefixed(payload),
            "encoding_format": "base64",
        }
        if "dimensions" in payload:
            body["dimensions"] = payload["dimensions"]
        return body

    def rerank(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a rerank request."""
        body: dict[str, Any] = {"model": model_id(payload["model"])}
        return body | {name: payload[name] for name in ("query", "documents", "top_n") if name in payload}


def model_id(model: str) -> str:
    """Return the id of a model on the Hugging Face hub if the catalog has it, otherwise the id unchanged."""
    return f"jinaai/{model}" if find_model(model) else model


def prefixed(payload: dict[str, Any]) -> Sequence[Any]:
    """Return the inputs of a call, with the model's own prefix for the task before each text."""
    row, inputs = find_model(payload["model"]), as_list(payload["input"])
    prefix = row.prefixes.get(payload.get("task") or "", "") if row else ""
    return [prefix + item if prefix and isinstance(item, str) else item for item in inputs]
