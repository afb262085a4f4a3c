"""What the reader gives: pages, search results, and statements checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .sequence import ResultSequence
from .usage import Usage


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the web.

    Attributes:
        url, title, description: empty where the service does not say.
        content: the page as text; Markdown by default. Empty where another format has it elsewhere, see ``details``.
        usage: the tokens counted.
        details: all that the service says of the page, as it says it.
    """

    url: str
    title: str
    description: str = field(repr=False)
    content: str = field(repr=False)
    usage: Usage
    details: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SearchResults(ResultSequence[Page]):
    """The pages that a search found, the most relevant first.

    Attributes:
        pages: the pages.
        usage: the tokens counted, of all of them.
    """

    pages: Sequence[Page]
    usage: Usage

    def _values(self) -> Sequence[Page]:
        return self.pages


@dataclass(frozen=True, slots=True)
class Grounding:
    """A statement checked against the web.

    Attributes:
        factuality: how well it is supported, 0 to 1; ``None`` where the service does not say.
        result: whether it is true; ``None`` where the service does not say.
        reason: why.
        references: the sources, as the service describes each.
        usage: the tokens counted.
        details: all that the service says, as it says it.
    """

    factuality: float | None
    result: bool | None
    reason: str = field(repr=False)
    references: tuple[Mapping[str, Any], ...] = field(repr=False)
    usage: Usage
    details: Mapping[str, Any] = field(repr=False)
