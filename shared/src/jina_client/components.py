"""What every framework's embedder and reranker stand on, so that they only translate types.

A :class:`Connection` is both clients of one configuration; an :class:`Embedder` and a :class:`Reranker` are a model
with its options on a connection. All are made without a key or a network and ask for them when first used, and all can
be pickled.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from .aio import AsyncJinaClient
from .arguments import OnError
from .client import JinaClient
from .errors import JinaError, JinaInputError, PartialFailureError
from .models import EmbeddingType, Role, find_model
from .quantization import unpack
from .results import Embeddings, MultiVectors, RerankResult, Usage
from .settings import resolved_url


class ConnectionOptions(TypedDict, total=False):
    """What every component takes of the client's options; left out, or ``None``, the client's default holds.

    Each is explained at :class:`jina_client.JinaClient`.
    """

    base_url: str | None
    timeout: float | None
    max_retries: int | None
    retry_timeout: float | None
    max_concurrency: int | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    dialect: str | None
    cache: str | None


CONNECTION_OPTIONS = tuple(ConnectionOptions.__annotations__)
"""Their names."""


class ConnectionFields:
    """The same as attributes. Pydantic makes them the fields of its models that have this class as a base."""

    base_url: str | None = None
    """The API's root; ``"local"`` is the embedded engine."""
    timeout: float | None = None
    """Seconds for one exchange; 60 by default."""
    max_retries: int | None = None
    """How often a request that failed in a way that may pass is sent again; 4 by default."""
    retry_timeout: float | None = None
    """Seconds after which a request is not sent again; 300 by default."""
    max_concurrency: int | None = None
    """Exchanges in flight at once; 8 by default."""
    requests_per_minute: int | None = None
    """The most that are sent; by default what the service takes."""
    tokens_per_minute: int | None = None
    """The most that are sent; by default what the service takes."""
    dialect: str | None = None
    """The protocol that the service speaks: ``jina`` by default, ``vllm``, ``infinity`` or ``tei``."""
    cache: str | None = None
    """A file to keep vectors in, so that none is paid for twice."""

    _opened: Connection

    def close(self) -> None:
        """Close the connections of the synchronous methods; a later call opens them anew."""
        self._opened.close()

    async def aclose(self) -> None:
        """Close the connections of the asynchronous methods; a later call opens them anew."""
        await self._opened.aclose()


