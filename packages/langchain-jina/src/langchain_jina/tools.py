"""Reading a web page and searching the user's documents, as LangChain tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from jina_client import JinaError
from jina_client.integration import (
    DOCUMENTS_TOOL,
    MAX_OUTPUT_TOKENS,
    READ_TOOL,
    AsyncWebTools,
    ConnectionOptions,
    DocumentSearchArguments,
    Passage,
    ReadPageArguments,
    ToolResult,
    WebTools,
    check_output_tokens,
    failed_call,
    input_error_from_pydantic,
    invalid_query,
    passages_text,
)
from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun, Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool, ToolException
from pydantic import ConfigDict, SecretStr, ValidationError

from .connection import LangChainFields, LangChainOptions


def text_of(result: ToolResult) -> str:
    """Return the text of a result.

    Raises:
        ToolException: the call failed. A tool with ``handle_tool_error=True`` returns the text with the status
            ``error``.
    """
    if result.failed:
        raise ToolException(result.text)
    return result.text


class LangChainToolOptions(TypedDict, total=False):
    """Arguments of every tool of LangChain."""

    name: str
    """The tool's name."""
    description: str
    """How a language model decides to use the tool."""
    return_direct: bool
    """End the agent's run with the result of this tool."""
    verbose: bool
    """Log the progress of the tool."""
    callbacks: Callbacks
    """Callbacks for each call."""
    tags: list[str] | None
    """Tags of the tool in traces."""
    metadata: dict[str, Any] | None
    """Metadata of the tool in traces."""
    handle_tool_error: Any
    """``True`` returns the text of a failed call, ``False`` raises a ``ToolException``."""


class JinaReaderOptions(ConnectionOptions, LangChainOptions, LangChainToolOptions, total=False):
    """The further arguments of :class:`JinaReader`."""


class BoundedTool(BaseTool):
    """A tool without a connection of its own, whose result has a limit."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    handle_tool_error: Any = True
    max_output_tokens: int = MAX_OUTPUT_TOKENS
    """Limit of a result, in estimated tokens."""

    def __init__(self, **arguments: Any) -> None:
        try:
            super().__init__(**arguments)
        except ValidationError as error:
            raise input_error_from_pydantic(type(self), error) from None
        check_output_tokens(self.max_output_tokens)


class JinaReader(LangChainFields, BaseTool):
    """Read a web page or a PDF as Markdown.

    A failed call returns a text that says what to try instead; with ``handle_tool_error=False`` it raises a
    ``ToolException``.

    Example::

        from langchain.agents import create_agent
        from langchain_jina import JinaReader, JinaSearch

        agent = create_agent(model, [JinaSearch(), JinaReader()])

    Raises:
        JinaInputError: an unknown argument or a value of the wrong type; a missing key when it is first needed.
        AuthenticationError: a wrong key.
    """

    # The configuration of BaseTool would ignore unknown arguments.
    model_config = LangChainFields.model_config

    name: str = READ_TOOL.name
    description: str = READ_TOOL.description
    args_schema: Any = ReadPageArguments
    handle_tool_error: Any = True
    max_output_tokens: int = MAX_OUTPUT_TOKENS
    """Limit of a result, in estimated tokens."""
    endpoint: str | None = None
    """The address of a reader of your own; by default ``https://r.jina.ai``."""

    if TYPE_CHECKING:
        # The aliases of pydantic's fields are invisible to type checkers and editors.
        def __init__(
            self,
            *,
            api_key: str | SecretStr | None = None,
            max_output_tokens: int = MAX_OUTPUT_TOKENS,
            endpoint: str | None = None,
            **options: Unpack[JinaReaderOptions],
        ) -> None:
            """Create a tool that reads web pages.

            Args:
                api_key: the key, also accepted as ``jina_api_key``; by default ``JINA_API_KEY``.
                max_output_tokens: limit of a result, in estimated tokens.
                endpoint: the address of a reader of your own; by default ``https://r.jina.ai``.
                **options: those of LangChain's tools, and where and how to call.
            """

    def _check(self) -> None:
        super()._check()
        check_output_tokens(self.max_output_tokens)

    def _run(self, url: str, start: int = 0, run_manager: CallbackManagerForToolRun | None = None) -> str:
        return text_of(WebTools(self._connection(), **self._options()).read(url, start))

    async def _arun(self, url: str, start: int = 0, run_manager: AsyncCallbackManagerForToolRun | None = None) -> str:
        return text_of(await AsyncWebTools(self._connection(), **self._options()).read(url, start))

    def _options(self) -> dict[str, Any]:
        return {"max_output_tokens": self.max_output_tokens, "reader_endpoint": self.endpoint}


