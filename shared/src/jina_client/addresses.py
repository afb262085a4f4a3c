"""Addresses: the API's root, the key's destination, the reader's hosts."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit, urlunsplit

from .errors import JinaInputError

ReaderMode = Literal["read", "search", "ground"]

READER_HOSTS: Mapping[ReaderMode, str] = {
    "read": "https://r.jina.ai",
    "search": "https://s.jina.ai",
    "ground": "https://g.jina.ai",
}
DEFAULT_BASE_URL = "https://api.jina.ai/v1"
LOCAL = "local"
SAGEMAKER = "sagemaker"
"""The scheme of ``sagemaker://ENDPOINT``, and the name of its dialect."""
URL_VARIABLE = "JINA_BASE_URL"

_ENDPOINTS = ("/embeddings", "/multi-vector", "/rerank", "/classify", "/train", "/segment", "/models")
# The host of the segmenter, whose only endpoint is its root.
_SEGMENT_HOST = "segment.jina.ai"


def resolve_base_url(base_url: Any) -> str:
    """Return the API's root, or the first one of several servers, which names the service; see :func:`resolve_roots`.

    Raises:
        JinaInputError: not a usable address.
    """
    return resolve_roots(base_url)[0]


def resolve_roots(base_url: Any) -> tuple[str, ...]:
    """Return the roots of one or more servers: the argument, else ``JINA_BASE_URL``, else Jina's address.

    The URL of an endpoint is cut to its root, because saved Haystack pipelines hold that.

    Args:
        base_url: one address, or several: as a list, or separated by commas.

    Raises:
        JinaInputError: an address that is not usable, an empty list, one server twice, or an address that cannot be
            one of several.
    """
    name = "base_url"
    if base_url is None and (variable := os.environ.get(URL_VARIABLE)):
        base_url, name = variable, f"the environment variable {URL_VARIABLE}"
    if base_url is None:
        return (DEFAULT_BASE_URL,)
    if not isinstance(base_url, (str, Sequence)) or isinstance(base_url, (bytes, bytearray)):
        raise JinaInputError(f"{name} must be an address or a list of addresses, got {type(base_url).__name__}")
    addresses = [base_url] if isinstance(base_url, str) else base_url
    if not addresses:
        raise JinaInputError(f"{name} is an empty list: pass the address of at least one server, or leave it out")
    for address in addresses:
        if not isinstance(address, str):
            raise JinaInputError(f"{name} must hold addresses, got {type(address).__name__}")
    roots = tuple(_resolve_root(name, part) for address in addresses for part in address.split(","))
    if len(roots) > 1:
        _check_several(name, roots)
    return roots


def _check_several(name: str, roots: Sequence[str]) -> None:
    servers: dict[tuple[Any, ...], str] = {}
    for root in roots:
        if root == LOCAL or is_sagemaker(root):
            raise JinaInputError(f"{name} lists {root!r} beside other servers: pass it alone, or leave it out")
        if is_jina(root):
            raise JinaInputError(
                f"{name} lists {root!r} beside other servers, which would get Jina's key, and Jina would bill for what "
                "they cannot serve: pass it alone, or leave it out"
            )
        parts = urlsplit(root)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        if (other := servers.setdefault((parts.hostname, port, parts.path), root)) is not root:
            raise JinaInputError(f"{name} lists one server twice, as {other!r} and {root!r}: leave one out")


def _resolve_root(name: str, address: str) -> str:
    url = address.strip()
    if url == LOCAL:
        return url
    if is_sagemaker(url):
        return _check_sagemaker(url)
    parts = urlsplit(_check_url(name, url, f"{LOCAL!r} or a URL such as {DEFAULT_BASE_URL}"))
    path = parts.path.rstrip("/")
    for endpoint in _ENDPOINTS:
        path = path.removesuffix(endpoint)
    if not path and is_jina(url):
        path = "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def host_of(url: str) -> str:
    """Return host and port of an address, as messages name a server."""
    return urlsplit(url).netloc.rpartition("@")[2] or url


