"""Where a client calls and with what key: arguments, environment variables and defaults made into one value."""

from __future__ import annotations

import ipaddress
import os
import re
import warnings
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from .cache import EmbeddingCache
from .dialects import DIALECTS, Dialect
from .errors import JinaInputError
from .observation import OnAttempt
from .protocol.reader import READER_HOSTS, ReaderMode

DEFAULT_BASE_URL = "https://api.jina.ai/v1"
LOCAL = "local"
SAGEMAKER = "sagemaker"
"""The scheme of ``sagemaker://ENDPOINT`` and the name of its dialect."""
KEY_VARIABLES = ("JINA_API_KEY", "JINAAI_API_KEY", "JINA_AUTH_TOKEN")
URL_VARIABLE = "JINA_BASE_URL"

_ENDPOINTS = ("/embeddings", "/multi-vector", "/rerank", "/classify", "/train", "/segment", "/models")
# It has the one endpoint, at its root.
_SEGMENT_HOST = "segment.jina.ai"


class Secret:
    """A string that shows as asterisks wherever it is printed; :meth:`reveal` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The string itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that a client is made from; see :class:`jina_client.JinaClient` for the meaning of each."""

    base_url: str
    api_key: Secret | None
    timeout: float
    max_retries: int
    retry_timeout: float
    max_concurrency: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    dialect: str
    cache: EmbeddingCache | None
    on_attempt: OnAttempt | None
    transport: Any

    @classmethod
    def resolve(
        cls,
        *,
        api_key: Any,
        base_url: str | None,
        timeout: float,
        max_retries: int,
        retry_timeout: float,
        max_concurrency: int,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        dialect: str | None,
        cache: Any,
        on_attempt: Any,
        transport: Any,
    ) -> Settings:
        """Fill in what the environment says, and refuse what cannot work."""
        url = resolved_url(base_url)
        on_sagemaker = _is_sagemaker(url)
        spoken = _dialect(dialect, on_sagemaker)
        # AWS signs requests with credentials of its own, which boto3 finds.
        key = None if on_sagemaker else _key(api_key)
        if key is None and _is_jina(url) and transport is None:
            raise JinaInputError(
                f"{url} needs an API key (from https://jina.ai): pass api_key=… or set {KEY_VARIABLES[0]}. "
                f"Without a key, base_url={LOCAL!r} or {URL_VARIABLE}={LOCAL} runs the embedded engine on this machine."
            )
        if key is not None and _is_exposed(url):
            warnings.warn(
                f"the API key travels unencrypted to {urlsplit(url).hostname}: use https", UserWarning, stacklevel=4
            )
        return cls(
            base_url=url,
            api_key=key,
            timeout=_positive("timeout", timeout, (int, float)),
            max_retries=_positive("max_retries", max_retries, (int,), zero=True),
            retry_timeout=_positive("retry_timeout", retry_timeout, (int, float), zero=True),
            max_concurrency=_positive("max_concurrency", max_concurrency, (int,)),
            requests_per_minute=_optional("requests_per_minute", requests_per_minute),
            tokens_per_minute=_optional("tokens_per_minute", tokens_per_minute),
            dialect=spoken,
            cache=_cache(cache),
            on_attempt=_function("on_attempt", on_attempt),
            transport=transport,
        )

    @property
    def is_local(self) -> bool:
        """Whether the embedded engine answers, inside this process."""
        return self.base_url == LOCAL

    @property
    def is_sagemaker(self) -> bool:
        """Whether an endpoint of AWS SageMaker answers, which boto3 calls."""
        return _is_sagemaker(self.base_url)

    def url(self, endpoint: str) -> str:
        """The address of an endpoint such as ``embeddings``."""
        if self.is_sagemaker:
            return self.base_url
        if endpoint == "segment" and urlsplit(self.base_url).hostname == _SEGMENT_HOST:
            return f"https://{_SEGMENT_HOST}/"
        if self.is_local:
            return f"local:///v1/{endpoint.lstrip('/')}"
        # A path of its own begins at the server's root, whichever root the caller named.
        root = self.base_url.removesuffix("/v1") if endpoint.startswith("/") else f"{self.base_url}/"
        return f"{root}{endpoint}"

    def trusts(self, url: str) -> bool:
        """Whether the key may be sent to an address outside the API: of Jina's other hosts, or of the same server."""
        if _is_jina(self.base_url) and _is_jina(url):
            return urlsplit(url).scheme == "https"
        own, other = urlsplit(self.base_url), urlsplit(url)
        return (own.scheme, own.netloc) == (other.scheme, other.netloc)


