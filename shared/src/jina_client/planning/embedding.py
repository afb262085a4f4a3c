"""Vectors for many inputs, and for the chunks of documents."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaError, JinaResponseError, PartialFailureError
from ..inputs import Item, kind_of, tokens_of
from ..isolation import Blame
from ..models import LIST_LIMIT
from ..protocol import Call, EmbedRequest, usage_of
from ..protocol.answers import as_object, model_of
from ..results import Embeddings
from .job import FOR_ANY_REASON, Job
from .splitting import windows

# A document is cut only where it is too long: chunks that are read apart have other vectors.
_FOR_SIZE: Set[Blame] = frozenset({"inputs", "size"})


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
        self.divisible = _FOR_SIZE if request.fields.get("late_chunking") else FOR_ANY_REASON
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
