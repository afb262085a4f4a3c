"""Many inputs to few requests, and the answers back into the order of the inputs. It sends nothing."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import JinaError, JinaInputError, JinaResponseError, PartialFailureError
from .inputs import Item, kind_of, size_of, tokens_of
from .isolation import Blame, Isolation, Sizes
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
REQUEST_TOKENS = 50_000
"""Tokens of one request, estimated: half of what a free key may send in a minute. A single input may have more."""

# Of the model's context, since tokens are estimated.
_CONTEXT_SHARE = 0.9
_OVERLAP_TOKENS = 512
_FOR_ANY_REASON: Set[Blame] = frozenset({"inputs", "size", "unknown"})
# A document is cut only where it is too long: chunks that are read apart have other vectors.
_FOR_SIZE: Set[Blame] = frozenset({"inputs", "size"})

T = TypeVar("T")
R = TypeVar("R")


class Job(ABC, Generic[T]):
    """A call as requests that can be sent in any order, and the place where their answers come together.

    A request carries a *piece* of the inputs: one of the planned batches, or a part of one where the service refused
    the whole. Several threads may send pieces of one job.

    Attributes:
        batches: the pieces that are planned: ranges of the job's own inputs.
        usage: the tokens of the answers so far.
        failed: by the job's own index, the inputs that failed for good.
        stopped: why nothing more is to be sent, or ``None``.
        reads_media: whether making a request takes long, because files are read and images encoded for it.
        keeps: whether taking an answer may take long, because it is written to a cache.
        divisible: the reasons for which a batch may be cut: none, where its inputs belong together.
        sizes: what is known of how many inputs the service takes.
    """

    batches: Sequence[range]
    reads_media = False
    keeps = False
    divisible: Set[Blame] = frozenset()

    def __init__(self) -> None:
        self.usage = Usage()
        self.failed: dict[int, JinaError] = {}
        self.stopped: JinaError | None = None
        self.sizes = Sizes()
        self._answered = False
        self._first_error: JinaError | None = None
        self._taking = threading.Lock()

    @abstractmethod
    def call(self, piece: range) -> Call:
        """The request for some of the inputs."""

    @abstractmethod
    def accept(self, piece: range, answer: Any) -> None:
        """Take the answer for some of the inputs, decoded from JSON."""

    @abstractmethod
    def result(self) -> T:
        """What the caller gets, once every answer is in."""

    def completed(self) -> dict[int, Any]:
        """By the caller's index, what is done."""
        return {}

    def then(self) -> Job[T] | None:
        """What is still to be sent when every answer is in."""
        return None

    def tokens(self, piece: range) -> int:
        """About how many tokens a request has."""
        return 0

    def origins(self, piece: range) -> Sequence[int]:
        """The caller's indices of some inputs."""
        return piece

    def take(self, piece: range, answer: Any) -> None:
        """:meth:`accept`, from any thread."""
        with self._taking:
            self.accept(piece, answer)
            self.sizes.answered(len(piece))
            self._answered = True

    def give_up(self, found: Isolation) -> None:
        """Take note of what failed of one batch, from any thread."""
        with self._taking:
            for piece, error in found.failed:
                self.failed.update(dict.fromkeys(piece, error))
            self.stopped = self.stopped or found.stopped
            if found.first is not None and len(self.batches) > 1:
                places = self.origins(found.batch)
                found.first.add_note(f"in the request for inputs {places[0]} to {places[-1]} (counted from 0)")
            self._first_error = self._first_error or found.first

    @property
    def promising(self) -> bool:
        """Whether a request has been answered, so that what all have in common is right."""
        return self._answered

    def check(self, *, partial: bool = False) -> None:
        """Raise what is to be raised when everything was sent.

        Args:
            partial: whether failures are part of the result.

        Raises:
            PartialFailureError: some inputs have failed, others are done.
            JinaError: nothing is done, and this is why.
        """
        if self.stopped is not None:
            sent = set(self.failed)
            done = self._done()
            unsent = (index for batch in self.batches for index in batch if index not in sent and index not in done)
            self.failed.update(dict.fromkeys(unsent, self.stopped))
        if not self.failed or partial:
            return
        first = min(self.failed)
        if self.completed():
            raise self.failure() from self.failed[first]
        raise self._first_error or self.stopped or self.failed[first]

    def failure(self) -> PartialFailureError:
        """What is done and what has failed so far."""
        return PartialFailureError(self.completed(), self.failures(), self.usage)

    def failures(self) -> dict[int, JinaError]:
        """By the caller's index, what has failed so far."""
        completed = self.completed()
        failed = {self.origins(range(index, index + 1))[0]: error for index, error in self.failed.items()}
        # An input that is sent twice, as context of another too, has failed only if it is not done.
        return {place: error for place, error in failed.items() if place not in completed}

    def _done(self) -> Set[int]:
        """The job's own indices of the inputs that are done."""
        return set()


