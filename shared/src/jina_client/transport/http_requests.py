"""HTTP by requests, over one pool of connections."""

from __future__ import annotations

import io
import math
import os
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util.ssl_ import create_urllib3_context

from ..per_process import PerProcess
from ..turns import Turn
from .contract import Request, Response, check_response_size, connection_error, origin_of, timeout_error

# Bytes of a response body per read, if it has as many.
_READ_BYTES = 2**22
# Bytes per read into a buffer of the call.
_PIECE_BYTES = 2**17
# Bytes of a request body that are sent together with the headers.
_SMALL_BODY = 2**16
# Seconds by which a read may end too late, because the timeout of a socket is not set anew for each.
_TOLERANCE = 0.05


class RequestsTransport:
    """A :class:`~jina_client.transport.Transport` over one pool of connections for each process.

    Args:
        connections: how many connections the pool keeps.
        ca_bundle: path of a file of certificate authorities to trust; by default ``REQUESTS_CA_BUNDLE``, or certifi's.
        servers: the number of servers.
    """

    def __init__(self, connections: int, ca_bundle: str | os.PathLike[str] | None = None, *, servers: int = 1) -> None:
        self._ca_bundle = None if ca_bundle is None else os.fspath(ca_bundle)
        self._sessions = PerProcess(lambda: _new_session(connections, servers))
        # By origin: the proxies and certificates that the environment names. Reading them takes half a millisecond.
        self._environment: dict[str, dict[str, Any]] = {}

    def send(self, request: Request) -> Response:
        """Send a request over this process's pool. Redirects are not followed."""
        exchange = _current.exchange = _Exchange(request.timeout)
        with request.cancellation.on_cancel(exchange.end):
            try:
                response = self._send(request)
                # A socket that was shut down looks like the end of the response.
                exchange.check()
                return response
            except (requests.Timeout, ReadTimeoutError):
                raise timeout_error(request.timeout, request.url) from None
            except (requests.RequestException, HTTPError, OSError) as error:
                raise connection_error(request.url, error) from error

    def close(self) -> None:
        """Close this process's pool; the next request opens a new one."""
        session = self._sessions.pop()
        if session is not None:
            session.close()

    def _send(self, request: Request) -> Response:
        session = self._sessions.get()
        origin = origin_of(request.url)
        if origin not in self._environment:
            settings = session.merge_environment_settings(origin, {}, True, self._ca_bundle, None)
            self._environment[origin] = dict(settings)
        prepared = session.prepare_request(
            requests.Request(
                request.method, request.url, request.headers, data=request.body or None, auth=_keep_headers
            )
        )
        options = self._environment[origin]
        with session.send(prepared, timeout=request.timeout, allow_redirects=False, **options) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            # Read from urllib3, because dividing a body into chunks in requests takes longer than decoding it.
            return Response(response.status_code, headers, _read(response.raw, headers, request.turn))


def _read(raw: Any, headers: Mapping[str, str], turn: Turn) -> bytes | memoryview:
    """Read the body of a response of urllib3."""
    is_compressed = "content-encoding" in headers
    total = 0 if is_compressed else raw.length_remaining or 0
    check_response_size(total)
    turn.begin(total)
    size = 0
    if (view := turn.buffer(total)) is not None:
        while size < total and (chunk := raw.read(min(_PIECE_BYTES, total - size), decode_content=False)):
            view[size : size + len(chunk)] = chunk
            size += len(chunk)
        return view[:size]
    chunks = list[bytes]()
    while chunk := raw.read(_READ_BYTES, decode_content=is_compressed):
        chunks.append(chunk)
        size += len(chunk)
        check_response_size(size)
    return b"".join(chunks)


class _Exchange:
    """One exchange of a thread: when it must end, and the connection that it uses.

    urllib3's own timeout bounds each read only: a server that sends a byte now and then would never exceed it.
    """

    def __init__(self, timeout: float) -> None:
        self.deadline = time.monotonic() + timeout
        self._connection: Any = None
        self._socket: Any = None
        self._ended = False

    def use(self, connection: Any) -> None:
        """Remember a connection and its socket, so that :meth:`end` finds them."""
        self._connection = connection
        # The connection itself forgets its socket when the response is to end with the connection.
        self._socket = connection.sock or self._socket
        self.check()

    def check(self) -> None:
        """Raise if the exchange was ended."""
        if self._ended:
            raise ConnectionAbortedError("the call was cancelled")

    def end(self) -> None:
        """End the exchange from another thread: whatever it waits for raises or returns nothing."""
        self._ended = True
        connected = self._socket or getattr(self._connection, "sock", None)
        if connected is not None:
            with suppress(OSError):
                # Call the base method, because that of SSLSocket would end the encryption of the reading thread.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


