"""The arguments of a client. This is their one declaration: both clients and every framework take them from here."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

from . import cache as caches
from .adaptive import CEILING
from .addresses import (
    LOCAL,
    SAGEMAKER,
    URL_VARIABLE,
    exposes_key,
    is_jina,
    is_sagemaker,
    resolve_roots,
)
from .callers import frames_to_caller
from .checks import check_number, check_whole, kind_of_value
from .dialects import DIALECTS, Dialect
from .errors import JinaInputError
from .gateway import check_gateway, secret_values
from .limiter import Limiter, RateLimiter
from .observation import OnAttempt
from .transport import AsyncTransport, Transport

LIMITS = ("requests_per_minute", "tokens_per_minute", "max_concurrency")
"""The limits among the arguments, which a limiter of the caller's replaces."""

MAX_CONNECTIONS = 256
"""Requests in flight to several servers together, unless ``max_concurrency`` allows more."""

KEY_VARIABLES = ("JINA_API_KEY", "JINAAI_API_KEY", "JINA_AUTH_TOKEN")


class Secret:
    """A string that prints as asterisks; :meth:`reveal` returns it.

    Args:
        value: the string.
        source: where it comes from, for error messages.
    """

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str = "api_key=") -> None:
        self._value = value
        self.source = source

    def reveal(self) -> str:
        """Return the string itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class Settings:
    """The arguments of a client, with defaults and environment variables filled in, and checked.

    :class:`jina_client.JinaClient` documents each. After construction ``api_key`` holds a :class:`Secret` or ``None``,
    ``base_url`` the API's root or a tuple of several, ``dialect`` a name, and ``cache`` an
    :class:`~jina_client.EmbeddingCache` or ``None``.

    Raises:
        JinaInputError: a missing key, or a value that cannot work.
    """

    api_key: Any = field(default=None, repr=False)
    base_url: str | Sequence[str] | None = None
    timeout: float = 60.0
    max_retries: int = 4
    retry_timeout: float = 300.0
    max_concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    dialect: str | None = None
    cache: str | os.PathLike[str] | caches.EmbeddingCache | None = None
    on_attempt: OnAttempt | None = None
    transport: Transport | AsyncTransport | None = None
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    key_header: str | None = None
    ca_bundle: str | os.PathLike[str] | None = None
    limiter: Limiter | None = None

    def __post_init__(self) -> None:
        _check_numbers({name: getattr(self, name) for name in _NUMBERS})
        if self.on_attempt is not None and not callable(self.on_attempt):
            raise JinaInputError(f"on_attempt must be a function, got {type(self.on_attempt).__name__}")
        roots = resolve_roots(self.base_url)
        self._set(base_url=roots[0] if len(roots) == 1 else roots)
        self._set(dialect=_resolve_dialect(self.dialect, self.is_sagemaker))
        # AWS signs requests with credentials of its own, which boto3 finds.
        self._set(api_key=None if self.is_sagemaker else _resolve_key(self.api_key))
        self._set(cache=_resolve_cache(self.cache))
        self._check_limiter()
        check_gateway(self.headers, self.key_header, self.ca_bundle)
        self._set(headers=dict(self.headers or {}))
        self._check_gateway_applies()
        self._check_key()

    @property
    def root(self) -> str:
        """The API's root; the first one of several servers names the service."""
        return self.roots[0]

    @property
    def roots(self) -> tuple[str, ...]:
        """The API's root, or those of several servers."""
        return (self.base_url,) if isinstance(self.base_url, str) else cast("tuple[str, ...]", self.base_url)

    @property
    def key(self) -> Secret | None:
        """The API key."""
        return cast("Secret | None", self.api_key)

    @property
    def secrets(self) -> list[str]:
        """Values that never show: the key, and those of headers that carry one."""
        key = [] if self.key is None else [self.key.reveal()]
        return key + secret_values(self.headers or {})

    @property
    def vector_cache(self) -> caches.EmbeddingCache | None:
        """The cache of vectors."""
        return cast("caches.EmbeddingCache | None", self.cache)

    @property
    def connections(self) -> int:
        """The largest number of requests in flight, to all servers together."""
        servers = len(self.roots)
        if self.max_concurrency is not None:
            return self.max_concurrency * servers
        return min(CEILING * servers, MAX_CONNECTIONS)

    @property
    def is_local(self) -> bool:
        """Whether requests go to the embedded engine in this process."""
        return self.root == LOCAL

    @property
    def is_sagemaker(self) -> bool:
        """Whether requests go to an endpoint of AWS SageMaker, by boto3."""
        return is_sagemaker(self.root)

    def new_limiter(self) -> RateLimiter:
        """Return a limiter with the limits of these settings, which hold for each of several servers."""
        return RateLimiter(self.requests_per_minute, self.tokens_per_minute, self.max_concurrency)

    def new_dialect(self) -> Dialect:
        """Return the protocol that the service speaks."""
        return DIALECTS[cast(str, self.dialect)]()

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_gateway_applies(self) -> None:
        """Raise if something that is not HTTP would ignore these arguments."""
        names = {"headers": self.headers, "key_header": self.key_header, "ca_bundle": self.ca_bundle}
        passed = ", ".join(f"{name}=" for name, value in names.items() if value)
        if passed and self.is_sagemaker:
            raise JinaInputError(f"boto3 sends requests to SageMaker and ignores {passed}: configure AWS instead")
        if self.ca_bundle is not None and self.transport is not None:
            raise JinaInputError("transport= sends the requests and ignores ca_bundle=: leave ca_bundle out")

    def _check_limiter(self) -> None:
        if self.limiter is None:
            return
        if not isinstance(self.limiter, Limiter):
            raise JinaInputError(
                f"limiter= must have the methods of jina_client.limiter.Limiter, got {kind_of_value(self.limiter)}"
            )
        if names := ", ".join(f"{name}=" for name in LIMITS if getattr(self, name) is not None):
            raise JinaInputError(f"limiter= has its own limits and would ignore {names}: pass one or the other")

    def _check_key(self) -> None:
        if self.key is None and is_jina(self.root) and self.transport is None:
            raise JinaInputError(
                f"{self.root} needs an API key (from https://jina.ai): pass api_key=… or set {KEY_VARIABLES[0]}. "
                f"Without a key, base_url={LOCAL!r} or {URL_VARIABLE}={LOCAL} runs the embedded engine on this machine."
            )
        hosts = [urlsplit(root).hostname or "" for root in self.roots if exposes_key(root)]
        if self.secrets and hosts:
            warnings.warn(
                f"the API key travels unencrypted to {', '.join(dict.fromkeys(hosts))}: use https",
                UserWarning,
                stacklevel=frames_to_caller(),
            )