class Connection:
    """Both clients of one configuration, each made when it is first used.

    Args:
        client: a ready client of either kind to use, and to take the settings of the other kind from.
        **options: else the arguments of :class:`jina_client.JinaClient`; ``None`` stands for the client's default.

    Raises:
        JinaInputError: both a client and options.
    """

    def __init__(self, client: JinaClient | AsyncJinaClient | None = None, **options: Any) -> None:
        self._options = {name: value for name, value in options.items() if value is not None}
        if client is not None and self._options:
            raise JinaInputError(
                f"client= brings its own settings: leave out {', '.join(sorted(self._options))}, or the client"
            )
        if client is not None and not isinstance(client, (JinaClient, AsyncJinaClient)):
            raise JinaInputError(f"client must be a JinaClient or an AsyncJinaClient, got {type(client).__name__}")
        self._given = client
        self._sync: JinaClient | None = None
        self._async: AsyncJinaClient | None = None

    def follows(self, client: JinaClient | AsyncJinaClient | None, **options: Any) -> Connection:
        """This connection where it has these very settings, else a new one: for objects whose attributes can change."""
        fresh = Connection(client, **options)
        same = fresh._given is self._given and fresh._options == self._options
        return self if same else fresh

    @property
    def client(self) -> JinaClient:
        """The synchronous client."""
        if isinstance(self._given, JinaClient):
            return self._given
        if self._sync is None:
            self._sync = JinaClient.from_settings(self._given.settings) if self._given else JinaClient(**self._options)
        return self._sync

    @property
    def async_client(self) -> AsyncJinaClient:
        """The asynchronous client."""
        if isinstance(self._given, AsyncJinaClient):
            return self._given
        if self._async is None:
            settings = self._given.settings if self._given else None
            self._async = AsyncJinaClient.from_settings(settings) if settings else AsyncJinaClient(**self._options)
        return self._async

    @property
    def base_url(self) -> str:
        """Where it calls."""
        given = self._given or self._sync or self._async
        return given.settings.base_url if given else resolved_url(self._options.get("base_url"))

    def close(self) -> None:
        """Close the synchronous client, unless it was given; a later call opens it anew."""
        client, self._sync = self._sync, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the asynchronous client, unless it was given; a later call opens it anew."""
        client, self._async = self._async, None
        if client is not None:
            await client.aclose()


class Embedder:
    """An embedding model with its options.

    Args:
        connection: where to call.
        model: the model's id.
        task: the task of both roles; by default each role has the one that the model's row names for it.
        query_task, document_task: the task of one role, above ``task``.
        dimensions, normalized, truncate, batch_size, max_image_side: as in :meth:`jina_client.JinaClient.embed`.
    """

    def __init__(
        self,
        connection: Connection,
        model: str,
        *,
        task: str | None = None,
        query_task: str | None = None,
        document_task: str | None = None,
        dimensions: int | None = None,
        normalized: bool | None = None,
        truncate: bool | None = None,
        batch_size: int | None = None,
        max_image_side: int | None = None,
    ) -> None:
        row = find_model(model)
        own: dict[Role, str | None] = {"query": query_task, "document": document_task}
        self._tasks = {role: own[role] or task or (row.task_for(role) if row else None) for role in own}
        self._connection = connection
        self._model = model
        self._batch_size = batch_size
        self._max_image_side = max_image_side
        self._options: dict[str, Any] = {
            "model": model,
            "dimensions": dimensions,
            "normalized": normalized,
            "truncate": truncate,
        }

    def embed(
        self,
        inputs: Sequence[Any],
        role: Role,
        *,
        embedding_type: EmbeddingType = "float",
        on_error: OnError = "raise",
        show_progress: bool = False,
    ) -> Embeddings:
        """One vector for each input in its role; for an empty list none, without a request.

        Args:
            inputs: texts, and for the models that take them images and so on: see :mod:`jina_client.inputs`.
            role: what they are.
            embedding_type, on_error, show_progress: as in :meth:`jina_client.JinaClient.embed`.
        """
        if _is_empty(inputs):
            return self._nothing()
        return self._connection.client.embed(
            inputs,
            batch_size=self._batch_size,
            max_image_side=self._max_image_side,
            on_error=on_error,
            show_progress=show_progress,
            **self._call(role, embedding_type),
        )

    async def aembed(
        self,
        inputs: Sequence[Any],
        role: Role,
        *,
        embedding_type: EmbeddingType = "float",
        on_error: OnError = "raise",
        show_progress: bool = False,
    ) -> Embeddings:
        """:meth:`embed`, asynchronously."""
        if _is_empty(inputs):
            return self._nothing()
        return await self._connection.async_client.embed(
            inputs,
            batch_size=self._batch_size,
            max_image_side=self._max_image_side,
            on_error=on_error,
            show_progress=show_progress,
            **self._call(role, embedding_type),
        )

    def identity(self, role: Role, embedding_type: EmbeddingType = "float") -> str:
        """A name that two vectors of one text share only if they are equal: for the keys of frameworks' caches.

        It has the service, the model, the role with its task, the encoding and every option.
        """
        fields = {"url": self._connection.base_url, "role": role, **self._call(role, embedding_type)}
        return json.dumps(fields, sort_keys=True)

    def embed_chunks(
        self,
        chunks: Sequence[str],
        documents: Sequence[Hashable | None],
        *,
        embedding_type: EmbeddingType = "float",
        on_error: OnError = "raise",
        show_progress: bool = False,
    ) -> Embeddings:
        """Late chunking of chunks that come in a flat list.

        Args:
            chunks: texts; those of one document in their order, though not necessarily side by side.
            documents: for each chunk what its document is known by; a chunk with ``None`` is a document of its own.
            embedding_type, on_error, show_progress: as in :meth:`jina_client.JinaClient.embed`. A document fails as a
                whole.

        Returns:
            One vector for each chunk, in the order of ``chunks``.
        """
        if _is_empty(chunks):
            return self._nothing()
        groups = _by_document(documents)
        texts = [[chunks[index] for index in group] for group in groups]
        try:
            parts = self._connection.client.embed_chunked(
                texts, show_progress=show_progress, **self._call("document", embedding_type)
            )
        except JinaError as error:
            return self._chunks_left(groups, error, on_error)
        return _in_order(groups, parts)

    async def aembed_chunks(
        self,
        chunks: Sequence[str],
        documents: Sequence[Hashable | None],
        *,
        embedding_type: EmbeddingType = "float",
        on_error: OnError = "raise",
        show_progress: bool = False,
    ) -> Embeddings:
        """:meth:`embed_chunks`, asynchronously."""
        if _is_empty(chunks):
            return self._nothing()
        groups = _by_document(documents)
        texts = [[chunks[index] for index in group] for group in groups]
        try:
            parts = await self._connection.async_client.embed_chunked(
                texts, show_progress=show_progress, **self._call("document", embedding_type)
            )
        except JinaError as error:
            return self._chunks_left(groups, error, on_error)
        return _in_order(groups, parts)

    def embed_chunked(
        self,
        documents: Sequence[Sequence[str]],
        *,
        embedding_type: EmbeddingType = "float",
        show_progress: bool = False,
    ) -> list[Embeddings]:
        """Late chunking of documents that come as lists of chunks; for an empty list none, without a request.

        Args:
            documents: for each document the list of its chunks, in order.
            embedding_type, show_progress: as in :meth:`jina_client.JinaClient.embed`.
        """
        if _is_empty(documents):
            return []
        return self._connection.client.embed_chunked(
            documents, show_progress=show_progress, **self._call("document", embedding_type)
        )

    async def aembed_chunked(
        self,
        documents: Sequence[Sequence[str]],
        *,
        embedding_type: EmbeddingType = "float",
        show_progress: bool = False,
    ) -> list[Embeddings]:
        """:meth:`embed_chunked`, asynchronously."""
        if _is_empty(documents):
            return []
        return await self._connection.async_client.embed_chunked(
            documents, show_progress=show_progress, **self._call("document", embedding_type)
        )

    def rows(self, result: Embeddings) -> list[list[float]]:
        """The vectors as frameworks keep them: lists of floats; bits as a 0 or a 1 for each dimension."""
        vectors = result.vectors
        if vectors.dtype.kind == "f":
            return result.tolist()
        bits: list[list[float]] = unpack(vectors, self._options["dimensions"]).astype(np.float32).tolist()
        return bits

    def _chunks_left(self, groups: Sequence[Sequence[int]], error: JinaError, on_error: OnError) -> Embeddings:
        """What a call that failed has done, by chunk instead of by document."""
        done, failed = _left(error, len(groups), on_error)
        vectors = {
            chunk: row for number, part in done.items() for chunk, row in zip(groups[number], part.vectors, strict=True)
        }
        reasons = {chunk: reason for number, reason in failed.items() for chunk in groups[number]}
        if on_error == "raise":
            raise PartialFailureError(vectors, reasons, getattr(error, "usage", None)) from error.__cause__
        kept = sorted(vectors)
        return Embeddings(
            np.stack([vectors[chunk] for chunk in kept]) if kept else self._nothing().vectors,
            getattr(error, "usage", None) or Usage(),
            self._model,
            np.asarray(kept, np.intp),
            reasons,
        )

    def _call(self, role: Role, embedding_type: EmbeddingType) -> dict[str, Any]:
        return {"task": self._tasks[role], "embedding_type": embedding_type, **self._options}

    def _nothing(self) -> Embeddings:
        return Embeddings(np.empty((0, 0), np.float32), Usage(), self._model)


class EmbeddingFields:
    """Options of an :class:`Embedder` as attributes; for pydantic models, as :class:`ConnectionFields`."""

    task: str | None = None
    """One task for queries and documents alike, such as ``text-matching``; by default each has its own."""
    query_task: str | None = None
    """The task for queries; by default the model's, such as ``retrieval.query``."""
    document_task: str | None = None
    """The task for documents; by default the model's, such as ``retrieval.passage``."""
    dimensions: int | None = None
    """The length of the vectors (Matryoshka); by default the model's full length."""
    normalized: bool | None = None
    """Scale vectors to length 1; by default yes, where the model takes the option."""
    truncate: bool | None = None
    """Cut texts longer than the model's context; by default the service refuses them."""
    max_image_side: int | None = None
    """Pixels of the longer side above which an image is made smaller before it is sent (needs Pillow)."""

    def _embedding_options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in EmbeddingFields.__annotations__}


