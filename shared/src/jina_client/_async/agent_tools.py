"""Web search and the reader as tools of an agent."""

from __future__ import annotations

from ..addresses import reader_root
from ..components.agent_tools import (
    DEFAULT_RESULTS,
    MAX_OUTPUT_TOKENS,
    ToolResult,
    check_output_tokens,
    check_read,
    check_search,
    failed_call,
    invalid_arguments,
    read_result,
    search_result,
)
from ..components.connection import Connection
from ..errors import JinaError, JinaInputError


class AsyncWebTools:
    """Web search and the reader as tools of an agent: text in, bounded text with sources out.

    A failed call returns a text that says what to try instead. Errors of the program, such as a missing key, raise.

    Args:
        connection: where to call.
        max_output_tokens: limit of a result, in estimated tokens.
        search_endpoint: the address of a search service of your own; by default Jina's.
        reader_endpoint: the address of a reader of your own; by default Jina's.

    Raises:
        JinaInputError: ``max_output_tokens`` is below 100.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        max_output_tokens: int = MAX_OUTPUT_TOKENS,
        search_endpoint: str | None = None,
        reader_endpoint: str | None = None,
    ) -> None:
        check_output_tokens(max_output_tokens)
        self._connection = connection
        self._max_output_tokens = max_output_tokens
        self._search_endpoint = search_endpoint
        self._reader_endpoint = reader_endpoint

    def check_search(self) -> None:
        """Check before an agent starts that it can search the web. Sends no request.

        Raises:
            JinaInputError: a missing key, or a service that cannot search the web.
        """
        reader_root(self._connection.async_client.settings.root, "search", self._search_endpoint)

    def check_read(self) -> None:
        """Check before an agent starts that it can read web pages. Sends no request.

        Raises:
            JinaInputError: a missing key, or a service that cannot read web pages.
        """
        reader_root(self._connection.async_client.settings.root, "read", self._reader_endpoint)

    async def search(self, query: str, max_results: int = DEFAULT_RESULTS) -> ToolResult:
        """Search the web.

        Args:
            query: the query.
            max_results: the number of pages, 1 to 10.

        Raises:
            JinaInputError: a missing key or an invalid option.
            AuthenticationError: a wrong key.
        """
        try:
            check_search(query, max_results)
        except JinaInputError as error:
            return invalid_arguments(error)
        try:
            web = self._connection.async_client.web
            results = await web.search(query, endpoint=self._search_endpoint)
        except JinaError as error:
            return failed_call(error)
        return search_result(query, results.pages[:max_results], self._max_output_tokens)

    async def read(self, url: str, start: int = 0) -> ToolResult:
        """Read a web page.

        Args:
            url: the page's address.
            start: the character of the page's text to start at.

        Raises:
            JinaInputError: a missing key or an invalid option.
            AuthenticationError: a wrong key.
        """
        try:
            check_read(url, start)
        except JinaInputError as error:
            return invalid_arguments(error)
        try:
            page = await self._connection.async_client.web.read(url, endpoint=self._reader_endpoint)
        except JinaError as error:
            return failed_call(error)
        return read_result(url, page, start, self._max_output_tokens)
