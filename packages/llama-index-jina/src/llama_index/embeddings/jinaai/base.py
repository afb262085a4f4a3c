"""Jina AI's embedding models as LlamaIndex embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from jina_client import Embeddings
from jina_client.components import Embedder
from jina_client.quantization import unpack
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.schema import BaseNode, MetadataMode

from .connection import JinaConnection

Encoding = Literal["float", "binary", "ubinary"]
Embedding = list[float]

# Texts that LlamaIndex hands over at once. The client makes requests of 128 of them, eight in flight.
EMBED_BATCH_SIZE = 1024

dispatcher = get_dispatcher(__name__)


class JinaEmbedding(JinaConnection, BaseEmbedding):
    """Text embeddings by Jina AI's models.

    Queries and documents are embedded with the task that the model has for each, from this one object.

    Example:
        >>> from llama_index.embeddings.jinaai import JinaEmbedding
        >>> embedding = JinaEmbedding(model="jina-embeddings-v3", base_url="local")
        >>> len(embedding.get_query_embedding("Where does the cat sleep?"))
        1024

    Args:
        model: the model's id.
        embed_batch_size: texts handed to the client at once; it makes its own requests of them.
        api_key: else from the environment, when it is first needed.
        callback_manager: LlamaIndex's callbacks.
        encoding_queries, encoding_documents: ``float``, or ``binary`` or ``ubinary``: one bit a dimension travels, and
            each vector is a list of 0 and 1.
        task: one task for queries and documents alike; by default each has its own.
        dimensions: the length of the vectors (Matryoshka); by default the model's full length.
        late_chunking: embed the nodes of one source document in each other's context, where nodes are given (an
            ingestion pipeline, or calling this object). A text on its own is a document of its own.
        **arguments: ``query_task``, ``document_task``, ``normalized``, ``truncate``; of the connection ``base_url``,
            ``timeout``, ``max_retries``, ``retry_timeout``, ``max_concurrency``, ``requests_per_minute``,
            ``tokens_per_minute``, ``dialect``, ``cache``, ``transport`` and ``client``, as of
            :class:`jina_client.JinaClient`; and ``BaseEmbedding``'s own.

    Raises:
        JinaInputError: an unknown argument or a value of the wrong type; a missing key when it is first needed.
    """

    model: str = "jina-embeddings-v3"
    encoding_queries: Encoding = "float"
    encoding_documents: Encoding = "float"
    task: str | None = None
    query_task: str | None = None
    document_task: str | None = None
    dimensions: int | None = None
    late_chunking: bool = False
    normalized: bool | None = None
    truncate: bool | None = None
    embed_batch_size: int = Field(default=EMBED_BATCH_SIZE, gt=0, le=2048)

    def __init__(
        self,
        model: str = "jina-embeddings-v3",
        embed_batch_size: int = EMBED_BATCH_SIZE,
        api_key: Any = None,
        callback_manager: CallbackManager | None = None,
        encoding_queries: Encoding | None = None,
        encoding_documents: Encoding | None = None,
        task: str | None = None,
        dimensions: int | None = None,
        late_chunking: bool | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(
            model=model,
            model_name=arguments.pop("model_name", model),
            embed_batch_size=embed_batch_size,
            api_key=api_key,
            callback_manager=callback_manager,
            encoding_queries=encoding_queries or "float",
            encoding_documents=encoding_documents or "float",
            task=task,
            dimensions=dimensions,
            late_chunking=bool(late_chunking),
            **arguments,
        )

    @classmethod
    def class_name(cls) -> str:
        """The name that LlamaIndex saves this class under."""
        return "JinaAIEmbedding"

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Embed nodes; with ``late_chunking`` those of one source document together."""
        if not self.late_chunking:
            return super().__call__(nodes, **kwargs)
        chunks = _chunks(nodes)
        with self._event(chunks) as embeddings:
            result = self._embedder().embed_chunks(
                chunks,
                _documents(nodes),
                embedding_type=self.encoding_documents,
                show_progress=kwargs.get("show_progress", False),
            )
            embeddings += self._vectors(result)
        return _with_embeddings(nodes, embeddings)

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Embed nodes, asynchronously."""
        if not self.late_chunking:
            return await super().acall(nodes, **kwargs)
        chunks = _chunks(nodes)
        with self._event(chunks) as embeddings:
            result = await self._embedder().aembed_chunks(
                chunks,
                _documents(nodes),
                embedding_type=self.encoding_documents,
                show_progress=kwargs.get("show_progress", False),
            )
            embeddings += self._vectors(result)
        return _with_embeddings(nodes, embeddings)

    def _get_query_embedding(self, query: str) -> Embedding:
        result = self._embedder().embed([query], "query", embedding_type=self.encoding_queries)
        return self._vectors(result)[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        result = await self._embedder().aembed([query], "query", embedding_type=self.encoding_queries)
        return self._vectors(result)[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._vectors(self._embedder().embed(texts, "document", embedding_type=self.encoding_documents))

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._vectors(await self._embedder().aembed(texts, "document", embedding_type=self.encoding_documents))

    def _embedder(self) -> Embedder:
        return Embedder(
            self._connection(),
            self.model,
            task=self.task,
            query_task=self.query_task,
            document_task=self.document_task,
            dimensions=self.dimensions,
            normalized=self.normalized,
            truncate=self.truncate,
        )

    def _vectors(self, result: Embeddings) -> list[Embedding]:
        vectors = result.vectors
        if vectors.dtype.kind == "f":
            return result.tolist()
        bits: list[Embedding] = unpack(vectors, self.dimensions).tolist()
        return bits

    @contextmanager
    def _event(self, chunks: list[str]) -> Iterator[list[Embedding]]:
        """The events around an embedding; what is put into the list that it yields is what they report."""
        payload = self.to_payload()
        embeddings: list[Embedding] = []
        dispatcher.event(EmbeddingStartEvent(model_dict=payload))
        with self.callback_manager.event(CBEventType.EMBEDDING, payload={EventPayload.SERIALIZED: payload}) as event:
            yield embeddings
            event.on_end(payload={EventPayload.CHUNKS: chunks, EventPayload.EMBEDDINGS: embeddings})
        dispatcher.event(EmbeddingEndEvent(chunks=chunks, embeddings=embeddings))


def _chunks(nodes: Sequence[BaseNode]) -> list[str]:
    return [node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]


def _documents(nodes: Sequence[BaseNode]) -> list[str | None]:
    return [node.ref_doc_id for node in nodes]


def _with_embeddings(nodes: Sequence[BaseNode], embeddings: list[Embedding]) -> Sequence[BaseNode]:
    for node, embedding in zip(nodes, embeddings, strict=True):
        node.embedding = embedding
    return nodes
