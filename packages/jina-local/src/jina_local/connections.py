"""Limit the connections of the server, and the time that a connection may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

Client = tuple[str, int]

# How often the server looks whether a client reads its response.
_READ_SECONDS = 10.0


class ConnectionGuard:
    """Wraps uvicorn's connections, and the application that they call.

    A new connection above the limit gets a 503 and is closed. A connection is closed if a request's head does not
    arrive in time, and if a client does not read its response.

    Args:
        api: The application.
        most: Maximum number of connections.
        header_seconds: Time limit for the head of a request, from the connection or from the response before it.
        too_many: Body of the 503 response.
    """

    def __init__(self, api: ASGIApp, most: int, header_seconds: float, too_many: Callable[[], dict[str, Any]]) -> None:
        self._api, self._most, self.header_seconds, self._too_many = api, most, header_seconds, too_many
        self._connections: dict[Client, _Connection] = {}

    def protocol(self, **options: Any) -> asyncio.Protocol:
        """Create the protocol of a connection, with uvicorn's arguments."""
        return _Connection(self, AutoHTTPProtocol(**options))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application, and do not limit the time of the connection meanwhile."""
        connection = self._connections.get(tuple(scope.get("client") or ()))
        if connection is None:
            await self._api(scope, receive, send)
            return
        connection.begin_request()
        try:
            await self._api(scope, receive, send)
        finally:
            connection.end_request()

    def add(self, client: Client, connection: _Connection) -> bool:
        """Register a connection; return ``False`` if there are too many."""
        if len(self._connections) >= self._most:
            return False
        self._connections[client] = connection
        return True

    def remove(self, client: Client) -> None:
        """Forget a connection."""
        self._connections.pop(client, None)

    def rejection(self) -> bytes:
        """Return the response to a connection above the limit."""
        body = orjson.dumps(self._too_many())
        head = (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        return head.encode() + body


class _Connection(asyncio.Protocol):
    """Passes everything to uvicorn's protocol, and closes the connection when it waits for too long."""

    def __init__(self, guard: ConnectionGuard, inner: asyncio.Protocol) -> None:
        self._guard, self._inner = guard, inner
        self._client: Client = ("", 0)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unread = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The transports of uvloop are not subclasses of asyncio's, but have the same methods.
        writable = cast(asyncio.Transport, transport)
        address = writable.get_extra_info("peername")
        if address is None:
            # The client has reset the connection already, as some health checks do.
            writable.abort()
            return
        self._client = tuple(address[:2])
        if not self._guard.add(self._client, self):
            writable.write(self._guard.rejection())
            writable.close()
            return
        self._transport = writable
        self._inner.connection_made(transport)
        self._wait(self._guard.header_seconds)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._transport is not None else None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self._stop_waiting()
        self._guard.remove(self._client)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def begin_request(self) -> None:
        """Stop limiting the time: the application limits that of a request."""
        self._stop_waiting()

    def end_request(self) -> None:
        """Limit the time until the client has read the response, and until its next request."""
        if self._transport is not None and not self._transport.is_closing():
            self._wait(self._guard.header_seconds)
        elif self._transport is not None:
            self._wait(_READ_SECONDS)

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        assert self._transport is not None
        unread = self._transport.get_write_buffer_size()
        if unread and unread != self._unread:
            # The client is slow, but it reads.
            self._unread = unread
            self._wait(_READ_SECONDS)
        else:
            self._transport.abort()
