"""Jina AI's search of the web as a LangChain tool."""

from __future__ import annotations

import json
from typing import Any

from jina_client import SearchResults
from jina_client.integration import input_error_from_pydantic
from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.documents import Document
from langchain_core.tools import BaseTool
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .connection import LangChainConnection


class JinaSearchAPIWrapper(LangChainConnection):
    """Searches of the web, as JSON or as documents.

    Raises:
        JinaInputError: an unknown argument or a value of the wrong type; a missing key when it is first needed.
    """

    endpoint: str | None = None
    """The address of a search service of your own; by default ``https://s.jina.ai``."""

    def run(self, query: str) -> str:
        """Search the web.

        Args:
            query: the query, as a person would write it.

        Returns:
            A JSON list of objects with ``title``, ``link``, ``snippet`` and ``content``.
        """
        return _json(self._connection().client.web.search(query, endpoint=self.endpoint))

    async def arun(self, query: str) -> str:
        """:meth:`run`, asynchronously."""
        return _json(await self._connection().async_client.web.search(query, endpoint=self.endpoint))

    def download_documents(self, query: str) -> list[Document]:
        """The pages that a search finds, with ``title``, ``link`` and ``description`` in their metadata."""
        return _documents(self._connection().client.web.search(query, endpoint=self.endpoint))

    async def adownload_documents(self, query: str) -> list[Document]:
        """:meth:`download_documents`, asynchronously."""
        return _documents(await self._connection().async_client.web.search(query, endpoint=self.endpoint))


class JinaSearchInput(BaseModel):
    """What :class:`JinaSearch` takes."""

    query: str = Field(description="what to search the web for")


class JinaSearch(BaseTool):
    """A tool that searches the web.

    Args:
        search_wrapper: what searches, and with what key; by default the key is that of the environment.

    Raises:
        JinaInputError: an unknown argument; a missing key when it is first needed.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    name: str = "jina_search"
    description: str = (
        "Searches the web. Returns the best pages as JSON, each with its title, link, a snippet, and its content as "
        "Markdown. Use it for what is recent, or for facts that need a source."
    )
    args_schema: Any = JinaSearchInput
    search_wrapper: JinaSearchAPIWrapper = Field(default_factory=JinaSearchAPIWrapper)

    def __init__(self, **arguments: Any) -> None:
        try:
            super().__init__(**arguments)
        except ValidationError as error:
            raise input_error_from_pydantic(type(self), error) from None

    def _run(self, query: str, run_manager: CallbackManagerForToolRun | None = None) -> str:
        return self.search_wrapper.run(query)

    async def _arun(self, query: str, run_manager: AsyncCallbackManagerForToolRun | None = None) -> str:
        return await self.search_wrapper.arun(query)


def _json(found: SearchResults) -> str:
    pages = [
        {"title": page.title, "link": page.url, "snippet": page.description, "content": page.content} for page in found
    ]
    return json.dumps(pages, ensure_ascii=False)


def _documents(found: SearchResults) -> list[Document]:
    return [
        Document(page.content, metadata={"title": page.title, "link": page.url, "description": page.description})
        for page in found
    ]
