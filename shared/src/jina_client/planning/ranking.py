"""The order of many documents for one query."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from typing import Any

from ..inputs import Item, tokens_of
from ..media import Media
from ..models import LIST_LIMIT
from ..protocol import Call, RerankRequest, usage_of
from ..protocol.answers import as_object, model_of
from ..results import RankedDocument, RerankResult, Usage
from .job import FOR_ANY_REASON, Job
from .splitting import split


class RerankJob(Job[RerankResult]):
    """Scores for a list of documents, in parts where one request cannot hold them.

    A pointwise model scores a document without looking at the others, so the scores of all parts are comparable and are
    merged. A listwise one reads the documents of a request together: the best ``top_n`` of each part are ranked again
    among themselves, until they fit in one request. Where that cannot be, because ``top_n`` is not given or as large as
    a part, the scores of the parts are merged as they are.
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
        chosen: Sequence[int] | None = None,
        earlier: Usage | None = None,
    ) -> None:
        super().__init__()
        self._request = request
        self._items = items
        self._documents = documents
        self._request_tokens = request_tokens
        self._batch_size = batch_size
        self._return_documents = return_documents
        # Of all documents those that are ranked in this round.
        self._chosen = chosen or range(len(items))
        self._earlier = earlier or Usage()
        limit = request.row.list_limit if request.row else LIST_LIMIT
        self.divisible = frozenset() if self._is_listwise else FOR_ANY_REASON
        # A listwise model is to see as many documents together as it can.
        most = math.inf if self._is_listwise else request_tokens
        chosen_items = [items[index] for index in self._chosen]
        self.batches = split(chosen_items, limit if batch_size is None else batch_size, limit, request_tokens=most)
        self.reads_media = any(isinstance(item, Media) for item in (request.query, *items))
        self._results: dict[int, RankedDocument] = {}
        self._answers = 0
        self._seen: set[int] = set()
        self._model = request.model

    def call(self, piece: range) -> Call:
        return self._request.encode([self._items[self._chosen[place]] for place in piece])

    def tokens(self, piece: range) -> int:
        query = tokens_of(self._request.query)
        return sum(query + tokens_of(self._items[self._chosen[place]]) for place in piece)

    def origins(self, piece: range) -> Sequence[int]:
        return self._chosen[piece.start : piece.stop]

    def accept(self, piece: range, answer: Any) -> None:
        body = as_object(answer)
        for place, score, embedding in self._request.decode(body, piece):
            index = self._chosen[place]
            document = self._documents[index] if self._return_documents else None
            self._results[index] = RankedDocument(index, score, document, embedding)
        self._seen.update(piece)
        self.usage += usage_of(body)
        self._model = model_of(body, self._model)

    def then(self) -> RerankJob | None:
        if not self._is_listwise or len(self.batches) == 1 or len(self._results) == len(self._chosen):
            return None
        return RerankJob(
            self._request,
            self._items,
            self._documents,
            request_tokens=self._request_tokens,
            batch_size=self._batch_size,
            return_documents=self._return_documents,
            chosen=sorted(self._results),
            earlier=self._earlier + self.usage,
        )

    def result(self) -> RerankResult:
        ranked = sorted(self._results.values(), key=lambda result: (-result.relevance_score, result.index))
        return RerankResult(ranked[: self._request.top_n], self._earlier + self.usage, self._model)

    def completed(self) -> dict[int, Any]:
        return dict(self._results)

    def _done(self) -> Set[int]:
        return self._seen

    @property
    def _is_listwise(self) -> bool:
        return self._request.row is not None and self._request.row.listwise
