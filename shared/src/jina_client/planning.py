"""Many inputs to few requests, and the answers back into the order of the inputs. It sends nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import JinaInputError, JinaResponseError
from .models import LIST_LIMIT
from .protocol import EmbedRequest, RerankRequest, model_of, usage_of
from .results import Embeddings, RankedDocument, RerankResult, Usage

# Large enough that latency hardly counts with eight requests in flight, small enough that long texts stay far below
# the size limits of gateways and that one failure costs little.
BATCH_SIZE = 128

T = TypeVar("T")


class Job(ABC, Generic[T]):
    """A call as requests that can be sent in any order, and the place where their answers come together.

    Attributes:
        endpoint: where all its requests go.
        batches: for each request, the indices of the caller's inputs that it carries.
    """

    endpoint: str
    batches: Sequence[range]
    compress = True
    """Whether the answers shrink enough by gzip to be worth its time."""

    def __init__(self) -> None:
        self.usage = Usage()

    @abstractmethod
    def encode(self, number: int) -> bytes:
        """The body of request ``number``."""

    @abstractmethod
    def accept(self, number: int, body: Mapping[str, Any]) -> None:
        """Take the answer to request ``number``."""

    @abstractmethod
    def result(self) -> T:
        """What the call returns, once every answer is in."""


class EmbedJob(Job[Embeddings]):
    """Vectors for a list of inputs."""

    endpoint = "embeddings"
    # Base64 of float32 hardly shrinks, and inflating it costs more than decoding it.
    compress = False

    def __init__(self, request: EmbedRequest, inputs: Sequence[Any], batches: Sequence[range]) -> None:
        super().__init__()
        self.batches = batches
        self._request = request
        self._inputs = inputs
        self._vectors: NDArray[Any] | None = None
        self._model = request.model

    def encode(self, number: int) -> bytes:
        batch = self.batches[number]
        return self._request.encode(self._inputs[batch.start : batch.stop])

    def accept(self, number: int, body: Mapping[str, Any]) -> None:
        batch = self.batches[number]
        vectors = self._request.decode(body, batch)
        if self._vectors is None:
            self._vectors = np.empty((len(self._inputs), vectors.shape[1]), vectors.dtype)
        if vectors.shape[1] != self._vectors.shape[1]:
            raise JinaResponseError(
                f"the vectors of inputs {batch.start} to {batch.stop - 1} have length {vectors.shape[1]}, "
                f"those of other inputs {self._vectors.shape[1]}"
            )
        self._vectors[batch.start : batch.stop] = vectors
        self.usage += usage_of(body)
        self._model = model_of(body, self._model)

    def result(self) -> Embeddings:
        assert self._vectors is not None
        return Embeddings(self._vectors, self.usage, self._model)


class RerankJob(Job[RerankResult]):
    """Scores for a list of documents."""

    endpoint = "rerank"

    def __init__(self, request: RerankRequest, texts: Sequence[Any], documents: Sequence[Any]) -> None:
        super().__init__()
        self.batches = [range(len(texts))]
        self._request = request
        self._texts = texts
        self._documents = documents
        self._results: list[RankedDocument] = []
        self._model = request.model

    def encode(self, number: int) -> bytes:
        return self._request.encode(self._texts)

    def accept(self, number: int, body: Mapping[str, Any]) -> None:
        ranking = self._request.decode(body, len(self._texts))
        self._results = [RankedDocument(index, score, self._documents[index]) for index, score in ranking]
        self.usage = usage_of(body)
        self._model = model_of(body, self._model)

    def result(self) -> RerankResult:
        return RerankResult(self._results, self.usage, self._model)


def split(count: int, batch_size: int | None, limit: int = LIST_LIMIT) -> list[range]:
    """Consecutive ranges of at most ``batch_size`` that cover ``count`` inputs.

    Raises:
        JinaInputError: a batch size that is no whole number, or above what one request may hold.
    """
    size = min(BATCH_SIZE, limit) if batch_size is None else batch_size
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= limit:
        raise JinaInputError(f"batch_size must be a whole number from 1 to {limit}, got {batch_size!r}")
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


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
