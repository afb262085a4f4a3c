"""The arguments of a call made into a job, once for the synchronous and the asynchronous client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .errors import JinaInputError
from .inputs import as_list, as_text, as_texts
from .models import LIST_LIMIT, EmbeddingType
from .planning import EmbedJob, RerankJob, group, split
from .protocol import EmbedRequest, RerankRequest
from .results import Embeddings

EMBEDDING_MODEL = "jina-embeddings-v3"
RERANKER_MODEL = "jina-reranker-v2-base-multilingual"


def embed(
    inputs: Iterable[str],
    *,
    model: str,
    task: str | None,
    dimensions: int | None,
    late_chunking: bool,
    embedding_type: EmbeddingType,
    normalized: bool | None,
    truncate: bool | None,
    batch_size: int | None,
) -> EmbedJob:
    """The job of :meth:`jina_client.JinaClient.embed`."""
    request = EmbedRequest.build(
        model=model,
        task=task,
        dimensions=dimensions,
        late_chunking=late_chunking,
        embedding_type=embedding_type,
        normalized=normalized,
        truncate=truncate,
    )
    texts = as_texts(inputs, "inputs")
    if not late_chunking:
        return EmbedJob(request, texts, split(len(texts), batch_size, _limit(request)))
    if batch_size is not None:
        raise JinaInputError(
            "with late_chunking all inputs are one document and go in one request: leave batch_size out"
        )
    return EmbedJob(request, texts, group([len(texts)], _limit(request)))


def embed_chunked(
    documents: Iterable[Sequence[str]],
    *,
    model: str,
    task: str | None,
    dimensions: int | None,
    embedding_type: EmbeddingType,
    normalized: bool | None,
    truncate: bool | None,
) -> tuple[EmbedJob, Callable[[Embeddings], list[Embeddings]]]:
    """The job of :meth:`jina_client.JinaClient.embed_chunked`, and how its result falls into documents."""
    request = EmbedRequest.build(
        model=model,
        task=task,
        dimensions=dimensions,
        late_chunking=True,
        embedding_type=embedding_type,
        normalized=normalized,
        truncate=truncate,
    )
    listed = [as_texts(chunks, f"documents[{number}]") for number, chunks in enumerate(as_list(documents, "documents"))]
    batches = group([len(chunks) for chunks in listed], _limit(request))

    def by_document(result: Embeddings) -> list[Embeddings]:
        return [Embeddings(result.vectors[batch.start : batch.stop], result.usage, result.model) for batch in batches]

    return EmbedJob(request, [chunk for chunks in listed for chunk in chunks], batches), by_document


def rerank(
    query: str,
    documents: Iterable[Any],
    *,
    model: str,
    top_n: int | None,
    truncation: bool | None,
    max_doc_length: int | None,
) -> RerankJob:
    """The job of :meth:`jina_client.JinaClient.rerank`."""
    request = RerankRequest.build(
        model=model,
        query=as_text(query, "query"),
        top_n=top_n,
        truncation=truncation,
        max_doc_length=max_doc_length,
    )
    listed = as_list(documents, "documents")
    texts = [as_text(document, f"documents[{index}]") for index, document in enumerate(listed)]
    return RerankJob(request, texts, listed)


def _limit(request: EmbedRequest) -> int:
    return request.row.list_limit if request.row else LIST_LIMIT
