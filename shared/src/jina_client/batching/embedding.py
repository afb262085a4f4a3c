"""One vector for each of many inputs, and late chunking of documents."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaError, JinaResponseError, PartialFailureError
from ..inputs import Item, are_texts, held_by, kind_of, size_of, tokens_of_all
from ..lists import Lists
from ..models import LIST_LIMIT
from ..protocol import Call, EmbedRequest, usage_of
from ..protocol.responses import as_object, model_of
from ..results import Embeddings
from .batcher import windows
from .bisection import Fault
from .job import ANY_FAULT, Job

# A document is divided only if it is too long: chunks that are read apart have other vectors.
_SIZE_FAULTS: Set[Fault] = frozenset({"inputs", "size"})
# The length of a vector of a model outside the catalog, until the first response.
_USUAL_WIDTH = 1024


class EmbedJob(Job[Embeddings]):
    """Vectors for a list of inputs.

    Args:
        request: the options.
        inputs: what is to be sent.
        batches: ranges of it.
        places: for each of ``inputs`` its index in the caller's list; by default they are the whole list.
        cached: the vectors that need not be requested, by the index in the caller's list.
        context: the inputs, by their index in ``inputs``, that are sent only as context of others; their vectors are
            dropped.
        save: called with indices of the caller's list and their vectors, as they arrive.

    Attributes:
        memory: the bytes of the media among the inputs, and of their requests; 0 for texts.
        result_bytes: the bytes of the vectors; an estimate for a model outside the catalog.
    """

    def __init__(
        self,
        request: EmbedRequest,
        inputs: Sequence[Item],
        batches: Sequence[range],
        *,
        places: Sequence[int] | None = None,
        cached: Mapping[int, NDArray[Any]] | None = None,
        context: Set[int] = frozenset(),
        save: Callable[[Sequence[int], NDArray[Any]], None] | None = None,
    ) -> None:
        super().__init__()
        self.batches = batches
        self.divisible = _SIZE_FAULTS if request.fields.get("late_chunking") else ANY_FAULT
        self.reads_media = not are_texts(inputs)
        self.memory = sum(size_of(item) + held_by(item) for item in inputs) if self.reads_media else 0
        self._request = request
        self._inputs = inputs
        self._places = range(len(inputs)) if places is None else places
        self._context = context
        self.writes_cache = save is not None
        self._save = save
        self.model = request.model
        # A PDF comes alone in its request, and gives as many vectors as it has pages.
        self._pdfs = {batch.start for batch in batches if kind_of(inputs[batch.start]) == "pdf"}
        self._parts: dict[int, NDArray[Any]] = {}
        self._vectors: NDArray[Any] | None = None
        self._lists = Lists.if_wanted()
        cached = cached or {}
        self.cached_count = len(cached)
        # The rows of the result are the caller's whole list.
        self._first = min((*self._places[:1], *cached), default=0)
        self._has_row = np.zeros(len(inputs) - len(context) + len(cached), bool)
        self.result_bytes = len(self._has_row) * (request.width or _USUAL_WIDTH) * request.dtype.itemsize
        if request.width and not self._pdfs:
            self._vectors = np.empty((len(self._has_row), request.width), request.dtype)
        for place, row in cached.items():
            if self._vectors is None:
                self._vectors = np.empty((len(self._has_row), len(row)), row.dtype)
            self._vectors[place - self._first] = row
            self._has_row[place - self._first] = True

    @property
    def first(self) -> int:
        """The index of the first input in the caller's list."""
        return self._first

    @property
    def length(self) -> int:
        """The number of inputs, including those whose vectors come from the cache."""
        return len(self._has_row)

    def call(self, piece: range) -> Call:
        """Return the call for the vectors of a piece."""
        return self._request.encode(self._inputs[piece.start : piece.stop])

    def tokens(self, piece: range) -> int:
        """Return the estimated tokens of a piece."""
        return tokens_of_all(self._inputs[piece.start : piece.stop])

    def body_bytes(self, piece: range) -> int:
        """Return the estimated size of a request with media."""
        return sum(size_of(self._inputs[index]) for index in piece) if self.reads_media else 0

    def origins(self, piece: range) -> Sequence[int]:
        """Return the indices of a piece in the caller's list."""
        return self._places[piece.start : piece.stop]

    def read(self, piece: range, response: Any) -> None:
        """Decode a response, and pass its vectors to the cache."""
        places, body = self.origins(piece), as_object(response)
        if piece.start in self._pdfs:
            self._parts[piece.start] = self._request.decode(body, places, pages=True)
        else:
            self._read_rows(piece, places, body)
        self.usage += usage_of(body)
        self.model = model_of(body, self.model)

    def make_lists(self, batch: range) -> Iterator[None]:
        """Make the lists of a batch, if the caller wants lists and every vector has arrived."""
        places, vectors = self.origins(batch), self._vectors
        if self._lists is None or vectors is None or vectors.dtype.kind != "f" or not isinstance(places, range):
            return
        rows = range(places.start - self._first, places.stop - self._first)
        if self._has_row[rows.start : rows.stop].all():
            yield from self._lists.make(vectors, rows)

    def _read_rows(self, piece: range, places: Sequence[int], body: Mapping[str, Any]) -> None:
        invalid: dict[int, JinaError] = {}
        rows = None
        if isinstance(places, range) and not self._context:
            rows = slice(places.start - self._first, places.stop - self._first)
        if self._vectors is not None and rows is not None:
            self._request.decode(body, places, out=self._vectors[rows], invalid=invalid)
        else:
            self._put(piece, places, self._request.decode(body, places, invalid=invalid))
        assert self._vectors is not None
        if rows is not None and not invalid:
            self._has_row[rows] = True
            if self._save is not None:
                self._save(places, self._vectors[rows])
            return
        own = [(index, place) for index, place in zip(piece, places, strict=True) if index not in self._context]
        valid = [place for _, place in own if place not in invalid]
        self.failed.update((index, invalid[place]) for index, place in own if place in invalid)
        self._has_row[np.asarray(valid, np.intp) - self._first] = True
        if self._save is not None:
            self._save(valid, self._vectors[np.asarray(valid, np.intp) - self._first])

    def _put(self, piece: range, places: Sequence[int], vectors: NDArray[Any]) -> None:
        if self._vectors is None:
            # The first response of a model outside the catalog shows how long its vectors are.
            self._vectors = np.empty((len(self._has_row), vectors.shape[1]), vectors.dtype)
        if vectors.shape[1] != self._vectors.shape[1]:
            raise JinaResponseError(
                f"the vectors of inputs {places[0]} to {places[-1]} have length {vectors.shape[1]}, "
                f"those of other inputs {self._vectors.shape[1]}"
            )
        own = [row for row, index in enumerate(piece) if index not in self._context]
        self._vectors[np.asarray(places)[own] - self._first] = vectors[own]

    def result(self) -> Embeddings:
        """Return all vectors in the order of the inputs; a PDF has one row per page."""
        failed = self.failures() if self.failed else {}
        if not self._parts:
            vectors, indices = self._rows(), np.flatnonzero(self._has_row) + self._first
            whole = len(indices) == len(self._has_row)
            return Embeddings(vectors, self.usage, self.model, None if whole else indices, failed, _lists=self._lists)
        rows = dict(zip(np.flatnonzero(self._has_row).tolist(), self._rows(), strict=True))
        by_place = {self._places[start]: pages for start, pages in self._parts.items()}
        by_place.update({place + self._first: row[np.newaxis] for place, row in rows.items()})
        order = sorted(by_place)
        self._check_lengths(by_place)
        indices = np.repeat(order, [len(by_place[place]) for place in order])
        vectors = np.concatenate([by_place[place] for place in order])
        return Embeddings(vectors, self.usage, self.model, indices, failed)

    def completed(self) -> dict[int, Any]:
        """Return the vectors so far, by the caller's index, including those from the cache."""
        rows = np.flatnonzero(self._has_row)
        vectors = {int(row) + self._first: vector for row, vector in zip(rows, self._rows(), strict=True)}
        return {**vectors, **{self._places[start]: pages for start, pages in self._parts.items()}}

    def _done(self) -> Set[int]:
        has_row, first = self._has_row, self._first
        return {index for index, place in enumerate(self._places) if index in self._parts or has_row[place - first]}

    def _rows(self) -> NDArray[Any]:
        if self._vectors is None:
            return np.empty((0, self._request.width or 0), self._request.dtype)
        return self._vectors if self._has_row.all() else self._vectors[self._has_row]

    @staticmethod
    def _check_lengths(by_place: Mapping[int, NDArray[Any]]) -> None:
        first = next(iter(by_place.values())).shape[1]
        for place, vectors in by_place.items():
            if vectors.shape[1] != first:
                raise JinaResponseError(
                    f"the vectors of input {place} have length {vectors.shape[1]}, those of other inputs {first}"
                )


