"""The arguments of a call made into a job, once for the synchronous and the asynchronous client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from .dialects import Dialect
from .errors import JinaInputError
from .inputs import as_item, as_items, as_list, as_text, as_texts
from .models import LIST_LIMIT, EmbeddingType, Model, Role
from .planning import EmbedJob, Job, ListJob, OneCall, RerankJob, SegmentJob, group, plan
from .protocol import (
    BatchRequest,
    ClassifyRequest,
    EmbedRequest,
    MultiVectorRequest,
    RerankRequest,
    SegmentRequest,
    SparseRequest,
    TrainRequest,
    usage_of,
)
from .protocol.answers import as_object, as_string
from .protocol.batch import batch_call, list_call, read_job, read_jobs, read_output
from .protocol.classification import Access, Labels
from .protocol.embedding import ColbertEndpoint, check_single_document
from .protocol.listings import (
    classifiers_call,
    delete_classifier_call,
    models_call,
    read_classifiers,
    read_model,
    read_models,
)
from .protocol.rerank import document_modalities
from .results import (
    BatchJob,
    BatchOutput,
    Classifications,
    ClassifierInfo,
    Embeddings,
    ModelInfo,
    MultiVectors,
    SparseEmbeddings,
    TrainedClassifier,
)

EMBEDDING_MODEL = "jina-embeddings-v3"
MULTI_VECTOR_MODEL = "jina-colbert-v2"
SPARSE_MODEL = "elser-v2"
RERANKER_MODEL = "jina-reranker-v2-base-multilingual"
CLASSIFIER_MODEL = "jina-embeddings-v3"
BATCH_MODEL = "jina-embeddings-v5-text-small"


def embed(
    dialect: Dialect,
    inputs: Iterable[Any],
    *,
    model: str,
    task: str | None,
    dimensions: int | None,
    late_chunking: bool,
    embedding_type: EmbeddingType,
    normalized: bool | None,
    truncate: bool | None,
    batch_size: int | None,
    max_image_side: int | None,
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
        bits_on_wire=dialect.packs_bits,
    )
    items = as_items(inputs, "inputs", request.modalities, request.model, max_image_side)
    if not late_chunking:
        return EmbedJob(request, items, plan(items, batch_size, _limit(request.row), one_kind=dialect.one_kind))
    if batch_size is not None:
        raise JinaInputError(
            "with late_chunking all inputs are one document and go in one request: leave batch_size out"
        )
    check_single_document(items)
    return EmbedJob(request, items, group([len(items)], _limit(request.row)))


def embed_chunked(
    dialect: Dialect,
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
        bits_on_wire=dialect.packs_bits,
    )
    listed = [as_texts(chunks, f"documents[{number}]") for number, chunks in enumerate(as_list(documents, "documents"))]
    batches = group([len(chunks) for chunks in listed], _limit(request.row))

    def by_document(result: Embeddings) -> list[Embeddings]:
        return [Embeddings(result.vectors[batch.start : batch.stop], result.usage, result.model) for batch in batches]

    return EmbedJob(request, [chunk for chunks in listed for chunk in chunks], batches), by_document


def embed_multi_vector(
    inputs: Iterable[Any],
    *,
    model: str,
    input_type: Role,
    dimensions: int | None,
    task: str | None,
    embedding_type: EmbeddingType,
    truncate: bool | None,
    return_tokenized_input: bool,
    batch_size: int | None,
    max_image_side: int | None,
    endpoint: ColbertEndpoint,
) -> Job[MultiVectors]:
    """The job of :meth:`jina_client.JinaClient.embed_multi_vector`."""
    request = MultiVectorRequest.build(
        model=model,
        input_type=input_type,
        dimensions=dimensions,
        task=task,
        embedding_type=embedding_type,
        truncate=truncate,
        return_tokenized_input=return_tokenized_input,
        endpoint=endpoint,
    )
    items = as_items(inputs, "inputs", request.modalities, request.model, max_image_side)
    return ListJob(
        request,
        items,
        plan(items, batch_size, _limit(request.row)),
        lambda found, usage, answered: MultiVectors(
            [rows for rows, _ in found],
            usage,
            answered,
            [tokens for _, tokens in found] if return_tokenized_input else None,
        ),
        request.model,
    )


def embed_sparse(
    inputs: Iterable[str], *, model: str, task: str | None, batch_size: int | None
) -> Job[SparseEmbeddings]:
    """The job of :meth:`jina_client.JinaClient.embed_sparse`."""
    request = SparseRequest.build(model=model, task=task)
    texts = as_texts(inputs, "inputs")
    batches = plan(texts, batch_size, _limit(request.row))
    return ListJob(request, texts, batches, SparseEmbeddings, request.model)


def rerank(
    query: Any,
    documents: Iterable[Any],
    *,
    model: str,
    top_n: int | None,
    return_documents: bool,
    truncation: bool | None,
    max_doc_length: int | None,
    return_embeddings: bool,
    batch_size: int | None,
    max_image_side: int | None,
) -> RerankJob:
    """The job of :meth:`jina_client.JinaClient.rerank`."""
    request = RerankRequest.build(
        model=model,
        query="",
        top_n=top_n,
        truncation=truncation,
        max_doc_length=max_doc_length,
        return_embeddings=return_embeddings,
    )
    if not isinstance(return_documents, bool):
        raise JinaInputError(f"return_documents must be True or False, got {return_documents!r}")
    allowed = document_modalities(request.row)
    asked = as_item(query, "query", allowed, request.model, max_image_side)
    listed = as_list(documents, "documents")
    items = as_items(listed, "documents", allowed, request.model, max_image_side)
    return RerankJob(
        replace(request, query=asked), items, listed, batch_size=batch_size, return_documents=return_documents
    )


def classify(
    inputs: Iterable[Any],
    labels: Labels | None,
    *,
    model: str,
    classifier_id: str | None,
    batch_size: int | None,
    max_image_side: int | None,
) -> Job[Classifications]:
    """The job of :meth:`jina_client.JinaClient.classify`."""
    request = ClassifyRequest.build(model=model, labels=labels, classifier_id=classifier_id)
    items = as_items(inputs, "inputs", request.modalities, model, max_image_side)
    batches = plan(items, batch_size, _limit(request.row))
    return ListJob(request, items, batches, lambda found, usage, _: Classifications(found, usage))


def train(
    examples: Iterable[Any],
    *,
    model: str,
    classifier_id: str | None,
    access: Access,
    num_iters: int,
    max_image_side: int | None,
) -> Job[TrainedClassifier]:
    """The job of :meth:`jina_client.JinaClient.train`."""
    request = TrainRequest.build(
        examples,
        model=model,
        classifier_id=classifier_id,
        access=access,
        num_iters=num_iters,
        max_image_side=max_image_side,
    )

    def read(answer: Any) -> TrainedClassifier:
        body = as_object(answer)
        trained = as_string(body.get("classifier_id"), "the classifier's id")
        return TrainedClassifier(trained, int(body.get("num_samples") or 0), usage_of(body))

    return OneCall(request.encode(), read, reads_media=True)


def classifiers() -> Job[list[ClassifierInfo]]:
    """The job of :meth:`jina_client.JinaClient.classifiers`."""
    return OneCall(classifiers_call(), read_classifiers)


def delete_classifier(classifier_id: str) -> Job[None]:
    """The job of :meth:`jina_client.JinaClient.delete_classifier`."""
    return OneCall(delete_classifier_call(classifier_id), lambda answer: None)


def segment(
    text: str,
    *,
    tokenizer: str,
    max_chunk_length: int,
    return_chunks: bool,
    return_tokens: bool,
    head: int | None,
    tail: int | None,
) -> SegmentJob:
    """The job of :meth:`jina_client.JinaClient.segment`."""
    request = SegmentRequest.build(
        tokenizer=tokenizer,
        max_chunk_length=max_chunk_length,
        return_chunks=return_chunks,
        return_tokens=return_tokens,
        head=head,
        tail=tail,
    )
    return SegmentJob(request, as_text(text, "text"))


def models() -> Job[list[ModelInfo]]:
    """The job of :meth:`jina_client.JinaClient.models`."""
    return OneCall(models_call(), read_models)


def model(name: str) -> Job[ModelInfo]:
    """The job of :meth:`jina_client.JinaClient.model`."""
    if not isinstance(name, str) or not name.strip():
        raise JinaInputError(f"model must be a model id, got {name!r}")
    return OneCall(models_call(name), read_model)


def create_batch(
    inputs: Iterable[str] | None,
    *,
    input_url: str | None,
    ids: Sequence[str] | None,
    model: str,
    task: str | None,
    dimensions: int | None,
    normalized: bool | None,
    webhook_url: str | None,
) -> Job[BatchJob]:
    """The job of :meth:`jina_client.JinaClient.create_batch`."""
    request = BatchRequest.build(
        inputs,
        input_url=input_url,
        ids=ids,
        model=model,
        task=task,
        dimensions=dimensions,
        normalized=normalized,
        webhook_url=webhook_url,
    )
    return OneCall(request.encode(), read_job)


def get_batch(batch_id: str) -> Job[BatchJob]:
    """The job of :meth:`jina_client.JinaClient.get_batch`."""
    return OneCall(batch_call(batch_id), read_job)


def cancel_batch(batch_id: str) -> Job[BatchJob]:
    """The job of :meth:`jina_client.JinaClient.cancel_batch`."""
    return OneCall(batch_call(batch_id, method="DELETE"), read_job)


def list_batches(limit: int) -> Job[list[BatchJob]]:
    """The job of :meth:`jina_client.JinaClient.list_batches`."""
    return OneCall(list_call(limit), read_jobs)


def batch_output(batch_id: str) -> Job[BatchOutput]:
    """The job of :meth:`jina_client.JinaClient.batch_output`."""
    return OneCall(batch_call(batch_id, "output"), read_output)


def batch_errors(batch_id: str) -> Job[list[dict[str, Any]]]:
    """The job of :meth:`jina_client.JinaClient.batch_errors`."""
    return OneCall(batch_call(batch_id, "errors"), list)


def _limit(row: Model | None) -> int:
    return row.list_limit if row else LIST_LIMIT
