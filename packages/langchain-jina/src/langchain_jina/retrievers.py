"""Retrievers on an index in the process: bits first, then the vectors; or MaxSim over one vector a token."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self
from uuid import uuid4

from jina_client import JinaInputError
from jina_client.index import BinaryIndex, Hit, MultiVectorIndex
from jina_client.integration import AsyncMultiVectorEmbedder, MultiVectorEmbedder, input_error_from_pydantic
from jina_client.retrieval import OVERSAMPLING, IndexFolder, model_of, require_floats
from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, PrivateAttr, ValidationError

from .connection import LangChainConnection


class IndexRetriever(BaseRetriever):
    """What both retrievers have in common; a subclass says how texts become vectors."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", protected_namespaces=())

    path: str | Path | None = None
    """The index's folder, made when the first documents come; by default a temporary one."""
    k: int = Field(default=4, ge=1)
    """How many documents to find."""
    oversampling: float = Field(default=OVERSAMPLING, ge=1)
    """How many times ``k`` candidates the first stage chooses."""
    originals: Literal["int8", "int16"] | None = None
    """How the vectors lie on disk; by default ``int16`` for one vector a document, ``int8`` for one a token."""
    read_only: bool = False
    """Change nothing: several processes may have one ``path`` open that way, or one may write."""

    _folder: IndexFolder = PrivateAttr()

    def __init__(self, **arguments: Any) -> None:
        try:
            super().__init__(**arguments)
        except ValidationError as error:
            raise input_error_from_pydantic(type(self), error) from None
        self._folder = self._make_folder()

    def add_documents(self, documents: Sequence[Document]) -> list[str]:
        """Embed and add documents; one with the id of another takes its place. They are on disk when it returns.

        Returns:
            Their ids; a document without one gets one.
        """
        self._folder.check_writable()
        return self._add(documents, self._embed(_texts(documents)))

    async def aadd_documents(self, documents: Sequence[Document]) -> list[str]:
        """:meth:`add_documents`, asynchronously."""
        self._folder.check_writable()
        vectors = await self._aembed(_texts(documents))
        return await asyncio.to_thread(self._add, documents, vectors)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove documents; those that are not there are passed over.

        Returns:
            How many were removed.
        """
        return self._folder.remove(ids)

    def save(self, path: str | Path) -> None:
        """Write a copy of the index to another folder. At its own ``path`` it is saved at every moment."""
        self._folder.save(path)

    def close(self) -> None:
        """Give the index's files free, and close connections; a later call opens them anew."""
        self._folder.close()

    def __len__(self) -> int:
        return len(self._folder)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return _documents(self._search(self._embed_query(query)))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        vector = await self._aembed_query(query)
        return _documents(await asyncio.to_thread(self._search, vector))

    def _search(self, vector: Any) -> list[Hit]:
        return self._folder.search(vector, self.k, self.oversampling)

    def _add(self, documents: Sequence[Document], vectors: Any) -> list[str]:
        ids = [document.id or str(uuid4()) for document in documents]
        payloads = [{"page_content": each.page_content, "metadata": each.metadata} for each in documents]
        self._folder.add(ids, vectors, payloads)
        return ids

    @abstractmethod
    def _make_folder(self) -> IndexFolder: ...

    @abstractmethod
    def _embed(self, texts: list[str]) -> Any: ...

    @abstractmethod
    async def _aembed(self, texts: list[str]) -> Any: ...

    @abstractmethod
    def _embed_query(self, query: str) -> Any: ...

    @abstractmethod
    async def _aembed_query(self, query: str) -> Any: ...


class JinaRetriever(IndexRetriever):
    """Documents by vectors of one bit a dimension in memory, scored again with the vectors on disk.

    Example:
        >>> from langchain_core.documents import Document
        >>> from langchain_jina import JinaEmbeddings, JinaRetriever
        >>> embeddings = JinaEmbeddings(model="jina-embeddings-v3", base_url="local")
        >>> documents = [Document("The cat sleeps."), Document("Stocks fell.")]
        >>> retriever = JinaRetriever.from_documents(documents, embeddings, k=1)
        >>> retriever.invoke("What does the cat do?")[0].page_content
        'The cat sleeps.'

    Raises:
        JinaInputError: an unknown argument or a value of the wrong type; embeddings that give bits; an index of another
            model.
        IndexFileError: files that are damaged, or open in another process.
    """

    embeddings: Embeddings
    """What makes the vectors. Floats: bits (``embedding_type``) are refused, for they leave nothing to rank with."""
    probes: int | None = Field(default=None, ge=1)
    """How many lists to look at once :meth:`cluster` was called; by default all, so that none is missed."""

    @classmethod
    def from_documents(cls, documents: Sequence[Document], embeddings: Embeddings, **arguments: Any) -> Self:
        """A retriever of these documents.

        Args:
            documents: they are added to what is at ``path``.
            embeddings: what makes the vectors.
            **arguments: ``path``, ``k``, ``oversampling``, ``probes``, ``originals``.
        """
        retriever = cls(embeddings=embeddings, **arguments)
        retriever.add_documents(documents)
        return retriever

    @classmethod
    async def afrom_documents(cls, documents: Sequence[Document], embeddings: Embeddings, **arguments: Any) -> Self:
        """:meth:`from_documents`, asynchronously."""
        retriever = cls(embeddings=embeddings, **arguments)
        await retriever.aadd_documents(documents)
        return retriever

    @classmethod
    def load(cls, path: str | Path, embeddings: Embeddings, **arguments: Any) -> Self:
        """The retriever of an index that is there; see :meth:`from_documents`."""
        retriever = cls(embeddings=embeddings, path=path, **arguments)
        retriever._folder.open()
        return retriever

    def cluster(self, lists: int | None = None) -> None:
        """Sort the documents into lists, by default the square root of their number, for ``probes``.

        It takes minutes for millions. What is added later is in no list, and is compared with every query.
        """
        self._folder.cluster(lists)

    def _search(self, vector: Any) -> list[Hit]:
        return self._folder.search(vector, self.k, self.oversampling, self.probes)

    def _make_folder(self) -> IndexFolder:
        require_floats(self.embeddings)
        return IndexFolder(
            BinaryIndex,
            self.path,
            model=model_of(self.embeddings),
            read_only=self.read_only,
            originals=self.originals,
        )

    def _embed(self, texts: list[str]) -> Any:
        return self.embeddings.embed_documents(texts)

    async def _aembed(self, texts: list[str]) -> Any:
        return await self.embeddings.aembed_documents(texts)

    def _embed_query(self, query: str) -> Any:
        return self.embeddings.embed_query(query)

    async def _aembed_query(self, query: str) -> Any:
        return await self.embeddings.aembed_query(query)