def reader_root(base_url: str, mode: ReaderMode, endpoint: str | None) -> str:
    """The address of the reader, or of another of its services.

    Args:
        base_url: where the client calls. What is asked of a server of one's own never goes to Jina's by default.
        mode: which service.
        endpoint: the caller's own choice.

    Raises:
        JinaInputError: a client that calls another service than Jina's, and no ``endpoint``; or one that is no URL.
    """
    if base_url == LOCAL or _is_sagemaker(base_url):
        raise JinaInputError(
            f"the service that this client calls ({base_url}) cannot {mode} the web: use a JinaClient of Jina's API, "
            f"base_url={DEFAULT_BASE_URL!r}"
        )
    if endpoint is None:
        if not _is_jina(base_url):
            raise JinaInputError(
                f"this client calls {_without_user(base_url)}, so {mode} asks nobody else by itself: pass "
                f"endpoint={READER_HOSTS[mode]!r} for Jina's service, or the URL of your own"
            )
        return READER_HOSTS[mode]
    return _checked_url("endpoint", endpoint, READER_HOSTS[mode]).rstrip("/")


def resolved_url(base_url: str | None) -> str:
    """The API's root: as given, else of the environment, else Jina's."""
    return _root(base_url or os.environ.get(URL_VARIABLE) or DEFAULT_BASE_URL)


def _dialect(dialect: Any, on_sagemaker: bool) -> str:
    if dialect is None:
        return SAGEMAKER if on_sagemaker else Dialect.name
    if dialect not in DIALECTS:
        raise JinaInputError(f"dialect must be one of {', '.join(DIALECTS)}, got {dialect!r}")
    if (dialect == SAGEMAKER) != on_sagemaker:
        raise JinaInputError(f"dialect={SAGEMAKER!r} and base_url='{SAGEMAKER}://ENDPOINT' belong together")
    return str(dialect)


def _root(base_url: Any) -> str:
    """The API's root, from the root or from the URL of one of its endpoints (as saved Haystack pipelines have it)."""
    if not isinstance(base_url, str):
        raise JinaInputError(f"base_url must be a string, got {type(base_url).__name__}")
    url = base_url.strip()
    if url == LOCAL:
        return url
    if _is_sagemaker(url):
        return _endpoint(url)
    parts = urlsplit(_checked_url("base_url", url, f"{LOCAL!r} or a URL such as {DEFAULT_BASE_URL}"))
    path = parts.path.rstrip("/")
    for endpoint in _ENDPOINTS:
        path = path.removesuffix(endpoint)
    if not path and _is_jina(url):
        path = "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _checked_url(name: str, url: Any, allowed: str) -> str:
    """An address of http or https that holds nothing but host and path."""
    try:
        parts = urlsplit(url.strip())
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, AttributeError):
        valid = False
    if not valid:
        raise JinaInputError(f"{name} must be {allowed} (http or https), got {_without_user(str(url))!r}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise JinaInputError(
            f"{name} must hold no user name, password, query or fragment: "
            f"pass the key as api_key=… (got host {parts.hostname!r})"
        )
    return str(url.strip())


def _endpoint(url: str) -> str:
    """``sagemaker://ENDPOINT``, with ``?region=…`` where it is said."""
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
    """A malformed URL as an error may show it: what stands before an ``@`` may be a password."""
    return url.rpartition("@")[2]


def _key(api_key: Any) -> Secret | None:
    if isinstance(api_key, Secret):
        api_key = api_key.reveal()
    elif hasattr(api_key, "get_secret_value"):  # pydantic's SecretStr, without importing pydantic
        api_key = api_key.get_secret_value()
    if api_key is not None and not isinstance(api_key, str):
        raise JinaInputError(f"api_key must be a string, got {type(api_key).__name__}")
    found = api_key or next((os.environ[name] for name in KEY_VARIABLES if os.environ.get(name)), "")
    found = found.strip()
    if not found:
        return None
    if not found.isascii() or not found.isprintable() or " " in found:
        raise JinaInputError("api_key holds a space, a line break or another character that no key has")
    return Secret(found)


def _is_sagemaker(url: str) -> bool:
    return url.startswith(f"{SAGEMAKER}://")


def _is_jina(url: str) -> bool:
    host = (urlsplit(url).hostname or "").rstrip(".")
    return host == "jina.ai" or host.endswith(".jina.ai")


def _is_exposed(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname == "localhost":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True


def _cache(cache: Any) -> EmbeddingCache | None:
    if cache is None or isinstance(cache, EmbeddingCache):
        return cache
    if not isinstance(cache, (str, os.PathLike)) or not os.fspath(cache):
        raise JinaInputError(f"cache must be a file's path or an EmbeddingCache, got {type(cache).__name__}")
    return EmbeddingCache(cache)


def _function(name: str, value: Any) -> Any:
    if value is not None and not callable(value):
        raise JinaInputError(f"{name} must be a function, got {type(value).__name__}")
    return value


def _optional(name: str, value: Any) -> int | None:
    return None if value is None else int(_positive(name, value, (int,)))


def _positive(name: str, value: Any, kinds: tuple[type, ...], *, zero: bool = False) -> Any:
    number: Any = value
    if isinstance(value, bool) or not isinstance(value, kinds) or not (number > 0 or (zero and number == 0)):
        kind = "a whole number" if kinds == (int,) else "a number"
        raise JinaInputError(f"{name} must be {kind} {'of 0 or more' if zero else 'above 0'}, got {value!r}")
    return value
