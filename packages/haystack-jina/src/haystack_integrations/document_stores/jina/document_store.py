"""A document store with vectors of one bit a dimension in memory, and the rest on disk."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from haystack import Document, default_from_dict, default_to_dict
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils.filters import document_matches_filter
from jina_client import JinaInputError
from jina_client.index import BinaryIndex, Hit
from jina_client.index.originals import Originals
from jina_client.integration import known_arguments
from jina_client.retrieval import OVERSAMPLING, IndexFolder


class JinaDocumentStore:
    """
    Documents with embeddings in a folder, searched in two stages: bits first, then the vectors.

    It is no database: filters are for `filter_documents`, which reads all Documents, and not for the search.

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
        originals: Originals = "int16",
        model: str = "",
        read_only: bool = False,
    ) -> None:
        """
        Create a JinaDocumentStore.

        :param path: The index's folder, made when the first Documents come; by default a temporary one, which cannot be
            saved in a pipeline. Stores of one process that name the same folder share it.
        :param originals: How the vectors lie on disk: `int8` or `int16`.
        :param model: The model of the embeddings; a folder with those of another is refused. By default any.
        :param read_only: Change nothing: several processes may have one folder open that way, or one may write.
        :raises JinaInputError: An unknown argument.
        """
        self.read_only = read_only
        self.path = None if path is None else str(path)
        self.originals = originals
        self.model = model
        self._folder = IndexFolder(BinaryIndex, path, model=model, read_only=read_only, originals=originals)

    def to_dict(self) -> dict[str, Any]:
        """
        Serialize the store: where it is, not what it holds.

        :returns: A dictionary for `from_dict`.
        """
        if self.path is None:
            raise JinaInputError("a JinaDocumentStore in a temporary folder cannot be saved: give it a path")
        return default_to_dict(
            self, path=self.path, originals=self.originals, model=self.model, read_only=self.read_only
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> JinaDocumentStore:
        """
        Deserialize the store.

        :param data: What `to_dict` gave.
        :returns: The store.
        """
        return default_from_dict(cls, data)

    def count_documents(self) -> int:
        """
        Count the Documents.

        :returns: How many there are.
        """
        return len(self._folder)

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """
        Get the Documents that match filters, without their embeddings. It reads all Documents.

        :param filters: Haystack's filters; by default all Documents match.
        :returns: The Documents.
        """
        documents = map(Document.from_dict, self._folder.payloads())
        return [each for each in documents if not filters or document_matches_filter(filters, each)]

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """
        Write Documents. They are on disk when it returns, or none of them is.

        :param documents: Documents with embeddings.
        :param policy: What to do with an id that is there; by default it is an error.
        :returns: How many were written.
        :raises JinaInputError: A Document without an embedding, or with one of another length or of bits.
        :raises DuplicateDocumentError: An id that is there, unless the policy says otherwise.
        """
        if not isinstance(documents, list) or not all(isinstance(each, Document) for each in documents):
            raise JinaInputError("write_documents takes a list of Documents")
        # Of several with the same id the last one counts, as if they were written one after another.
        unique = {document.id: document for document in documents}
        if policy in (DuplicatePolicy.NONE, DuplicatePolicy.FAIL) and len(unique) < len(documents):
            raise DuplicateDocumentError("two of the Documents have the same id")
        if policy is DuplicatePolicy.SKIP:
            unique = {document.id: document for document in reversed(documents)}
        there = [id for id, found in zip(unique, self._folder.get(list(unique)), strict=True) if found is not None]
        if there and policy is DuplicatePolicy.SKIP:
            unique = {id: document for id, document in unique.items() if id not in set(there)}
        elif there and policy is not DuplicatePolicy.OVERWRITE:
            raise DuplicateDocumentError(f"the Document with id {there[0]!r} exists already")
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
        """
        Delete Documents; ids that are not there are passed over.

        :param document_ids: Their ids.
        """
        self._folder.remove(document_ids)

    async def count_documents_async(self) -> int:
        """
        Count the Documents, asynchronously.

        :returns: How many there are.
        """
        return await asyncio.to_thread(self.count_documents)

    async def filter_documents_async(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """
        Get the Documents that match filters, asynchronously.

        :param filters: Haystack's filters; by default all Documents match.
        :returns: The Documents.
        """
        return await asyncio.to_thread(self.filter_documents, filters)

    async def write_documents_async(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """
        Write Documents, asynchronously; see `write_documents`.

        :param documents: Documents with embeddings.
        :param policy: What to do with an id that is there; by default it is an error.
        :returns: How many were written.
        """
        return await asyncio.to_thread(self.write_documents, documents, policy)

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        """
        Delete Documents, asynchronously.

        :param document_ids: Their ids.
        """
        await asyncio.to_thread(self.delete_documents, document_ids)

    def embedding_retrieval(
        self, query_embedding: list[float], top_k: int, oversampling: float = OVERSAMPLING, probes: int | None = None
    ) -> list[Document]:
        """
        Find the Documents whose embeddings are nearest.

        :param query_embedding: The query's.
        :param top_k: How many to find.
        :param oversampling: How many times as many candidates the bits choose.
        :param probes: How many lists to look at once `cluster` was called; by default all, so that none is missed.
        :returns: The Documents, best first, with their `score`.
        """
        return documents_of(self._folder.search(query_embedding, top_k, oversampling, probes))

    def cluster(self, lists: int | None = None) -> None:
        """
        Sort the Documents into lists of like ones, for the `probes` of JinaEmbeddingRetriever.

        It takes minutes for millions. What is written later is in no list, and is compared with every query.

        :param lists: How many; by default the square root of the number of Documents.
        :raises JinaInputError: More lists than Documents, no Documents yet, or the store is read-only.
        """
        self._folder.cluster(lists)

    def save(self, path: str | Path) -> None:
        """
        Write a copy to another folder. At its own `path` it is saved at every moment.

        :param path: The folder.
        """
        self._folder.save(path)

    def close(self) -> None:
        """Give the files free; a later call opens them anew."""
        self._folder.close()


def documents_of(hits: list[Hit]) -> list[Document]:
    """What a search found, as Documents with their scores."""
    return [replace(Document.from_dict(hit.payload), score=hit.score) for hit in hits]
