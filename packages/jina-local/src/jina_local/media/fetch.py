"""Files fetched from the web, and from nowhere else: no request reaches into the network that the engine runs in.

A name is resolved once, every address it has must be public, and the connection goes to the very address that was
checked, so that a name server cannot answer differently the second time. A redirection is checked like the first URL.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import SplitResult, quote, urljoin, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAX_REDIRECTIONS = 3
SECONDS = 20.0
"""For one file, redirections included."""
_BLOCK = 64 * 1024
# The well-known prefix, and the one that every network may use as it likes (RFC 8215).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
# What may stand in a path or a query as it is; anything else is sent percent-encoded.
_AS_IT_IS = "/?:@!$&'()*+,;=%~[]"
_REDIRECTIONS = (301, 302, 303, 307, 308)


class FetchError(Exception):
    """Why a URL was not fetched, in words for whoever sent it."""


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, and so does any that is wrapped in it."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local or address in _LOCAL_NAT64:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def fetch(url: str, largest: int, allowed: Callable[[Address], bool] = is_public, seconds: float = SECONDS) -> bytes:
    """The file at a URL.

    Args:
        url: ``http`` or ``https``.
        largest: the most bytes to read.
        allowed: which addresses may be connected to.
        seconds: how long it may take, all redirections together.

    Raises:
        FetchError: it cannot be fetched, or must not be.
    """
    deadline = time.monotonic() + seconds
    for _ in range(_MAX_REDIRECTIONS + 1):
        found = _fetch_once(url, largest, allowed, deadline)
        if isinstance(found, bytes):
            return found
        url = found
    raise FetchError(f"there are more than {_MAX_REDIRECTIONS} redirections")


def _fetch_once(url: str, largest: int, allowed: Callable[[Address], bool], deadline: float) -> bytes | str:
    """The file, or where the answer redirects to."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FetchError("only http:// and https:// URLs are fetched")
        address, port = _resolve(parts, allowed)
        connection = _Connection(parts, address, port, _left(deadline))
    except ValueError:
        raise FetchError("it is no valid URL") from None
    # A timeout of the socket bounds each wait, not their sum: a server that sends a byte now and then would never end.
    ending = threading.Timer(_left(deadline), connection.abort)
    ending.daemon = True
    ending.start()
    try:
        target = quote(f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/", safe=_AS_IT_IS)
        connection.request("GET", target, headers={"User-Agent": "jina-local", "Accept": "*/*"})
        with connection.getresponse() as answer:
            found = _content(answer, largest, deadline)
        return found if isinstance(found, bytes) else urljoin(url, found)
    except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
        _left(deadline)
        raise FetchError(f"the connection failed ({type(error).__name__})") from None
    finally:
        ending.cancel()
        connection.close()


def _resolve(parts: SplitResult, allowed: Callable[[Address], bool]) -> tuple[str, int]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise FetchError("its host is not known") from None
    # The scope of a link-local address ("fe80::1%eth0") is no part of it.
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    if not addresses or not all(allowed(ipaddress.ip_address(address)) for address in addresses):
        raise FetchError("its host has an address that is not public")
    return addresses[0], port


def _content(answer: http.client.HTTPResponse, largest: int, deadline: float) -> bytes | str:
    location = answer.getheader("location")
    if answer.status in _REDIRECTIONS and location:
        return location
    if answer.status != 200:
        raise FetchError(f"the server answered {answer.status}")
    body = bytearray()
    while block := answer.read1(_BLOCK):
        body += block
        if len(body) > largest:
            raise FetchError(f"the file is larger than {largest:,} bytes")
    _left(deadline)
    if answer.length:
        raise FetchError("the connection broke off before the end of the file")
    return bytes(body)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise FetchError("it took too long")
    return left


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, in the name of the URL's host."""

    def __init__(self, parts: SplitResult, address: str, port: int, timeout: float) -> None:
        super().__init__(parts.hostname or "", port, timeout=timeout)
        self._address = address
        self._secure = parts.scheme == "https"
        self._used: socket.socket | None = None

    def connect(self) -> None:
        self.sock = self._used = socket.create_connection((self._address, self.port), self.timeout)
        if self._secure:
            secured = ssl.create_default_context().wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            # Before the handshake, so that it can be ended too.
            self.sock = self._used = secured
            secured.do_handshake()

    def abort(self) -> None:
        """End whatever another thread waits for on this connection."""
        # Not .sock: that is gone as soon as an answer has begun that ends with the connection.
        if self._used is not None:
            with suppress(OSError):
                self._used.shutdown(socket.SHUT_RDWR)