@contextmanager
def handing_over(jobs: Iterable[Job[Any]]) -> Iterator[None]:
    """Whatever ends the block early carries what the jobs have done.

    A PartialFailureError has it as its own; another exception, such as KeyboardInterrupt or CancelledError, has a
    PartialFailureError as its ``partial``.
    """
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        found = [job.failure() for job in jobs]
        whole = PartialFailureError(
            {index: value for each in found for index, value in each.completed.items()},
            {index: reason for each in found for index, reason in each.failed.items()},
            sum((each.usage for each in found), Usage()),
        )
        if isinstance(error, PartialFailureError):
            error.completed, error.failed, error.usage = whole.completed, whole.failed, whole.usage
        else:
            with suppress(AttributeError):
                error.partial = whole  # type: ignore[attr-defined]
        raise


class OneCall(Job[T]):
    """A single request whose answer is read by a function."""

    batches = (range(1),)

    def __init__(self, call: Call, read: Callable[[Any], T], *, reads_media: bool = False) -> None:
        super().__init__()
        self.reads_media = reads_media
        self._call = call
        self._read = read
        self._result: T

    def call(self, piece: range) -> Call:
        return self._call

    def accept(self, piece: range, answer: Any) -> None:
        self._result = self._read(answer)
        if isinstance(answer, dict):
            self.usage += usage_of(answer)

    def result(self) -> T:
        return self._result


