"""Jina's on-prem server. Version 4.0.0 was tried with texts; the form of media follows its source.

Its embeddings and reranking are those of Jina's API, for one model per server. Images, video and audio travel in parts
of another form. Its rerankers read an image document as an empty text, so the client rejects those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..inputs import ContentGroup, Item
from ..media import Media
from ..models import Model
from ..protocol import Call
from .base import TEXT, ByEndpoint, Dialect


class OnPrem(Dialect):
    """Jina's on-prem server. Its ``base_url`` ends with ``/v1``."""

    name = "on-prem"
    title = "Jina's on-prem server"
    fields: ClassVar[ByEndpoint] = {
        "embeddings": frozenset(
            {
                "model",
                "input",
                "embedding_type",
                "task",
                "dimensions",
                "late_chunking",
                "normalized",
                "truncate",
                "return_multivector",
            }
        ),
        "rerank": frozenset(
            {
                "model",
                "query",
                "documents",
                "top_n",
                "return_documents",
                "truncation",
                "max_doc_length",
                "return_embeddings",
            }
        ),
    }
    kinds: ClassVar[ByEndpoint] = {
        "embeddings": frozenset({"text", "image", "video", "audio", "content"}),
        "rerank": TEXT,
    }

    @classmethod
    def made(cls, call: Call, response: Any, headers: Mapping[str, str]) -> bool:
        """Recognize a header of the server, if it has scored images: all other calls it answers as Jina's API does."""
        # Texts and options are those of Jina's API. A rerank call with images was answered, but with wrong scores.
        payload = call.payload or {}
        items = (payload.get("query"), *payload.get("documents", ()))
        return "x-jina-elapsed-ms" in headers and any(isinstance(item, Media) for item in items)

    @classmethod
    def made_error(cls, body: Any) -> bool:
        """Recognize the error for media in the published form."""
        detail = body.get("detail") if isinstance(body, dict) else None
        return isinstance(detail, dict) and str(detail.get("message")).startswith("Unknown content part type")

    def check_item(self, endpoint: str, item: Item, name: str, row: Model | None) -> None:
        """Reject media that the server cannot read, such as the URL of a recording."""
        super().check_item(endpoint, item, name, row)
        for part in item.parts if isinstance(item, ContentGroup) else (item,):
            if isinstance(part, Media) and part.kind == "audio" and part.url is not None:
                raise self._unsupported(f"{name} by its URL", "pass the recording itself", "url")

    def item(self, item: Any) -> Any:
        """Return a media input or a fused group as the server's parts."""
        if isinstance(item, ContentGroup):
            return {"content": [_text(part) if isinstance(part, str) else self.item(part) for part in item.parts]}
        if item.kind == "image":
            return {"type": "image_url", "image_url": {"url": item.url or item.data_uri()}}
        if item.kind == "video":
            return {"type": "video_url", "video_url": item.url or item.data_uri()}
        return {"type": "audio_base64", "audio_base64": item.data_uri()}


def _text(part: str) -> dict[str, str]:
    return {"type": "text", "text": part}
