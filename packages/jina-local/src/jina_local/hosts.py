"""Check which server a request names in its ``Host`` header."""

from __future__ import annotations

import ipaddress

from .errors import FlatError

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def accepted_hosts(host: str | None, more: tuple[str, ...]) -> frozenset[str] | None:
    """Return the accepted names of the server in lower case, or ``None`` if every name is accepted.

    Args:
        host: Address that the server listens on; ``None`` accepts every name.
        more: Further names.
    """
    if host is None:
        return None
    if is_loopback(host):
        return frozenset(name.lower() for name in (host, *_LOOPBACK_NAMES, *more))
    return frozenset(name.lower() for name in (host, *more)) if more else None


def check_host(header: str | None, hosts: frozenset[str] | None) -> FlatError | None:
    """Return an error if a request names another server: a page on the web can send such requests (DNS rebinding).

    Args:
        header: The ``Host`` header, or ``None`` without one.
        hosts: The accepted names; ``None`` accepts every name.
    """
    if hosts is None or header is None:
        return None
    name = header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0]
    if name.lower().rstrip(".") in hosts:
        return None
    message = f"The Host header {header[:100]!r} is not accepted here. Start the server with --allow-host to accept it."
    return FlatError(403, message, "AUTHZ_HOST_NOT_ALLOWED")


def is_loopback(host: str) -> bool:
    """Return whether an address or ``localhost`` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
