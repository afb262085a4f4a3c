"""Both clients of one configuration."""

from __future__ import annotations

from typing import Any

from .._async.client import AsyncJinaClient
from .._sync.client import JinaClient
from ..addresses import LOCAL, resolve_base_url
from ..errors import JinaInputError
from ..settings import check_settings


def check_client(client: Any) -> None:
    """Raise unless a ready client was passed, or none."""
    if client is not None and not isinstance(client, (JinaClient, AsyncJinaClient)):
        advice = f"; base_url={LOCAL!r} selects the embedded engine" if client == LOCAL else ""
        raise JinaInputError(f"client must be a JinaClient or an AsyncJinaClient, got {client!r:.100}{advice}")


class Connection:
    """Both clients of one configuration, each made on first use. It can be pickled.

    Args:
        client: a ready client of either kind to use; the other kind gets its settings.
        **options: otherwise the arguments of :class:`jina_client.JinaClient`; ``None`` stands for the client's default.

    Raises:
        JinaInputError: both a client and options.
    """

    def __init__(self, client: JinaClient | AsyncJinaClient | None = None, **options: Any) -> None:
        self._options = {name: value for name, value in options.items() if value is not None}
        if client is not None and self._options:
            raise JinaInputError(
                f"client= has its own settings: leave out {', '.join(sorted(self._options))}, or leave out client="
            )
        check_client(client)
        if client is None:
            check_settings(self._options)
        self._callers = client
        self._sync: JinaClient | None = None
        self._async: AsyncJinaClient | None = None

    def updated(self, client: JinaClient | AsyncJinaClient | None, **options: Any) -> Connection:
        """Return this connection if it has these settings, else a new one: for objects whose attributes may change."""
        fresh = Connection(client, **options)
        same = fresh._callers is self._callers and fresh._options == self._options
        return self if same else fresh

    @property
    def client(self) -> JinaClient:
        """The synchronous client."""
        if isinstance(self._callers, JinaClient):
            return self._callers
        if self._sync is None:
            settings = self._callers.settings if self._callers else None
            self._sync = JinaClient._from_settings(settings) if settings else JinaClient(**self._options)
        return self._sync

    @property
    def async_client(self) -> AsyncJinaClient:
        """The asynchronous client."""
        if isinstance(self._callers, AsyncJinaClient):
            return self._callers
        if self._async is None:
            settings = self._callers.settings if self._callers else None
            self._async = AsyncJinaClient._from_settings(settings) if settings else AsyncJinaClient(**self._options)
        return self._async

    @property
    def base_url(self) -> str:
        """The address that it calls."""
        client = self._callers or self._sync or self._async
        return client.settings.root if client else resolve_base_url(self._options.get("base_url"))

    @property
    def service(self) -> str | None:
        """The address that it calls; ``None`` with a transport of the caller's, which may call any service."""
        client = self._callers
        transport = client.settings.transport if client else self._options.get("transport")
        return None if transport is not None else self.base_url

    def close(self) -> None:
        """Close the synchronous client, unless the caller passed it; a later call opens it again."""
        client, self._sync = self._sync, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the asynchronous client, unless the caller passed it; a later call opens it again."""
        client, self._async = self._async, None
        if client is not None:
            await client.aclose()
