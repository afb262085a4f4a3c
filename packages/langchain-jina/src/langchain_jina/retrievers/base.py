"""The parts that both retrievers share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypedDict
from uuid import uuid4

from jina_client import JinaInputError
from jina_client.integration import input_error_from_pydantic
from jina_index import OVERSAMPLING, Hit, IndexFolder, IndexRetriever, StoredPrecision, VectorEncoder, fixed_setting
from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, PrivateAttr, ValidationError


class RetrieverOptions(TypedDict, total=False):
    """Arguments that both retrievers take."""

    path: str | Path | None
    """The index folder, made when the first documents are added; by default a temporary one."""
    k: int
    """The number of documents to return."""
    oversampling: float
    """The number of candidates per result that the first stage chooses."""
    stored: StoredPrecision | None
    """The precision of the stored vectors."""
    read_only: bool
    """Reject changes."""
    name: str | None
    """The name of this step in traces."""
    tags: list[str] | None
    """Tags of the retriever in traces."""
    metadata: dict[str, Any] | None
    """Metadata of the retriever in traces."""


class DocumentRetriever(BaseRetriever):
    """The parts that both retrievers share. A subclass returns the index folder and the encoder.

    The fields that the index depends on are frozen: others may change between two calls.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", protected_namespaces=())

    path: str | Path | None = Field(default=None, frozen=True)
    """The index folder, made when the first documents are added; by default a temporary one. Set it for
    ``configurable_fields`` of LangChain, which make a new retriever: another temporary folder would be empty."""
    k: int = Field(default=4, ge=1)
    """The number of documents to return. ``retriever.invoke(query, k=…)`` overrides it for one query."""
    oversampling: float = Field(default=OVERSAMPLING, ge=1)
    """The number of candidates per result that the first stage chooses."""
    stored: StoredPrecision | None = Field(default=None, frozen=True)
    """The precision of the stored vectors; by default ``int16`` for one vector per document, ``int8`` for one per
    token."""
    read_only: bool = Field(default=False, frozen=True)
    """Reject changes. Several processes may have one ``path`` open that way, or one process for writing."""

    _folder: IndexFolder = PrivateAttr()

    def __init__(self, **arguments: Any) -> None:
        try:
            super().__init__(**arguments)
        except ValidationError as error:
            raise input_error_from_pydantic(type(self), error) from None
        self._folder = self._make_folder()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field that the index does not depend on; the others raise an error."""
        self._reject_fixed(name)
        super().__setattr__(name, value)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy that shares the index.

        Args:
            update: new values of fields that the index does not depend on, such as ``k``.
            deep: whether to copy the values of fields too.

        Raises:
            JinaInputError: a new value of a field that the index depends on, such as ``path``.
        """
        self._reject_fixed(*update or ())
        return super().model_copy(update=update, deep=deep)

    @classmethod
    def _reject_fixed(cls, *names: str) -> None:
        for name in names:
            if name in cls.model_fields and cls.model_fields[name].frozen:
                raise fixed_setting(name, cls)

    def add_documents(self, documents: Sequence[Document]) -> list[str]:
        """Embed and add documents, which are on disk when the method returns.

        Args:
            documents: the documents; one replaces the document of the index with the same id. Metadata is stored as
                JSON: datetimes become strings in ISO format.

        Returns:
            Their ids. A document without an id gets a new one.

        Raises:
            JinaInputError: the retriever is read-only, two documents have the same id, or a document cannot be stored.
            JinaError: embedding failed; then nothing was added.
        """
        ids, texts, payloads = _parts(documents)
        self._index().add(ids, texts, payloads)
        return ids

    async def aadd_documents(self, documents: Sequence[Document]) -> list[str]:
        """Embed and add documents, like :meth:`add_documents`."""
        ids, texts, payloads = _parts(documents)
        await self._index().aadd(ids, texts, payloads)
        return ids

    def delete(self, ids: Sequence[str]) -> int:
        """Remove documents. Ids that are not in the index are ignored.

        Args:
            ids: the ids of the documents.

        Returns:
            The number of removed documents.

        Raises:
            JinaInputError: the retriever is read-only.
        """
        return self._folder.remove(ids)

    def save(self, path: str | Path) -> None:
        """Write a copy of the index to another folder. The retriever's own ``path`` needs no saving.

        Args:
            path: the folder; an index in it is replaced.

        Raises:
            JinaInputError: nothing was added yet.
        """
        self._folder.save(path)

    def check_writable(self) -> None:
        """Check that documents may be added; call it before embedding them in another way than ``add_documents``.

        Raises:
            JinaInputError: the retriever is read-only.
        """
        self._folder.check_writable()

    def close(self) -> None:
        """Release the index files; a later call opens them again."""
        self._folder.close()

    def __len__(self) -> int:
        return len(self._folder)

    # LangChain passes further arguments of `invoke` on: `retriever.invoke("query", k=3)`.
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        k = self.k if k is None else k
        return _documents(self._index().search(query, k, self.oversampling, self._cell_count()))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        k = self.k if k is None else k
        return _documents(await self._index().asearch(query, k, self.oversampling, self._cell_count()))

    def _index(self) -> IndexRetriever:
        # Made for each call, because the fields of a LangChain object may change.
        return IndexRetriever(self._folder, self._encoder())

    def _cell_count(self) -> int | None:
        return None

    @abstractmethod
    def _make_folder(self) -> IndexFolder: ...

    @abstractmethod
    def _encoder(self) -> VectorEncoder: ...


def _parts(documents: Sequence[Document]) -> tuple[list[str], list[str], list[dict[str, Any]]]:
    """Return the ids, texts and payloads of documents."""
    for place, document in enumerate(documents):
        if not isinstance(document, Document):
            raise JinaInputError(
                f"documents[{place}] must be a Document, got {type(document).__name__}; "
                "wrap a text as Document(page_content=text)"
            )
    ids = [document.id or str(uuid4()) for document in documents]
    texts = [document.page_content for document in documents]
    payloads = [{"page_content": document.page_content, "metadata": document.metadata} for document in documents]
    return ids, texts, payloads


def _documents(hits: list[Hit]) -> list[Document]:
    return [
        Document(
            hit.payload["page_content"],
            id=str(hit.id),
            metadata={**hit.payload["metadata"], "relevance_score": hit.score},
        )
        for hit in hits
    ]