_NUMBERS: Mapping[str, Callable[[str, Any], None]] = {
    "timeout": check_number,
    "retry_timeout": partial(check_number, zero=True),
    "max_retries": partial(check_whole, low=0, required=True),
    "max_concurrency": check_whole,
    "requests_per_minute": check_whole,
    "tokens_per_minute": check_whole,
}


def _check_numbers(values: Mapping[str, Any]) -> None:
    for name in _NUMBERS.keys() & values.keys():
        _NUMBERS[name](name, values[name])


def check_settings(options: Mapping[str, Any]) -> None:
    """Raise JinaInputError for arguments of a client that cannot work; others may be missing, such as the key."""
    _check_numbers(options)
    roots = resolve_roots(options.get("base_url"))
    _resolve_dialect(options.get("dialect"), is_sagemaker(roots[0]))
    if options.get("api_key") is not None:
        _resolve_key(options["api_key"])
    _check_cache(options.get("cache"))
    check_gateway(options.get("headers"), options.get("key_header"), options.get("ca_bundle"))


def _resolve_dialect(dialect: Any, on_sagemaker: bool) -> str:
    if dialect is None:
        return SAGEMAKER if on_sagemaker else Dialect.name
    if not isinstance(dialect, str) or dialect not in DIALECTS:
        raise JinaInputError(f"dialect must be one of {', '.join(DIALECTS)}, got {dialect!r}")
    if (dialect == SAGEMAKER) != on_sagemaker:
        raise JinaInputError(
            f"dialect={SAGEMAKER!r} and base_url='{SAGEMAKER}://ENDPOINT' belong together, got dialect={dialect!r}"
        )
    return str(dialect)


def _resolve_key(api_key: Any) -> Secret | None:
    if isinstance(api_key, Secret):
        return api_key
    if hasattr(api_key, "get_secret_value"):  # pydantic's SecretStr, without importing pydantic
        api_key = api_key.get_secret_value()
    if api_key is not None and not isinstance(api_key, str):
        raise JinaInputError(f"api_key must be a string, got {type(api_key).__name__}")
    variable = next((name for name in KEY_VARIABLES if os.environ.get(name)), None)
    key = (api_key or (os.environ[variable] if variable else "")).strip()
    if not key:
        return None
    secret = Secret(key) if api_key or not variable else Secret(key, f"the environment variable {variable}")
    if key == LOCAL or "://" in key:
        raise JinaInputError(f"{secret.source} holds an address and no API key: pass the address as base_url=")
    if not key.isascii() or not key.isprintable() or set(key) & set(" \"'"):
        raise JinaInputError(
            f"{secret.source} contains a space, a quotation mark, a line break or another character that API keys do "
            "not have: copy it again"
        )
    return secret


def _resolve_cache(cache: Any) -> caches.EmbeddingCache | None:
    _check_cache(cache)
    return cache if cache is None or isinstance(cache, caches.EmbeddingCache) else caches.EmbeddingCache(cache)


def _check_cache(cache: Any) -> None:
    if cache is None or isinstance(cache, caches.EmbeddingCache):
        return
    if not isinstance(cache, (str, os.PathLike)) or not os.fspath(cache):
        raise JinaInputError(f"cache must be the path of a file or an EmbeddingCache, got {type(cache).__name__}")
