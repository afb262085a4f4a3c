"""One HTTP exchange: by requests (sync), by aiohttp (async), or with the embedded engine inside this process (both).

A transport knows nothing of batches, retries or Jina. Any object with the methods of :class:`Transport` or
:class:`AsyncTransport` can be given to a client in its place. The HTTP libraries are imported when a transport is made,
not before: a program that only uses one side does not pay for the other.
"""

from __future__ import annotations

import asyncio
import io
import os
import socket
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from .errors import JinaConnectionError, JinaInputError, JinaResponseError, JinaTimeoutError

if TYPE_CHECKING:
    import aiohttp
    import requests

LARGEST_ANSWER = 512 * 2**20
"""Bytes, after decompression. 512 vectors of 2,048 dimensions as JSON numbers are 22 MB."""

_CHUNK = 2**18


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; headers and body do not show when it is printed, for they hold the key and the user's texts."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    timeout: float


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer: headers by lower-case name, the body decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@runtime_checkable
class Transport(Protocol):
    """Sends a request and waits for its answer, from any thread.

    Raises:
        JinaConnectionError: no complete answer; :class:`JinaTimeoutError` where time ran out.
    """

    def send(self, request: Request) -> Response: ...

    def close(self) -> None: ...


@runtime_checkable
class AsyncTransport(Protocol):
    """The same as a coroutine, from any event loop."""

    async def asend(self, request: Request) -> Response: ...

    async def aclose(self) -> None: ...


class RequestsTransport:
    """HTTP by requests, over one pool of connections."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._session: requests.Session | None = None
        self._pid = 0
        self._opening = threading.Lock()
        # By thread, the connection that waits for an answer.
        self._in_use: dict[int, Any] = {}

    def send(self, request: Request) -> Response:
        import requests
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        try:
            with self._open().request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body or None,
                timeout=request.timeout,
                auth=_keep_headers,
                allow_redirects=False,
                stream=True,
            ) as answer:
                # Read from urllib3: the chunks that requests cuts an answer into cost more than all the decoding.
                body = bytearray()
                while chunk := answer.raw.read1(_CHUNK, decode_content=True):
                    body += chunk
                    _check(len(body))
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status_code, headers, bytes(body))
        except (requests.Timeout, ReadTimeoutError):
            raise _timed_out(request.timeout) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _not_connected(request.url, error) from error
        finally:
            self._in_use.pop(threading.get_ident(), None)

    def abort(self, threads: Iterable[int]) -> None:
        """End the exchanges of some threads at once: each raises JinaConnectionError there."""
        for thread in threads:
            connected = getattr(self._in_use.get(thread), "sock", None)
            if connected is not None:
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _open(self) -> requests.Session:
        with self._opening:
            # A forked child must not write into its parent's connections.
            if self._session is None or self._pid != os.getpid():
                self._session, self._pid = self._made(), os.getpid()
            return self._session

    def _made(self) -> requests.Session:
        import requests
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        session.headers.clear()
        # No service of this API needs one, and a gateway's would tie all requests to one of its servers.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        own = self._own

        class Adapter(HTTPAdapter):
            def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
                known = proxy in self.proxy_manager
                manager = super().proxy_manager_for(proxy, **kwargs)
                return manager if known else own(manager)

        adapter = Adapter(pool_connections=1, pool_maxsize=self._connections)
        own(adapter.poolmanager)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session

    def _own(self, manager: Any) -> Any:
        """Have a manager of urllib3 make connections that say which thread uses them, and that end in time.

        :meth:`abort` finds them by their thread. urllib3's own timeout is one of each read: a server that sends a byte
        now and then would never exceed it.
        """
        from http.client import HTTPResponse

        in_use = self._in_use

        def own(pool: Any) -> Any:
            class Connection(pool.ConnectionCls):  # type: ignore[misc]
                def connect(self) -> None:
                    # A tunnel through a proxy is asked for before the request is.
                    self._deadline = time.monotonic() + self.timeout
                    super().connect()

                def request(self, *args: Any, **kwargs: Any) -> None:
                    self._deadline = time.monotonic() + self.timeout
                    in_use[threading.get_ident()] = self
                    if self.sock is not None:  # It may still have what was left to the answer before.
                        self.sock.settimeout(self.timeout)
                    super().request(*args, **kwargs)

                def response_class(self, connected: Any, *args: Any, **kwargs: Any) -> HTTPResponse:
                    return HTTPResponse(_UntilDeadline(connected, self._deadline), *args, **kwargs)  # type: ignore[arg-type]

            return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

        manager.pool_classes_by_scheme = {name: own(pool) for name, pool in manager.pool_classes_by_scheme.items()}
        return manager

    def __getstate__(self) -> dict[str, Any]:
        return {"_connections": self._connections}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_connections"])  # type: ignore[misc]


class _UntilDeadline(io.RawIOBase):
    """What a socket receives, up to a point in time; then ``TimeoutError``."""

    def __init__(self, connected: Any, deadline: float) -> None:
        self._socket = connected
        self._deadline = deadline
        # It keeps the socket open until the answer is read, when its connection is closed before.
        self._received = connected.makefile("rb", buffering=0)

    def makefile(self, mode: str) -> io.BufferedReader:
        """As http.client asks a socket for it."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
        received: int | None = self._received.readinto(buffer)
        return received

    def close(self) -> None:
        self._received.close()
        super().close()


