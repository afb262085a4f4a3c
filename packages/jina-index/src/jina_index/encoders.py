"""Encoders: what turns the documents and queries of an :class:`jina_index.IndexRetriever` into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from jina_client.integration import AsyncMultiVectorEmbedder, Connection, MultiVectorEmbedder


class VectorEncoder(Protocol):
    """Turn documents and queries into vectors. An integration adapts its framework's embedding object to this.

    For a :class:`jina_index.BinaryIndex` a vector is numbers of shape ``(dims,)``; for a
    :class:`jina_index.MultiVectorIndex` an array of shape ``(tokens, dims)``. Documents and queries are whatever the
    integration passes to the retriever.
    """

    def encode_documents(self, documents: Sequence[Any]) -> Sequence[Any]:
        """Return one vector per document, in the same order."""
        ...

    def encode_query(self, query: Any) -> Any:
        """Return the vector of one query."""
        ...

    async def aencode_documents(self, documents: Sequence[Any]) -> Sequence[Any]:
        """Return one vector per document, in the same order."""
        ...

    async def aencode_query(self, query: Any) -> Any:
        """Return the vector of one query."""
        ...


class LateInteractionEncoder:
    """Encode with one of Jina's late-interaction models, which return one vector per token.

    Documents and queries are inputs of :meth:`jina_client.JinaClient.embed_multi_vector`: texts, and images for the
    models that take them. Nothing is sent, and no key is needed, until the first call.

    Example:
        >>> from jina_client.integration import Connection
        >>> from jina_index import LateInteractionEncoder
        >>> encoder = LateInteractionEncoder(Connection(base_url="local"))
        >>> encoder.encode_query("What does the cat do?").shape[1]
        128

    Args:
        connection: the connection to call the service with.
        model: the id of a late-interaction model.
        dimensions: the length of the vectors (Matryoshka); by default the model's full length.
        max_image_side: the longer side, in pixels, that larger images are scaled down to before they are sent.
    """

    def __init__(
        self,
        connection: Connection,
        model: str = "jina-colbert-v2",
        *,
        dimensions: int | None = None,
        max_image_side: int | None = None,
    ) -> None:
        options = {"dimensions": dimensions, "max_image_side": max_image_side}
        self._embedder = MultiVectorEmbedder(connection, model, **options)
        self._async_embedder = AsyncMultiVectorEmbedder(connection, model, **options)

    def encode_documents(self, documents: Sequence[Any]) -> Sequence[Any]:
        """Return the token vectors of each document: float32 arrays of shape ``(tokens, dims)``.

        Raises:
            JinaError: the request failed.
        """
        return self._embedder.embed(documents, "document")

    def encode_query(self, query: Any) -> Any:
        """Return the token vectors of a query: float32 of shape ``(tokens, dims)``.

        Raises:
            JinaError: the request failed.
        """
        return self._embedder.embed([query], "query")[0]

    async def aencode_documents(self, documents: Sequence[Any]) -> Sequence[Any]:
        """Return the token vectors of each document, like :meth:`encode_documents`."""
        return await self._async_embedder.embed(documents, "document")

    async def aencode_query(self, query: Any) -> Any:
        """Return the token vectors of a query, like :meth:`encode_query`."""
        return (await self._async_embedder.embed([query], "query"))[0]
