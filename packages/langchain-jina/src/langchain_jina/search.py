"""Jina AI's search of the web as a LangChain tool."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from jina_client import Page, SearchResults
from jina_client.integration import (
    DEFAULT_RESULTS,
    SEARCH_TOOL,
    AsyncWebTools,
    ConnectionOptions,
    ToolResult,
    WebSearchArguments,
    WebTools,
    shortened,
    text_tokens,
)
from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.documents import Document
from pydantic import Field, SecretStr

from .connection import LangChainConnection, LangChainOptions
from .tools import BoundedTool, text_of


class JinaSearchOptions(ConnectionOptions, LangChainOptions, total=False):
    """The further arguments of :class:`JinaSearchAPIWrapper`."""


class JinaSearchAPIWrapper(LangChainConnection):
    """Search the web, and return JSON or documents.

    Raises:
        JinaInputError: an unknown argument or a value of the wrong type; a missing key when it is first needed.
    """

    endpoint: str | None = None
    """The address of a search service of your own; by default ``https://s.jina.ai``."""

    if TYPE_CHECKING:
        # The aliases of pydantic's fields are invisible to type checkers and editors.
        def __init__(
            self,
            *,
            api_key: str | SecretStr | None = None,
            endpoint: str | None = None,
            **options: Unpack[JinaSearchOptions],
        ) -> None:
            """Create a connection to the search of the web.

            Args:
                api_key: the key, also accepted as ``jina_api_key``; by default ``JINA_API_KEY``.
                endpoint: the address of a search service of your own; by default ``https://s.jina.ai``.
                **options: where and how to call.
            """

    def run(self, query: str) -> str:
        """Search the web.

        Args:
            query: the query, as a person would write it.

        Returns:
            A JSON list of objects with ``title``, ``link``, ``snippet`` and ``content``.
        """
        return _json(self._connection().client.web.search(query, endpoint=self.endpoint))

    async def arun(self, query: str) -> str:
        """Search the web; see :meth:`run`."""
        return _json(await self._connection().async_client.web.search(query, endpoint=self.endpoint))

    def download_documents(self, query: str) -> list[Document]:
        """Return the pages of a search, with ``title``, ``link`` and ``description`` in their metadata."""
        return _documents(self._connection().client.web.search(query, endpoint=self.endpoint))

    async def adownload_documents(self, query: str) -> list[Document]:
        """Return the pages of a search; see :meth:`download_documents`."""
        return _documents(await self._connection().async_client.web.search(query, endpoint=self.endpoint))


JinaSearchInput = WebSearchArguments
"""The arguments of :class:`JinaSearch`, under the name of ``langchain_community``."""


class JinaSearch(BoundedTool):
    """Search the web. The result is JSON, as that of :meth:`JinaSearchAPIWrapper.run`, with shortened contents.

    A failed call returns a text that says what to try instead; with ``handle_tool_error=False`` it raises a
    ``ToolException``.

    Args:
        search_wrapper: the connection; by default with the key from the environment.
        max_output_tokens: limit of a result, in estimated tokens.

    Raises:
        JinaInputError: an unknown argument or a value of the wrong type; a missing key when it is first needed.
        AuthenticationError: a wrong key.
    """

    name: str = SEARCH_TOOL.name
    description: str = SEARCH_TOOL.description
    args_schema: Any = JinaSearchInput
    search_wrapper: JinaSearchAPIWrapper = Field(default_factory=JinaSearchAPIWrapper)

    def _run(
        self, query: str, max_results: int = DEFAULT_RESULTS, run_manager: CallbackManagerForToolRun | None = None
    ) -> str:
        wrapper = self.search_wrapper
        tools = WebTools(wrapper._connection(), search_endpoint=wrapper.endpoint)
        return self._output(tools.search(query, max_results))

    async def _arun(
        self, query: str, max_results: int = DEFAULT_RESULTS, run_manager: AsyncCallbackManagerForToolRun | None = None
    ) -> str:
        wrapper = self.search_wrapper
        tools = AsyncWebTools(wrapper._connection(), search_endpoint=wrapper.endpoint)
        return self._output(await tools.search(query, max_results))

    def _output(self, result: ToolResult) -> str:
        text_of(result)
        return _bounded_json(result.pages, self.max_output_tokens)


def _json(pages: Iterable[Page]) -> str:
    return _dumps(
        [
            {"title": page.title, "link": page.url, "snippet": page.description, "content": page.content}
            for page in pages
        ]
    )


def _bounded_json(pages: Sequence[Page], max_tokens: int) -> str:
    """Return pages as JSON with shortened contents; the last pages are left out if the limit has no room for them."""

    def tokens_without_contents() -> int:
        return text_tokens(_json(replace(page, content="") for page in pages))

    while pages and tokens_without_contents() > max_tokens:
        pages = pages[:-1]
    contents = shortened(
        [page.content for page in pages],
        max_tokens - tokens_without_contents(),
        lambda text: text_tokens(_dumps(text)),
    )
    return _json(replace(page, content=content) for page, content in zip(pages, contents, strict=True))


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _documents(results: SearchResults) -> list[Document]:
    return [
        Document(page.content, metadata={"title": page.title, "link": page.url, "description": page.description})
        for page in results
    ]
