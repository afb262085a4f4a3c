"""The retriever with one vector per token: pooled vectors choose candidates, MaxSim ranks them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

from jina_client.integration import ConnectionOptions, check_multi_vector_embedder
from jina_index import FirstStage, IndexFolder, LateInteractionEncoder, MultiVectorIndex, VectorEncoder
from langchain_core.documents import Document
from pydantic import Field, SecretStr

from ..connection import CLASSES, LangChainFields, LangChainOptions
from .base import DocumentRetriever, RetrieverOptions


class LateInteractionOptions(RetrieverOptions, ConnectionOptions, LangChainOptions, total=False):
    """The further arguments of :class:`JinaLateInteractionRetriever`."""

    model: str
    """The id of a late-interaction model."""
    api_key: str | SecretStr | None
    """The key; by default ``JINA_API_KEY``."""
    dimensions: int | None
    """The length of the vectors (Matryoshka); by default the model's full length."""
    first_stage: FirstStage
    """The precision of the pooled vectors in memory, ``float`` or bits."""


class JinaLateInteractionRetriever(LangChainFields, DocumentRetriever):
    """Retrieve documents by late interaction: pooled vectors in memory choose candidates, MaxSim ranks them.

    Besides its own fields the class takes the connection options of every Jina component: ``api_key``, ``base_url``,
    ``timeout``, ``max_retries``, ``client`` and so on. ``model``, ``dimensions``, ``path``, ``first_stage``, ``stored``
    and ``read_only`` cannot change, because the index depends on them. LangChain does not serialize the retriever,
    because its data is in a folder.

    Example:
        >>> from langchain_core.documents import Document
        >>> from langchain_jina import JinaLateInteractionRetriever
        >>> documents = [Document("The cat sleeps."), Document("Stocks fell.")]
        >>> retriever = JinaLateInteractionRetriever.from_documents(documents, base_url="local", k=1)
        >>> retriever.invoke("What does the cat do?")[0].page_content
        'The cat sleeps.'

    Raises:
        JinaInputError: an unknown argument, a value of the wrong type, or an index of another model.
        IndexFileError: damaged files, or files that another process has open.
    """

    model: str = Field(default="jina-colbert-v2", frozen=True)
    """The id of a late-interaction model, which returns one vector per token."""
    dimensions: int | None = Field(default=None, frozen=True)
    """The length of the vectors (Matryoshka); by default the model's full length."""
    first_stage: FirstStage = Field(default="float", frozen=True)
    """The precision of the pooled vectors in memory. Bits take 1/32 of it and have a lower recall."""

    if TYPE_CHECKING:
        # The aliases of pydantic's fields are invisible to type checkers and editors.
        def __init__(self, **options: Unpack[LateInteractionOptions]) -> None:
            """Create a retriever.

            Args:
                **options: ``model``, ``api_key`` and ``dimensions``; ``path``, the index folder; ``k``, the number of
                    documents to return; ``first_stage``, ``stored`` and ``oversampling``, which trade memory for
                    recall; ``read_only``; and the options of the connection, such as ``base_url``.
            """

    @classmethod
    def from_documents(cls, documents: Sequence[Document], **arguments: Unpack[LateInteractionOptions]) -> Self:
        """Make a retriever and add documents to it.

        Args:
            documents: the documents, added to those that ``path`` may hold already.
            **arguments: the arguments of the class.
        """
        retriever = cls(**arguments)
        retriever.add_documents(documents)
        return retriever

    @classmethod
    async def afrom_documents(cls, documents: Sequence[Document], **arguments: Unpack[LateInteractionOptions]) -> Self:
        """Make a retriever and add documents to it, like :meth:`from_documents`."""
        retriever = cls(**arguments)
        await retriever.aadd_documents(documents)
        return retriever

    @classmethod
    def load(cls, path: str | Path, **arguments: Any) -> Self:
        """Open the retriever of an existing index.

        Args:
            path: the index folder.
            **arguments: the arguments of the class.

        Raises:
            IndexFileError: the folder holds no index, damaged files, or files that another process has open.
            JinaInputError: the index holds vectors of another model.
        """
        retriever = cls(path=path, **arguments)
        retriever._folder.open()
        return retriever

    def close(self) -> None:
        """Release the index files and the synchronous connections; a later call opens them again."""
        LangChainFields.close(self)
        DocumentRetriever.close(self)

    def _check(self) -> None:
        super()._check()
        check_multi_vector_embedder(self.model, self._connection().service, CLASSES, dimensions=self.dimensions)

    def _make_folder(self) -> IndexFolder:
        return IndexFolder(
            MultiVectorIndex,
            self.path,
            model=self.model,
            read_only=self.read_only,
            stored=self.stored,
            first_stage=self.first_stage,
        )

    def _encoder(self) -> VectorEncoder:
        return LateInteractionEncoder(self._connection(), self.model, dimensions=self.dimensions)
