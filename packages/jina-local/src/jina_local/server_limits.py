"""Limits of the server against slow and numerous clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """Limits of a server against slow and numerous clients.

    Attributes:
        connections: Maximum number of connections. Further ones get a 503.
        header_seconds: Time limit for the head of a request.
        body_seconds: Time limit for a body.
        stall_seconds: Time limit for each wait for more of a body.
        stop_seconds: Time that a stopping server gives to the requests that it has accepted; the rest get a 503.
        hosts: Names in the ``Host`` header that are accepted besides the address that the server listens on. On
            loopback these are also ``localhost``, ``127.0.0.1`` and ``::1``. On other addresses every name is accepted
            if this is empty.
    """

    connections: int = 512
    header_seconds: float = 10.0
    body_seconds: float = 60.0
    stall_seconds: float = 10.0
    stop_seconds: float = 3.0
    hosts: tuple[str, ...] = ()