class JinaLateInteractionRetriever(LangChainConnection, IndexRetriever):
    """Documents by late interaction: a pooled vector of each in memory chooses candidates, MaxSim ranks them.

    Example:
        >>> from langchain_core.documents import Document
        >>> from langchain_jina import JinaLateInteractionRetriever
        >>> documents = [Document("The cat sleeps."), Document("Stocks fell.")]
        >>> retriever = JinaLateInteractionRetriever.from_documents(documents, base_url="local", k=1)
        >>> retriever.invoke("What does the cat do?")[0].page_content
        'The cat sleeps.'

    Raises:
        JinaInputError: an unknown argument or a value of the wrong type; an index of another model.
        IndexFileError: files that are damaged, or open in another process.
    """

    model: str = "jina-colbert-v2"
    """The model, one of those that give a vector for each token."""
    dimensions: int | None = None
    """The length of the vectors (Matryoshka); by default the model's full length."""
    first_stage: Literal["bits", "float"] = "float"
    """What of the pooled vectors is in memory; bits take 1/32 of it and find less."""

    @classmethod
    def from_documents(cls, documents: Sequence[Document], **arguments: Any) -> Self:
        """A retriever of these documents, which are added to what is at ``path``; with the options of the class."""
        retriever = cls(**arguments)
        retriever.add_documents(documents)
        return retriever

    @classmethod
    async def afrom_documents(cls, documents: Sequence[Document], **arguments: Any) -> Self:
        """:meth:`from_documents`, asynchronously."""
        retriever = cls(**arguments)
        await retriever.aadd_documents(documents)
        return retriever

    @classmethod
    def load(cls, path: str | Path, **arguments: Any) -> Self:
        """The retriever of an index that is there."""
        retriever = cls(path=path, **arguments)
        retriever._folder.open()
        return retriever

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It is not: the documents are in a folder, and would be missing in what LangChain saves."""
        return False

    def close(self) -> None:
        """Give the index's files free, and close connections; a later call opens them anew."""
        LangChainConnection.close(self)
        IndexRetriever.close(self)

    def _make_folder(self) -> IndexFolder:
        return IndexFolder(
            MultiVectorIndex,
            self.path,
            model=self.model,
            read_only=self.read_only,
            originals=self.originals,
            first_stage=self.first_stage,
        )

    def _embedder(self) -> MultiVectorEmbedder:
        return MultiVectorEmbedder(self._connection(), self.model, dimensions=self.dimensions)

    def _embed(self, texts: list[str]) -> Any:
        return self._embedder().embed(texts, "document")

    async def _aembed(self, texts: list[str]) -> Any:
        return await AsyncMultiVectorEmbedder(self._connection(), self.model, dimensions=self.dimensions).embed(
            texts, "document"
        )

    def _embed_query(self, query: str) -> Any:
        return self._embedder().embed([query], "query")[0]

    async def _aembed_query(self, query: str) -> Any:
        return (
            await AsyncMultiVectorEmbedder(self._connection(), self.model, dimensions=self.dimensions).embed(
                [query], "query"
            )
        )[0]


def _texts(documents: Sequence[Document]) -> list[str]:
    for place, document in enumerate(documents):
        if not isinstance(document, Document):
            raise JinaInputError(f"documents[{place}] must be a Document, got {type(document).__name__}")
    return [document.page_content for document in documents]


def _documents(hits: list[Hit]) -> list[Document]:
    return [
        Document(
            hit.payload["page_content"],
            id=str(hit.id),
            metadata={**hit.payload["metadata"], "relevance_score": hit.score},
        )
        for hit in hits
    ]
