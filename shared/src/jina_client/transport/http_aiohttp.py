"""HTTP by aiohttp, over one pool of connections for each event loop."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import weakref
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from ..concurrency.tasks import end_in_loop
from ..turns import Turn
from .contract import Request, Response, check_response_size, connection_error, origin_of, timeout_error

# Bytes of a body that may arrive before it is read. aiohttp stops at twice as many, after 256 KB more at the latest.
_READ_BYTES = 2**16
# Bytes of a request body per write, because one write of a large body would block the event loop.
_WRITE_BYTES = 2**18


class AiohttpTransport:
    """An :class:`~jina_client.transport.AsyncTransport` over one pool of connections for each event loop.

    Args:
        connections: how many connections each pool may open.
        ca_bundle: path of a file of certificate authorities to trust; by default the system's, or ``SSL_CERT_FILE``.
    """

    def __init__(self, connections: int, ca_bundle: str | os.PathLike[str] | None = None) -> None:
        self._connector = partial(_connector, connections, ca_bundle)
        self._sessions: dict[asyncio.AbstractEventLoop, _LoopSession] = {}
        self._proxies: dict[str, str | None] = {}

    async def asend(self, request: Request) -> Response:
        """Send a request over the pool of the running event loop. Redirects are not followed."""
        current = await self._session_of_loop()
        current.in_flight += 1
        try:
            return await self._send(current.session, request)
        finally:
            current.in_flight -= 1
            if current.is_closing:
                await current.close()

    async def _send(self, session: aiohttp.ClientSession, request: Request) -> Response:
        try:
            async with (
                asyncio.timeout(request.timeout) as limit,
                session.request(
                    request.method,
                    request.url,
                    **_body(request),
                    allow_redirects=False,
                    proxy=self._proxy(request.url),
                ) as response,
            ):
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Response(response.status, headers, await _read(response, request.turn))
        except TimeoutError as error:
            if limit.expired() or isinstance(error, aiohttp.ServerTimeoutError):
                raise timeout_error(request.timeout, request.url) from None
            raise connection_error(request.url, error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise connection_error(request.url, error) from error

    def _proxy(self, url: str) -> str | None:
        """Return the proxy that the environment names for an address, read once for each origin."""
        origin = origin_of(url)
        if origin not in self._proxies:
            self._proxies[origin] = _proxy(origin)
        return self._proxies[origin]

    async def aclose(self) -> None:
        """Close the pool of the running event loop; the next request opens a new one."""
        current = self._sessions.pop(asyncio.get_running_loop(), None)
        if current is not None:
            await current.close()
            # A stream that the caller has left begins to end now, before a loop that stops cancels it.
            await asyncio.sleep(0)

    async def _session_of_loop(self) -> _LoopSession:
        loop = asyncio.get_running_loop()
        if loop not in self._sessions:
            for other in [other for other in self._sessions if other.is_closed()]:
                # A loop that ends properly closes its session (see _open_session), but some loops do not.
                leftover = self._sessions.pop(other)
                leftover.keeper.detach()
                await leftover.session.close()
            self._sessions[loop] = await self._new_session(loop)
        return self._sessions[loop]

    async def _new_session(self, loop: asyncio.AbstractEventLoop) -> _LoopSession:
        if sys.get_asyncgen_hooks().finalizer is None:
            # nest_asyncio runs a loop that never closes asynchronous generators. The session is closed with this
            # object or at the end of the program.
            session = _make_session(self._connector)
            return _LoopSession(None, session, weakref.finalize(self, _close_now, session, loop))
        generator = _open_session(self._connector)
        session = await anext(generator)
        # If only this object referred to the generator, the collector of a cycle that holds this object would
        # finalize the session together with it, unclosed. So something outside refers to it as well.
        keeper = weakref.finalize(self, _release, generator)
        keeper.atexit = False
        return _LoopSession(generator, session, keeper)


async def _read(response: aiohttp.ClientResponse, turn: Turn) -> bytes | memoryview:
    """Read the body of a response."""
    total = 0 if "Content-Encoding" in response.headers else response.content_length or 0
    check_response_size(total)
    await turn.abegin(total)
    size = 0
    if (view := turn.buffer(total)) is not None:
        async for chunk in response.content.iter_any():
            view[size : size + len(chunk)] = chunk
            size += len(chunk)
        return view[:size]
    chunks = list[bytes]()
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        check_response_size(size)
    return b"".join(chunks)


@dataclass(slots=True)
class _LoopSession:
    """An event loop's session, the generator that closes it if the loop closes generators, and its finalizer."""

    generator: AsyncGenerator[aiohttp.ClientSession, None] | None
    session: aiohttp.ClientSession
    keeper: weakref.finalize[Any, Any]
    in_flight: int = 0
    is_closing: bool = False

    async def close(self) -> None:
        """Close the session when its last request has ended."""
        self.is_closing = True
        if not self.in_flight:
            self.keeper.detach()
            await (self.generator.aclose() if self.generator else self.session.close())


def _release(generator: AsyncGenerator[Any, None]) -> None:
    """Do nothing: when the last reference ends with this call, the event loop closes the generator."""


def _close_now(session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> None:
    end_in_loop(session.close(), loop)


def _connector(connections: int, ca_bundle: str | os.PathLike[str] | None) -> aiohttp.TCPConnector:
    trusted = True if ca_bundle is None else ssl.create_default_context(cafile=os.fspath(ca_bundle))
    return aiohttp.TCPConnector(limit=connections, ssl=trusted)


def _make_session(connector: Callable[[], aiohttp.TCPConnector]) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector(),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        # aiohttp would read ~/.netrc, and reject our Authorization header if that has an entry for the host.
        trust_env=False,
        read_bufsize=_READ_BYTES,
    )


async def _open_session(connector: Callable[[], aiohttp.TCPConnector]) -> AsyncGenerator[aiohttp.ClientSession, None]:
    """Yield one session and close it with its event loop.

    An event loop that ends, as ``asyncio.run`` ends one, closes its asynchronous generators first. So a client that
    was never closed leaves no open connection behind, and no warning.
    """
    session = _make_session(connector)
    try:
        yield session
    finally:
        await session.close()


def _body(request: Request) -> dict[str, Any]:
    """Return the headers and the body of a request in aiohttp's arguments.

    A large body is written in pieces. A BytesIO is not used for it, because aiohttp copies the whole of that.
    """
    if len(request.body) <= _WRITE_BYTES:
        return {"headers": request.headers, "data": request.body or None}
    return {"headers": {**request.headers, "Content-Length": str(len(request.body))}, "data": _pieces(request.body)}


async def _pieces(body: bytes) -> AsyncGenerator[memoryview, None]:
    view = memoryview(body)
    for start in range(0, len(view), _WRITE_BYTES):
        yield view[start : start + _WRITE_BYTES]
        # A fast connection takes every piece at once.
        await asyncio.sleep(0)


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for an address."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
