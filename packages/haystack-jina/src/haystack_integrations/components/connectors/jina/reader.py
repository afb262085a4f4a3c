"""Jina AI's reader: pages, searches and checked statements as Documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from haystack import Document, component
from haystack.utils import Secret
from haystack_integrations.common.jina import DEFAULT_API_KEY, ComponentConnection, JinaComponent
from jina_client import AsyncJinaClient, Grounding, JinaClient, Page, SearchResults
from jina_client.integration import CONNECTION_OPTIONS, ConnectionOptions, follows, known_arguments

from .reader_mode import JinaReaderMode


@component
class JinaReaderConnector(JinaComponent):
    """Read a web page, search the web, or check a statement against the web.

    Usage example:
    ```python
    from haystack_integrations.components.connectors.jina import JinaReaderConnector

    reader = JinaReaderConnector(mode="read")
    print(reader.run(query="https://example.com")["documents"][0].content)
    ```
    """

    _ALWAYS_SAVED = ("mode", "json_response")

    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        mode: JinaReaderMode | str,
        api_key: Secret = DEFAULT_API_KEY,
        json_response: bool = True,
        *,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Create a JinaReaderConnector.

        :param mode: `read`, `search` or `ground`.
        :param api_key: The API key, resolved when the component is warmed up.
        :param json_response: Request JSON, whose fields become the meta of the Documents; otherwise request plain text,
            which becomes one Document.
        :param client: A ready client to use instead of key and connection options.
        :param options: Connection options: `base_url` (the address of a reader of your own), `timeout`, `max_retries`,
            `retry_timeout`, `max_concurrency`, `requests_per_minute`, `tokens_per_minute`, `headers`, `key_header` and
            `ca_bundle`, as for `jina_client.JinaClient`; `dialect` and `cache` have no effect here.
        :raises JinaInputError: An unknown argument or mode.
        """
        self.mode = mode if isinstance(mode, JinaReaderMode) else JinaReaderMode.from_str(mode)
        self.api_key = api_key
        self.json_response = json_response
        self._connection = ComponentConnection(api_key, client, options)

    @component.output_types(documents=list[Document])
    def run(self, query: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Read, search or check.

        :param query: The page's address, the query, or the statement.
        :param headers: Options of the reader, such as `{"X-No-Cache": "true"}`; the dict is not changed.
        :returns: `documents`: one for a page or a statement; one per page for a search.
        :raises JinaInputError: An empty query, an invalid web address, or invalid headers.
        """
        web, options = self._connection.open().client.web, self._options(headers)
        if self.mode is JinaReaderMode.READ:
            return self._output(query, web.read(query, **options))
        if self.mode is JinaReaderMode.SEARCH:
            return self._output(query, web.search(query, **options))
        return self._output(query, web.ground(query, **options))

    @component.output_types(documents=list[Document])
    @follows("run")
    async def run_async(self, query: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Read, search or check, asynchronously.

        :param query: The page's address, the query, or the statement.
        :param headers: Options of the reader, such as `{"X-No-Cache": "true"}`; the dict is not changed.
        :returns: `documents`: one for a page or a statement; one per page for a search.
        :raises JinaInputError: An empty query, an invalid web address, or invalid headers.
        """
        web, options = self._connection.open().async_client.web, self._options(headers)
        if self.mode is JinaReaderMode.READ:
            return self._output(query, await web.read(query, **options))
        if self.mode is JinaReaderMode.SEARCH:
            return self._output(query, await web.search(query, **options))
        return self._output(query, await web.ground(query, **options))

    def _options(self, headers: dict[str, str] | None) -> dict[str, Any]:
        endpoint = self._connection.options.get("base_url")
        return {"headers": headers, "plain": not self.json_response, "endpoint": endpoint}

    def _output(self, query: str, answer: Page | SearchResults | Grounding) -> dict[str, Any]:
        pages = answer.pages if isinstance(answer, SearchResults) else [answer]
        return {"documents": [self._document(query, each) for each in pages]}

    def _document(self, query: str, page: Page | Grounding) -> Document:
        content, field = (page.reason, "reason") if isinstance(page, Grounding) else (page.content, "content")
        meta: Mapping[str, Any] = page.details
        if not self.json_response:
            meta = {"content_type": meta["content_type"], "query": query}
        return Document(content=content, meta={name: value for name, value in meta.items() if name != field})