class AiohttpTransport:
    """HTTP by aiohttp, over one pool of connections for each event loop that uses it."""

    def __init__(self, connections: int) -> None:
        # Here, for the import takes long enough to be felt in an event loop.
        import aiohttp  # noqa: F401

        self._connections = connections
        self._sessions: dict[asyncio.AbstractEventLoop, _Opened] = {}

    async def asend(self, request: Request) -> Response:
        import aiohttp

        session = await self._open()
        try:
            async with (
                asyncio.timeout(request.timeout) as limit,
                session.request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    # A large body is written piece by piece, for one write would hold up the event loop.
                    data=io.BytesIO(request.body) if len(request.body) > _CHUNK else request.body or None,
                    allow_redirects=False,
                    proxy=_proxy(request.url),
                ) as answer,
            ):
                body = bytearray()
                async for chunk in answer.content.iter_chunked(_CHUNK):
                    body += chunk
                    _check(len(body))
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, headers, bytes(body))
        except TimeoutError as error:
            if limit.expired() or isinstance(error, aiohttp.ServerTimeoutError):
                raise _timed_out(request.timeout) from None
            raise _not_connected(request.url, error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _not_connected(request.url, error) from error

    async def aclose(self) -> None:
        opened = self._sessions.pop(asyncio.get_running_loop(), None)
        if opened is not None:
            opened.kept.detach()
            await opened.generator.aclose()

    async def _open(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if loop not in self._sessions:
            for known in [known for known in self._sessions if known.is_closed()]:
                # A loop that was closed as it should be has closed its session: see _session. Some are not.
                opened = self._sessions.pop(known)
                opened.kept.detach()
                await opened.session.close()
            generator = _session(self._connections)
            session = await anext(generator)
            # Were the generator reachable from here alone, the collector of a cycle that holds this transport would
            # finalize the session beside it, unclosed; so it is also held from outside for as long as this lives.
            kept = weakref.finalize(self, _let_go, generator)
            kept.atexit = False
            self._sessions[loop] = _Opened(generator, session, kept)
        return self._sessions[loop].session

    def __getstate__(self) -> dict[str, Any]:
        return {"_connections": self._connections, "_sessions": {}}


@dataclass(frozen=True, slots=True)
class _Opened:
    """An event loop's session, the generator that closes it, and what holds the generator."""

    generator: AsyncGenerator[aiohttp.ClientSession, None]
    session: aiohttp.ClientSession
    kept: weakref.finalize[Any, Any]


class LocalTransport:
    """The embedded engine, inside this process."""

    def send(self, request: Request) -> Response:
        try:
            import jina_local
        except ModuleNotFoundError as error:
            if error.name != "jina_local":
                raise
            raise JinaInputError(
                'base_url="local" needs the embedded engine: pip install "jina-client[local]", '
                "then jina-local fetch-model"
            ) from None
        app = jina_local.default_app()
        parts = urlsplit(request.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        status, headers, body = app.handle(request.method, path, request.headers, request.body)
        return Response(status, {name.lower(): value for name, value in headers.items()}, body)

    async def asend(self, request: Request) -> Response:
        return await asyncio.to_thread(self.send, request)

    def close(self) -> None:
        """Nothing to close: the engine belongs to the process."""

    async def aclose(self) -> None:
        """Nothing to close: the engine belongs to the process."""


def _let_go(generator: AsyncGenerator[Any, None]) -> None:
    """Nothing: that the reference ends with the call lets the event loop close the generator."""


async def _session(connections: int) -> AsyncGenerator[aiohttp.ClientSession, None]:
    """Yield one session and close it with its event loop.

    An event loop that ends, as ``asyncio.run`` ends one, closes its asynchronous generators first; so a client that was
    never closed leaves no open connection behind, and no warning.
    """
    import aiohttp

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        # It would read ~/.netrc, and refuse our own Authorization header where that has an entry: see _proxy.
        trust_env=False,
        # More than aiohttp's 64 KiB: large answers arrive in fewer pieces.
        read_bufsize=_CHUNK,
    )
    try:
        yield session
    finally:
        await session.close()


def _keep_headers(prepared: Any) -> Any:
    """An authenticator that adds nothing: without one, requests would put a key from ``~/.netrc`` over ours."""
    return prepared


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _check(size: int) -> None:
    if size > LARGEST_ANSWER:
        raise JinaResponseError(
            f"the answer is larger than {LARGEST_ANSWER // 2**20} MiB, which no service of this API sends"
        )


def _timed_out(timeout: float) -> JinaTimeoutError:
    return JinaTimeoutError(f"no complete answer within {timeout:g} s: raise timeout, or send less at once")


def _not_connected(url: str, error: BaseException) -> JinaConnectionError:
    """The innermost reason: the HTTP libraries wrap what the operating system says several times over."""
    reason, inner = str(error) or type(error).__name__, error
    while inner := inner.__cause__ or inner.__context__:  # type: ignore[assignment]
        if isinstance(inner, OSError) and inner.strerror:
            reason = inner.strerror
    return JinaConnectionError(
        f"no answer from {urlsplit(url).netloc}: {reason[:300]}; check base_url and that the service runs"
    )
