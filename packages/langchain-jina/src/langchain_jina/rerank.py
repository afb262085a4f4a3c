"""Jina AI's rerankers as a LangChain document compressor and Runnable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Unpack

from jina_client import JinaArgumentError, JinaInputError, RerankResult
from jina_client.integration import (
    AsyncReranker,
    ConnectionOptions,
    Reranker,
    check_reranker,
    follows,
    replaces,
    warn_of_default_model,
)
from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import RunnableConfig, RunnableSerializable
from pydantic import AliasChoices, Field, SecretStr
from typing_extensions import TypedDict

from .connection import CLASSES, LangChainConnection, LangChainOptions

Rerankable = str | Document | Mapping[str, Any]

DEFAULT_MODEL = "jina-reranker-v1-base-en"


class LangChainRerankOptions(ConnectionOptions, LangChainOptions, total=False):
    """The further arguments of :class:`JinaRerank`."""

    model_name: str
    """Another name of ``model``."""
    name: str | None
    """The name of this step in traces."""


class RerankInput(TypedDict):
    """The input of :class:`JinaRerank` as a Runnable."""

    query: str
    documents: Sequence[Document]


class JinaRerank(LangChainConnection, RunnableSerializable[RerankInput, list[Document]], BaseDocumentCompressor):
    """Keep the documents that are most relevant to a query, most relevant first.

    It is a document compressor, for ``ContextualCompressionRetriever``, and a Runnable from ``{"query": …,
    "documents": …}`` to documents, for chains.

    Example:
        >>> from langchain_jina import JinaRerank
        >>> reranker = JinaRerank(model="jina-reranker-v2-base-multilingual", base_url="local", top_n=1)
        >>> reranker.rerank(["Stocks fell.", "The cat sleeps."], "What does the cat do?")[0]["index"]
        1

    Raises:
        JinaInputError: an unknown argument or a value that cannot work; a missing key when it is first needed.
    """

    # The configuration of RunnableSerializable would ignore unknown arguments.
    model_config = LangChainConnection.model_config

    model: str = Field(default=DEFAULT_MODEL, validation_alias=AliasChoices("model", "model_name"))
    """The model, also accepted as ``model_name``. The default is that of ``langchain_community``."""
    top_n: int | None = 3
    """The number of documents to keep; ``None`` keeps all, sorted."""
    truncation: bool | None = None
    """Cut documents longer than the model's context."""
    max_doc_length: int | None = None
    """Tokens per document that the model reads, 1 to 8192 (``jina-reranker-v3`` and later)."""
    max_image_side: int | None = None
    """Longer side in pixels above which an image is made smaller before it is sent (needs Pillow)."""

    if TYPE_CHECKING:
        # The aliases of pydantic's fields are invisible to type checkers and editors.
        def __init__(
            self,
            *,
            model: str = DEFAULT_MODEL,
            top_n: int | None = 3,
            api_key: str | SecretStr | None = None,
            truncation: bool | None = None,
            max_doc_length: int | None = None,
            max_image_side: int | None = None,
            **options: Unpack[LangChainRerankOptions],
        ) -> None:
            """Create a reranker.

            Args:
                model: the model's id, also accepted as ``model_name``.
                top_n: how many documents to keep; ``None`` keeps all, sorted.
                api_key: the key, also accepted as ``jina_api_key``; by default ``JINA_API_KEY``.
                truncation: cut documents longer than the model's context.
                max_doc_length: tokens per document that the model reads, 1 to 8192 (``jina-reranker-v3`` and later).
                max_image_side: longer side in pixels above which an image is made smaller (needs Pillow).
                **options: where and how to call.
            """

    def rerank(
        self,
        documents: Sequence[Rerankable],
        query: str,
        *,
        model: str | None = None,
        top_n: int | None = -1,
        max_chunks_per_doc: None = None,
    ) -> list[dict[str, Any]]:
        """Return indices and scores, most relevant first.

        Args:
            documents: texts, documents or ``{"text": …}``; images as ``{"image": …}`` with ``jina-reranker-m0``.
            query: the query.
            model: another model than this object's.
            top_n: the number of documents to return; ``None`` returns all, -1 uses this object's ``top_n``.
            max_chunks_per_doc: raises an error if it is set, because the service does not have this option.

        Returns:
            For each document ``{"index": its index in documents, "relevance_score": its score}``.
        """
        _check_unset(max_chunks_per_doc)
        return _pairs(self._reranker(model).rerank(query, _texts(documents), self._top_n(top_n)))

    @follows("rerank")
    async def arerank(
        self,
        documents: Sequence[Rerankable],
        query: str,
        *,
        model: str | None = None,
        top_n: int | None = -1,
        max_chunks_per_doc: None = None,
    ) -> list[dict[str, Any]]:
        """Return indices and scores; see :meth:`rerank`."""
        _check_unset(max_chunks_per_doc)
        return _pairs(await self._async_reranker(model).rerank(query, _texts(documents), self._top_n(top_n)))

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Return copies of the best ``top_n`` documents with ``relevance_score`` in their metadata."""
        if replaces(type(self), "rerank", "compress_documents"):
            return _from_pairs(documents, self.rerank(documents, query))
        return _scored(documents, self._reranker().rerank(query, _contents(documents), self.top_n))

    @follows("compress_documents")
    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Return the best documents; see :meth:`compress_documents`."""
        if self._replaces_rerank("acompress_documents"):
            return _from_pairs(documents, await self.arerank(documents, query))
        return _scored(documents, await self._async_reranker().rerank(query, _contents(documents), self.top_n))

    def invoke(self, input: RerankInput, config: RunnableConfig | None = None, **options: Any) -> list[Document]:
        """Rerank as a step of a chain, with its callbacks and traces; see :meth:`compress_documents`.

        Args:
            input: ``{"query": …, "documents": …}``.
            config: the chain's.
            **options: ``model`` and ``top_n``, as for :meth:`rerank`; ``bind`` sets them.
        """
        return self._call_with_config(self._invoke, input, config, **options)

    async def ainvoke(self, input: RerankInput, config: RunnableConfig | None = None, **options: Any) -> list[Document]:
        """Rerank as a step of a chain; see :meth:`invoke`."""
        return await self._acall_with_config(self._ainvoke, input, config, **options)

    def _invoke(self, input: RerankInput, *, model: str | None = None, top_n: int | None = -1) -> list[Document]:
        query, documents = _parts(input)
        if replaces(type(self), "compress_documents", "_invoke"):
            self._check_unbound(model, top_n)
            return list(self.compress_documents(documents, query))
        if replaces(type(self), "rerank", "_invoke"):
            return _from_pairs(documents, self.rerank(documents, query, **_changed(model, top_n)))
        return _scored(documents, self._reranker(model).rerank(query, _contents(documents), self._top_n(top_n)))

    async def _ainvoke(self, input: RerankInput, *, model: str | None = None, top_n: int | None = -1) -> list[Document]:
        query, documents = _parts(input)
        kind = type(self)
        if any(replaces(kind, name, "_ainvoke") for name in ("compress_documents", "acompress_documents")):
            self._check_unbound(model, top_n)
            return list(await self.acompress_documents(documents, query))
        if self._replaces_rerank("_ainvoke"):
            return _from_pairs(documents, await self.arerank(documents, query, **_changed(model, top_n)))
        result = await self._async_reranker(model).rerank(query, _contents(documents), self._top_n(top_n))
        return _scored(documents, result)

    def _check(self) -> None:
        super()._check()
        if "model" not in self.model_fields_set:
            warn_of_default_model(type(self), DEFAULT_MODEL)
        # A subclass that sends texts itself has models of its own.
        if not any(replaces(type(self), name, "_check") for name in ("rerank", "compress_documents")):
            service = self._connection().service
            check_reranker(self.model, service, CLASSES, top_n=self.top_n, **self._options())

    def _replaces_rerank(self, method: str) -> bool:
        """Return whether a subclass has a ``rerank`` of its own that an asynchronous method must call."""
        return any(replaces(type(self), name, method) for name in ("rerank", "arerank"))

    def _check_unbound(self, model: str | None, top_n: int | None) -> None:
        if _changed(model, top_n):
            raise JinaInputError(
                f"{type(self).__name__} overrides compress_documents, which takes neither model nor top_n: "
                "set them as attributes instead of binding them"
            )

    def _top_n(self, top_n: int | None) -> int | None:
        return self.top_n if top_n == -1 else top_n

    def _reranker(self, model: str | None = None) -> Reranker:
        return Reranker(self._connection(), model or self.model, **self._options())

    def _async_reranker(self, model: str | None = None) -> AsyncReranker:
        return AsyncReranker(self._connection(), model or self.model, **self._options())

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("truncation", "max_doc_length", "max_image_side")}