class JinaDocumentSearch(BoundedTool):
    """Search documents with any retriever, and rerank the results.

    The text has the title and the source of each passage, from ``title`` and ``url``, ``link``, ``source``,
    ``file_path`` or ``file_name`` of the document's metadata. The tool message's artifact is the list of documents. A
    failed call returns a text that says what to try instead; with ``handle_tool_error=False`` it raises a
    ``ToolException``.

    Args:
        retriever: the retriever. Let it return more documents than the reranker keeps.
        reranker: the reranker, such as :class:`JinaRerank`; its ``top_n`` is the number of passages.
        name: the tool's name.
        description: how a language model decides to use the tool. Say what the documents are about.
        max_output_tokens: limit of a result, in estimated tokens.

    Example:
        >>> from langchain_core.vectorstores import InMemoryVectorStore
        >>> from langchain_jina import JinaDocumentSearch, JinaEmbeddings, JinaRerank
        >>> store = InMemoryVectorStore(JinaEmbeddings(model="jina-embeddings-v3", base_url="local"))
        >>> ids = store.add_texts(["Stocks fell.", "The cat sleeps."])
        >>> reranker = JinaRerank(model="jina-reranker-v2-base-multilingual", base_url="local", top_n=1)
        >>> tool = JinaDocumentSearch(retriever=store.as_retriever(), reranker=reranker)
        >>> print(tool.invoke("What does the cat do?"))
        [1]
        The cat sleeps.

    Raises:
        JinaInputError: an unknown argument or a value of the wrong type; a missing key when it is first needed.
        AuthenticationError: a wrong key.
    """

    name: str = DOCUMENTS_TOOL.name
    description: str = DOCUMENTS_TOOL.description
    args_schema: Any = DocumentSearchArguments
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    retriever: BaseRetriever
    reranker: BaseDocumentCompressor

    def _run(
        self, query: str, run_manager: CallbackManagerForToolRun | None = None
    ) -> str | tuple[str, list[Document]]:
        callbacks = run_manager.get_child() if run_manager else None
        if (invalid := invalid_query(query)) is not None:
            text_of(invalid)
        try:
            documents = self.retriever.invoke(query, {"callbacks": callbacks})
            ranked = list(self.reranker.compress_documents(documents, query, callbacks))
        except JinaError as error:
            raise ToolException(failed_call(error).text) from error
        return self._output(query, ranked)

    async def _arun(
        self, query: str, run_manager: AsyncCallbackManagerForToolRun | None = None
    ) -> str | tuple[str, list[Document]]:
        callbacks = run_manager.get_child() if run_manager else None
        if (invalid := invalid_query(query)) is not None:
            text_of(invalid)
        try:
            documents = await self.retriever.ainvoke(query, {"callbacks": callbacks})
            ranked = list(await self.reranker.acompress_documents(documents, query, callbacks))
        except JinaError as error:
            raise ToolException(failed_call(error).text) from error
        return self._output(query, ranked)

    def _output(self, query: str, ranked: list[Document]) -> str | tuple[str, list[Document]]:
        passages = [Passage.from_metadata(document.page_content, document.metadata) for document in ranked]
        text = passages_text(query, passages, self.max_output_tokens)
        return (text, ranked) if self.response_format == "content_and_artifact" else text
