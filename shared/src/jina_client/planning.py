"""Many inputs to few requests, and the answers back into the order of the inputs. It sends nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import JinaInputError, JinaResponseError
from .inputs import Item, kind_of, size_of
from .media import Media
from .models import LIST_LIMIT
from .protocol import Call, EmbedRequest, RerankRequest, SegmentRequest, usage_of
from .protocol.answers import as_object, model_of
from .protocol.segmentation import Segmented
from .results import Embeddings, RankedDocument, RerankResult, Segments, Usage

# Large enough that latency hardly counts with eight requests in flight, small enough that long texts stay far below
# the size limits of gateways and that one failure costs little.
BATCH_SIZE = 128
LARGEST_BODY = 16 * 2**20
"""Bytes of the inputs of one request; a single input may have more."""

T = TypeVar("T")
R = TypeVar("R")


class Job(ABC, Generic[T]):
    """A call as requests that can be sent in any order, and the place where their answers come together.

    Attributes:
        batches: for each request, the indices of the caller's inputs that it carries.
        usage: the tokens of the answers so far.
        reads_media: whether making a request takes long, because files are read and images encoded for it.
    """

    batches: Sequence[range]
    reads_media = False

    def __init__(self) -> None:
        self.usage = Usage()

    @abstractmethod
    def call(self, number: int) -> Call:
        """Request ``number``."""

    @abstractmethod
    def accept(self, number: int, answer: Any) -> None:
        """Take the answer to request ``number``, decoded from JSON."""

    @abstractmethod
    def result(self) -> T:
        """What the caller gets, once every answer is in."""

    def then(self) -> Job[T] | None:
        """What is still to be sent when every answer is in."""
        return None


class OneCall(Job[T]):
    """A single request whose answer is read by a function."""

    batches = (range(1),)

    def __init__(self, call: Call, read: Callable[[Any], T], *, reads_media: bool = False) -> None:
        super().__init__()
        self.reads_media = reads_media
        self._call = call
        self._read = read
        self._result: T

    def call(self, number: int) -> Call:
        return self._call

    def accept(self, number: int, answer: Any) -> None:
        self._result = self._read(answer)
        if isinstance(answer, dict):
            self.usage += usage_of(answer)

    def result(self) -> T:
        return self._result


class EmbedJob(Job[Embeddings]):
    """Vectors for a list of inputs."""

    def __init__(self, request: EmbedRequest, inputs: Sequence[Item], batches: Sequence[range]) -> None:
        super().__init__()
        self.batches = batches
        self._request = request
        self._inputs = inputs
        self._vectors: NDArray[Any] | None = None
        self._model = request.model
        # A PDF comes alone in its request, and gives as many vectors as it has pages.
        self._pdfs = [number for number, batch in enumerate(batches) if kind_of(inputs[batch.start]) == "pdf"]
        self._pages: dict[int, NDArray[Any]] = {}
        self.reads_media = not all(isinstance(item, str) for item in inputs)
        if request.width and not self._pdfs:
            self._vectors = np.empty((len(inputs), request.width), request.dtype)

    def call(self, number: int) -> Call:
        batch = self.batches[number]
        return self._request.encode(self._inputs[batch.start : batch.stop])

    def accept(self, number: int, answer: Any) -> None:
        batch, body = self.batches[number], as_object(answer)
        if self._pdfs:
            self._pages[number] = self._request.decode(body, batch, pages=number in self._pdfs)
            self._check_length(batch, self._pages[number], next(iter(self._pages.values())))
        elif self._vectors is not None:
            self._request.decode(body, batch, out=self._vectors[batch.start : batch.stop])
        else:
            # The first answer of a model that the catalogue does not have tells how long its vectors are.
            first = self._request.decode(body, batch)
            self._vectors = np.empty((len(self._inputs), first.shape[1]), first.dtype)
            self._vectors[batch.start : batch.stop] = first
        self.usage += usage_of(body)
        self._model = model_of(body, self._model)

    def result(self) -> Embeddings:
        if not self._pdfs:
            assert self._vectors is not None
            return Embeddings(self._vectors, self.usage, self._model)
        parts = [self._pages[number] for number in range(len(self.batches))]
        indices = [
            np.full(len(part), batch.start) if number in self._pdfs else np.arange(batch.start, batch.stop)
            for number, (batch, part) in enumerate(zip(self.batches, parts, strict=True))
        ]
        return Embeddings(np.concatenate(parts), self.usage, self._model, np.concatenate(indices))

    @staticmethod
    def _check_length(batch: range, vectors: NDArray[Any], first: NDArray[Any]) -> None:
        if vectors.shape[1] != first.shape[1]:
            raise JinaResponseError(
                f"the vectors of inputs {batch.start} to {batch.stop - 1} have length {vectors.shape[1]}, "
                f"those of other inputs {first.shape[1]}"
            )


class ListRequest(Protocol[R]):
    """A request whose answers hold one thing for each input."""

    def encode(self, inputs: Sequence[Item]) -> Call: ...

    def decode(self, body: Mapping[str, Any], batch: range) -> list[R]: ...


class ListJob(Job[T], Generic[T, R]):
    """One thing for each input of a list, put together by a function of the things, the usage and the model."""

    def __init__(
        self,
        request: ListRequest[R],
        inputs: Sequence[Item],
        batches: Sequence[range],
        combine: Callable[[list[R], Usage, str], T],
        model: str = "",
    ) -> None:
        super().__init__()
        self.batches = batches
        self.reads_media = not all(isinstance(item, str) for item in inputs)
        self._request = request
        self._inputs = inputs
        self._combine = combine
        self._found: list[R | None] = [None] * len(inputs)
        self._model = model

    def call(self, number: int) -> Call:
        batch = self.batches[number]
        return self._request.encode(self._inputs[batch.start : batch.stop])

    def accept(self, number: int, answer: Any) -> None:
        batch, body = self.batches[number], as_object(answer)
        self._found[batch.start : batch.stop] = self._request.decode(body, batch)
        self.usage += usage_of(body)
        self._model = model_of(body, self._model)

    def result(self) -> T:
        return self._combine(self._found, self.usage, self._model)  # type: ignore[arg-type]


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
        batch_size: int | None = None,
        return_documents: bool = True,
        chosen: Sequence[int] | None = None,
        earlier: Usage | None = None,
    ) -> None:
        super().__init__()
        self._request = request
        self._items = items
        self._documents = documents
        self._batch_size = batch_size
        self._return_documents = return_documents
        # Of all documents those that are ranked in this round.
        self._chosen = chosen or range(len(items))
        self._earlier = earlier or Usage()
        limit = request.row.list_limit if request.row else LIST_LIMIT
        sizes = [size_of(items[index]) for index in self._chosen]
        self.batches = split(sizes, limit if batch_size is None else batch_size, limit)
        self.reads_media = any(isinstance(item, Media) for item in (request.query, *items))
        self._results: list[RankedDocument] = []
        self._model = request.model

    def call(self, number: int) -> Call:
        return self._request.encode([self._items[self._chosen[place]] for place in self.batches[number]])

    def accept(self, number: int, answer: Any) -> None:
        body = as_object(answer)
        for place, score, embedding in self._request.decode(body, self.batches[number]):
            index = self._chosen[place]
            document = self._documents[index] if self._return_documents else None
            self._results.append(RankedDocument(index, score, document, embedding))
        self.usage += usage_of(body)
        self._model = model_of(body, self._model)

    def then(self) -> RerankJob | None:
        listwise = self._request.row is not None and self._request.row.listwise
        if not listwise or len(self.batches) == 1 or len(self._results) == len(self._chosen):
            return None
        return RerankJob(
            self._request,
            self._items,
            self._documents,
            batch_size=self._batch_size,
            return_documents=self._return_documents,
            chosen=sorted(result.index for result in self._results),
            earlier=self._earlier + self.usage,
        )

    def result(self) -> RerankResult:
        ranked = sorted(self._results, key=lambda result: (-result.relevance_score, result.index))
        return RerankResult(ranked[: self._request.top_n], self._earlier + self.usage, self._model)


class SegmentJob(Job[Segments]):
    """The chunks of a text, which is sent in parts where it is longer than a request may hold."""

    def __init__(self, request: SegmentRequest, text: str) -> None:
        super().__init__()
        self._request = request
        self._parts = request.parts(text)
        self.batches = [range(number, number + 1) for number in range(len(self._parts))]
        self._found: dict[int, Segmented] = {}

    def call(self, number: int) -> Call:
        return self._request.encode(self._parts[number])

    def accept(self, number: int, answer: Any) -> None:
        body = as_object(answer)
        self._found[number] = self._request.decode(body)
        self.usage += usage_of(body)

    def result(self) -> Segments:
        found = [self._found[number] for number in range(len(self._parts))]
        starts = np.cumsum([0, *map(len, self._parts)]).tolist()
        return Segments(
            num_tokens=sum(part.num_tokens for part in found),
            tokenizer=found[0].tokenizer,
            chunks=tuple(chunk for part in found for chunk in part.chunks),
            positions=tuple(
                (start + begin, start + end)
                for start, part in zip(starts, found, strict=False)
                for begin, end in part.positions
            ),
            tokens=tuple(tokens for part in found for tokens in part.tokens),
            usage=self.usage,
        )


def plan(
    items: Sequence[Item], batch_size: int | None, limit: int = LIST_LIMIT, *, one_kind: bool = False
) -> list[range]:
    """The requests for a list of inputs: see :func:`split`. A PDF gets one of its own.

    Args:
        items: the inputs.
        batch_size: the most inputs of one request; by default 128.
        limit: what the service takes at most.
        one_kind: whether a request may hold inputs of one kind only.
    """
    kinds = [kind_of(item) for item in items]
    starts = {
        index
        for index in range(1, len(kinds))
        if "pdf" in (kinds[index], kinds[index - 1]) or (one_kind and kinds[index] != kinds[index - 1])
    }
    return split([size_of(item) for item in items], batch_size, limit, starts)


def split(
    sizes: Sequence[int],
    batch_size: int | None,
    limit: int = LIST_LIMIT,
    starts: set[int] | frozenset[int] = frozenset(),
) -> list[range]:
    """Consecutive ranges of at most ``batch_size`` inputs and 16 MB that cover all inputs.

    Args:
        sizes: about how many bytes each input takes.
        batch_size: the most inputs of one request; by default 128.
        limit: what the service takes at most.
        starts: indices at which a new request must begin.

    Raises:
        JinaInputError: a batch size that is no whole number, or above what one request may hold.
    """
    most = min(BATCH_SIZE, limit) if batch_size is None else batch_size
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= limit:
        raise JinaInputError(f"batch_size must be a whole number from 1 to {limit}, got {batch_size!r}")
    batches, start, total = [], 0, 0
    for index, size in enumerate(sizes):
        if index > start and (index - start == most or total + size > LARGEST_BODY or index in starts):
            batches.append(range(start, index))
            start, total = index, 0
        total += size
    batches.append(range(start, len(sizes)))
    return batches


def group(lengths: Sequence[int], limit: int = LIST_LIMIT) -> list[range]:
    """One range for each document: with late chunking a request is one document, so none is cut or shared.

    Raises:
        JinaInputError: a document of more chunks than one request may hold.
    """
    batches, start = [], 0
    for number, length in enumerate(lengths):
        if length > limit:
            raise JinaInputError(
                f"document {number} has {length} chunks, and one request holds at most {limit}: "
                "late chunking needs all chunks of a document in one request, so make the chunks longer"
            )
        batches.append(range(start, start + length))
        start += length
    return batches
