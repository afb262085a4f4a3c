"""The options that every Jina component of LangChain has: where to call, and with what key."""

from __future__ import annotations

from typing import Any

from jina_client import AsyncJinaClient, JinaArgumentError, JinaClient
from jina_client.arguments import input_error_from_pydantic
from jina_client.components import CONNECTION_OPTIONS, Connection, ConnectionFields
from jina_client.settings import KEY_VARIABLES
from langchain_core.load.serializable import Serializable, SerializedConstructor, SerializedNotImplemented
from pydantic import AliasChoices, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError

REPLACED = {
    "session": "connections are the client's own; pass client=, or transport= to send in another way",
    "user_agent": "requests say that they come from jina-client; pass transport= to send other headers",
}
"""Arguments of ``langchain_community`` that have no meaning here, with what there is instead."""


class JinaConnection(ConnectionFields, Serializable):
    """Where to call; ``None`` stands for the default of :class:`jina_client.JinaClient`.

    LangChain's ``dumpd`` saves every option but the key, of which it saves the name; ``load`` makes the object again.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True, extra="forbid", populate_by_name=True, protected_namespaces=()
    )

    jina_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("jina_api_key", "api_key", "jina_auth_token")
    )
    """The key, also taken as ``api_key`` and ``jina_auth_token``; else ``JINA_API_KEY``, ``JINAAI_API_KEY`` or
    ``JINA_AUTH_TOKEN``."""
    transport: Any = Field(default=None, exclude=True, repr=False)
    """An object to send with instead of HTTP; it is not saved."""
    client: JinaClient | AsyncJinaClient | None = Field(default=None, exclude=True, repr=False)
    """A ready client to use instead of the options above; it is not saved."""

    _opened: Connection = PrivateAttr(default_factory=Connection)

    def __init__(self, **arguments: Any) -> None:
        for name, instead in REPLACED.items():
            if arguments.pop(name, None) is not None:
                raise JinaArgumentError(f"{type(self).__name__} takes no {name}: {instead}")
        try:
            super().__init__(**arguments)
        except ValidationError as error:
            raise input_error_from_pydantic(type(self), error) from None

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It is."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The key is saved by this name, never itself."""
        return {"jina_api_key": KEY_VARIABLES[0]}

    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """What LangChain saves; nothing to load where a client or a transport is used, whose settings it would lose."""
        if self.client is not None or self.transport is not None:
            return self.to_json_not_implemented()
        return super().to_json()

    def _connection(self) -> Connection:
        self._opened = self._opened.follows(
            self.client,
            api_key=self.jina_api_key,
            transport=self.transport,
            **{name: getattr(self, name) for name in CONNECTION_OPTIONS},
        )
        return self._opened