class MultiVectorEmbedder:
    """A model that gives one vector for each token, with its options.

    Args:
        connection: where to call.
        model: the model's id.
        dimensions, batch_size: as in :meth:`jina_client.JinaClient.embed_multi_vector`.
    """

    def __init__(
        self,
        connection: Connection,
        model: str,
        *,
        dimensions: int | None = None,
        batch_size: int | None = None,
        max_image_side: int | None = None,
    ) -> None:
        self._connection = connection
        self._model = model
        self._options: dict[str, Any] = {
            "model": model,
            "dimensions": dimensions,
            "batch_size": batch_size,
            "max_image_side": max_image_side,
        }

    def embed(
        self, inputs: Sequence[Any], role: Role, *, on_error: OnError = "raise", show_progress: bool = False
    ) -> MultiVectors:
        """For each input its vectors; for an empty list none, without a request.

        Args:
            inputs, role: as in :meth:`Embedder.embed`.
            on_error: what becomes of inputs that fail: a PartialFailureError, or part of the result.
            show_progress: show a progress bar.
        """
        if _is_empty(inputs):
            return MultiVectors([], Usage(), self._model)
        try:
            return self._connection.client.embed_multi_vector(
                inputs, input_type=role, show_progress=show_progress, **self._options
            )
        except JinaError as error:
            return self._left(inputs, error, on_error)

    async def aembed(
        self, inputs: Sequence[Any], role: Role, *, on_error: OnError = "raise", show_progress: bool = False
    ) -> MultiVectors:
        """:meth:`embed`, asynchronously."""
        if _is_empty(inputs):
            return MultiVectors([], Usage(), self._model)
        try:
            return await self._connection.async_client.embed_multi_vector(
                inputs, input_type=role, show_progress=show_progress, **self._options
            )
        except JinaError as error:
            return self._left(inputs, error, on_error)

    def _left(self, inputs: Sequence[Any], error: JinaError, on_error: OnError) -> MultiVectors:
        """What a call that failed has done."""
        done, failed = _left(error, len(inputs), on_error)
        if on_error == "raise":
            raise error
        kept = sorted(done)
        usage = getattr(error, "usage", None) or Usage()
        return MultiVectors([done[index] for index in kept], usage, self._model, input_indices=kept, failed=failed)


