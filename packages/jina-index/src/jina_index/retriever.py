"""The retriever that every framework's retriever wraps: an index folder and an encoder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from .encoders import VectorEncoder
from .folder import IndexFolder
from .hits import Hit
from .items import Id, check_items
from .settings import OVERSAMPLING


class IndexRetriever:
    """Embed documents into an index folder, and search it with queries.

    A framework's retriever wraps this class and only translates types: its documents to ids, inputs and payloads, and
    hits to its results. The object is cheap to make. Asynchronous methods embed on the event loop and use the files in
    a thread.

    Example:
        >>> from jina_client.integration import Connection
        >>> from jina_index import IndexFolder, IndexRetriever, LateInteractionEncoder, MultiVectorIndex
        >>> folder = IndexFolder(MultiVectorIndex, model="jina-colbert-v2")
        >>> retriever = IndexRetriever(folder, LateInteractionEncoder(Connection(base_url="local")))
        >>> retriever.add([1, 2], ["The cat sleeps.", "Stocks fell."], ["cat", "stocks"])
        >>> retriever.search("What does the cat do?", k=1)[0].payload
        'cat'

    Args:
        folder: the index, which opens when it is first used.
        encoder: turns documents and queries into vectors for this kind of index.
    """

    def __init__(self, folder: IndexFolder, encoder: VectorEncoder) -> None:
        self.folder = folder
        self.encoder = encoder

    def add(self, ids: Sequence[Id], documents: Sequence[Any], payloads: Sequence[Any]) -> None:
        """Embed and add documents; they replace documents with the same ids and are on disk when the method returns.

        Args:
            ids: a string or an integer of 64 bits per document.
            documents: the documents in the form that the encoder takes.
            payloads: a JSON value per document, which searches return with it. Datetimes become strings in ISO format.

        Raises:
            JinaInputError: the index is read-only, an id occurs twice, or a payload is not a JSON value (before
                anything is embedded); or another argument is invalid.
            JinaError: embedding failed; then nothing was added.
            IndexFileError: the files are damaged, or another process has them open.
        """
        distinct, contents = self._checked(ids, documents, payloads)
        self.folder.add(distinct, self.encoder.encode_documents(documents), contents)

    async def aadd(self, ids: Sequence[Id], documents: Sequence[Any], payloads: Sequence[Any]) -> None:
        """Embed and add documents, like :meth:`add`."""
        distinct, contents = self._checked(ids, documents, payloads)
        vectors = await self.encoder.aencode_documents(documents)
        await asyncio.to_thread(self.folder.add, distinct, vectors, contents)

    def search(self, query: Any, k: int, oversampling: float = OVERSAMPLING, nprobe: int | None = None) -> list[Hit]:
        """Embed a query and return the nearest documents; none if there is no index yet.

        Args:
            query: the query in the form that the encoder takes.
            k: the number of results.
            oversampling: the number of candidates per result that the first stage chooses.
            nprobe: the number of IVF cells to search in a clustered :class:`BinaryIndex`; by default all.

        Returns:
            Hits, best first.

        Raises:
            JinaInputError: an argument is invalid.
            JinaError: embedding failed.
            IndexFileError: the files are damaged, or another process has them open.
        """
        return self.folder.search(self.encoder.encode_query(query), k, oversampling, nprobe)

    async def asearch(
        self, query: Any, k: int, oversampling: float = OVERSAMPLING, nprobe: int | None = None
    ) -> list[Hit]:
        """Embed a query and return the nearest documents, like :meth:`search`."""
        vector = await self.encoder.aencode_query(query)
        return await asyncio.to_thread(self.folder.search, vector, k, oversampling, nprobe)

    def remove(self, ids: Sequence[Id]) -> int:
        """Remove documents and return how many there were. Ids that are not in the index are ignored."""
        return self.folder.remove(ids)

    def cluster(self, nlist: int | None = None) -> None:
        """Divide a :class:`BinaryIndex` into IVF cells: see :meth:`IndexFolder.cluster`."""
        self.folder.cluster(nlist)

    def save(self, path: str | Path) -> None:
        """Write a copy of the index to another folder: see :meth:`IndexFolder.save`."""
        self.folder.save(path)

    def close(self) -> None:
        """Release the index files; a later call opens them again. A temporary index is deleted."""
        self.folder.close()

    def _checked(
        self, ids: Sequence[Id], documents: Sequence[Any], payloads: Sequence[Any]
    ) -> tuple[list[Id], list[orjson.Fragment | None]]:
        """Return ids and encoded payloads, so that what the index would reject is not embedded."""
        self.folder.check_writable()
        distinct, contents = check_items(ids, payloads, len(documents), "documents")
        return distinct, [None if content is None else orjson.Fragment(content) for content in contents]

    def __len__(self) -> int:
        return len(self.folder)
