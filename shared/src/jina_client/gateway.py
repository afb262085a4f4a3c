"""The arguments for a gateway in front of the service: its headers, the header of the key, and its certificates."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from .checks import is_header_name
from .errors import JinaInputError

_VALUE = re.compile("[ \\t!-~]*")
# The client sets these from the request itself.
_OWN = ("accept", "accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding")
_SECRET = re.compile("auth|key|token|secret|password|cookie", re.IGNORECASE)


def check_gateway(headers: Any, key_header: Any, ca_bundle: Any) -> None:
    """Raise unless these arguments of a client can work; each may be ``None``.

    Raises:
        JinaInputError: a header that HTTP cannot carry or that the client sets itself, or a file without certificates.
    """
    if headers is not None:
        _check_headers(headers)
    if key_header is not None:
        if not is_header_name(key_header):
            raise JinaInputError(f"key_header must be the name of a header such as 'api-key', got {key_header!r}")
        _check_name("key_header", key_header)
        if any(name.lower() == key_header.lower() for name in headers or {}):
            raise JinaInputError(f"headers= has {key_header!r}, which key_header= names: leave one of them out")
    if ca_bundle is not None:
        _check_certificates(ca_bundle)


def header_of_key(key: str, name: str | None) -> dict[str, str]:
    """Return the header that carries a key: ``Authorization: Bearer KEY``, or the key alone in another header."""
    return {"Authorization": f"Bearer {key}"} if name is None else {name: key}


def secret_values(headers: Mapping[str, str]) -> list[str]:
    """Return the values of headers whose name says that they are secret, such as ``X-Api-Key``.

    A value such as ``Basic dXNlcjpwdw==`` is secret as a whole, and so is its last word.
    """
    values = [value for name, value in headers.items() if _SECRET.search(name) and value.strip()]
    return [*values, *(value.split()[-1] for value in values if len(value.split()) > 1)]


def _check_headers(headers: Any) -> None:
    if not isinstance(headers, Mapping):
        raise JinaInputError(
            f"headers must be a dictionary such as {{'X-Team': 'search'}}, got {type(headers).__name__}"
        )
    for name, value in headers.items():
        if not is_header_name(name):
            raise JinaInputError(f"headers has the name {name!r}, which HTTP does not allow")
        _check_name("headers", name)
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise JinaInputError(f"headers[{name!r}] must be a string of printable ASCII characters")


def _check_name(argument: str, name: str) -> None:
    if name.lower() in _OWN:
        raise JinaInputError(f"{argument} has {name!r}, which the client sets itself: leave it out")


def _check_certificates(ca_bundle: Any) -> None:
    import ssl  # Most programs that never pass this have it loaded anyway, but not before the first request.

    if not isinstance(ca_bundle, (str, os.PathLike)) or not os.fspath(ca_bundle):
        raise JinaInputError(f"ca_bundle must be the path of a file of certificates, got {type(ca_bundle).__name__}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(os.fspath(ca_bundle))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise JinaInputError(
            f"ca_bundle={os.fspath(ca_bundle)!r} holds no certificates in PEM form: {reason}"
        ) from None
