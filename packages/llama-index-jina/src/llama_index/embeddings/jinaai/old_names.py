"""Names of LlamaIndex's own Jina integrations that programs use, including private ones."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jina_client.integration import DEFAULT_BASE_URL

DEFAULT_JINA_AI_API_URL = DEFAULT_BASE_URL

_REPLACED_METHODS = {
    "get_embeddings": "call get_text_embedding_batch of the JinaEmbedding, or JinaClient.embed of jina_client",
    "aget_embeddings": "call aget_text_embedding_batch of the JinaEmbedding, or AsyncJinaClient.embed of jina_client",
}


REPLACED: Mapping[str, str] = MappingProxyType(
    {
        "_api": "set base_url=, or pass client= or transport= to send in another way",
        "_session": "the client makes its own connections; pass client=, or transport= to send in another way",
        "_encoding_queries": "use encoding_queries",
        "_encoding_documents": "use encoding_documents",
        "_task": "use task",
        "_dimensions": "use dimensions",
        "_late_chunking": "use late_chunking",
    }
)
"""Private attributes of the old classes, with what to use instead."""


class EmbeddingApi:
    """The attribute ``_api`` of ``llama-index-embeddings-jinaai``, whose ``api_url`` users with their own server set.

    Args:
        embedding: the embedding that has these settings.
    """

    def __init__(self, embedding: Any) -> None:
        object.__setattr__(self, "_embedding", embedding)

    @property
    def api_url(self) -> str:
        """The address of the embeddings endpoint."""
        return endpoint_address(self._embedding, "embeddings")

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "api_url":
            self._embedding.base_url = value
        elif name in ("model", "api_key"):
            setattr(self._embedding, name, value)
        else:
            raise AttributeError(_message(name))

    def __getattr__(self, name: str) -> Any:
        if name in ("model", "api_key"):
            return getattr(self._embedding, name)
        raise AttributeError(_message(name))


def endpoint_address(component: Any, endpoint: str) -> str:
    """Return the address of an endpoint as the old integrations show it."""
    return f"{component._connection().base_url}/{endpoint}"


def _message(name: str) -> str:
    hint = {**_REPLACED_METHODS, **REPLACED}.get(
        name, "it has api_url, model and api_key; set base_url= of the JinaEmbedding instead"
    )
    return f"_api of a JinaEmbedding has no attribute {name!r}: {hint}"
