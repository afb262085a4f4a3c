"""The interface of transports: one HTTP exchange, and how to cancel it.

A transport knows nothing of batches, retries or Jina. Any object with the methods of :class:`Transport` can be passed
as ``JinaClient(transport=…)``, and any object with those of :class:`AsyncTransport` as
``AsyncJinaClient(transport=…)``. An example that needs only the standard library::

    import http.client
    import socket
    from urllib.parse import urlsplit

    from jina_client import JinaConnectionError
    from jina_client.transport import Request, Response

    class PlainTransport:
        def send(self, request: Request) -> Response:
            address = urlsplit(request.url)
            kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
            connection = kind(address.netloc, timeout=request.timeout)
            try:
                connection.connect()
                connected = connection.sock
                # Ctrl-C shuts the socket down from another thread, and the waiting read raises.
                with request.cancellation.on_cancel(lambda: connected.shutdown(socket.SHUT_RDWR)):
                    connection.request(request.method, address.path, request.body, dict(request.headers))
                    response = connection.getresponse()
                    headers = {name.lower(): value for name, value in response.headers.items()}
                    return Response(response.status, headers, response.read())
            except (OSError, http.client.HTTPException) as error:
                raise JinaConnectionError(f"no response from {address.netloc}: {error}") from error
            finally:
                connection.close()

        def close(self) -> None:
            pass
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from ..cancellation import Cancellation
from ..errors import JinaConnectionError, JinaResponseError, JinaTimeoutError
from ..turns import Turn
from .reasons import reason_of

MAX_RESPONSE_BYTES = 512 * 2**20
"""Largest response body in bytes, after decompression. 512 vectors of 2,048 dimensions as JSON numbers are 22 MB."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Its ``repr`` leaves out headers and body, which hold the key and the user's texts.

    Attributes:
        method: such as ``POST``.
        url: the whole address.
        headers: by name.
        body: the bytes to send; empty for none.
        timeout: seconds from the start of the exchange to the last byte of the response.
        cancellation: registers a function that ends the exchange when the call is cancelled.
        turn: lets few threads read large responses at the same time, if the transport calls its ``begin``, and has
            memory for them.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    timeout: float
    cancellation: Cancellation = field(default_factory=Cancellation, repr=False, compare=False)
    turn: Turn = field(default_factory=Turn, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response.

    Attributes:
        status: the HTTP status.
        headers: by lower-case name.
        body: decompressed; a view if it is in a buffer of the request's :class:`~jina_client.turns.Turn`.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | memoryview = field(repr=False)


@runtime_checkable
class Transport(Protocol):
    """Performs HTTP exchanges for a :class:`jina_client.JinaClient`. Several threads may call it concurrently."""

    def send(self, request: Request) -> Response:
        """Send a request and return the response, whatever its status.

        While it waits, it should keep a function registered with ``request.cancellation.on_cancel`` that makes the
        exchange raise immediately.

        Raises:
            JinaConnectionError: there was no complete response.
            JinaTimeoutError: there was none within ``request.timeout`` seconds.
        """

    def close(self) -> None:
        """Close the connections."""


@runtime_checkable
class AsyncTransport(Protocol):
    """Performs HTTP exchanges for a :class:`jina_client.AsyncJinaClient`, from any event loop.

    A cancelled call cancels the task that awaits :meth:`asend`, so an exchange needs no other way to be ended.
    """

    async def asend(self, request: Request) -> Response:
        """Send a request and return the response; errors are those of :meth:`Transport.send`."""

    async def aclose(self) -> None:
        """Close the connections of this event loop."""


def origin_of(url: str) -> str:
    """Return the scheme, host and port of an address, such as ``https://api.jina.ai``."""
    return "/".join(url.split("/", 3)[:3])


def check_response_size(size: int) -> None:
    """Raise JinaResponseError if a response body grows above :data:`MAX_RESPONSE_BYTES`."""
    if size > MAX_RESPONSE_BYTES:
        raise JinaResponseError(
            f"the response is larger than {MAX_RESPONSE_BYTES // 2**20} MiB, and no service of this API sends as much: "
            "check that base_url= is the address of the API"
        )


def timeout_error(timeout: float, url: str = "") -> JinaTimeoutError:
    """Return the error for an exchange that took too long."""
    address = f" from {urlsplit(url).netloc}" if url else ""
    return JinaTimeoutError(
        f"no complete response{address} within {timeout:g} s: raise timeout=, or send less per request"
    )


def connection_error(url: str, error: BaseException) -> JinaConnectionError:
    """Return the error for a failed exchange, with the reason and what to do."""
    return JinaConnectionError(f"no response from {urlsplit(url).netloc}: {reason_of(url, error)}")
