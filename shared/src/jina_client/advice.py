"""Advice for each error status: the last sentence of its message."""

from __future__ import annotations

from urllib.parse import urlsplit

from .addresses import URL_VARIABLE, has_catalog_models, is_jina
from .dialects import DIALECTS, Dialect
from .errors import JinaStatusError, ServerError
from .models import find_model, similar_model
from .settings import KEY_VARIABLES, Settings

KEY_PAGE = "https://jina.ai"
"""Where a user gets a key and sees the balance."""


def advice_for(error: JinaStatusError, url: str, settings: Settings, *, location: str = "", model: str = "") -> str:
    """Return what the caller can do about an error status, or an empty string.

    Args:
        error: the error.
        url: the address that the request went to.
        settings: those of the client.
        location: where the service redirects to.
        model: the model that the request names.
    """
    status = error.status_code
    if status in (400, 404, 422) and model and find_model(model) is None and has_catalog_models(settings.root):
        similar = similar_model(model)
        if similar:
            return f"Did you mean model={similar!r}?"
    if 300 <= status < 400:
        return f"The client does not follow redirects: pass the new address as base_url= ({location or 'not stated'})"
    for service in DIALECTS.values():
        if service.name != settings.dialect and service.made_error(error.body):
            return (
                f"The response comes from {service.title}: pass dialect={service.name!r} (it is {settings.dialect!r})"
            )
    if status == 401:
        return _about_the_key(url, settings)
    if status == 402:
        return f"The balance of the account is used up: top it up ({_place(url)}), or pass another api_key="
    if status == 403:
        return (
            "The key, its plan or its balance does not allow this request: "
            f"check them ({_place(url)}), or pass another api_key="
        )
    if status == 404:
        return _about_the_address(url, settings)
    if status == 413:
        return "Send less per request: pass a smaller batch_size=, or max_image_side= to shrink images"
    if status == 429:
        return _about_the_limit(error)
    if isinstance(error, ServerError):
        return "The service failed: try again later, or raise max_retries= and retry_timeout="
    return ""


def _about_the_key(url: str, settings: Settings) -> str:
    where = f"keys: {_place(url)}"
    if settings.key is None:
        return f"The request had no API key: pass api_key=… or set {KEY_VARIABLES[0]} ({where})"
    return f"The service rejects the key from {settings.key.source}: pass another api_key= or correct it ({where})"


def _place(url: str) -> str:
    """Return where a user finds keys, plans and balances."""
    return KEY_PAGE if is_jina(url) else f"from the operator of {urlsplit(url).netloc or 'the service'}"


def _about_the_address(url: str, settings: Settings) -> str:
    root = next((root for root in settings.roots if url.startswith(root)), settings.root)
    root_ends_in_v1 = DIALECTS[settings.dialect or Dialect.name].root_ends_in_v1
    is_below = urlsplit(url).scheme in ("http", "https") and url.startswith(root)
    if root_ends_in_v1 and is_below and not root.endswith("/v1"):
        return f"Does base_url end in /v1? It is {root!r}; most services need {root + '/v1'!r}"
    path = urlsplit(url).path or "/"
    return (
        f"The service has no endpoint {path}, or no model or job of the requested id: "
        f"check base_url= (or {URL_VARIABLE}), dialect= and the ids"
    )


def _about_the_limit(error: JinaStatusError) -> str:
    wait = "" if error.retry_after is None else f"The service asks to wait {error.retry_after:.0f} s. "
    return (
        f"{wait}To stay below the limit, pass requests_per_minute= or tokens_per_minute=, or a smaller max_concurrency="
    )
