"""Jina AI's embedding models as LlamaIndex embeddings."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Unpack

from jina_client.integration import (
    AsyncEmbedder,
    Embedder,
    EmbeddingFields,
    Progress,
    Role,
    as_list,
    check_embedder,
    follows,
    frames_to_caller,
    progress_of_part,
    replaces,
    warns_of_default_model,
)
from llama_index.core.async_utils import run_jobs
from llama_index.core.bridge.pydantic import Field, SecretStr
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.embeddings import MultiModalEmbedding
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.schema import BaseNode

from .cache import VectorCache
from .connection import CLASSES, LlamaIndexConnection
from .images import checked_nodes, image_input, is_image, name_of
from .nodes import contents, give
from .old_names import DEFAULT_JINA_AI_API_URL, EmbeddingApi
from .options import DEFAULT_MODEL, JinaEmbeddingOptions, label

__all__ = ["DEFAULT_JINA_AI_API_URL", "JinaEmbedding"]

Encoding = Literal["float", "binary", "ubinary"]
Embedding = list[float]

# The largest request that Jina accepts. The client chooses the size of requests up to it.
EMBED_BATCH_SIZE = 512

dispatcher = get_dispatcher(__name__)


class JinaEmbedding(EmbeddingFields, LlamaIndexConnection, MultiModalEmbedding):
    """Embed texts and images with Jina AI's models.

    One object embeds both queries and documents, each with the model's task for that role. Images are embedded as
    documents. An image may be a path, a URL, a data URI or base64 as string, a ``Path``, bytes, a binary file, a PIL
    image, or a node with an image.

    Example:
        >>> from llama_index.embeddings.jinaai import JinaEmbedding
        >>> embedding = JinaEmbedding(model="jina-embeddings-v3", base_url="local")
        >>> len(embedding.get_query_embedding("Where does the cat sleep?"))
        1024

    Args:
        model: the model's id.
        embed_batch_size: maximum number of inputs per request, at most 512 whatever its value; by default the client
            chooses, see :meth:`jina_client.JinaClient.embed`.
        api_key: the API key; by default the one from the environment, read on first use.
        callback_manager: LlamaIndex's callbacks.
        encoding_queries, encoding_documents: ``float``, ``binary`` or ``ubinary``. With the last two the service sends
            one bit per dimension, and a vector is a list of 0 and 1.
        task: one task for queries and documents alike; by default each has its own.
        dimensions: the length of the vectors (Matryoshka); by default the model's full length.
        late_chunking: embed the nodes of one source document in each other's context. This needs nodes: use an
            ingestion pipeline or call this object. A text without a node is treated as a document of one chunk.
        **arguments: ``query_task``, ``document_task``, ``normalized``, ``truncate``, ``max_image_side``; the options of
            :class:`jina_client.JinaClient` except ``on_attempt``, and ``client``; and LlamaIndex's own ``num_workers``,
            ``embeddings_cache``, ``rate_limiter`` and ``model_name`` (a label in events; by default the model's id).

    Raises:
        JinaInputError: an unknown argument or a value that cannot work; a missing key when it is first needed.
    """

    model: str = DEFAULT_MODEL
    encoding_queries: Encoding = "float"
    encoding_documents: Encoding = "float"
    late_chunking: bool = False
    embed_batch_size: int = Field(default=EMBED_BATCH_SIZE, gt=0, le=2048)

    @warns_of_default_model
    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        embed_batch_size: int = EMBED_BATCH_SIZE,
        api_key: str | SecretStr | None = None,
        callback_manager: CallbackManager | None = None,
        encoding_queries: Encoding | None = None,
        encoding_documents: Encoding | None = None,
        task: str | None = None,
        dimensions: int | None = None,
        late_chunking: bool | None = None,
        **arguments: Unpack[JinaEmbeddingOptions],
    ) -> None:
        fields: dict[str, Any] = {
            "model": model,
            "model_name": label(model, arguments.pop("model_name", None)),
            "embed_batch_size": embed_batch_size,
            "api_key": api_key,
            "callback_manager": callback_manager,
            "encoding_queries": encoding_queries or "float",
            "encoding_documents": encoding_documents or "float",
            "task": task,
            "dimensions": dimensions,
            "late_chunking": bool(late_chunking),
            **arguments,
        }
        super().__init__(**fields)

    @property
    def _api(self) -> EmbeddingApi:
        return EmbeddingApi(self)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex saves this class."""
        return "JinaAIEmbedding"

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Embed the text of nodes. A node without text is embedded by its image, if the model takes images.

        With ``late_chunking`` the texts of one source document are embedded together.
        """
        show_progress = kwargs.get("show_progress", False)
        texts, images = self._by_kind(nodes)
        if self.late_chunking and not self._replaces_texts():
            give(texts, self._get_chunk_embeddings(texts, show_progress))
        else:
            give(texts, self.get_text_embedding_batch(contents(texts), **kwargs))
        give(images, self.get_image_embedding_batch(images, show_progress))  # type: ignore[arg-type]
        return nodes

    @follows("__call__")
    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Embed nodes, asynchronously."""
        show_progress = kwargs.get("show_progress", False)
        texts, images = self._by_kind(nodes)
        if self.late_chunking and not self._replaces_texts():
            give(texts, await self._aget_chunk_embeddings(texts, show_progress))
        else:
            give(texts, await self.aget_text_embedding_batch(contents(texts), **kwargs))
        give(images, await self.aget_image_embedding_batch(images, show_progress))  # type: ignore[arg-type]
        return nodes

    # The base class uses the text alone as the key of its cache, so these six methods do not call it.

    @dispatcher.span
    def get_query_embedding(self, query: str) -> Embedding:
        """Embed a query."""
        return self._report([query], "query", lambda texts: [self._get_query_embedding(text) for text in texts])[0]

    @follows("get_query_embedding")
    @dispatcher.span
    async def aget_query_embedding(self, query: str) -> Embedding:
        """Embed a query; see :meth:`get_query_embedding`."""

        async def embed(texts: list[str]) -> list[Embedding]:
            return [await self._aget_query_embedding(text) for text in texts]

        return (await self._areport([query], "query", embed))[0]

    @dispatcher.span
    def get_text_embedding(self, text: str) -> Embedding:
        """Embed a document."""
        return self._report([text], "document", lambda texts: [self._get_text_embedding(each) for each in texts])[0]

    @follows("get_text_embedding")
    @dispatcher.span
    async def aget_text_embedding(self, text: str) -> Embedding:
        """Embed a document; see :meth:`get_text_embedding`."""

        async def embed(texts: list[str]) -> list[Embedding]:
            return [await self._aget_text_embedding(each) for each in texts]

        return (await self._areport([text], "document", embed))[0]

    @dispatcher.span
    def get_text_embedding_batch(self, texts: list[str], show_progress: bool = False, **kwargs: Any) -> list[Embedding]:
        """Embed documents, in their order."""
        embeddings: list[Embedding] = []
        batches = self._batches(texts)
        with Progress(show_progress, sum(map(len, batches))) as progress:
            for batch in batches:
                with progress_of_part(progress, len(batch)):
                    embeddings += self._report(batch, "document", self._get_text_embeddings)
        return embeddings

    @follows("get_text_embedding_batch")
    @dispatcher.span
    async def aget_text_embedding_batch(
        self, texts: list[str], show_progress: bool = False, **kwargs: Any
    ) -> list[Embedding]:
        """Embed documents, in their order; see :meth:`get_text_embedding_batch`."""

        async def embed(batch: list[str]) -> list[Embedding]:
            with progress_of_part(progress, len(batch)):
                return await self._areport(batch, "document", self._aget_text_embeddings)

        batches = self._batches(texts)
        with Progress(show_progress, sum(map(len, batches))) as progress:
            calls = [embed(batch) for batch in batches]
            if self.num_workers and self.num_workers > 1:
                parts = await run_jobs(calls, workers=self.num_workers)
            else:
                parts = await asyncio.gather(*calls)
        return [embedding for part in parts for embedding in part]

    def _batches(self, texts: Any) -> list[list[str]]:
        """Return texts in the parts that are embedded by one call each: all together if possible.

        The client divides them into requests that run at the same time. LlamaIndex's rate limiter, its workers, and a
        subclass that embeds texts itself get parts of ``embed_batch_size``. A single string raises.
        """
        items = texts if isinstance(texts, list) else as_list(texts, "texts")
        if self.rate_limiter is None and not (self.num_workers or 0) > 1 and not self._replaces_texts():
            return [items] if items else []
        return [items[start : start + self.embed_batch_size] for start in range(0, len(items), self.embed_batch_size)]

    def _report(self, texts: list[str], role: Role, embed: Callable[[list[str]], list[Embedding]]) -> list[Embedding]:
        """Embed texts with the events, the rate limiter and the cache of LlamaIndex."""

        def limited(missing: list[str]) -> list[Embedding]:
            if self.rate_limiter is not None:
                self.rate_limiter.acquire()
            return embed(missing)

        with self._events(texts) as embeddings, self._callback(texts, embeddings):
            cache = self._cache(role)
            embeddings += limited(texts) if cache is None else cache.complete(texts, limited)
        return embeddings

    async def _areport(
        self, texts: list[str], role: Role, embed: Callable[[list[str]], Awaitable[list[Embedding]]]
    ) -> list[Embedding]:
        """Embed texts with the events, the rate limiter and the cache of LlamaIndex."""

        async def limited(missing: list[str]) -> list[Embedding]:
            if self.rate_limiter is not None:
                await self.rate_limiter.async_acquire()
            return await embed(missing)

        with self._events(texts) as embeddings, self._callback(texts, embeddings):
            cache = self._cache(role)
            embeddings += await (limited(texts) if cache is None else cache.acomplete(texts, limited))
        return embeddings

    def _cache(self, role: Role) -> VectorCache | None:
        if self.embeddings_cache is None:
            return None
        return VectorCache(self.embeddings_cache, self._embedder().identity(role, **self._encoding(role)))

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._embed([query], "query")[0]

    @follows("_get_query_embedding")
    async def _aget_query_embedding(self, query: str) -> Embedding:
        return (await self._aembed([query], "query"))[0]

    # A subclass that replaces the method for several texts serves single ones with it.

    def _get_text_embedding(self, text: str) -> Embedding:
        if replaces(type(self), "_get_text_embeddings", "_get_text_embedding"):
            return self._get_text_embeddings([text])[0]
        return self._embed([text], "document")[0]

    @follows("_get_text_embedding")
    async def _aget_text_embedding(self, text: str) -> Embedding:
        names = ("_get_text_embeddings", "_aget_text_embeddings")
        if any(replaces(type(self), name, "_aget_text_embedding") for name in names):
            return (await self._aget_text_embeddings([text]))[0]
        return (await self._aembed([text], "document"))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        self._warn_of_unknown_documents(texts)
        return self._embed(texts, "document")

    @follows("_get_text_embeddings")
    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        self._warn_of_unknown_documents(texts)
        return await self._aembed(texts, "document")

    def _get_image_embedding(self, img_file_path: Any) -> Embedding:
        return self._get_image_embeddings([img_file_path])[0]

    @follows("_get_image_embedding")
    async def _aget_image_embedding(self, img_file_path: Any) -> Embedding:
        return (await self._aget_image_embeddings([img_file_path]))[0]

    def _get_image_embeddings(self, img_file_paths: Sequence[Any]) -> list[Embedding]:
        with self._events([name_of(source) for source in img_file_paths]) as embeddings:
            if self.rate_limiter is not None:
                self.rate_limiter.acquire()
            embeddings += self._embed([image_input(source) for source in img_file_paths], "document")
        return embeddings

    @follows("_get_image_embeddings")
    async def _aget_image_embeddings(self, img_file_paths: Sequence[Any]) -> list[Embedding]:
        with self._events([name_of(source) for source in img_file_paths]) as embeddings:
            if self.rate_limiter is not None:
                await self.rate_limiter.async_acquire()
            embeddings += await self._aembed([image_input(source) for source in img_file_paths], "document")
        return embeddings

    def _get_chunk_embeddings(self, nodes: Sequence[BaseNode], show_progress: bool) -> list[Embedding]:
        if not nodes:
            return []
        chunks, documents = contents(nodes), [node.ref_doc_id for node in nodes]
        with self._events(chunks) as embeddings, self._callback(chunks, embeddings):
            if self.rate_limiter is not None:
                self.rate_limiter.acquire()
            embedder = self._embedder()
            options = {"show_progress": show_progress, **self._encoding("document")}
            embeddings += embedder.to_lists(embedder.embed_chunks(chunks, documents, **options))
        return embeddings

    async def _aget_chunk_embeddings(self, nodes: Sequence[BaseNode], show_progress: bool) -> list[Embedding]:
        if not nodes:
            return []
        chunks, documents = contents(nodes), [node.ref_doc_id for node in nodes]
        with self._events(chunks) as embeddings, self._callback(chunks, embeddings):
            if self.rate_limiter is not None:
                await self.rate_limiter.async_acquire()
            embedder = self._async_embedder()
            options = {"show_progress": show_progress, **self._encoding("document")}
            embeddings += embedder.to_lists(await embedder.embed_chunks(chunks, documents, **options))
        return embeddings

    def _check(self) -> None:
        super()._check()
        # A subclass that sends texts itself has models of its own.
        if not self._replaces_texts():
            service, late = self._connection().service, self.late_chunking
            check_embedder(self.model, service, CLASSES, late_chunking=late, **self._options())

    def _replaces_texts(self) -> bool:
        """Return whether a subclass embeds texts itself; late chunking would bypass it."""
        names = ("_get_text_embedding", "_get_text_embeddings", "get_text_embedding_batch")
        return any(replaces(type(self), name, "_get_chunk_embeddings") for name in names)

    def _embed(self, inputs: Sequence[Any], role: Role) -> list[Embedding]:
        return self._embedder().embed_lists(inputs, role, **self._encoding(role))

    async def _aembed(self, inputs: Sequence[Any], role: Role) -> list[Embedding]:
        return await self._async_embedder().embed_lists(inputs, role, **self._encoding(role))

    def _embedder(self) -> Embedder:
        return Embedder(self._connection(), self.model, **self._options())

    def _async_embedder(self) -> AsyncEmbedder:
        return AsyncEmbedder(self._connection(), self.model, **self._options())

    def _options(self) -> dict[str, Any]:
        batch_size = self.embed_batch_size if self.embed_batch_size < EMBED_BATCH_SIZE else None
        return {"batch_size": batch_size, **{name: getattr(self, name) for name in EmbeddingFields.model_fields}}

    def _encoding(self, role: Role) -> dict[str, Any]:
        return {"embedding_type": self.encoding_queries if role == "query" else self.encoding_documents}

    def _by_kind(self, nodes: Sequence[BaseNode]) -> tuple[list[BaseNode], list[BaseNode]]:
        """Return the nodes to embed as texts, and the nodes to embed as images."""
        texts: list[BaseNode] = []
        images: list[BaseNode] = []
        for node in checked_nodes(nodes):
            (images if is_image(node, self.model) else texts).append(node)
        return texts, images

    def _warn_of_unknown_documents(self, texts: Sequence[str]) -> None:
        if self.late_chunking and len(texts) > 1:
            warnings.warn(
                "late_chunking needs the document of each chunk, and these texts have none: each of them is embedded "
                "as a document of its own. Put this object among the transformations of the pipeline or the index.",
                UserWarning,
                stacklevel=frames_to_caller(),
            )

    @contextmanager
    def _events(self, chunks: list[str]) -> Iterator[list[Embedding]]:
        """Send the instrumentation's events around an embedding. The caller puts the vectors into the yielded list."""
        embeddings: list[Embedding] = []
        dispatcher.event(EmbeddingStartEvent(model_dict=self.to_payload()))
        yield embeddings
        # Without validation, which would copy every vector.
        dispatcher.event(EmbeddingEndEvent.model_construct(chunks=chunks, embeddings=embeddings))

    @contextmanager
    def _callback(self, chunks: list[str], embeddings: list[Embedding]) -> Iterator[None]:
        """Send the callback manager's event. For texts and images LlamaIndex sends it."""
        payload: dict[str, Any] = {EventPayload.SERIALIZED: self.to_payload()}
        with self.callback_manager.event(CBEventType.EMBEDDING, payload=payload) as event:
            yield
            event.on_end(payload={EventPayload.CHUNKS: chunks, EventPayload.EMBEDDINGS: embeddings})
