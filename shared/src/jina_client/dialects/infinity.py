"""Infinity (michaelfeil/infinity). Version 0.0.77 was tried.

It normalizes full vectors, and cuts them to ``dimensions`` without normalizing again. It truncates long texts without
an error. One request holds at most 32 images or recordings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..errors import JinaInputError
from ..protocol import Call
from .base import TEXT, ByEndpoint, loses_options
from .openai_form import OpenAIForm


class Infinity(OpenAIForm):
    """Infinity: text, images and audio. Its ``base_url`` is the server's root, or ends with its ``--url-prefix``."""

    name = "infinity"
    title = "Infinity"
    root_ends_in_v1 = False
    fields: ClassVar[ByEndpoint] = {
        "embeddings": frozenset({"model", "input", "embedding_type", "task", "dimensions", "normalized", "truncate"}),
        "rerank": frozenset({"model", "query", "documents", "top_n", "truncation"}),
        "models": frozenset(),
    }
    kinds: ClassVar[ByEndpoint] = {"embeddings": frozenset({"text", "image", "audio"}), "rerank": TEXT}
    normalizes = False
    truncates_silently = True
    sizes: ClassVar[Mapping[str, int]] = {"image": 32, "audio": 32}

    @classmethod
    def made(cls, call: Call, response: Any, headers: Mapping[str, str]) -> bool:
        """Recognize the id of an embeddings response, if the call had options that Infinity reads differently."""
        is_own = isinstance(response, dict) and str(response.get("id")).startswith("infinity-")
        return is_own and (loses_options(call) or "dimensions" in (call.payload or {}))

    def translate(self, endpoint: str, call: Call) -> Call:
        """Reject options that would change nothing, and translate the others."""
        payload: Mapping[str, Any] = call.payload or {}
        for name in ("truncate", "truncation"):
            if payload.get(name) is False:
                raise JinaInputError(
                    f"{self.title} (dialect {self.name!r}) always truncates long texts: leave {name}=False out"
                )
        if payload.get("normalized") is False and "dimensions" not in payload:
            raise JinaInputError(
                f"{self.title} (dialect {self.name!r}) always returns vectors of length 1 without dimensions=: "
                "leave normalized=False out"
            )
        return super().translate(endpoint, call)

    def embeddings(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the body of an embeddings request, which names the modality of its inputs."""
        body = super().embeddings(payload)
        first = body["input"][0]
        return {**body, "modality": "text" if isinstance(first, str) else first.kind}

    def rerank(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a rerank request, which asks for no documents back."""
        return {**super().rerank(payload), "return_documents": False}

    def item(self, item: Any) -> Any:
        """Return the URL of a media input, or its content as a data URI."""
        return item.url if item.url is not None else item.data_uri()
