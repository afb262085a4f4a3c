"""Fetch files from public addresses only, so that no request can reach the network that the engine runs in.

A host name is resolved once, all its addresses must be public, and the connection goes to the address that was checked,
so a name server cannot return another address the second time. Redirections are checked like the first URL.
"""

from __future__ import annotations

import http.client
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from ..cancellation import current_scope

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAX_REDIRECTIONS = 3
SECONDS = 20.0
"""Time limit for one file, redirections included."""
_BLOCK = 64 * 1024
# The well-known NAT64 prefix.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# The blocks of IANA's special-purpose address registries (as of 2025-10), and those for multicast, that do not hold an
# address which is checked by itself. Blocks that the registries call globally reachable are listed too: none of them
# holds web servers. Python's own tables depend on its version.
_SPECIAL = tuple(
    ipaddress.ip_network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "100:0:0:1::/64",
        "2001:1::/32",
        "2001:2::/48",
        "2001:3::/32",
        "2001:4:112::/48",
        "2001:10::/28",
        "2001:20::/28",
        "2001:30::/28",
        "2001:db8::/32",
        "2620:4f:8000::/48",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
# Name lookups cannot be interrupted, so they run in threads of their own, at most this many.
_LOOKUPS = threading.BoundedSemaphore(16)
# Characters of a path or a query that are sent as they are. All others are percent-encoded.
_SAFE = "/?:@!$&'()*+,;=%~[]"
_REDIRECTIONS = (301, 302, 303, 307, 308)


class FetchError(Exception):
    """A URL was not fetched. The message gives the caller the reason."""


def is_public(address: Address) -> bool:
    """Return whether an address, and any address embedded in it, belongs to the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not any(address in block for block in _SPECIAL)


def fetch(url: str, largest: int, allowed: Callable[[Address], bool] = is_public, seconds: float = SECONDS) -> bytes:
    """Fetch the file at a URL.

    Args:
        url: An ``http`` or ``https`` URL.
        largest: Maximum size of the file in bytes.
        allowed: Returns whether a connection to an address is allowed.
        seconds: Time limit, redirections included.

    Returns:
        The content of the file.

    Raises:
        FetchError: The file cannot be fetched, or its address is not allowed.
    """
    deadline = time.monotonic() + seconds
    for _ in range(_MAX_REDIRECTIONS + 1):
        result = _fetch_once(url, largest, allowed, deadline)
        if isinstance(result, bytes):
            return result
        url = result
    raise FetchError(f"there are more than {_MAX_REDIRECTIONS} redirections")


def _fetch_once(url: str, largest: int, allowed: Callable[[Address], bool], deadline: float) -> bytes | str:
    """Return the content of the file, or the URL of a redirection."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FetchError("only http:// and https:// URLs are fetched")
        address, port = _resolve(parts, allowed, deadline)
        connection = _CheckedConnection(parts, address, port, _remaining(deadline))
    except ValueError:
        raise FetchError("it is not a valid URL") from None
    # A socket timeout limits each wait and not their sum: a server that sends a byte now and then would never end.
    timer = threading.Timer(_remaining(deadline), connection.abort)
    timer.daemon = True
    timer.start()
    try:
        target = quote(f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/", safe=_SAFE)
        with current_scope().on_cancel(connection.abort):
            connection.request("GET", target, headers={"User-Agent": "jina-local", "Accept": "*/*"})
            with connection.getresponse() as response:
                content = _content(response, largest, deadline)
        return content if isinstance(content, bytes) else urljoin(url, content)
    except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
        current_scope().check()
        _remaining(deadline)
        raise FetchError(f"the connection failed ({type(error).__name__})") from None
    finally:
        timer.cancel()
        connection.close()


def _resolve(parts: SplitResult, allowed: Callable[[Address], bool], deadline: float) -> tuple[str, int]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    entries = _look_up(parts.hostname or "", port, deadline)
    # Leave out the scope of a link-local address ("fe80::1%eth0").
    addresses = [str(entry[4][0]).partition("%")[0] for entry in entries]
    if not addresses or not all(allowed(ipaddress.ip_address(address)) for address in addresses):
        raise FetchError("its host has an address that is not public")
    return addresses[0], port


def _look_up(host: str, port: int, deadline: float) -> list[Any]:
    """Return ``getaddrinfo``'s entries for a host, within the deadline."""
    if not _LOOKUPS.acquire(timeout=_remaining(deadline)):
        raise FetchError("it took too long")
    results: queue.SimpleQueue[list[Any] | None] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            results.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            results.put(None)
        finally:
            _LOOKUPS.release()

    threading.Thread(target=look_up, name="jina-local lookup", daemon=True).start()
    scope = current_scope()
    with scope.on_cancel(lambda: results.put(None)):
        try:
            entries = results.get(timeout=_remaining(deadline))
        except queue.Empty:
            raise FetchError("it took too long") from None
    scope.check()
    if entries is None:
        raise FetchError("its host is not known")
    return entries


def _content(response: http.client.HTTPResponse, largest: int, deadline: float) -> bytes | str:
    location = response.getheader("location")
    if response.status in _REDIRECTIONS and location:
        return location
    if response.status != 200:
        raise FetchError(f"the server responded with HTTP {response.status}")
    body = bytearray()
    while block := response.read1(_BLOCK):
        body += block
        if len(body) > largest:
            raise FetchError(f"the file is larger than {largest:,} bytes")
    _remaining(deadline)
    if response.length:
        raise FetchError("the connection broke off before the end of the file")
    return bytes(body)


def _remaining(deadline: float) -> float:
    """Return the seconds until a deadline; raise FetchError after it."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise FetchError("it took too long")
    return seconds


class _CheckedConnection(http.client.HTTPConnection):
    """A connection to a checked address that sends the host name of the URL."""

    def __init__(self, parts: SplitResult, address: str, port: int, timeout: float) -> None:
        super().__init__(parts.hostname or "", port, timeout=timeout)
        self._address = address
        self._secure = parts.scheme == "https"
        self._open_socket: socket.socket | None = None

    def connect(self) -> None:
        self.sock = self._open_socket = socket.create_connection((self._address, self.port), self.timeout)
        if self._secure:
            tls_socket = ssl.create_default_context().wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            # Assigned before the handshake, so that abort() can end the handshake too.
            self.sock = self._open_socket = tls_socket
            tls_socket.do_handshake()

    def abort(self) -> None:
        """Unblock a thread that waits for this connection."""
        # Not self.sock: http.client clears it once it reads a response without a length.
        if self._open_socket is not None:
            with suppress(OSError):
                self._open_socket.shutdown(socket.SHUT_RDWR)