class EmbedJob(Job[Embeddings]):
    """Vectors for a list of inputs.

    Args:
        request: the options.
        inputs: what is to be sent.
        batches: ranges of it.
        places: for each of ``inputs`` its index in the caller's list; by default they are the whole list.
        known: by the index in the caller's list, the vectors that need not be asked for.
        context: the inputs, by their index in ``inputs``, that are sent for the sake of others: their vectors are not
            kept.
        keep: called with indices of the caller's list and their vectors, as they come.
    """

    def __init__(
        self,
        request: EmbedRequest,
        inputs: Sequence[Item],
        batches: Sequence[range],
        *,
        places: Sequence[int] | None = None,
        known: Mapping[int, NDArray[Any]] | None = None,
        context: Set[int] = frozenset(),
        keep: Callable[[Sequence[int], NDArray[Any]], None] | None = None,
    ) -> None:
        super().__init__()
        self.batches = batches
        self.divisible = _FOR_SIZE if request.fields.get("late_chunking") else _FOR_ANY_REASON
        self.reads_media = not all(isinstance(item, str) for item in inputs)
        self._request = request
        self._inputs = inputs
        self._places = range(len(inputs)) if places is None else places
        self._context = context
        self.keeps = keep is not None
        self._keep = keep
        self._model = request.model
        # A PDF comes alone in its request, and gives as many vectors as it has pages.
        self._pdfs = {batch.start for batch in batches if kind_of(inputs[batch.start]) == "pdf"}
        self._parts: dict[int, NDArray[Any]] = {}
        self._vectors: NDArray[Any] | None = None
        known = known or {}
        # Rows of the result: the caller's whole list.
        self._first = min((*self._places[:1], *known), default=0)
        self._have = np.zeros(len(inputs) - len(context) + len(known), bool)
        if request.width and not self._pdfs:
            self._vectors = np.empty((len(self._have), request.width), request.dtype)
        for place, row in known.items():
            if self._vectors is None:
                self._vectors = np.empty((len(self._have), len(row)), row.dtype)
            self._vectors[place - self._first] = row
            self._have[place - self._first] = True

    @property
    def first(self) -> int:
        """The index of the first input in the caller's list."""
        return self._first

    @property
    def length(self) -> int:
        """How many inputs there are, those included whose vectors are known."""
        return len(self._have)

    def call(self, piece: range) -> Call:
        return self._request.encode(self._inputs[piece.start : piece.stop])

    def tokens(self, piece: range) -> int:
        return sum(tokens_of(self._inputs[index]) for index in piece)

    def origins(self, piece: range) -> Sequence[int]:
        return self._places[piece.start : piece.stop]

    def accept(self, piece: range, answer: Any) -> None:
        places, body = self.origins(piece), as_object(answer)
        if piece.start in self._pdfs:
            self._parts[piece.start] = self._request.decode(body, places, pages=True)
        else:
            self._accept_rows(piece, places, body)
        self.usage += usage_of(body)
        self._model = model_of(body, self._model)

    def _accept_rows(self, piece: range, places: Sequence[int], body: Mapping[str, Any]) -> None:
        bad: dict[int, JinaError] = {}
        if self._vectors is not None and isinstance(places, range) and not self._context:
            rows = slice(places.start - self._first, places.stop - self._first)
            self._request.decode(body, places, out=self._vectors[rows], bad=bad)
        else:
            self._put(piece, places, self._request.decode(body, places, bad=bad))
        assert self._vectors is not None
        kept = [(index, place) for index, place in zip(piece, places, strict=True) if index not in self._context]
        good = [place for _, place in kept if place not in bad]
        self.failed.update((index, bad[place]) for index, place in kept if place in bad)
        self._have[np.asarray(good, np.intp) - self._first] = True
        if self._keep is not None:
            self._keep(good, self._vectors[np.asarray(good, np.intp) - self._first])

    def _put(self, piece: range, places: Sequence[int], found: NDArray[Any]) -> None:
        if self._vectors is None:
            # The first answer of a model that the catalogue does not have tells how long its vectors are.
            self._vectors = np.empty((len(self._have), found.shape[1]), found.dtype)
        if found.shape[1] != self._vectors.shape[1]:
            raise JinaResponseError(
                f"the vectors of inputs {places[0]} to {places[-1]} have length {found.shape[1]}, "
                f"those of other inputs {self._vectors.shape[1]}"
            )
        own = [row for row, index in enumerate(piece) if index not in self._context]
        self._vectors[np.asarray(places)[own] - self._first] = found[own]

    def result(self) -> Embeddings:
        failed = self.failures() if self.failed else {}
        if not self._parts:
            vectors, indices = self._rows(), np.flatnonzero(self._have) + self._first
            whole = len(indices) == len(self._have)
            return Embeddings(vectors, self.usage, self._model, None if whole else indices, failed)
        rows = dict(zip(np.flatnonzero(self._have).tolist(), self._rows(), strict=True))
        found = {self._places[start]: pages for start, pages in self._parts.items()}
        found.update({place + self._first: row[np.newaxis] for place, row in rows.items()})
        order = sorted(found)
        self._check_lengths(found)
        indices = np.repeat(order, [len(found[place]) for place in order])
        return Embeddings(np.concatenate([found[place] for place in order]), self.usage, self._model, indices, failed)

    def completed(self) -> dict[int, Any]:
        rows = np.flatnonzero(self._have)
        vectors = {int(row) + self._first: vector for row, vector in zip(rows, self._rows(), strict=True)}
        return {**vectors, **{self._places[start]: pages for start, pages in self._parts.items()}}

    def _done(self) -> Set[int]:
        return {
            index for index, place in enumerate(self._places) if index in self._parts or self._have[place - self._first]
        }

    def _rows(self) -> NDArray[Any]:
        """The rows that are there."""
        if self._vectors is None:
            return np.empty((0, self._request.width or 0), self._request.dtype)
        return self._vectors if self._have.all() else self._vectors[self._have]

    @staticmethod
    def _check_lengths(found: Mapping[int, NDArray[Any]]) -> None:
        first = next(iter(found.values())).shape[1]
        for place, vectors in found.items():
            if vectors.shape[1] != first:
                raise JinaResponseError(
                    f"the vectors of input {place} have length {vectors.shape[1]}, those of other inputs {first}"
                )


