"""Models with their options, as the components of frameworks use them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Unpack

from .. import results
from ..components.connection import Connection
from ..components.vectors import (
    chunks_by_document,
    embedding_identity,
    failed_chunks,
    in_chunk_order,
    is_empty,
    no_embeddings,
    to_lists,
)
from ..errors import JinaError
from ..lists import making_lists
from ..models import Role, task_by_role
from ..options import EmbedListOptions, EmbedOptions, InputOptions, OnError, RerankOptions
from ..results import Embeddings, Usage


class AsyncEmbedder:
    """An embedding model that embeds queries and documents, each with their own task.

    It needs neither key nor network until it is first used, and returns an empty result for an empty list.

    Args:
        connection: where to call.
        model: the model's id.
        query_task: the task of queries; by default ``task``, or the model's own.
        document_task: the task of documents; by default ``task``, or the model's own.
        **options: those of :meth:`jina_client.AsyncJinaClient.embed`, for all calls.
    """

    def __init__(
        self,
        connection: Connection,
        model: str,
        *,
        query_task: str | None = None,
        document_task: str | None = None,
        **options: Unpack[EmbedListOptions],
    ) -> None:
        self._connection = connection
        self._model = model
        self._tasks = task_by_role(model, options.pop("task", None), query_task, document_task)
        self._input_options: InputOptions = {
            "batch_size": options.pop("batch_size", None),
            "max_image_side": options.pop("max_image_side", None),
        }
        self._options: EmbedOptions = options

    async def embed(
        self,
        inputs: Sequence[Any],
        role: Role,
        *,
        on_error: OnError = "raise",
        lists: bool = False,
        **options: Unpack[EmbedOptions],
    ) -> Embeddings:
        """Embed inputs in their role, one vector each.

        Args:
            inputs: as in :meth:`jina_client.AsyncJinaClient.embed`.
            role: whether they are queries or documents.
            on_error: as in :meth:`jina_client.AsyncJinaClient.embed`.
            lists: make the lists that :meth:`jina_client.Embeddings.tolist` returns while requests are in flight.
            **options: of this call, instead of those of the object.
        """
        if is_empty(inputs):
            return no_embeddings(self._model)
        client = self._connection.async_client
        with making_lists(lists):
            return await client.embed(
                inputs, model=self._model, on_error=on_error, **self._input_options, **self._call(role, options)
            )

    async def embed_lists(
        self, inputs: Sequence[Any], role: Role, **options: Unpack[EmbedOptions]
    ) -> list[list[float]]:
        """Embed inputs as lists of floats, which frameworks store; see :func:`to_lists`."""
        return self.to_lists(await self.embed(inputs, role, lists=True, **options))

    async def embed_chunked(
        self, documents: Sequence[Sequence[str]], **options: Unpack[EmbedOptions]
    ) -> list[Embeddings]:
        """Embed documents that are lists of chunks, each chunk in the context of its document.

        Args:
            documents: for each document the list of its chunks, in order.
            **options: of this call, instead of those of the object.
        """
        if is_empty(documents):
            return []
        client = self._connection.async_client
        return await client.embed_chunked(documents, model=self._model, **self._call("document", options))

    async def embed_chunks(
        self,
        chunks: Sequence[str],
        documents: Sequence[Hashable | None],
        *,
        on_error: OnError = "raise",
        **options: Unpack[EmbedOptions],
    ) -> Embeddings:
        """Embed chunks of several documents in one flat list, each chunk in the context of its document.

        Args:
            chunks: texts; those of one document in order, though not necessarily side by side.
            documents: for each chunk what identifies its document; a chunk with ``None`` is a document of its own.
            on_error: as in :meth:`jina_client.AsyncJinaClient.embed`. A document fails as a whole.
            **options: of this call, instead of those of the object.

        Returns:
            One vector per chunk, in the order of ``chunks``.
        """
        if is_empty(chunks):
            return no_embeddings(self._model)
        groups = chunks_by_document(documents)
        try:
            parts = await self.embed_chunked([[chunks[index] for index in group] for group in groups], **options)
        except JinaError as error:
            return failed_chunks(groups, error, on_error, self._model)
        return in_chunk_order(groups, parts)

    def to_lists(self, embeddings: Embeddings) -> list[list[float]]:
        """Return vectors as lists of floats; bits as a 0.0 or 1.0 for each dimension."""
        return to_lists(embeddings, self._options.get("dimensions"))

    def identity(self, role: Role, **options: Unpack[EmbedOptions]) -> str:
        """Return a name that two vectors of one text share only if they are equal, for the caches of frameworks."""
        return embedding_identity(self._connection.base_url, self._model, role, self._call(role, options))

    def _call(self, role: Role, options: EmbedOptions) -> EmbedOptions:
        return {**self._options, "task": self._tasks[role], **options}


class AsyncMultiVectorEmbedder:
    """A model that gives one vector per token, for queries and documents.

    Args:
        connection: where to call.
        model: the model's id.
        dimensions: the length of the vectors; by default the model's full length.
        **options: ``batch_size`` and ``max_image_side`` of :meth:`jina_client.AsyncJinaClient.embed_multi_vector`.
    """

    def __init__(
        self, connection: Connection, model: str, *, dimensions: int | None = None, **options: Unpack[InputOptions]
    ) -> None:
        self._connection = connection
        self._model = model
        self._dimensions = dimensions
        self._options = options

    async def embed(
        self, inputs: Sequence[Any], role: Role, *, on_error: OnError = "raise", show_progress: bool = False
    ) -> results.MultiVectors:
        """Embed inputs in their role.

        Args:
            inputs: as in :meth:`jina_client.AsyncJinaClient.embed`.
            role: whether they are queries or documents.
            on_error: as in :meth:`jina_client.AsyncJinaClient.embed`.
            show_progress: show a progress bar.

        Returns:
            An array ``(tokens, dims)`` for each input, in their order; empty for an empty list.
        """
        if is_empty(inputs):
            return results.MultiVectors([], Usage(), self._model)
        client = self._connection.async_client
        return await client.embed_multi_vector(
            inputs,
            model=self._model,
            input_type=role,
            dimensions=self._dimensions,
            on_error=on_error,
            show_progress=show_progress,
            **self._options,
        )


class AsyncReranker:
    """A reranker with its options.

    Args:
        connection: where to call.
        model: the model's id.
        **options: those of :meth:`jina_client.AsyncJinaClient.rerank`, for all calls.
    """

    def __init__(self, connection: Connection, model: str, **options: Unpack[RerankOptions]) -> None:
        self._connection = connection
        self._model = model
        self._options = options

    async def rerank(self, query: Any, documents: Sequence[Any], top_n: int | None) -> results.RerankResult:
        """Return the ``top_n`` most relevant documents; none for an empty list."""
        if is_empty(documents):
            return results.RerankResult([], Usage(), self._model)
        options: RerankOptions = {**self._options, "top_n": top_n}
        return await self._connection.async_client.rerank(query, documents, model=self._model, **options)
