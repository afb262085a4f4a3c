"""Requests to the reader: read a web page, search the web, check a statement against the web.

Each of the three services has a host of its own. The page, query or statement is part of the address, percent-encoded
as a whole, and options are headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args
from urllib.parse import quote, urlsplit

from ..addresses import ReaderMode
from ..checks import check_choice, check_flag, check_whole, is_header_name
from ..errors import JinaInputError, JinaResponseError
from ..options import ReturnFormat
from ..results import Grounding, Page, SearchResults, Usage
from .call import Call
from .responses import as_number, as_object, as_objects, parse, usage_of

RETURN_FORMATS: tuple[str, ...] = get_args(ReturnFormat)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderRequest:
    """The validated options of a reader call.

    Attributes:
        mode: which service.
        root: that service's address.
        headers: the options.
        plain: whether to request plain text instead of JSON.
    """

    mode: ReaderMode
    root: str
    headers: Mapping[str, str] = field(repr=False)
    plain: bool

    @classmethod
    def build(
        cls,
        mode: ReaderMode,
        root: str,
        *,
        return_format: ReturnFormat | None = None,
        target_selector: str | None = None,
        page_timeout: int | None = None,
        with_links_summary: bool | None = None,
        no_cache: bool | None = None,
        headers: Mapping[str, str] | None = None,
        plain: bool = False,
    ) -> ReaderRequest:
        """Check every option.

        Raises:
            JinaInputError: an unknown format, a time below 1 s, or an invalid header.
        """
        if return_format is not None:
            check_choice("return_format", return_format, RETURN_FORMATS)
        check_whole("page_timeout", page_timeout, unit="seconds")
        for name, value in (("with_links_summary", with_links_summary), ("no_cache", no_cache), ("plain", plain)):
            check_flag(name, value)
        own = {
            "X-Return-Format": return_format,
            "X-Target-Selector": target_selector,
            "X-Timeout": page_timeout,
            "X-With-Links-Summary": "true" if with_links_summary else None,
            "X-No-Cache": "true" if no_cache else None,
        }
        callers = _check_headers(headers)
        lower_names = {name.lower() for name in callers}
        from_options = {
            name: str(value) for name, value in own.items() if value is not None and name.lower() not in lower_names
        }
        return cls(mode=mode, root=root, headers=_check_headers({**from_options, **callers}), plain=plain)

    def encode(self, subject: str) -> Call:
        """Return the call for a page, a search or a check.

        Args:
            subject: the page's address, the query, or the statement.

        Raises:
            JinaInputError: an empty string, or for a page something that is not a web address.
        """
        text = check_subject(self.mode, subject)
        path = f"?q={quote(text, safe='')}" if self.mode == "search" else quote(text, safe="")
        return Call(self.mode, method="GET", url=f"{self.root}/{path}", headers=self.headers, plain=self.plain)

    def page(self, response: Any) -> Page:
        """Read the response of ``read``."""
        if self.plain:
            return _plain_page(response)
        return _page(as_object(response).get("data"), usage_of(response))

    def search_results(self, response: Any) -> SearchResults:
        """Read the response of ``search``."""
        usage = usage_of(response)
        if self.plain:
            return SearchResults([_plain_page(response)], usage)
        pages = [_page(item, usage_of(item)) for item in as_objects(as_object(response).get("data"), "data")]
        return SearchResults(pages, usage)

    def grounding(self, response: Any) -> Grounding:
        """Read the response of ``ground``."""
        usage = usage_of(response)
        if self.plain:
            return Grounding(None, None, response["content"], (), usage, response)
        data = _data(as_object(response).get("data"))
        reason, factuality, result = data.get("reason"), data.get("factuality"), data.get("result")
        if not isinstance(reason, str):
            raise JinaResponseError(f"the response has the reason {reason!r}, expected a string")
        return Grounding(
            factuality=as_number(factuality, "the factuality") if isinstance(factuality, (int, float)) else None,
            result=result if isinstance(result, bool) else None,
            reason=reason,
            references=tuple(as_objects(data.get("references") or [], "references")),
            usage=usage,
            details=data,
        )


def parse_reader_response(call: Call, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return a successful response with its tokens in ``usage``, where every other response of Jina has them.

    Args:
        call: the request.
        body: the raw body.
        headers: the response's headers, by lower-case name.

    Returns:
        The JSON object; for plain text an object of ``content`` and ``content_type``.
    """
    if call.plain:
        return {"content": body.decode("utf-8", "replace"), "content_type": headers.get("content-type", "")}
    response = as_object(parse(body))
    data, meta = response.get("data"), response.get("meta")
    if isinstance(data, Mapping):
        usage = usage_of(data)
    elif isinstance(meta, Mapping) and isinstance(meta.get("usage"), Mapping):
        usage = usage_of(meta)
    else:
        pages = data if isinstance(data, list) else []
        usage = sum((usage_of(item) for item in pages if isinstance(item, Mapping)), Usage())
    return {**response, "usage": usage.to_dict()}


def _page(value: Any, usage: Usage) -> Page:
    data = _data(value)
    content = data.get("content")
    return Page(
        url=str(data.get("url") or ""),
        title=str(data.get("title") or ""),
        description=str(data.get("description") or ""),
        # A search result may lack the content, and a screenshot has an address instead.
        content=content if isinstance(content, str) else "",
        usage=usage,
        details=data,
    )


def _plain_page(response: Mapping[str, Any]) -> Page:
    return Page(url="", title="", description="", content=response["content"], usage=Usage(), details=response)


def _data(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise JinaResponseError(f"the response's 'data' is a JSON {type(value).__name__}, expected an object")
    return value


def check_subject(mode: ReaderMode, subject: Any) -> str:
    """Return the page's address, the query or the statement without surrounding spaces.

    Raises:
        JinaInputError: not a string, an empty one, or for a page something that is not a web address.
    """
    name = {"read": "url", "search": "query", "ground": "statement"}[mode]
    if not isinstance(subject, str):
        kind = "None" if subject is None else type(subject).__name__
        raise JinaInputError(f"{name} must be a string, got {kind}")
    text = subject.strip()
    if not text:
        raise JinaInputError(f"{name} is empty: pass at least one character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise JinaInputError(f"{name} contains a lone surrogate, which UTF-8 cannot encode") from None
    if mode == "read":
        scheme, separator, _ = text.partition("://")
        # Without a scheme the service assumes https.
        if any(character.isspace() for character in text) or (
            separator and (scheme.lower() not in ("http", "https") or not _host(text))
        ):
            raise JinaInputError(f"url is not a web address: {text[:100]!r}; it must start with http:// or https://")
    return text


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _check_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return a copy of headers that HTTP can carry."""
    if headers is not None and not isinstance(headers, Mapping):
        raise JinaInputError(f"headers must be a dictionary of strings, got {type(headers).__name__}")
    for name, value in (headers or {}).items():
        if not is_header_name(name):
            raise JinaInputError(f"headers has an invalid name: {name!r}")
        if not isinstance(value, str) or not (value.isascii() and value.isprintable()) or value != value.strip():
            # The message leaves out the value, which may be a cookie or a password.
            raise JinaInputError(f"the header {name} must be a string of ASCII characters without surrounding spaces")
    return dict(headers or {})