class ChunksJob(EmbedJob):
    """Vectors for the chunks of documents, late chunking: a request reads chunks of one document together.

    Args:
        request: the options.
        chunks: of all documents, one document after the other.
        documents: for each document the range of its chunks.
        limit: the most chunks of one request.
        known, keep: as of :class:`EmbedJob`.
    """

    def __init__(
        self,
        request: EmbedRequest,
        chunks: Sequence[Item],
        documents: Sequence[range],
        limit: int = LIST_LIMIT,
        *,
        known: Mapping[int, NDArray[Any]] | None = None,
        keep: Callable[[Sequence[int], NDArray[Any]], None] | None = None,
    ) -> None:
        known = known or {}
        tokens = request.row.context if request.row else math.inf
        places: list[int] = []
        batches: list[range] = []
        context: set[int] = set()
        self._documents = documents
        self._windows = dict.fromkeys(range(len(documents)), 0)
        self._document_of: dict[int, int] = {}
        for number, document in enumerate(documents):
            if all(chunk in known for chunk in document):
                continue
            for window in windows([chunks[chunk] for chunk in document], tokens, limit):
                start = len(places)
                places += document[window.read.start : window.read.stop]
                batches.append(range(start, len(places)))
                context.update(range(start, start + window.first - window.read.start))
                self._document_of.update(dict.fromkeys(batches[-1], number))
        wanted = set(places)
        super().__init__(
            request,
            [chunks[place] for place in places],
            batches,
            places=places if known or context else range(len(places)),
            known={place: row for place, row in known.items() if place not in wanted},
            context=context,
            keep=keep,
        )

    def accept(self, piece: range, answer: Any) -> None:
        super().accept(piece, answer)
        self._windows[self._document_of[piece.start]] += 1

    def result(self) -> Embeddings:
        return replace(super().result(), windows=max(1, *self._windows.values()))

    def by_document(self) -> list[Embeddings]:
        """For each document the vectors of its chunks; the usage is of the whole call."""
        result = self.result()
        return [
            Embeddings(
                result.vectors[chunks.start : chunks.stop],
                result.usage,
                result.model,
                windows=max(1, self._windows[number]),
            )
            for number, chunks in enumerate(self._documents)
        ]


class DocumentsJob(ChunksJob):
    """The same for :meth:`jina_client.JinaClient.embed_chunked`, whose failures are those of documents."""

    def failure(self) -> PartialFailureError:
        """The same by document: the vectors of the chunks of those that are done, and why the others are not."""
        vectors, errors = self.completed(), self.failures()
        completed = {
            number: Embeddings(np.stack([vectors[chunk] for chunk in chunks]), self.usage, self._model)
            for number, chunks in enumerate(self._documents)
            if chunks and all(chunk in vectors for chunk in chunks)
        }
        failed = {
            number: errors[next(chunk for chunk in chunks if chunk in errors)]
            for number, chunks in enumerate(self._documents)
            if any(chunk in errors for chunk in chunks)
        }
        return PartialFailureError(completed, failed, self.usage)


class ListRequest(Protocol[R]):
    """A request whose answers hold one thing for each input."""

    def encode(self, inputs: Sequence[Item]) -> Call: ...

    def decode(self, body: Mapping[str, Any], batch: range) -> list[R]: ...


class ListJob(Job[T], Generic[T, R]):
    """One thing for each input of a list, put together by a function of the things, the usage and the model."""

    divisible = _FOR_ANY_REASON

    def __init__(
        self,
        request: ListRequest[R],
        inputs: Sequence[Item],
        batches: Sequence[range],
        combine: Callable[[list[R], Usage, str], T],
        model: str = "",
        single: Callable[[R], Any] = lambda found: found,
    ) -> None:
        super().__init__()
        self.batches = batches
        self.reads_media = not all(isinstance(item, str) for item in inputs)
        self._request = request
        self._inputs = inputs
        self._combine = combine
        # What the caller gets of one input, where others have failed.
        self._single = single
        self._found: dict[int, R] = {}
        self._model = model

    def call(self, piece: range) -> Call:
        return self._request.encode(self._inputs[piece.start : piece.stop])

    def tokens(self, piece: range) -> int:
        return sum(tokens_of(self._inputs[index]) for index in piece)

    def accept(self, piece: range, answer: Any) -> None:
        body = as_object(answer)
        self._found.update(zip(piece, self._request.decode(body, piece), strict=True))
        self.usage += usage_of(body)
        self._model = model_of(body, self._model)

    def result(self) -> T:
        return self._combine([self._found[index] for index in range(len(self._inputs))], self.usage, self._model)

    def completed(self) -> dict[int, Any]:
        return {index: self._single(found) for index, found in self._found.items()}

    def _done(self) -> Set[int]:
        return self._found.keys()


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
        self.divisible = frozenset() if self._is_listwise else _FOR_ANY_REASON
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


