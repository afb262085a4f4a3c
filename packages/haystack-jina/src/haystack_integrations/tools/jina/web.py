"""Web search and the reader as tools of an Agent."""

from __future__ import annotations

import asyncio
from typing import Any, Unpack

from haystack.utils import Secret
from haystack_integrations.common.jina import DEFAULT_API_KEY, ComponentConnection
from jina_client import AsyncJinaClient, JinaClient
from jina_client.integration import (
    CONNECTION_OPTIONS,
    DEFAULT_RESULTS,
    MAX_OUTPUT_TOKENS,
    READ_TOOL,
    SEARCH_TOOL,
    AsyncWebTools,
    ConnectionOptions,
    ReadPageArguments,
    WebSearchArguments,
    WebTools,
    known_arguments,
)

from .base import JinaTool, web_output


class WebTool(JinaTool):
    """The parts that both tools of the web share."""

    endpoint: str | None
    _connection: ComponentConnection

    async def warm_up_async(self) -> None:
        """Resolve the key and make the client of asynchronous calls; see `warm_up`."""
        await self._connection.warm_up_async()
        await asyncio.to_thread(self.warm_up)

    def warm_up(self) -> None:
        """Resolve the key and make the client of synchronous calls. An Agent calls this before it runs.

        :raises JinaInputError: A missing key, or a service that cannot do what the tool needs.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections of synchronous calls; a later call opens them again."""
        self._connection.close()

    async def close_async(self) -> None:
        """Close the connections of asynchronous calls; a later call opens them again."""
        await self._connection.close_async()

    def _saved(self) -> dict[str, Any]:
        return {"endpoint": self.endpoint, **self._connection.to_dict()}

    @classmethod
    def _loaded(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        return {**arguments, "api_key": Secret.from_dict(arguments["api_key"])}

    def _tools(self) -> WebTools:
        return WebTools(self._connection.open(), **self._options())

    def _async_tools(self) -> AsyncWebTools:
        return AsyncWebTools(self._connection.open(), **self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "max_output_tokens": self.max_output_tokens,
            "search_endpoint": self.endpoint,
            "reader_endpoint": self.endpoint,
        }


class JinaSearchTool(WebTool):
    """Search the web.

    The output has `text`, which the language model sees, and `documents`, the pages in full. If a call fails, the text
    says what to try instead.

    Usage example:
    ```python
    from haystack.components.agents import Agent
    from haystack_integrations.tools.jina import JinaReaderTool, JinaSearchTool

    agent = Agent(chat_generator=chat_generator, tools=[JinaSearchTool(), JinaReaderTool()])
    ```
    """

    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        api_key: Secret = DEFAULT_API_KEY,
        *,
        name: str = SEARCH_TOOL.name,
        description: str = SEARCH_TOOL.description,
        max_output_tokens: int = MAX_OUTPUT_TOKENS,
        endpoint: str | None = None,
        inputs_from_state: dict[str, str] | None = None,
        outputs_to_state: dict[str, dict[str, Any]] | None = None,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Create a JinaSearchTool.

        :param api_key: The key, resolved when the tool is warmed up.
        :param name: The tool's name.
        :param description: How a language model decides to use the tool.
        :param max_output_tokens: Limit of the text, in estimated tokens.
        :param endpoint: The address of a search service of your own; by default `https://s.jina.ai`.
        :param inputs_from_state: As of `haystack.tools.Tool`.
        :param outputs_to_state: As of `haystack.tools.Tool`; the sources are `text` and `documents`.
        :param client: A ready client to use instead of the key and the options.
        :param options: Of the connection: `base_url`, `timeout`, `max_retries` and the others of
            `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument or an invalid value.
        """
        self.endpoint = endpoint
        self._connection = ComponentConnection(api_key, client, options)
        super().__init__(
            self._run,
            self._run_async,
            WebSearchArguments,
            max_output_tokens,
            name=name,
            description=description,
            inputs_from_state=inputs_from_state,
            outputs_to_state=outputs_to_state,
        )

    def warm_up(self) -> None:
        """Resolve the key and make the client. An Agent calls this before it runs.

        :raises JinaInputError: A missing key, or a service that cannot search the web.
        """
        self._tools().check_search()

    def _run(self, query: str, max_results: int = DEFAULT_RESULTS) -> dict[str, Any]:
        return web_output(self._tools().search(query, max_results))

    async def _run_async(self, query: str, max_results: int = DEFAULT_RESULTS) -> dict[str, Any]:
        return web_output(await self._async_tools().search(query, max_results))


class JinaReaderTool(WebTool):
    """Read a web page or a PDF as Markdown.

    The output has `text`, which the language model sees, and `documents`, the page in full. If a call fails, the text
    says what to try instead.
    """

    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        api_key: Secret = DEFAULT_API_KEY,
        *,
        name: str = READ_TOOL.name,
        description: str = READ_TOOL.description,
        max_output_tokens: int = MAX_OUTPUT_TOKENS,
        endpoint: str | None = None,
        inputs_from_state: dict[str, str] | None = None,
        outputs_to_state: dict[str, dict[str, Any]] | None = None,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Create a JinaReaderTool.

        :param api_key: The key, resolved when the tool is warmed up.
        :param name: The tool's name.
        :param description: How a language model decides to use the tool.
        :param max_output_tokens: Limit of the text, in estimated tokens.
        :param endpoint: The address of a reader of your own; by default `https://r.jina.ai`.
        :param inputs_from_state: As of `haystack.tools.Tool`.
        :param outputs_to_state: As of `haystack.tools.Tool`; the sources are `text` and `documents`.
        :param client: A ready client to use instead of the key and the options.
        :param options: Of the connection: `base_url`, `timeout`, `max_retries` and the others of
            `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument or an invalid value.
        """
        self.endpoint = endpoint
        self._connection = ComponentConnection(api_key, client, options)
        super().__init__(
            self._run,
            self._run_async,
            ReadPageArguments,
            max_output_tokens,
            name=name,
            description=description,
            inputs_from_state=inputs_from_state,
            outputs_to_state=outputs_to_state,
        )

    def warm_up(self) -> None:
        """Resolve the key and make the client. An Agent calls this before it runs.

        :raises JinaInputError: A missing key, or a service that cannot read web pages.
        """
        self._tools().check_read()

    def _run(self, url: str, start: int = 0) -> dict[str, Any]:
        return web_output(self._tools().read(url, start))

    async def _run_async(self, url: str, start: int = 0) -> dict[str, Any]:
        return web_output(await self._async_tools().read(url, start))
