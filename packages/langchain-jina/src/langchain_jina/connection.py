"""The connection options of every Jina component of LangChain, and the API key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypedDict

from jina_client import AsyncJinaClient, JinaArgumentError, JinaClient
from jina_client.integration import KEY_VARIABLES, ConnectedModel
from langchain_core.load.serializable import Serializable, SerializedConstructor, SerializedNotImplemented
from pydantic import AliasChoices, ConfigDict, Field, SecretStr

CLASSES = {"embedder": "JinaEmbeddings", "ranker": "JinaRerank", "retriever": "JinaLateInteractionRetriever"}
"""The classes that error messages name."""


class LangChainOptions(TypedDict, total=False):
    """Arguments that every component takes besides those of the connection."""

    jina_api_key: str | SecretStr | None
    """Another name of ``api_key``."""
    jina_auth_token: str | SecretStr | None
    """Another name of ``api_key``."""
    transport: Any
    """An object that sends requests instead of HTTP; it is not saved."""
    client: JinaClient | AsyncJinaClient | None
    """A ready client to use instead of the other options; it is not saved."""


class LangChainFields(ConnectedModel):
    """Where and how to call; ``None`` stands for the default of :class:`jina_client.JinaClient`."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True, extra="forbid", populate_by_name=True, protected_namespaces=()
    )

    _REPLACED: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "session": "the client makes its own connections; pass client=, or transport= to send in another way",
            "user_agent": "requests identify themselves as jina-client; pass transport= to send other headers",
        }
    )

    jina_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("jina_api_key", "api_key", "jina_auth_token")
    )
    """The key, also accepted as ``api_key`` and ``jina_auth_token``; by default ``JINA_API_KEY``, ``JINAAI_API_KEY`` or
    ``JINA_AUTH_TOKEN``."""
    transport: Any = Field(default=None, exclude=True, repr=False)
    """An object that sends requests instead of HTTP; it is not saved."""
    client: JinaClient | AsyncJinaClient | None = Field(default=None, exclude=True, repr=False)
    """A ready client to use instead of the options above; it is not saved."""

    def __init__(self, *positional: Any, **arguments: Any) -> None:
        for name, replacement in self._REPLACED.items():
            # A subclass may have a field of this name.
            if name not in type(self).model_fields and arguments.pop(name, None) is not None:
                raise JinaArgumentError(f"{type(self).__name__} has no argument {name}: {replacement}")
        super().__init__(*positional, **arguments)

    def _key(self) -> SecretStr | None:
        return self.jina_api_key


class LangChainConnection(LangChainFields, Serializable):
    """Connection options of objects that LangChain can save.

    LangChain's ``dumpd`` saves every option except the key, of which it saves the name. ``load`` restores the object.
    """

    # The configuration of Serializable would ignore unknown arguments.
    model_config = LangChainFields.model_config

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return True: LangChain can serialize this class."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The name that LangChain saves instead of the key."""
        return {"jina_api_key": KEY_VARIABLES[0]}

    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """Return the form that LangChain saves. An object with a client or a transport cannot be saved."""
        if self.client is not None or self.transport is not None:
            return self.to_json_not_implemented()
        return super().to_json()
