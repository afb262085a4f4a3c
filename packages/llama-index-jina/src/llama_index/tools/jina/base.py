"""Jina AI's web search and reader, and search with reranking, as a LlamaIndex tool spec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from jina_client import AsyncJinaClient, JinaClient, JinaError, JinaInputError, Page
from jina_client.integration import (
    CONNECTION_OPTIONS,
    DEFAULT_RESULTS,
    DOCUMENTS_TOOL,
    MAX_OUTPUT_TOKENS,
    READ_TOOL,
    SEARCH_TOOL,
    AsyncWebTools,
    Connection,
    ConnectionOptions,
    DocumentSearchArguments,
    Passage,
    ReadPageArguments,
    ToolResult,
    WebSearchArguments,
    WebTools,
    check_connection,
    check_search,
    failed_call,
    invalid_query,
    known_arguments,
    passages_text,
    warn_of_conflicts,
)
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import Document, MetadataMode, NodeWithScore
from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec

from .result_tool import SourcedText, SourcedTool

warn_of_conflicts("llama-index-jina", "llama-index-tools-jina")


class JinaToolSpec(BaseToolSpec):
    """Tools that search the web, read a page, and search documents with any retriever and a reranker.

    The output of a tool has the text in ``content`` and the documents or nodes in ``raw_output``. A failed call
    returns a text that says what to try instead, with ``is_error``. The methods return documents, and raise.

    Example::

        from llama_index.core.agent.workflow import FunctionAgent
        from llama_index.tools.jina import JinaToolSpec

        agent = FunctionAgent(tools=JinaToolSpec().to_tool_list(), llm=llm)

    Args:
        api_key: the key; by default from the environment.
        retriever: for the tool ``search_documents``: the retriever. Let it return more nodes than the reranker keeps.
        reranker: for the tool ``search_documents``: the reranker, such as
            :class:`llama_index.postprocessor.jinaai_rerank.JinaRerank`. Its ``top_n`` is the number of passages.
        documents_description: for the tool ``search_documents``: how a language model decides to use it. Say what the
            documents are about.
        max_output_tokens: limit of a tool's result, in estimated tokens.
        search_endpoint: the address of a search service of your own; by default ``https://s.jina.ai``.
        reader_endpoint: the address of a reader of your own; by default ``https://r.jina.ai``.
        client: a ready client to use instead of the key and the options.
        **options: of the connection: ``base_url``, ``timeout``, ``max_retries`` and the others of
            :class:`jina_client.JinaClient`.

    Raises:
        JinaInputError: an unknown argument, an invalid value, or only one of ``retriever`` and ``reranker``; a missing
            key in :meth:`to_tool_list`.
    """

    spec_functions: list[SPEC_FUNCTION_TYPE] = ["jina_search", "jina_read"]  # noqa: RUF012

    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        api_key: str | None = None,
        *,
        retriever: BaseRetriever | None = None,
        reranker: BaseNodePostprocessor | None = None,
        documents_description: str = DOCUMENTS_TOOL.description,
        max_output_tokens: int = MAX_OUTPUT_TOKENS,
        search_endpoint: str | None = None,
        reader_endpoint: str | None = None,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        if (retriever is None) != (reranker is None):
            raise JinaInputError("retriever= and reranker= belong together: pass both, or neither")
        check_connection(options)
        self.retriever = retriever
        self.reranker = reranker
        self.documents_description = documents_description
        self.max_output_tokens = max_output_tokens
        self._connection = Connection(client, api_key=api_key, **options)
        self._endpoints = {"search_endpoint": search_endpoint, "reader_endpoint": reader_endpoint}
        self._web = WebTools(self._connection, max_output_tokens=max_output_tokens, **self._endpoints)
        self._async_web = AsyncWebTools(self._connection, max_output_tokens=max_output_tokens, **self._endpoints)
        if retriever is not None:
            self.spec_functions = [*self.spec_functions, "search_documents"]

    def to_tool_list(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """Return the tools for an agent.

        Args:
            spec_functions: the names of the tools; by default all.
            func_to_metadata_mapping: other names, descriptions or arguments, by the name of the tool.

        Raises:
            JinaInputError: a missing key, or a service that cannot do what the tools need. An agent would hide the
                error from the program.
        """
        metadata = func_to_metadata_mapping or {}
        tools: list[FunctionTool] = []
        for function in spec_functions or self.spec_functions:
            name = function if isinstance(function, str) else function[0]
            tool = self._tool(name, metadata.get(name))
            tools += [tool] if tool else super().to_tool_list([function], func_to_metadata_mapping)
        return tools

    def jina_search(self, query: str, max_results: int = DEFAULT_RESULTS) -> list[Document]:
        """Search the web and return the best pages, with ``url``, ``title`` and ``description`` in their metadata.

        Args:
            query: the query.
            max_results: the number of pages, 1 to 10.

        Raises:
            JinaInputError: an invalid argument, or a missing key.
            JinaError: see :mod:`jina_client.errors`.
        """
        check_search(query, max_results)
        results = self._connection.client.web.search(query, endpoint=self._endpoints["search_endpoint"])
        return [_document(page) for page in results.pages[:max_results]]

    async def ajina_search(self, query: str, max_results: int = DEFAULT_RESULTS) -> list[Document]:
        """Search the web; see :meth:`jina_search`."""
        check_search(query, max_results)
        results = await self._connection.async_client.web.search(query, endpoint=self._endpoints["search_endpoint"])
        return [_document(page) for page in results.pages[:max_results]]

    def jina_read(self, url: str) -> Document:
        """Read a web page, with ``url``, ``title`` and ``description`` in the metadata.

        Args:
            url: the page's address.

        Raises:
            JinaInputError: not a web address, or a missing key.
            JinaError: see :mod:`jina_client.errors`.
        """
        return _document(self._connection.client.web.read(url, endpoint=self._endpoints["reader_endpoint"]))

    async def ajina_read(self, url: str) -> Document:
        """Read a web page; see :meth:`jina_read`."""
        return _document(await self._connection.async_client.web.read(url, endpoint=self._endpoints["reader_endpoint"]))

    def search_documents(self, query: str) -> list[NodeWithScore]:
        """Return the nodes of ``retriever`` that ``reranker`` keeps, most relevant first.

        Args:
            query: the query.
        """
        retriever, reranker = self._searchers()
        return reranker.postprocess_nodes(retriever.retrieve(query), query_str=query)

    async def asearch_documents(self, query: str) -> list[NodeWithScore]:
        """Search documents; see :meth:`search_documents`."""
        retriever, reranker = self._searchers()
        return await reranker.apostprocess_nodes(await retriever.aretrieve(query), query_str=query)

    def close(self) -> None:
        """Close the connections of the synchronous methods; a later call opens them again."""
        self._connection.close()

    async def aclose(self) -> None:
        """Close the connections of the asynchronous methods; a later call opens them again."""
        await self._connection.aclose()

    def _searchers(self) -> tuple[BaseRetriever, BaseNodePostprocessor]:
        if self.retriever is None or self.reranker is None:
            raise JinaInputError("search_documents needs documents: pass retriever=… and reranker=… to JinaToolSpec")
        return self.retriever, self.reranker

    def _tool(self, name: str, metadata: ToolMetadata | None) -> FunctionTool | None:
        """Return a tool of this class; ``None`` for a function that a subclass adds."""
        if name == "jina_search":
            self._web.check_search()
            own = ToolMetadata(SEARCH_TOOL.description, SEARCH_TOOL.name, WebSearchArguments)
            return _sourced(self._search_text, self._asearch_text, metadata or own)
        if name == "jina_read":
            self._web.check_read()
            own = ToolMetadata(READ_TOOL.description, READ_TOOL.name, ReadPageArguments)
            return _sourced(self._read_text, self._aread_text, metadata or own)
        if name == "search_documents":
            self._searchers()
            own = ToolMetadata(self.documents_description, DOCUMENTS_TOOL.name, DocumentSearchArguments)
            return _sourced(self._documents_text, self._adocuments_text, metadata or own)
        return None

    def _search_text(self, query: str, max_results: int = DEFAULT_RESULTS) -> SourcedText:
        return _sourced_text(self._web.search(query, max_results))

    async def _asearch_text(self, query: str, max_results: int = DEFAULT_RESULTS) -> SourcedText:
        return _sourced_text(await self._async_web.search(query, max_results))

    def _read_text(self, url: str, start: int = 0) -> SourcedText:
        return _sourced_text(self._web.read(url, start))

    async def _aread_text(self, url: str, start: int = 0) -> SourcedText:
        return _sourced_text(await self._async_web.read(url, start))

    def _documents_text(self, query: str) -> SourcedText:
        if (invalid := invalid_query(query)) is not None:
            return _sourced_text(invalid)
        try:
            return self._nodes_text(query, self.search_documents(query))
        except JinaError as error:
            return _sourced_text(failed_call(error))

    async def _adocuments_text(self, query: str) -> SourcedText:
        if (invalid := invalid_query(query)) is not None:
            return _sourced_text(invalid)
        try:
            return self._nodes_text(query, await self.asearch_documents(query))
        except JinaError as error:
            return _sourced_text(failed_call(error))

    def _nodes_text(self, query: str, nodes: list[NodeWithScore]) -> SourcedText:
        passages = [
            Passage.from_metadata(scored.node.get_content(metadata_mode=MetadataMode.NONE), scored.node.metadata)
            for scored in nodes
        ]
        return SourcedText(passages_text(query, passages, self.max_output_tokens), nodes)


def _sourced(
    function: Callable[..., SourcedText], async_function: Callable[..., Any], metadata: ToolMetadata
) -> SourcedTool:
    return SourcedTool(fn=function, async_fn=async_function, metadata=metadata)


def _sourced_text(result: ToolResult) -> SourcedText:
    return SourcedText(result.text, [_document(page) for page in result.pages], result.failed)


def _document(page: Page) -> Document:
    metadata = {"url": page.url, "title": page.title, "description": page.description}
    return Document(text=page.content, metadata=metadata)