def _texts(documents: Sequence[Rerankable]) -> Any:
    if not isinstance(documents, (list, tuple)):
        return documents
    return [document.page_content if isinstance(document, Document) else document for document in documents]


def _contents(documents: Sequence[Document]) -> Any:
    """Return the texts of documents. Anything but Documents raises, because the result consists of Documents."""
    for place, document in enumerate(documents if isinstance(documents, (list, tuple)) else ()):
        if not isinstance(document, Document):
            raise JinaArgumentError(
                f"documents[{place}] must be a Document, got {type(document).__name__}; rerank(…) takes texts"
            )
    return _texts(documents)


def _parts(input: Any) -> tuple[str, Sequence[Document]]:
    if not isinstance(input, Mapping) or set(input) != {"query", "documents"}:
        actual = sorted(map(str, input)) if isinstance(input, Mapping) else type(input).__name__
        raise JinaInputError(f'JinaRerank must be invoked with {{"query": …, "documents": …}}, got {actual}')
    return input["query"], input["documents"]


def _check_unset(max_chunks_per_doc: Any) -> None:
    if max_chunks_per_doc is not None:
        raise JinaArgumentError(
            "the service has no option max_chunks_per_doc; max_doc_length= of JinaRerank limits the tokens per document"
        )


def _changed(model: str | None, top_n: int | None) -> dict[str, Any]:
    """Return the arguments of :meth:`JinaRerank.rerank` that a chain has set."""
    return {**({} if model is None else {"model": model}), **({} if top_n == -1 else {"top_n": top_n})}


def _pairs(result: RerankResult) -> list[dict[str, Any]]:
    return [{"index": ranked.index, "relevance_score": ranked.relevance_score} for ranked in result]


def _scored(documents: Sequence[Document], result: RerankResult) -> list[Document]:
    return _from_pairs(documents, _pairs(result))


def _from_pairs(documents: Sequence[Document], pairs: Sequence[Mapping[str, Any]]) -> list[Document]:
    """Return copies of documents with their scores, from the result of :meth:`JinaRerank.rerank`."""
    ranked = [(documents[pair["index"]], pair["relevance_score"]) for pair in pairs]
    return [
        document.model_copy(update={"metadata": {**deepcopy(document.metadata), "relevance_score": score}})
        for document, score in ranked
    ]
