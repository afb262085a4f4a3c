"""The arguments of agent tools as pydantic models, whose schemas language models see. This module needs pydantic."""

from __future__ import annotations

from pydantic import BaseModel, Field

from ..components.agent_tools import DEFAULT_RESULTS, MAX_QUERY_LENGTH, MAX_RESULTS


class WebSearchArguments(BaseModel):
    """The arguments of a web search."""

    query: str = Field(
        min_length=1, max_length=MAX_QUERY_LENGTH, description="The query: a question or keywords, in any language."
    )
    max_results: int = Field(
        default=DEFAULT_RESULTS,
        ge=1,
        le=MAX_RESULTS,
        description=f"The number of pages to return, 1 to {MAX_RESULTS}. Fewer pages are shown in more detail.",
    )


class ReadPageArguments(BaseModel):
    """The arguments of reading a page."""

    url: str = Field(min_length=1, description="The address of the page, such as https://example.com/page.")
    start: int = Field(
        default=0,
        ge=0,
        description="The character of the page's text to start at: 0, or the value that an earlier result named.",
    )


class DocumentSearchArguments(BaseModel):
    """The arguments of a search of the user's documents."""

    query: str = Field(
        min_length=1, max_length=MAX_QUERY_LENGTH, description="A question or keywords to find passages for."
    )