def endpoint_url(root: str, endpoint: str) -> str:
    """Return the address of an endpoint such as ``embeddings``, or of a path such as ``/rerank``."""
    if is_sagemaker(root):
        return root
    if endpoint == "segment" and urlsplit(root).hostname == _SEGMENT_HOST:
        return f"https://{_SEGMENT_HOST}/"
    if root == LOCAL:
        return f"local:///v1/{endpoint.lstrip('/')}"
    # A path starts at the server's root, even if base_url ends in /v1.
    return f"{root.removesuffix('/v1')}{endpoint}" if endpoint.startswith("/") else f"{root}/{endpoint}"


def reader_root(root: str, mode: ReaderMode, endpoint: str | None) -> str:
    """Return the address of the reader, or of the search or grounding service.

    Args:
        root: the API's root. By default, the client of another service sends nothing to Jina.
        mode: which service.
        endpoint: the caller's own choice.

    Raises:
        JinaInputError: the client calls a service other than Jina's and ``endpoint`` is missing, or is not a URL.
    """
    if root == LOCAL or is_sagemaker(root):
        raise JinaInputError(
            f"the service at base_url={root!r} cannot {mode} the web: use a client with base_url={DEFAULT_BASE_URL!r}"
        )
    if endpoint is not None:
        return _check_url("endpoint", endpoint, READER_HOSTS[mode]).rstrip("/")
    if not is_jina(root):
        raise JinaInputError(
            f"{mode} needs endpoint=, because base_url={_without_user(root)!r} is not Jina's API: pass "
            f"endpoint={READER_HOSTS[mode]!r} for Jina's service, or the URL of your own"
        )
    return READER_HOSTS[mode]


def may_receive_key(root: str, url: str) -> bool:
    """Return whether the key may go to an address outside the API: another host of Jina's, or the same server."""
    if is_jina(root) and is_jina(url):
        return urlsplit(url).scheme == "https"
    own, other = urlsplit(root), urlsplit(url)
    return (own.scheme, own.netloc) == (other.scheme, other.netloc)


def is_sagemaker(url: str) -> bool:
    """Return whether a root names an endpoint of AWS SageMaker."""
    return url.startswith(f"{SAGEMAKER}://")


def has_catalog_models(root: str) -> bool:
    """Return whether a service has the models of the catalog only: Jina's own hosts, and the embedded engine."""
    return root == LOCAL or is_jina(root)


def is_jina(url: str) -> bool:
    """Return whether an address is on one of Jina's own hosts."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return host == "jina.ai" or host.endswith(".jina.ai")


def exposes_key(url: str) -> bool:
    """Return whether a key would leave this machine unencrypted."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname == "localhost":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True


def _check_url(name: str, url: Any, allowed: str) -> str:
    """Return an http or https address that consists of host and path only."""
    try:
        parts = urlsplit(url.strip())
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        valid = valid and not re.search(r"\s", url.strip())
    except (ValueError, AttributeError):
        valid = False
    if not valid:
        raise JinaInputError(f"{name} must be {allowed} (http or https), got {_without_user(str(url))!r}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise JinaInputError(
            f"{name} must not contain a user name, password, query or fragment: "
            f"pass the key as api_key=… (got host {parts.hostname!r})"
        )
    return str(url.strip())


def _check_sagemaker(url: str) -> str:
    """Return ``sagemaker://ENDPOINT``, with or without ``?region=…``."""
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    valid = parts.path in ("", "/") and not parts.fragment and set(query) <= {"region"}
    if not valid or not re.fullmatch("[A-Za-z0-9](-?[A-Za-z0-9])*", parts.netloc):
        raise JinaInputError(
            f"base_url must name one endpoint, such as {SAGEMAKER}://my-endpoint?region=eu-central-1, "
            f"got {_without_user(url)!r}"
        )
    return url


def _without_user(url: str) -> str:
    """Return a malformed URL for an error message, without the part before ``@``, which may be a password."""
    return url.rpartition("@")[2]
