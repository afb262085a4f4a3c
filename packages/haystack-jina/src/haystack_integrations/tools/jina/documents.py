"""Search of the user's documents with reranking as a tool of an Agent."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from haystack import Document, SuperComponent
from haystack.components.retrievers.types import TextRetriever
from haystack.core.serialization import component_to_dict
from haystack.utils import deserialize_component_inplace
from haystack_integrations.components.rankers.jina import JinaRanker
from jina_client import JinaError, JinaInputError
from jina_client.integration import (
    DOCUMENTS_TOOL,
    MAX_OUTPUT_TOKENS,
    DocumentSearchArguments,
    Passage,
    failed_call,
    invalid_query,
    passages_text,
)

from .base import JinaTool, web_output


class JinaDocumentSearchTool(JinaTool):
    """Search documents with any retriever, and rerank the results.

    The text has the title and the source of each passage, from `title` and `url`, `link`, `source`, `file_path` or
    `file_name` of the Document's meta. The output has `text`, which the language model sees, and `documents` with their
    scores. If a call fails, the text says what to try instead.

    Usage example:
    ```python
    from haystack import Document
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack_integrations.components.rankers.jina import JinaRanker
    from haystack_integrations.tools.jina import JinaDocumentSearchTool

    store = InMemoryDocumentStore()
    store.write_documents([Document(content="Stocks fell."), Document(content="The cat sleeps.")])
    ranker = JinaRanker(model="jina-reranker-v2-base-multilingual", base_url="local", top_k=1)
    tool = JinaDocumentSearchTool(InMemoryBM25Retriever(store), ranker)
    print(tool.invoke(query="What does the cat do?")["text"])
    ```
    """

    def __init__(
        self,
        retriever: TextRetriever | SuperComponent,
        ranker: JinaRanker,
        *,
        name: str = DOCUMENTS_TOOL.name,
        description: str = DOCUMENTS_TOOL.description,
        max_output_tokens: int = MAX_OUTPUT_TOKENS,
        inputs_from_state: dict[str, str] | None = None,
        outputs_to_state: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        """Create a JinaDocumentSearchTool.

        :param retriever: A component whose `run` takes a `query` and returns `documents`. Let it return more Documents
            than the ranker keeps. For an embedding retriever, wrap it and its embedder in Haystack's
            `TextEmbeddingRetriever`; for a pipeline, use `SuperComponent`.
        :param ranker: The ranker; its `top_k` is the number of passages.
        :param name: The tool's name.
        :param description: How a language model decides to use the tool. Say what the documents are about.
        :param max_output_tokens: Limit of the text, in estimated tokens.
        :param inputs_from_state: As of `haystack.tools.Tool`.
        :param outputs_to_state: As of `haystack.tools.Tool`; the sources are `text` and `documents`.
        :raises JinaInputError: A retriever whose `run` takes no `query`, or an invalid value.
        """
        _check_retriever(retriever)
        self.retriever = retriever
        self.ranker = ranker
        super().__init__(
            self._run,
            self._run_async,
            DocumentSearchArguments,
            max_output_tokens,
            name=name,
            description=description,
            inputs_from_state=inputs_from_state,
            outputs_to_state=outputs_to_state,
        )

    def warm_up(self) -> None:
        """Warm up the retriever and the ranker. An Agent calls this before it runs.

        :raises JinaInputError: A missing key.
        """
        for component in (self.retriever, self.ranker):
            if hasattr(component, "warm_up"):
                component.warm_up()

    async def warm_up_async(self) -> None:
        """Warm up the retriever and the ranker for asynchronous calls; see `warm_up`."""
        for component in (self.retriever, self.ranker):
            if hasattr(component, "warm_up_async"):
                await component.warm_up_async()
            elif hasattr(component, "warm_up"):
                component.warm_up()

    def close(self) -> None:
        """Close the retriever and the ranker; a later call opens them again."""
        for component in (self.retriever, self.ranker):
            if hasattr(component, "close"):
                component.close()

    async def close_async(self) -> None:
        """Close what asynchronous calls opened; a later call opens it again."""
        for component in (self.retriever, self.ranker):
            if hasattr(component, "close_async"):
                await component.close_async()

    def _run(self, query: str) -> dict[str, Any]:
        if (invalid := invalid_query(query)) is not None:
            return web_output(invalid)
        try:
            documents = self.retriever.run(query=query)["documents"]
            ranked = self.ranker.run(query=query, documents=documents)["documents"]
        except JinaError as error:
            return web_output(failed_call(error))
        return self._output(query, ranked)

    async def _run_async(self, query: str) -> dict[str, Any]:
        if (invalid := invalid_query(query)) is not None:
            return web_output(invalid)
        try:
            documents = (await self._retrieve_async(query))["documents"]
            ranked = (await self.ranker.run_async(query=query, documents=documents))["documents"]
        except JinaError as error:
            return web_output(failed_call(error))
        return self._output(query, ranked)

    async def _retrieve_async(self, query: str) -> dict[str, Any]:
        if hasattr(self.retriever, "run_async"):
            result: dict[str, Any] = await self.retriever.run_async(query=query)
            return result
        return await asyncio.to_thread(self.retriever.run, query=query)

    def _output(self, query: str, ranked: list[Document]) -> dict[str, Any]:
        passages = [Passage.from_metadata(document.content or "", document.meta) for document in ranked]
        return {"text": passages_text(query, passages, self.max_output_tokens), "documents": ranked}

    def _saved(self) -> dict[str, Any]:
        return {
            "retriever": component_to_dict(self.retriever, "retriever"),
            "ranker": component_to_dict(self.ranker, "ranker"),
        }

    @classmethod
    def _loaded(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        for name in ("retriever", "ranker"):
            deserialize_component_inplace(arguments, key=name)
        return arguments


def _check_retriever(retriever: Any) -> None:
    run = getattr(retriever, "run", None)
    parameters = inspect.signature(run).parameters if callable(run) else {}
    if "query" not in parameters and not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        raise JinaInputError(
            f"retriever must be a component whose run() takes a query, got {type(retriever).__name__}: wrap an "
            "embedding retriever and its embedder in haystack.components.retrievers.TextEmbeddingRetriever"
        )
