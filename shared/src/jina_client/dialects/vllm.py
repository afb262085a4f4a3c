"""vLLM (``vllm serve jinaai/…``). Its requests follow the server's source and documentation; it was not tried.

It normalizes after truncating to ``dimensions``, rejects long texts unless told to truncate, and rejects ``dimensions``
for models that it does not know to be Matryoshka models. It has no limit on the inputs of a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..protocol import Call
from .base import TEXT, ByEndpoint, loses_options
from .openai_form import OpenAIForm

# The model's own limit.
_TRUNCATE = {"truncate_prompt_tokens": -1}


class Vllm(OpenAIForm):
    """vLLM, text only. Its ``base_url`` ends with ``/v1``."""

    name = "vllm"
    title = "vLLM"
    fields: ClassVar[ByEndpoint] = {
        "embeddings": frozenset({"model", "input", "embedding_type", "task", "dimensions", "truncate"}),
        "rerank": frozenset({"model", "query", "documents", "top_n", "truncation"}),
        "models": frozenset(),
    }
    kinds: ClassVar[ByEndpoint] = {"embeddings": TEXT, "rerank": TEXT}

    @classmethod
    def made(cls, call: Call, response: Any, headers: Mapping[str, str]) -> bool:
        """Recognize the id of an embeddings response, if the call had options that vLLM ignores."""
        return isinstance(response, dict) and str(response.get("id")).startswith("embd-") and loses_options(call)

    def embeddings(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the body of an embeddings request; vLLM truncates with ``truncate_prompt_tokens``."""
        return super().embeddings(payload) | (_TRUNCATE if payload.get("truncate") else {})

    def rerank(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a rerank request; vLLM truncates with ``truncate_prompt_tokens``."""
        return super().rerank(payload) | (_TRUNCATE if payload.get("truncation") else {})
