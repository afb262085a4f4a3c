"""The connection options of every Jina component of Haystack, and the API key."""

from __future__ import annotations

import asyncio
from typing import Any

from haystack.utils import Secret
from jina_client import AsyncJinaClient, JinaArgumentError, JinaClient, JinaInputError
from jina_client.integration import (
    Connection,
    ConnectionOptions,
    check_client,
    check_connection,
    find_model,
    kind_of_value,
    resolve_base_url,
    warn_of_conflicts,
)

CLASSES = {
    "embedder": "JinaTextEmbedder and JinaDocumentEmbedder",
    "ranker": "JinaRanker",
    "retriever": "JinaMultiVectorTextEmbedder and JinaLateInteractionRetriever",
}
"""The classes that error messages name."""

warn_of_conflicts("haystack-jina", "jina-haystack")

DEFAULT_API_KEY = Secret.from_env_var("JINA_API_KEY")


class ComponentConnection:
    """Where and how to call; ``None`` stands for the default of :class:`jina_client.JinaClient`.

    :param api_key: The key. It is resolved when the component is warmed up, not before.
    :param client: A ready client to use instead of key and options. A component that has one cannot be saved.
    :param options: Those of `jina_client.integration.ConnectionOptions`.
    :raises JinaInputError: The key is not a Secret (also a TypeError).
    """

    def __init__(
        self,
        api_key: Secret,
        client: JinaClient | AsyncJinaClient | None,
        options: ConnectionOptions,
    ) -> None:
        self.api_key = _checked_key(api_key)
        self.client = client
        self.options = options
        self._opened: Connection | None = None
        check_client(client)
        check_connection(options)
        if client is not None:
            # The client's settings and these options exclude each other.
            Connection(client, **options)

    @property
    def service(self) -> str | None:
        """The API's root; `None` with a transport of the caller's, which may call any service."""
        if self.client is None:
            return resolve_base_url(self.options.get("base_url"))
        return self.client.settings.root if self.client.settings.transport is None else None

    def change(self, name: str, value: Any) -> None:
        """Change the key, the client or an option. The next call opens new connections."""
        self.close()
        if name == "api_key":
            self.api_key = _checked_key(value)
        elif name == "client":
            check_client(value)
            self.client = value
        else:
            check_connection({name: value})
            self.options = {**self.options, name: value}  # type: ignore[misc]
        self._opened = None

    def open(self) -> Connection:
        """Return both clients, each of which is made on first use."""
        if self._opened is None:
            key = None if self.client else self._resolved_key()
            self._opened = Connection(self.client, api_key=key, **self.options)
        return self._opened

    def warm_up(self) -> None:
        """Make the synchronous client.

        :raises JinaInputError: The key is missing, or an option is invalid.
        """
        _ = self.open().client

    async def warm_up_async(self) -> None:
        """Make the asynchronous client in a thread, because importing its HTTP library would block the event loop.

        :raises JinaInputError: The key is missing, or an option is invalid.
        """
        connection = self.open()
        await asyncio.to_thread(lambda: connection.async_client)

    def close(self) -> None:
        """Close the synchronous client; a later run opens it again."""
        if self._opened is not None:
            self._opened.close()

    async def close_async(self) -> None:
        """Close the asynchronous client; a later run opens it again."""
        if self._opened is not None:
            await self._opened.aclose()

    def to_dict(self) -> dict[str, Any]:
        """Return the options to save: those that are set, and a reference to the key.

        :raises JinaInputError: The component has a ready client, whose settings would be lost.
        """
        if self.client is not None:
            raise JinaInputError(
                "a component with client= cannot be saved: pass api_key=, base_url= and the other options instead"
            )
        options = {name: value for name, value in self.options.items() if value is not None}
        return {"api_key": self.api_key.to_dict(), **options}

    def _resolved_key(self) -> str | None:
        if self.api_key == DEFAULT_API_KEY:
            # The client reads the same variable, and knows which services need no key.
            return None
        try:
            key: str | None = self.api_key.resolve_value()
        except ValueError as error:
            raise JinaInputError(f"the API key is missing: {error}") from None
        return key


def _checked_key(api_key: Any) -> Secret:
    if not isinstance(api_key, Secret):
        if find_model(api_key) is not None:
            raise JinaArgumentError(f"the first argument is api_key, a Secret: pass the model as model={api_key!r}")
        raise JinaArgumentError(
            "api_key must be a Secret, such as Secret.from_env_var('JINA_API_KEY') or Secret.from_token(…), "
            f"got {kind_of_value(api_key)}; leave it out where the service needs none"
        )
    return api_key
