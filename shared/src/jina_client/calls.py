"""The arguments of a call made into a job, once for the synchronous and the asynchronous client."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Sized,
)
from dataclasses import replace
from typing import Any, TypeVar

from .cache import keys_of
from .errors import JinaInputError
from .inputs import Item, as_item, as_items, as_list, as_text, as_texts, kind_of
from .isolation import Sizes
from .models import LIST_LIMIT, EmbeddingType, Model, Role
from .planning import (
    ChunksJob,
    DocumentsJob,
    EmbedJob,
    Filling,
    Job,
    ListJob,
    OneCall,
    RerankJob,
    SegmentJob,
    documents_of,
    split,
)
from .protocol import (
    BatchRequest,
    ClassifyRequest,
    EmbedRequest,
    MultiVectorRequest,
    ReaderRequest,
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
from .protocol.reader import ReturnFormat
from .protocol.rerank import document_modalities
from .results import (
    BatchJob,
    BatchOutput,
    Classifications,
    ClassifierInfo,
    Grounding,
    ModelInfo,
    MultiVectors,
    Page,
    SearchResults,
    SparseEmbeddings,
    TrainedClassifier,
)
from .service import Service
from .settings import reader_root

EMBEDDING_MODEL = "jina-embeddings-v3"
MULTI_VECTOR_MODEL = "jina-colbert-v2"
SPARSE_MODEL = "elser-v2"
RERANKER_MODEL = "jina-reranker-v2-base-multilingual"
CLASSIFIER_MODEL = "jina-embeddings-v3"
BATCH_MODEL = "jina-embeddings-v5-text-small"

Chunks = TypeVar("Chunks", bound=ChunksJob)


def embed(
    service: Service,
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
        bits_on_wire=service.dialect.packs_bits,
    )
    items = as_items(inputs, "inputs", request.modalities, request.model, max_image_side)
    service.dialect.check(items)
    if not late_chunking:
        return _embed_job(service, request, items, lambda some: _split(service, some, batch_size, request.row))
    if batch_size is not None:
        raise JinaInputError(
            "with late_chunking all inputs are one document and go in one request: leave batch_size out"
        )
    check_single_document(items)
    return _late_job(ChunksJob, service, request, items, [range(len(items))])


class Stream:
    """The jobs of :meth:`jina_client.JinaClient.embed_stream`, made as the inputs come.

    Each job has one request. The arguments are those of the method.
    """

    def __init__(
        self,
        service: Service,
        *,
        model: str,
        task: str | None,
        dimensions: int | None,
        embedding_type: EmbeddingType,
        normalized: bool | None,
        truncate: bool | None,
        batch_size: int | None,
        max_image_side: int | None,
    ) -> None:
        self._service = service
        self._request = EmbedRequest.build(
            model=model,
            task=task,
            dimensions=dimensions,
            embedding_type=embedding_type,
            normalized=normalized,
            truncate=truncate,
            bits_on_wire=service.dialect.packs_bits,
        )
        self._max_image_side = max_image_side
        self._filling = Filling(
            batch_size,
            _limit(self._request.row),
            request_tokens=service.request_tokens,
            one_kind=service.dialect.one_kind,
        )
        self._waiting: list[Item] = []
        self._first = 0
        self._sizes = Sizes()

    def jobs(self, inputs: Iterable[Any]) -> Iterator[EmbedJob]:
        """The jobs of inputs, as they are asked for.

        Raises:
            JinaInputError: an input that cannot be sent.
        """
        for item in _iterable(inputs):
            if full := self._filled(item):
                yield self._job(full)
        if self._waiting:
            yield self._job(self._waiting)

    async def ajobs(self, inputs: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[EmbedJob]:
        """:meth:`jobs` of an asynchronous iterable too; the cache is asked in a thread."""

        async def made(items: list[Item]) -> EmbedJob:
            return self._job(items) if self._service.cache is None else await asyncio.to_thread(self._job, items)

        async for item in inputs if isinstance(inputs, AsyncIterable) else _asynchronous(_iterable(inputs)):
            if full := self._filled(item):
                yield await made(full)
        if self._waiting:
            yield await made(self._waiting)

    @staticmethod
    def total(inputs: Any) -> int | None:
        """How many inputs there are, where that is known."""
        return len(inputs) if isinstance(inputs, Sized) else None

    def _filled(self, item: Any) -> list[Item]:
        """Take one more input; those before it where they fill a request, else none."""
        name = f"inputs[{self._first + len(self._waiting)}]"
        made = as_item(item, name, self._request.modalities, self._request.model, self._max_image_side)
        self._service.dialect.check([made])
        full: list[Item] = []
        if self._filling.add(made):
            full, self._waiting = self._waiting, full
        self._waiting.append(made)
        return full

    def _job(self, items: list[Item]) -> EmbedJob:
        job = _embed_job(self._service, self._request, items, offset=self._first)
        job.sizes = self._sizes
        self._first += len(items)
        return job


def _iterable(inputs: Any) -> Iterable[Any]:
    if isinstance(inputs, (str, bytes)) or not isinstance(inputs, Iterable):
        raise JinaInputError(f"inputs must be an iterable of inputs, got {type(inputs).__name__}")
    return inputs


async def _asynchronous(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


def embed_chunked(
    service: Service,
    documents: Iterable[Sequence[str]],
    *,
    model: str,
    task: str | None,
    dimensions: int | None,
    embedding_type: EmbeddingType,
    normalized: bool | None,
    truncate: bool | None,
) -> DocumentsJob:
    """The job of :meth:`jina_client.JinaClient.embed_chunked`."""
    request = EmbedRequest.build(
        model=model,
        task=task,
        dimensions=dimensions,
        late_chunking=True,
        embedding_type=embedding_type,
        normalized=normalized,
        truncate=truncate,
        bits_on_wire=service.dialect.packs_bits,
    )
    listed = [as_texts(chunks, f"documents[{number}]") for number, chunks in enumerate(as_list(documents, "documents"))]
    ranges = documents_of([len(chunks) for chunks in listed])
    return _late_job(DocumentsJob, service, request, [chunk for chunks in listed for chunk in chunks], ranges)


def embed_multi_vector(
    service: Service,
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
        _split(service, items, batch_size, request.row),
        lambda found, usage, answered: MultiVectors(
            [rows for rows, _ in found],
            usage,
            answered,
            [tokens for _, tokens in found] if return_tokenized_input else None,
        ),
        request.model,
        lambda found: found[0],
    )


def embed_sparse(
    service: Service, inputs: Iterable[str], *, model: str, task: str | None, batch_size: int | None
) -> Job[SparseEmbeddings]:
    """The job of :meth:`jina_client.JinaClient.embed_sparse`."""
    request = SparseRequest.build(model=model, task=task)
    texts = as_texts(inputs, "inputs")
    batches = _split(service, texts, batch_size, request.row)
    return ListJob(request, texts, batches, SparseEmbeddings, request.model)


def rerank(
    service: Service,
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
    service.dialect.check([asked, *items])
    return RerankJob(
        replace(request, query=asked),
        items,
        listed,
        request_tokens=service.request_tokens,
        batch_size=batch_size,
        return_documents=return_documents,
    )


def classify(
    service: Service,
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
    batches = _split(service, items, batch_size, request.row)
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


def read(
    service: Service,
    url: str,
    *,
    return_format: ReturnFormat | None,
    target_selector: str | None,
    page_timeout: int | None,
    with_links_summary: bool | None,
    no_cache: bool | None,
    headers: Mapping[str, str] | None,
    plain: bool,
    endpoint: str | None,
) -> Job[Page]:
    """The job of :meth:`jina_client.JinaClient.read`."""
    request = ReaderRequest.build(
        "read",
        reader_root(service.name, "read", endpoint),
        return_format=return_format,
        target_selector=target_selector,
        page_timeout=page_timeout,
        with_links_summary=with_links_summary,
        no_cache=no_cache,
        headers=headers,
        plain=plain,
    )
    return OneCall(request.encode(url), request.page)


def search(
    service: Service,
    query: str,
    *,
    return_format: ReturnFormat | None,
    page_timeout: int | None,
    with_links_summary: bool | None,
    no_cache: bool | None,
    headers: Mapping[str, str] | None,
    plain: bool,
    endpoint: str | None,
) -> Job[SearchResults]:
    """The job of :meth:`jina_client.JinaClient.search`."""
    request = ReaderRequest.build(
        "search",
        reader_root(service.name, "search", endpoint),
        return_format=return_format,
        page_timeout=page_timeout,
        with_links_summary=with_links_summary,
        no_cache=no_cache,
        headers=headers,
        plain=plain,
    )
    return OneCall(request.encode(query), request.found)


def ground(
    service: Service,
    statement: str,
    *,
    no_cache: bool | None,
    headers: Mapping[str, str] | None,
    plain: bool,
    endpoint: str | None,
) -> Job[Grounding]:
    """The job of :meth:`jina_client.JinaClient.ground`."""
    root = reader_root(service.name, "ground", endpoint)
    request = ReaderRequest.build("ground", root, no_cache=no_cache, headers=headers, plain=plain)
    return OneCall(request.encode(statement), request.checked)


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


def _embed_job(
    service: Service,
    request: EmbedRequest,
    items: Sequence[Item],
    batches: Callable[[Sequence[Item]], list[range]] = lambda items: [range(len(items))],
    *,
    offset: int = 0,
) -> EmbedJob:
    """The job for inputs that do not depend on each other; what the cache has is not asked for.

    Args:
        service: who is called.
        request: the options.
        items: the inputs.
        batches: how inputs fall into requests; by default all are in one.
        offset: the index of the first in the caller's list.
    """
    cache, places = service.cache, range(offset, offset + len(items))
    if cache is None or any(kind_of(item) == "pdf" for item in items):
        return EmbedJob(request, items, batches(items), places=places)
    keys = keys_of(service.name, request.identity, items, ())
    found = cache.get(keys, request.width, request.dtype)
    missing = [index for index in range(len(items)) if index not in found]
    asked = [items[index] for index in missing]
    return EmbedJob(
        request,
        asked,
        batches(asked) if asked else [],
        places=[offset + index for index in missing] if found else places,
        known={offset + index: row for index, row in found.items()},
        keep=lambda kept, vectors: cache.put((keys[place - offset] for place in kept), vectors),
    )


def _late_job(
    kind: type[Chunks], service: Service, request: EmbedRequest, chunks: Sequence[Item], documents: Sequence[range]
) -> Chunks:
    """The job for the chunks of documents; a document that the cache has is not asked for."""
    cache, limit = service.cache, _limit(request.row)
    if cache is None:
        return kind(request, chunks, documents, limit)
    keys = keys_of(service.name, request.identity, chunks, documents)
    return kind(
        request,
        chunks,
        documents,
        limit,
        known=cache.get(keys, request.width, request.dtype),
        keep=lambda kept, vectors: cache.put((keys[place] for place in kept), vectors),
    )


def _split(service: Service, items: Sequence[Item], batch_size: int | None, row: Model | None) -> list[range]:
    return split(
        items,
        batch_size,
        _limit(row),
        request_tokens=service.request_tokens,
        one_kind=service.dialect.one_kind,
    )


def _limit(row: Model | None) -> int:
    return row.list_limit if row else LIST_LIMIT
