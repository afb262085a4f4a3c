"""The connection options of every Jina component of LlamaIndex, and the API key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict

from jina_client import AsyncJinaClient, JinaClient
from jina_client.integration import ConnectedModel, warn_of_conflicts
from llama_index.core.bridge.pydantic import ConfigDict, Field, SecretStr
from llama_index.core.schema import BaseComponent

from .old_names import REPLACED

CLASSES = {"embedder": "JinaEmbedding", "ranker": "JinaRerank", "retriever": "JinaLateInteractionRetriever"}
"""The classes that error messages name."""

warn_of_conflicts("llama-index-jina", "llama-index-embeddings-jinaai", "llama-index-postprocessor-jinaai-rerank")


class LlamaIndexOptions(TypedDict, total=False):
    """Arguments that every component takes besides those of the connection."""

    transport: Any
    """An object that sends requests instead of HTTP."""
    client: JinaClient | AsyncJinaClient | None
    """A ready client to use instead of the other options."""


class LlamaIndexConnection(ConnectedModel, BaseComponent):
    """Where and how to call; ``None`` stands for the default of :class:`jina_client.JinaClient`.

    ``to_dict``, ``repr`` and events, and so the hashes of caches, leave out key, transport and client. A pickle keeps
    them.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", protected_namespaces=("pydantic_model_",))

    _REPLACED: ClassVar[Mapping[str, str]] = REPLACED

    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    """The key; by default ``JINA_API_KEY``, ``JINAAI_API_KEY`` or ``JINA_AUTH_TOKEN``, read on first use."""
    transport: Any = Field(default=None, exclude=True, repr=False)
    """An object that sends requests instead of HTTP."""
    client: JinaClient | AsyncJinaClient | None = Field(default=None, exclude=True, repr=False)
    """A ready client to use instead of the options above."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; a private name of the old integrations raises an error that names its replacement."""
        # A program's own subclass may keep something of its own under such a name.
        if name in REPLACED and type(self).__module__.startswith("llama_index."):
            raise self._replaced(name)
        super().__setattr__(name, value)

    def _key(self) -> SecretStr | None:
        return self.api_key