class SegmentJob(Job[Segments]):
    """The chunks of a text, which is sent in parts where it is longer than a request may hold."""

    def __init__(self, request: SegmentRequest, text: str) -> None:
        super().__init__()
        self._request = request
        self._parts = request.parts(text)
        self.batches = [range(number, number + 1) for number in range(len(self._parts))]
        self._found: dict[int, Segmented] = {}

    def call(self, piece: range) -> Call:
        return self._request.encode(self._parts[piece.start])

    def accept(self, piece: range, answer: Any) -> None:
        body = as_object(answer)
        self._found[piece.start] = self._request.decode(body)
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


class Filling:
    """What one request can still take.

    Args:
        batch_size: the most inputs of one request; by default 128.
        limit: what the service takes at most.
        request_tokens: about how many tokens a request may have; a single input may have more.
        one_kind: whether a request may hold inputs of one kind only.

    Raises:
        JinaInputError: a batch size that is no whole number, or above what one request may hold.
    """

    def __init__(
        self, batch_size: int | None, limit: int = LIST_LIMIT, *, request_tokens: float, one_kind: bool = False
    ) -> None:
        most = min(BATCH_SIZE, limit) if batch_size is None else batch_size
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= limit:
            raise JinaInputError(f"batch_size must be a whole number from 1 to {limit}, got {batch_size!r}")
        self._most = most
        self._most_tokens = request_tokens
        self._one_kind = one_kind
        self._count = self._bytes = self._tokens = 0
        self._kind = ""

    def add(self, item: Item) -> bool:
        """Count an input in; whether it begins a new request."""
        kind, size, tokens = kind_of(item), size_of(item), tokens_of(item)
        # A PDF gets a request of its own.
        apart = "pdf" in (kind, self._kind) or (self._one_kind and kind != self._kind)
        begins = self._count > 0 and (
            apart
            or self._count == self._most
            or self._bytes + size > LARGEST_BODY
            or self._tokens + tokens > self._most_tokens
        )
        if begins:
            self._count = self._bytes = self._tokens = 0
        self._kind = kind
        self._count += 1
        self._bytes += size
        self._tokens += tokens
        return begins


def split(
    items: Sequence[Item],
    batch_size: int | None,
    limit: int = LIST_LIMIT,
    *,
    request_tokens: float,
    one_kind: bool = False,
) -> list[range]:
    """The requests for a list of inputs: consecutive ranges that cover all of it, filled as :class:`Filling` says."""
    filling = Filling(batch_size, limit, request_tokens=request_tokens, one_kind=one_kind)
    starts = [index for index, item in enumerate(items) if filling.add(item)]
    return [range(start, stop) for start, stop in pairwise((0, *starts, len(items)))]


@dataclass(frozen=True, slots=True)
class Window:
    """Some chunks of a document that are read together.

    Attributes:
        read: the chunks.
        first: the first of them whose vector is kept: those before it are there as context.
    """

    read: range
    first: int


def windows(chunks: Sequence[Item], context: float, limit: int) -> list[Window]:
    """The parts in which a document is read: one, where it fits the model's context.

    A longer one is read in windows that overlap by about 512 tokens, as in the reference implementation of late
    chunking; the vectors of the overlap are those of the earlier window.

    Args:
        chunks: of one document.
        context: of the model, in tokens.
        limit: the most chunks of one request.
    """
    sizes = [tokens_of(chunk) for chunk in chunks]
    room = context * _CONTEXT_SHARE
    found, begin, first = list[Window](), 0, 0
    while first < len(chunks):
        end, total = first, sum(sizes[begin:first])
        while end < len(chunks) and (end == first or (total + sizes[end] <= room and end - begin < limit)):
            total += sizes[end]
            end += 1
        found.append(Window(range(begin, end), first))
        begin = first = end
        overlap = 0
        while (
            begin > 0
            and first < len(chunks)
            and overlap < _OVERLAP_TOKENS
            and overlap + sizes[begin - 1] <= min(room / 2, room - sizes[first])
            and first - begin < limit // 2
        ):
            begin -= 1
            overlap += sizes[begin]
    return found


def documents_of(lengths: Sequence[int]) -> list[range]:
    """For each document the range of its chunks, in the list of all chunks."""
    return [range(start, stop) for start, stop in pairwise(accumulate(lengths, initial=0))]
