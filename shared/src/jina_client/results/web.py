"""The results of the reader: web pages, search results and checked statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .sequence import ResultSequence
from .usage import Usage


@dataclass(frozen=True, slots=True)
class Page:
    """One web page.

    Attributes:
        url, title, description: empty if the service does not send them.
        content: the page as text, by default Markdown. Empty for formats that the service puts in ``details``.
        usage: tokens counted by the service.
        details: the service's complete description of the page.
    """

    url: str
    title: str
    description: str = field(repr=False)
    content: str = field(repr=False)
    usage: Usage
    details: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SearchResults(ResultSequence[Page]):
    """The pages of a web search, most relevant first.

    Attributes:
        pages: the pages.
        usage: tokens counted by the service for all pages.
    """

    pages: Sequence[Page]
    usage: Usage

    def _values(self) -> Sequence[Page]:
        return self.pages


@dataclass(frozen=True, slots=True)
class Grounding:
    """The result of checking a statement against the web.

    Attributes:
        factuality: support for the statement, from 0 to 1; ``None`` if the service does not send it.
        result: whether the statement is true; ``None`` if the service does not send it.
        reason: the service's explanation.
        references: the sources, as the service describes them.
        usage: tokens counted by the service.
        details: the service's complete response.
    """

    factuality: float | None
    result: bool | None
    reason: str = field(repr=False)
    references: tuple[Mapping[str, Any], ...] = field(repr=False)
    usage: Usage
    details: Mapping[str, Any] = field(repr=False)
