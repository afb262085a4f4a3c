"""Jina AI's rerankers as a LangChain document compressor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jina_client import RerankResult
from jina_client.components import Reranker
from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import AliasChoices, Field

from .connection import JinaConnection

Rerankable = str | Document | Mapping[str, Any]


class JinaRerank(JinaConnection, BaseDocumentCompressor):
    """Keeps the documents that are most relevant to a query, best first.

    Example:
        >>> from langchain_jina import JinaRerank
        >>> reranker = JinaRerank(model="jina-reranker-v2-base-multilingual", base_url="local", top_n=1)
        >>> reranker.rerank(["Stocks fell.", "The cat sleeps."], "What does the cat do?")[0]["index"]
        1

    Raises:
        JinaInputError: an unknown argument or a value of the wrong type; a missing key when it is first needed.
    """

    model: str = Field(default="jina-reranker-v1-base-en", validation_alias=AliasChoices("model", "model_name"))
    """The model, also taken as ``model_name``. The default is that of ``langchain_community``."""
    top_n: int | None = 3
    """How many documents to keep; ``None`` keeps all, sorted."""
    truncation: bool | None = None
    """Cut documents longer than the model's context."""
    max_doc_length: int | None = None
    """The tokens of each document that are read, 1 to 8192 (``jina-reranker-v3`` and later)."""

    def rerank(
        self,
        documents: Sequence[Rerankable],
        query: str,
        *,
        model: str | None = None,
        top_n: int | None = -1,
    ) -> list[dict[str, Any]]:
        """Indices and scores, best first.

        Args:
            documents: texts, documents or ``{"text": …}``.
            query: the query.
            model: another model than this object's.
            top_n: how many to return; ``None`` returns all; -1 stands for this object's ``top_n``.

        Returns:
            For each ``{"index": place in documents, "relevance_score": score}``.
        """
        return _pairs(self._reranker(model).rerank(query, _texts(documents), self._top_n(top_n)))

    async def arerank(
        self,
        documents: Sequence[Rerankable],
        query: str,
        *,
        model: str | None = None,
        top_n: int | None = -1,
    ) -> list[dict[str, Any]]:
        """:meth:`rerank`, asynchronously."""
        return _pairs(await self._reranker(model).arerank(query, _texts(documents), self._top_n(top_n)))

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """The best ``top_n`` documents with ``relevance_score`` in their metadata; the given ones stay as they are."""
        return _scored(documents, self._reranker().rerank(query, _texts(documents), self.top_n))

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """:meth:`compress_documents`, asynchronously."""
        return _scored(documents, await self._reranker().arerank(query, _texts(documents), self.top_n))

    def _top_n(self, top_n: int | None) -> int | None:
        return self.top_n if top_n == -1 else top_n

    def _reranker(self, model: str | None = None) -> Reranker:
        return Reranker(
            self._connection(),
            model or self.model,
            truncation=self.truncation,
            max_doc_length=self.max_doc_length,
        )


def _texts(documents: Sequence[Rerankable]) -> Any:
    if not isinstance(documents, (list, tuple)):
        return documents
    return [document.page_content if isinstance(document, Document) else document for document in documents]


def _pairs(result: RerankResult) -> list[dict[str, Any]]:
    return [{"index": ranked.index, "relevance_score": ranked.relevance_score} for ranked in result]


def _scored(documents: Sequence[Document], result: RerankResult) -> list[Document]:
    return [
        documents[ranked.index].model_copy(
            update={"metadata": {**documents[ranked.index].metadata, "relevance_score": ranked.relevance_score}}
        )
        for ranked in result
    ]
