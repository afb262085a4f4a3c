"""Why an exchange failed, and what to do: read from the exceptions of the HTTP libraries, without importing them."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies

_RESOLUTION_ERRORS = ("NameResolutionError", "ClientConnectorDNSError")
_PLAIN_PORT = ("wrong version number", "record layer failure", "packet length too long", "unknown protocol")
_NO_CHECK = "; check base_url= and that the service runs"
_LONGEST = 300


def reason_of(url: str, error: BaseException) -> str:
    """Return why there is no response from an address, and what to do, in one sentence."""
    chain = list(_chain(error))
    parts = urlsplit(url)
    if any("Proxy" in type(each).__name__ for each in chain):
        return (
            f"the proxy {_proxy_of(parts.scheme)} does not work ({_innermost(chain)}): correct HTTPS_PROXY, HTTP_PROXY "
            f"or ALL_PROXY, or add {parts.hostname} to NO_PROXY"
        )
    if any(isinstance(each, socket.gaierror) or type(each).__name__ in _RESOLUTION_ERRORS for each in chain):
        return f"the host name {parts.hostname!r} has no address (DNS): check base_url= and the network"
    certificate = next((each for each in chain if isinstance(each, ssl.SSLCertVerificationError)), None)
    if certificate is not None:
        # aiohttp's own exception has no message about the verification. It is caused by the one that has.
        messages = (getattr(each, "verify_message", None) for each in chain)
        message = next((text for text in messages if text), certificate)
        return (
            f"its certificate is not trusted ({message}): pass ca_bundle=, "
            "the path of a file with the certificate of its authority, or correct base_url="
        )
    secure = next((each for each in chain if isinstance(each, ssl.SSLError)), None)
    if secure is not None and any(sign in str(secure).lower().replace("_", " ") for sign in _PLAIN_PORT):
        return f"the port does not speak TLS: pass base_url= with http:// instead of https:// ({parts.netloc})"
    if any(isinstance(each, ConnectionRefusedError) for each in chain):
        return f"connection refused, nothing listens on that port{_NO_CHECK}"
    return f"{_innermost(chain)}{_NO_CHECK}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that caused it, or that it wraps, outermost first."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        each = pending.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        wrapped = (each.__cause__, each.__context__, getattr(each, "reason", None), getattr(each, "os_error", None))
        pending += [other for other in (*wrapped, *each.args) if isinstance(other, BaseException)]


def _innermost(chain: list[BaseException]) -> str:
    """Return the operating system's message, which the HTTP libraries wrap several times over, or else the first."""
    system = [each for each in chain if isinstance(each, OSError) and type(each).__module__ == "builtins"]
    texts = [each.strerror or str(each) for each in system]
    text = next((text for text in reversed(texts) if text), "") or str(chain[0]) or type(chain[0]).__name__
    # aiohttp shows the proxy with its password.
    return re.sub(r"//[^/\s]*@", "//", text)[:_LONGEST]


def _proxy_of(scheme: str) -> str:
    """Return the proxy that the environment names, without a user name and a password."""
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all") or "of the environment"
    return proxy.rpartition("@")[2]
