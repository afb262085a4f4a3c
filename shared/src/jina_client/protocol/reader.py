"""Requests to the reader: a web page as text, a search of the web, a statement checked against the web.

Each of the three has a host of its own. What is asked stands in the address, percent-encoded as a whole, and options
are headers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from urllib.parse import quote, urlsplit

from ..errors import JinaInputError, JinaResponseError
from ..results import Grounding, Page, SearchResults, Usage
from . import options
from .answers import as_object, as_objects, parse, usage_of
from .call import Call

ReaderMode = Literal["read", "search", "ground"]
ReturnFormat = Literal["markdown", "html", "text", "screenshot", "pageshot"]

READER_HOSTS: Mapping[ReaderMode, str] = {
    "read": "https://r.jina.ai",
    "search": "https://s.jina.ai",
    "ground": "https://g.jina.ai",
}
RETURN_FORMATS: tuple[str, ...] = get_args(ReturnFormat)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderRequest:
    """What is asked of the reader, validated.

    Attributes:
        mode: which of its services.
        root: that service's address.
        headers: the options.
        plain: whether the answer is to be a text instead of JSON.
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
            JinaInputError: an unknown format, a time below 1 s, or a header that HTTP cannot carry.
        """
        if return_format is not None:
            options.one_of("return_format", return_format, RETURN_FORMATS)
        options.whole("page_timeout", page_timeout, unit="seconds")
        options.flags(with_links_summary=with_links_summary, no_cache=no_cache, plain=plain)
        own = {
            "X-Return-Format": return_format,
            "X-Target-Selector": target_selector,
            "X-Timeout": page_timeout,
            "X-With-Links-Summary": "true" if with_links_summary else None,
            "X-No-Cache": "true" if no_cache else None,
        }
        named = {name: str(value) for name, value in own.items() if value is not None}
        further = _headers(headers)
        lowered = {name.lower() for name in further}
        kept = {name: value for name, value in named.items() if name.lower() not in lowered}
        return cls(mode=mode, root=root, headers=_headers({**kept, **further}), plain=plain)

    def encode(self, asked: str) -> Call:
        """The call that asks for a page, a search or a check.

        Raises:
            JinaInputError: an empty string, or for a page what is no address of the web.
        """
        text = _asked(self.mode, asked)
        place = f"?q={quote(text, safe='')}" if self.mode == "search" else quote(text, safe="")
        return Call(self.mode, method="GET", url=f"{self.root}/{place}", headers=self.headers, plain=self.plain)

    def page(self, answer: Any) -> Page:
        """Read the answer of ``read``."""
        if self.plain:
            return _plain_page(answer)
        return _page(as_object(answer).get("data"), usage_of(answer))

    def found(self, answer: Any) -> SearchResults:
        """Read the answer of ``search``."""
        usage = usage_of(answer)
        if self.plain:
            return SearchResults([_plain_page(answer)], usage)
        pages = [_page(item, usage_of(item)) for item in as_objects(as_object(answer).get("data"), "data")]
        return SearchResults(pages, usage)

    def checked(self, answer: Any) -> Grounding:
        """Read the answer of ``ground``."""
        usage = usage_of(answer)
        if self.plain:
            return Grounding(None, None, answer["content"], (), usage, answer)
        data = _data(as_object(answer).get("data"))
        reason, factuality, result = data.get("reason"), data.get("factuality"), data.get("result")
        if not isinstance(reason, str):
            raise JinaResponseError(f"the answer has the reason {reason!r}, expected a string")
        return Grounding(
            factuality=float(factuality) if isinstance(factuality, (int, float)) else None,
            result=result if isinstance(result, bool) else None,
            reason=reason,
            references=tuple(as_objects(data.get("references") or [], "references")),
            usage=usage,
            details=data,
        )


def read_answer(call: Call, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """A successful answer with its tokens in ``usage``, where every other answer of Jina's has them.

    Args:
        call: what was asked.
        body: the raw body.
        headers: the answer's headers, by lower-case name.

    Returns:
        The answer's JSON object; of a text ``content`` and ``content_type``.
    """
    if call.plain:
        return {"content": body.decode("utf-8", "replace"), "content_type": headers.get("content-type", "")}
    answer = as_object(parse(body))
    data, meta = answer.get("data"), answer.get("meta")
    if isinstance(data, Mapping):
        usage = usage_of(data)
    elif isinstance(meta, Mapping) and isinstance(meta.get("usage"), Mapping):
        usage = usage_of(meta)
    else:
        usage = sum((usage_of(item) for item in data or () if isinstance(item, Mapping)), Usage())
    return {**answer, "usage": usage.to_dict()}


def _page(value: Any, usage: Usage) -> Page:
    data = _data(value)
    content = data.get("content")
    return Page(
        url=str(data.get("url") or ""),
        title=str(data.get("title") or ""),
        description=str(data.get("description") or ""),
        # A search result may come without, and a screenshot has an address in its place.
        content=content if isinstance(content, str) else "",
        usage=usage,
        details=data,
    )


def _plain_page(answer: Mapping[str, Any]) -> Page:
    return Page(url="", title="", description="", content=answer["content"], usage=Usage(), details=answer)


def _data(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise JinaResponseError(f"the answer has {'no' if value is None else type(value).__name__} 'data', no object")
    return value


def _asked(mode: ReaderMode, asked: Any) -> str:
    name = {"read": "url", "search": "query", "ground": "statement"}[mode]
    if not isinstance(asked, str):
        raise JinaInputError(f"{name} must be a string, got {'None' if asked is None else type(asked).__name__}")
    text = asked.strip()
    if not text:
        raise JinaInputError(f"{name} is empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise JinaInputError(f"{name} holds a lone surrogate, which is no text") from None
    if mode == "read":
        scheme, separator, _ = text.partition("://")
        # Without a scheme the service takes it for https.
        if any(character.isspace() for character in text) or (
            separator and (scheme.lower() not in ("http", "https") or not _host(text))
        ):
            raise JinaInputError(f"url is no address of the web: {text[:100]!r}")
    return text


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _headers(given: Mapping[str, str] | None) -> dict[str, str]:
    """A copy of headers, each of which HTTP can carry."""
    if given is not None and not isinstance(given, Mapping):
        raise JinaInputError(f"headers must be a dictionary of strings, got {type(given).__name__}")
    for name, value in (given or {}).items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise JinaInputError(f"headers has a name that HTTP does not know: {name!r}")
        if not isinstance(value, str) or not (value.isascii() and value.isprintable()) or value != value.strip():
            # Without the value: it may be a cookie or a password.
            raise JinaInputError(f"the header {name} must be a string of ASCII characters with no space around it")
    return dict(given or {})
