"""The retriever with one vector per document: bits choose candidates, the stored vectors rank them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

from jina_index import BinaryIndex, IndexFolder, VectorEncoder, embedder_model, require_float_embedder
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from pydantic import Field

from .base import DocumentRetriever, RetrieverOptions


class JinaRetrieverOptions(RetrieverOptions, total=False):
    """The further arguments of :class:`JinaRetriever`."""

    nprobe: int | None
    """The number of IVF cells to search after :meth:`JinaRetriever.cluster`; by default all."""


class JinaRetriever(DocumentRetriever):
    """Retrieve documents in two stages: one bit per dimension chooses candidates, the stored vectors rank them.

    ``embeddings``, ``path``, ``stored`` and ``read_only`` cannot change, because the index depends on them.

    Example:
        >>> from langchain_core.documents import Document
        >>> from langchain_jina import JinaEmbeddings, JinaRetriever
        >>> embeddings = JinaEmbeddings(model="jina-embeddings-v3", base_url="local")
        >>> documents = [Document("The cat sleeps."), Document("Stocks fell.")]
        >>> retriever = JinaRetriever.from_documents(documents, embeddings, k=1)
        >>> retriever.invoke("What does the cat do?")[0].page_content
        'The cat sleeps.'

    Raises:
        JinaInputError: an unknown argument, a value of the wrong type, embeddings that return bits, or an index of
            another model.
        IndexFileError: damaged files, or files that another process has open.
    """

    embeddings: Embeddings = Field(frozen=True)
    """The embedding model. It must return floats, because the index ranks with them; bits (``embedding_type``) raise an
    error."""
    nprobe: int | None = Field(default=None, ge=1)
    """The number of IVF cells to search after :meth:`cluster`; by default all."""

    if TYPE_CHECKING:

        def __init__(self, *, embeddings: Embeddings, **options: Unpack[JinaRetrieverOptions]) -> None:
            """Create a retriever.

            Args:
                embeddings: the embedding model. It must return floats.
                **options: the index folder, and how to search.
            """

    @classmethod
    def from_documents(
        cls, documents: Sequence[Document], embeddings: Embeddings, **arguments: Unpack[JinaRetrieverOptions]
    ) -> Self:
        """Make a retriever and add documents to it.

        Args:
            documents: the documents, added to those that ``path`` may hold already.
            embeddings: the embedding model.
            **arguments: ``path``, ``k``, ``oversampling``, ``nprobe``, ``stored``.
        """
        retriever = cls(embeddings=embeddings, **arguments)
        retriever.add_documents(documents)
        return retriever

    @classmethod
    async def afrom_documents(
        cls, documents: Sequence[Document], embeddings: Embeddings, **arguments: Unpack[JinaRetrieverOptions]
    ) -> Self:
        """Make a retriever and add documents to it, like :meth:`from_documents`."""
        retriever = cls(embeddings=embeddings, **arguments)
        await retriever.aadd_documents(documents)
        return retriever

    @classmethod
    def load(cls, path: str | Path, embeddings: Embeddings, **arguments: Any) -> Self:
        """Open the retriever of an existing index.

        Args:
            path: the index folder.
            embeddings: the embedding model that the index was made with.
            **arguments: ``k``, ``oversampling``, ``nprobe``, ``read_only``.

        Raises:
            IndexFileError: the folder holds no index, damaged files, or files that another process has open.
            JinaInputError: the index holds vectors of another model.
        """
        retriever = cls(embeddings=embeddings, path=path, **arguments)
        retriever._folder.open()
        return retriever

    def cluster(self, nlist: int | None = None) -> None:
        """Divide the documents into IVF cells, for ``nprobe``.

        It takes minutes for millions of documents. Documents that are added later are in no cell, and every search
        compares them.

        Args:
            nlist: the number of cells; by default the square root of the number of documents.

        Raises:
            JinaInputError: nothing was added yet, ``nlist`` is out of range, or the retriever is read-only.
        """
        self._folder.cluster(nlist)

    def _cell_count(self) -> int | None:
        return self.nprobe

    def _make_folder(self) -> IndexFolder:
        require_float_embedder(self.embeddings)
        return IndexFolder(
            BinaryIndex,
            self.path,
            model=embedder_model(self.embeddings),
            read_only=self.read_only,
            stored=self.stored,
        )

    def _encoder(self) -> VectorEncoder:
        return _EmbeddingsEncoder(self.embeddings)


class _EmbeddingsEncoder:
    """Encode texts with LangChain's embeddings."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings

    def encode_documents(self, documents: Sequence[str]) -> Sequence[Any]:
        return self._embeddings.embed_documents(list(documents))

    def encode_query(self, query: str) -> Any:
        return self._embeddings.embed_query(query)

    async def aencode_documents(self, documents: Sequence[str]) -> Sequence[Any]:
        return await self._embeddings.aembed_documents(list(documents))

    async def aencode_query(self, query: str) -> Any:
        return await self._embeddings.aembed_query(query)
