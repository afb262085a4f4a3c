"""The options that every Jina component of LlamaIndex has: where to call, and with what key."""

from __future__ import annotations

from typing import Any

from jina_client import AsyncJinaClient, JinaClient
from jina_client.arguments import input_error_from_pydantic
from jina_client.components import CONNECTION_OPTIONS, Connection, ConnectionFields
from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr, SecretStr, ValidationError
from llama_index.core.schema import BaseComponent


class JinaConnection(ConnectionFields, BaseComponent):
    """Where to call; ``None`` stands for the default of :class:`jina_client.JinaClient`.

    Key, transport and client are in no ``to_dict``, ``repr`` or event, and so in no cache's hash; a pickle keeps them.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", protected_namespaces=("pydantic_model_",))

    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    """The key; else ``JINA_API_KEY``, ``JINAAI_API_KEY`` or ``JINA_AUTH_TOKEN``, read when it is first needed."""
    transport: Any = Field(default=None, exclude=True, repr=False)
    """An object to send with instead of HTTP."""
    client: JinaClient | AsyncJinaClient | None = Field(default=None, exclude=True, repr=False)
    """A ready client to use instead of the options above."""

    _opened: Connection = PrivateAttr(default_factory=Connection)

    def __init__(self, **arguments: Any) -> None:
        try:
            super().__init__(**arguments)
        except ValidationError as error:
            raise input_error_from_pydantic(type(self), error) from None

    def _connection(self) -> Connection:
        self._opened = self._opened.follows(
            self.client,
            api_key=self.api_key,
            transport=self.transport,
            **{name: getattr(self, name) for name in CONNECTION_OPTIONS},
        )
        return self._opened
