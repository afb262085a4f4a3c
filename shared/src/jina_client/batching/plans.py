"""Plans of calls for vectors: their arguments become jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from .. import cache as caches
from ..errors import JinaInputError
from ..inputs import Item, as_item, as_items, as_list, as_texts, kind_of
from ..protocol import Call, EmbedRequest
from ..protocol.embedding import check_single_document
from .batcher import document_ranges
from .bisection import SizeLimits
from .context import PlanningContext, list_limit
from .embedding import ChunksJob, DocumentsJob, EmbedJob

ChunksJobType = TypeVar("ChunksJobType", bound=ChunksJob)


def plan_embed(
    context: PlanningContext, inputs: Iterable[Any], model: str, options: Mapping[str, Any], *, late_chunking: bool
) -> EmbedJob:
    """Return the job of :meth:`jina_client.JinaClient.embed`."""
    request = _embed_request(context, model, options, late_chunking=late_chunking)
    batch_size = options.get("batch_size")
    items = as_items(inputs, "inputs", request.modalities, request.model, options.get("max_image_side"))
    context.check(request, "embeddings", items)
    if not late_chunking:

        def batches(part: Sequence[Item]) -> list[range]:
            if batch_size is None:
                return context.divide(part, request.row)
            return context.split(part, batch_size, request.row)

        return _embed_job(context, context.cache_of_call(), request, items, batches)
    if batch_size is not None:
        raise JinaInputError(
            f"batch_size={batch_size} has no effect with late_chunking=True, which sends all inputs as one document in "
            "one request: leave batch_size out"
        )
    check_single_document(items)
    return _chunks_job(ChunksJob, context, request, items, [range(len(items))])


def plan_embed_chunked(
    context: PlanningContext, documents: Iterable[Sequence[str]], model: str, options: Mapping[str, Any]
) -> DocumentsJob:
    """Return the job of :meth:`jina_client.JinaClient.embed_chunked`."""
    request = _embed_request(context, model, options, late_chunking=True)
    lists = [as_texts(chunks, f"documents[{number}]") for number, chunks in enumerate(as_list(documents, "documents"))]
    ranges = document_ranges([len(chunks) for chunks in lists])
    items = [chunk for chunks in lists for chunk in chunks]
    context.check(request, "embeddings", items, name="chunks")
    return _chunks_job(DocumentsJob, context, request, items, ranges)


class StreamPlan:
    """The jobs of :meth:`jina_client.JinaClient.embed_stream`, made as the inputs arrive. Each has one request.

    Args:
        context: the service and the cache.
        model: the model's id.
        options: those of the method.

    Attributes:
        pending: the inputs that do not fill a request yet.
    """

    def __init__(self, context: PlanningContext, model: str, options: Mapping[str, Any]) -> None:
        self._context = context
        self._cache = context.cache_of_call()
        self._request = _embed_request(context, model, options)
        self._max_image_side = options.get("max_image_side")
        self._batcher = context.batcher(options.get("batch_size"), self._request.row)
        self.pending: list[Item] = []
        self._first = 0
        self._size_limits = SizeLimits()

    @property
    def sample(self) -> Call:
        """The call without its inputs, which shows its endpoint, model and options."""
        return self._request.encode([])

    def add(self, value: Any) -> list[Item]:
        """Take one more input, and return the inputs before it if they fill a request.

        Raises:
            JinaInputError: an input that cannot be sent.
        """
        index = self._first + len(self.pending)
        item = as_item(value, f"inputs[{index}]", self._request.modalities, self._request.model, self._max_image_side)
        self._context.check(self._request, "embeddings", [item], first=index)
        full: list[Item] = []
        if self._batcher.add(item):
            full, self.pending = self.pending, full
        self.pending.append(item)
        return full

    def job(self, items: list[Item]) -> EmbedJob:
        """Return the job for the inputs of one request."""
        job = _embed_job(self._context, self._cache, self._request, items, offset=self._first)
        job.size_limits = self._size_limits
        self._first += len(items)
        return job


def _embed_request(
    context: PlanningContext, model: str, options: Mapping[str, Any], *, late_chunking: bool = False
) -> EmbedRequest:
    return EmbedRequest.build(
        model,
        options,
        late_chunking=late_chunking,
        bits_on_wire=context.dialect.packs_bits,
        normalized_on_wire=context.dialect.normalizes,
    )


def _embed_job(
    context: PlanningContext,
    cache: caches.CallCache | None,
    request: EmbedRequest,
    items: Sequence[Item],
    batches: Callable[[Sequence[Item]], list[range]] = lambda items: [range(len(items))],
    *,
    offset: int = 0,
) -> EmbedJob:
    """Return the job for independent inputs, without those whose vectors are in the cache.

    Args:
        context: the service.
        cache: the cache of the call, which may have several jobs.
        request: the options.
        items: the inputs.
        batches: divides inputs into batches; by default there is one.
        offset: the index of the first input in the caller's list.
    """
    places = range(offset, offset + len(items))
    if cache is None or any(kind_of(item) == "pdf" for item in items):
        return EmbedJob(request, items, batches(items), places=places)
    keys = caches.cache_keys(context.service, request.identity, items, ())
    cached = cache.get(keys, request.width, request.dtype)
    missing = [index for index in range(len(items)) if index not in cached]
    to_send = [items[index] for index in missing]
    return EmbedJob(
        request,
        to_send,
        batches(to_send) if to_send else [],
        places=[offset + index for index in missing] if cached else places,
        cached={offset + index: row for index, row in cached.items()},
        save=lambda saved, vectors: cache.put((keys[place - offset] for place in saved), vectors),
    )


def _chunks_job(
    kind: type[ChunksJobType],
    context: PlanningContext,
    request: EmbedRequest,
    chunks: Sequence[Item],
    documents: Sequence[range],
) -> ChunksJobType:
    """Return the job for the chunks of documents, without documents that are in the cache as a whole."""
    cache, limit = context.cache_of_call(), list_limit(request.row)
    if cache is None:
        return kind(request, chunks, documents, limit)
    keys = caches.cache_keys(context.service, request.identity, chunks, documents)
    return kind(
        request,
        chunks,
        documents,
        limit,
        cached=cache.get(keys, request.width, request.dtype),
        save=lambda saved, vectors: cache.put((keys[place] for place in saved), vectors),
    )