class ChunksJob(EmbedJob):
    """Late chunking: a request reads chunks of one document together.

    Args:
        request: the options.
        chunks: of all documents, one document after the other.
        documents: for each document the range of its chunks.
        limit: the most chunks per request.
        cached, save: as for :class:`EmbedJob`.
    """

    def __init__(
        self,
        request: EmbedRequest,
        chunks: Sequence[Item],
        documents: Sequence[range],
        limit: int = LIST_LIMIT,
        *,
        cached: Mapping[int, NDArray[Any]] | None = None,
        save: Callable[[Sequence[int], NDArray[Any]], None] | None = None,
    ) -> None:
        cached = cached or {}
        tokens = request.row.context if request.row else math.inf
        places: list[int] = []
        batches: list[range] = []
        context: set[int] = set()
        self._documents = documents
        self._windows = dict.fromkeys(range(len(documents)), 0)
        self._document_of: dict[int, int] = {}
        for number, document in enumerate(documents):
            if all(chunk in cached for chunk in document):
                continue
            for window in windows([chunks[chunk] for chunk in document], tokens, limit):
                start = len(places)
                places += document[window.read.start : window.read.stop]
                batches.append(range(start, len(places)))
                context.update(range(start, start + window.first - window.read.start))
                self._document_of.update(dict.fromkeys(batches[-1], number))
        requested = set(places)
        super().__init__(
            request,
            [chunks[place] for place in places],
            batches,
            places=places if cached or context else range(len(places)),
            cached={place: row for place, row in cached.items() if place not in requested},
            context=context,
            save=save,
        )

    def read(self, piece: range, response: Any) -> None:
        """Decode a response, and count the windows of its document."""
        super().read(piece, response)
        self._windows[self._document_of[piece.start]] += 1

    def result(self) -> Embeddings:
        """Return the vectors of all chunks, and the largest number of windows of a document."""
        return replace(super().result(), windows=max(1, *self._windows.values()))

    def by_document(self) -> list[Embeddings]:
        """Return for each document the vectors of its chunks; the usage is that of the whole call."""
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
    """The job of :meth:`jina_client.JinaClient.embed_chunked`, which reports failures by document."""

    def failure(self) -> PartialFailureError:
        """Return an error that holds results and failures by document."""
        vectors, errors = self.completed(), self.failures()
        completed = {
            number: Embeddings(np.stack([vectors[chunk] for chunk in chunks]), self.usage, self.model)
            for number, chunks in enumerate(self._documents)
            if chunks and all(chunk in vectors for chunk in chunks)
        }
        failed = {
            number: errors[next(chunk for chunk in chunks if chunk in errors)]
            for number, chunks in enumerate(self._documents)
            if any(chunk in errors for chunk in chunks)
        }
        return PartialFailureError(completed, failed, self.usage)
