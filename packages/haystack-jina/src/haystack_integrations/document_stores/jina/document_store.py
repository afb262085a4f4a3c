"""A document store with one bit per dimension in memory and the vectors on disk."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from haystack import Document, default_from_dict, default_to_dict
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils.filters import document_matches_filter
from haystack_integrations.common.jina.index import (
    OVERSAMPLING,
    BinaryIndex,
    Hit,
    IndexFolder,
    IndexUser,
    StoredPrecision,
)
from jina_client import JinaInputError
from jina_client.integration import known_arguments


class JinaDocumentStore(IndexUser):
    """Store Documents with embeddings in a folder, and search them in two stages: bits first, then the vectors.

    The store is not a database: only `filter_documents`, which reads all Documents, has filters; a search has none.

    Usage example:
    ```python
    from haystack import Document
    from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder
    from haystack_integrations.document_stores.jina import JinaDocumentStore

    store = JinaDocumentStore()
    embedder = JinaDocumentEmbedder(base_url="local", progress_bar=False)
    store.write_documents(embedder.run([Document(content="The cat sleeps.")])["documents"])
    print(store.count_documents())
    ```
    """

    @known_arguments()
    def __init__(
        self,
        path: str | Path | None = None,
        *,
        stored: StoredPrecision = "int16",
        model: str = "",
        read_only: bool = False,
    ) -> None:
        """Create a JinaDocumentStore.

        :param path: The index folder, made when the first Documents are written; by default a temporary one, which
            cannot be saved in a pipeline. Stores of one process that name the same folder share it.
        :param stored: The precision of the stored vectors: `int8` or `int16`.
        :param model: The model of the embeddings. A folder with embeddings of another model raises an error. By default
            any model matches.
        :param read_only: Reject changes. Several processes may have one folder open that way, or one process for
            writing.
        :raises JinaInputError: An unknown argument.
        """
        self.read_only = read_only
        self.path = None if path is None else str(path)
        self.stored = stored
        self.model = model
        self._folder = IndexFolder(BinaryIndex, path, model=model, read_only=read_only, stored=stored)

    def to_dict(self) -> dict[str, Any]:
        """Serialize the store: its folder and options, not its Documents.

        :returns: A dictionary for `from_dict`.
        """
        if self.path is None:
            raise JinaInputError("a JinaDocumentStore in a temporary folder cannot be saved: pass path=")
        return default_to_dict(self, path=self.path, stored=self.stored, model=self.model, read_only=self.read_only)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> JinaDocumentStore:
        """Deserialize the store.

        :param data: The dictionary that `to_dict` returned.
        :returns: The store.
        """
        return default_from_dict(cls, data)

    def count_documents(self) -> int:
        """Count the Documents.

        :returns: The number of Documents.
        """
        return len(self._folder)

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """Return the Documents that match filters, without their embeddings. The method reads all Documents.

        :param filters: Filters in Haystack's form; by default all Documents match.
        :returns: The Documents.
        :raises FilterError: The filters are invalid.
        """
        if filters:
            # Raise for invalid filters also if there are no Documents.
            document_matches_filter(filters, Document())
        documents = map(Document.from_dict, self._folder.payloads())
        return [each for each in documents if not filters or document_matches_filter(filters, each)]

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Write Documents. When the method returns, all of them are on disk; if it raises, none of them is.

        :param documents: Documents with embeddings. Meta is stored as JSON: datetimes become strings in ISO format.
        :param policy: How to treat an id that the store holds already; by default it is an error.
        :returns: The number of Documents written.
        :raises JinaInputError: A Document has no embedding, one of another length, or one of bits; or its meta is not
            JSON.
        :raises DuplicateDocumentError: The store holds an id already, and the policy does not allow it.
        """
        if not isinstance(documents, list) or not all(isinstance(each, Document) for each in documents):
            raise JinaInputError(
                f"write_documents takes a list of Documents, got {type(documents).__name__}; pass [document] for one"
            )
        # Of several Documents with the same id the last one counts, as if they were written one after another.
        unique = {document.id: document for document in documents}
        if policy in (DuplicatePolicy.NONE, DuplicatePolicy.FAIL) and len(unique) < len(documents):
            raise DuplicateDocumentError("two of the Documents have the same id")
        if policy is DuplicatePolicy.SKIP:
            unique = {document.id: document for document in reversed(documents)}
        payloads = dict(zip(unique, self._folder.get(list(unique)), strict=True))
        existing = [id for id, payload in payloads.items() if payload is not None]
        if existing and policy is DuplicatePolicy.SKIP:
            unique = {id: document for id, document in unique.items() if payloads[id] is None}
        elif existing and policy is not DuplicatePolicy.OVERWRITE:
            raise DuplicateDocumentError(f"the Document with id {existing[0]!r} exists already")
        for document in unique.values():
            if document.embedding is None:
                raise JinaInputError(f"the Document with id {document.id} has no embedding: use JinaDocumentEmbedder")
        self._folder.add(
            list(unique),
            [document.embedding for document in unique.values()],
            [replace(document, embedding=None, score=None).to_dict(flatten=False) for document in unique.values()],
        )
        return len(documents) if policy is DuplicatePolicy.OVERWRITE else len(unique)

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete Documents. Ids that the store does not hold are ignored.

        :param document_ids: The ids of the Documents.
        """
        self._folder.remove(document_ids)

    async def count_documents_async(self) -> int:
        """Count the Documents, like `count_documents`.

        :returns: The number of Documents.
        """
        return await asyncio.to_thread(self.count_documents)

    async def filter_documents_async(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """Return the Documents that match filters, like `filter_documents`.

        :param filters: Filters in Haystack's form; by default all Documents match.
        :returns: The Documents.
        """
        return await asyncio.to_thread(self.filter_documents, filters)

    async def write_documents_async(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """Write Documents, like `write_documents`.

        :param documents: Documents with embeddings.
        :param policy: How to treat an id that the store holds already; by default it is an error.
        :returns: The number of Documents written.
        """
        return await asyncio.to_thread(self.write_documents, documents, policy)

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        """Delete Documents, like `delete_documents`.

        :param document_ids: The ids of the Documents.
        """
        await asyncio.to_thread(self.delete_documents, document_ids)

    def embedding_retrieval(
        self, query_embedding: list[float], top_k: int, oversampling: float = OVERSAMPLING, nprobe: int | None = None
    ) -> list[Document]:
        """Return the Documents with the nearest embeddings.

        :param query_embedding: The embedding of the query.
        :param top_k: The number of Documents to return.
        :param oversampling: The number of candidates per result that the bits choose.
        :param nprobe: The number of IVF cells to search after `cluster`; by default all.
        :returns: The Documents, best first, with their `score`.
        """
        return documents_of(self._folder.search(query_embedding, top_k, oversampling, nprobe))

    def cluster(self, nlist: int | None = None) -> None:
        """Divide the Documents into IVF cells, for the `nprobe` of JinaEmbeddingRetriever.

        It takes minutes for millions of Documents. Documents that are written later are in no cell, and every search
        compares them.

        :param nlist: The number of cells; by default the square root of the number of Documents.
        :raises JinaInputError: More cells than Documents, no Documents yet, or the store is read-only.
        """
        self._folder.cluster(nlist)

    def save(self, path: str | Path) -> None:
        """Write a copy of the store to another folder. The store's own `path` needs no saving.

        :param path: The folder; an index in it is replaced.
        """
        self._folder.save(path)

    def close(self) -> None:
        """Release the index files; a later call opens them again."""
        self._folder.close()


def documents_of(hits: list[Hit]) -> list[Document]:
    """Return the Documents of hits, with their scores."""
    return [replace(Document.from_dict(hit.payload), score=hit.score) for hit in hits]