class Reranker:
    """A reranker with its options.

    Args:
        connection: where to call.
        model: the model's id.
        truncation, max_doc_length, max_image_side: as in :meth:`jina_client.JinaClient.rerank`.
    """

    def __init__(
        self,
        connection: Connection,
        model: str,
        *,
        truncation: bool | None = None,
        max_doc_length: int | None = None,
        max_image_side: int | None = None,
    ) -> None:
        self._connection = connection
        self._model = model
        self._options: dict[str, Any] = {
            "model": model,
            "truncation": truncation,
            "max_doc_length": max_doc_length,
            "max_image_side": max_image_side,
        }

    def rerank(self, query: Any, documents: Sequence[Any], top_n: int | None) -> RerankResult:
        """The best ``top_n`` documents; for an empty list none, without a request."""
        if _is_empty(documents):
            return RerankResult([], Usage(), self._model)
        return self._connection.client.rerank(query, documents, top_n=top_n, **self._options)

    async def arerank(self, query: Any, documents: Sequence[Any], top_n: int | None) -> RerankResult:
        """:meth:`rerank`, asynchronously."""
        if _is_empty(documents):
            return RerankResult([], Usage(), self._model)
        return await self._connection.async_client.rerank(query, documents, top_n=top_n, **self._options)


def _is_empty(items: Any) -> bool:
    """An empty list, which frameworks pass on as a matter of course; anything else the client judges."""
    return isinstance(items, (list, tuple)) and not items


def _left(error: JinaError, count: int, on_error: OnError) -> tuple[Mapping[int, Any], Mapping[int, JinaError]]:
    """What is done and what has failed of a call for ``count`` inputs that ended with an error.

    Raises:
        JinaError: the error itself, where nothing was sent, or nothing is done and ``on_error`` is ``raise``.
    """
    if isinstance(error, PartialFailureError):
        return error.completed, error.failed
    if on_error == "raise" or isinstance(error, JinaInputError):
        raise error
    return {}, dict.fromkeys(range(count), error)


def _by_document(documents: Sequence[Hashable | None]) -> list[list[int]]:
    """The indices of each document's chunks, documents in the order in which they first appear."""
    groups: dict[Hashable, list[int]] = {}
    for index, document in enumerate(documents):
        key = ("document", document) if document is not None else ("chunk", index)
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def _in_order(groups: Sequence[Sequence[int]], parts: Sequence[Embeddings]) -> Embeddings:
    """The vectors of grouped chunks, back in the order of the chunks."""
    first = parts[0]
    vectors = np.empty((sum(map(len, groups)), first.vectors.shape[1]), first.vectors.dtype)
    for group, part in zip(groups, parts, strict=True):
        vectors[list(group)] = part.vectors
    return Embeddings(vectors, first.usage, first.model, windows=max(part.windows for part in parts))