class _CurrentExchange(threading.local):
    exchange: _Exchange


_current = _CurrentExchange()


class _DeadlineReader(io.RawIOBase):
    """The data that a socket receives before a deadline. Later reads raise ``TimeoutError``."""

    def __init__(self, connected: Any, deadline: float) -> None:
        self._socket = connected
        self._deadline = deadline
        self._timeout = math.inf
        # This file keeps the socket open until the response is read, even if the connection is closed earlier.
        self._file = connected.makefile("rb", buffering=0)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return the file that http.client reads a response from."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("timed out")
        if remaining < self._timeout - _TOLERANCE:
            self._socket.settimeout(remaining)
            self._timeout = remaining
        count: int = self._socket.recv_into(buffer)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Endable:
    """A urllib3 connection that the exchange of its thread can end, and that keeps its deadline."""

    _parts: list[bytes] | None = None

    def connect(self) -> None:
        _current.exchange.use(self)
        super().connect()  # type: ignore[misc]
        _current.exchange.use(self)

    def request(self, *args: Any, **options: Any) -> None:
        _current.exchange.use(self)
        if self.sock is not None:  # type: ignore[attr-defined]
            # The socket may still have the timeout of the last read of an earlier response.
            self.sock.settimeout(self.timeout)  # type: ignore[attr-defined]
        self._parts = []
        try:
            super().request(*args, **options)  # type: ignore[misc]
            parts = self._parts
        finally:
            self._parts = None
        # One write for a small request, which then travels in one packet.
        for part in [b"".join(parts)] if sum(map(len, parts)) < _SMALL_BODY else parts:
            self.send(part)

    def send(self, data: Any) -> None:
        """Send data, or keep it until the request is complete."""
        if self._parts is None:
            super().send(data)  # type: ignore[misc]
        else:
            self._parts.append(data)

    def response_class(self, connected: Any, *args: Any, **options: Any) -> HTTPResponse:
        """Return a response of http.client that is read until the deadline."""
        return HTTPResponse(_DeadlineReader(connected, _current.exchange.deadline), *args, **options)  # type: ignore[arg-type]


class _Connection(_Endable, HTTPConnection):  # type: ignore[misc]
    pass


class _SecureConnection(_Endable, HTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    """Makes connections that an exchange can end, directly and through HTTP proxies.

    A SOCKS proxy has connection classes of its own. There ``timeout`` bounds each read only.

    All connections share one TLS context. requests would read the certificates of the authorities anew for each, which
    takes 20 ms.
    """

    def __init__(self, **options: Any) -> None:
        self._tls: ssl.SSLContext | None = None
        self._making_tls = threading.Lock()
        super().__init__(**options)

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, options = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            with self._making_tls:
                self._tls = self._tls or _tls_context(verify)
            options = {"cert_reqs": "CERT_REQUIRED", "ssl_context": self._tls}
        return host, options

    def cert_verify(self, *args: Any) -> None:
        """Leave the pool as it is: its context has the certificates."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        if proxy.lower().startswith("https"):
            options["proxy_ssl_context"] = self._tls
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager


def _tls_context(verify: Any) -> ssl.SSLContext:
    """Return a context that trusts the authorities of a file or folder; by default those of certifi."""
    context = create_urllib3_context()
    place = DEFAULT_CA_BUNDLE_PATH if verify is True else verify
    is_folder = os.path.isdir(place)  # noqa: PTH112 - the environment has it as a string
    try:
        context.load_verify_locations(capath=place) if is_folder else context.load_verify_locations(cafile=place)
        return context
    except OSError as error:
        reason = error.strerror or str(error)
    # Not within the block, so that no other error stands behind this one.
    raise OSError(f"the certificates {place} cannot be read ({reason}): correct ca_bundle= or REQUESTS_CA_BUNDLE")


def _new_session(connections: int, servers: int) -> requests.Session:
    session = requests.Session()
    session.headers.clear()
    # No service of this API needs cookies, and a gateway's would tie all requests to one of its servers.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter(pool_connections=servers, pool_maxsize=connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _keep_headers(prepared: Any) -> Any:
    """Leave a request unchanged. Without an authenticator, requests replaces the API key by one from ``~/.netrc``."""
    return prepared
