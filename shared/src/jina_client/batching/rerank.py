"""The relevance of many documents to one query."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from ..checks import check_flag
from ..inputs import Item, as_item, as_items, as_list, size_of, tokens_of, tokens_of_all
from ..media import Media
from ..models import LIST_LIMIT
from ..protocol import Call, RerankRequest, usage_of
from ..protocol.rerank import document_modalities
from ..protocol.responses import as_object, model_of
from ..results import RankedDocument, RerankResult, Usage
from .batcher import split
from .context import PlanningContext
from .job import ANY_FAULT, Job


def plan_rerank(
    context: PlanningContext,
    query: Any,
    documents: Iterable[Any],
    model: str,
    options: Mapping[str, Any],
) -> RerankJob:
    """Return the job of :meth:`jina_client.JinaClient.rerank`."""
    request = RerankRequest.build(model, options)
    return_documents = options.get("return_documents", True)
    check_flag("return_documents", return_documents, required=True)
    allowed = document_modalities(request.row)
    max_image_side = options.get("max_image_side")
    query_item = as_item(query, "query", allowed, request.model, max_image_side)
    originals = as_list(documents, "documents")
    items = as_items(originals, "documents", allowed, request.model, max_image_side)
    request = replace(request, query=query_item)
    context.check(request, "rerank", items, name="documents")
    context.dialect.check_item("rerank", query_item, "query", request.row)
    return RerankJob(
        request,
        items,
        originals,
        request_tokens=context.request_tokens,
        batch_size=options.get("batch_size") or context.dialect.sizes.get("text"),
        return_documents=return_documents,
    )


class RerankJob(Job[RerankResult]):
    """Scores for a list of documents, in several requests if one cannot hold them.

    A pointwise model scores each document on its own, so the scores of all requests are comparable and are merged. A
    listwise model reads the documents of a request together: the best ``top_n`` of each request are reranked among
    themselves, until they fit in one request. If ``top_n`` is missing or as large as a request, that is not possible,
    and the scores of the requests are merged as they are.

    Args:
        request: encodes documents and decodes responses.
        items: the documents as they are sent.
        documents: the documents as the caller passed them.
        request_tokens: estimated tokens per request.
        batch_size: documents per request.
        return_documents: whether the result holds the caller's documents.
        round_indices: the documents of this round, by their index; by default all.
        earlier_usage: the tokens of earlier rounds.
    """

    def __init__(
        self,
        request: RerankRequest,
        items: Sequence[Item],
        documents: Sequence[Any],
        *,
        request_tokens: int,
        batch_size: int | None = None,
        return_documents: bool = True,
        round_indices: Sequence[int] | None = None,
        earlier_usage: Usage | None = None,
    ) -> None:
        super().__init__()
        self._request = request
        self._items = items
        self._documents = documents
        self._request_tokens = request_tokens
        self._batch_size = batch_size
        self._return_documents = return_documents
        self._indices = round_indices or range(len(items))
        self._earlier_usage = earlier_usage or Usage()
        limit = request.row.list_limit if request.row else LIST_LIMIT
        self.divisible = frozenset() if self._is_listwise else ANY_FAULT
        # A listwise model should see as many documents together as possible.
        max_tokens = math.inf if self._is_listwise else request_tokens
        round_items = [items[index] for index in self._indices]
        self.batches = split(round_items, limit if batch_size is None else batch_size, limit, request_tokens=max_tokens)
        self.reads_media = any(isinstance(item, Media) for item in (request.query, *items))
        self._results: dict[int, RankedDocument] = {}
        self._seen: set[int] = set()
        self.model = request.model

    def call(self, piece: range) -> Call:
        """Return the call for the documents of a piece."""
        return self._request.encode([self._items[self._indices[place]] for place in piece])

    def tokens(self, piece: range) -> int:
        """Return the estimated tokens of a piece: for each document, its own and those of the query."""
        documents = tokens_of_all([self._items[self._indices[place]] for place in piece])
        return len(piece) * tokens_of(self._request.query) + documents

    def body_bytes(self, piece: range) -> int:
        """Return the estimated size of a request with media."""
        if not self.reads_media:
            return 0
        return size_of(self._request.query) + sum(size_of(self._items[self._indices[place]]) for place in piece)

    def origins(self, piece: range) -> Sequence[int]:
        """Return the indices of a piece in the caller's list."""
        return self._indices[piece.start : piece.stop]

    def read(self, piece: range, response: Any) -> None:
        """Decode the scores of a piece. A response may contain fewer documents than its request."""
        body = as_object(response)
        for place, score, embedding in self._request.decode(body, piece):
            index = self._indices[place]
            document = self._documents[index] if self._return_documents else None
            self._results[index] = RankedDocument(index, score, document, embedding)
        self._seen.update(piece)
        self.usage += usage_of(body)
        self.model = model_of(body, self.model)

    def next_round(self) -> RerankJob | None:
        """Return the job that reranks the best documents of all requests, or ``None`` if this was the last round."""
        if not self._is_listwise or len(self.batches) == 1 or len(self._results) == len(self._indices):
            return None
        return RerankJob(
            self._request,
            self._items,
            self._documents,
            request_tokens=self._request_tokens,
            batch_size=self._batch_size,
            return_documents=self._return_documents,
            round_indices=sorted(self._results),
            earlier_usage=self._earlier_usage + self.usage,
        )

    def result(self) -> RerankResult:
        """Return the best ``top_n`` documents of all requests."""
        ranked = sorted(self._results.values(), key=lambda result: (-result.relevance_score, result.index))
        return RerankResult(ranked[: self._request.top_n], self._earlier_usage + self.usage, self.model)

    def completed(self) -> dict[int, Any]:
        """Return the ranked documents so far, by the caller's index."""
        return dict(self._results)

    def _done(self) -> Set[int]:
        return self._seen

    @property
    def _is_listwise(self) -> bool:
        return self._request.row is not None and self._request.row.listwise
