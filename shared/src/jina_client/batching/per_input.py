"""Calls that return one result per input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Generic, Protocol, TypeVar

from .. import protocol, results
from ..inputs import Item, are_texts, as_items, as_texts, size_of, tokens_of_all
from ..protocol import Call, usage_of
from ..protocol.responses import as_object, model_of
from .context import PlanningContext
from .job import ANY_FAULT, Job

T = TypeVar("T")
R = TypeVar("R")


class PerInputRequest(Protocol[R]):
    """A request whose responses hold one result for each input."""

    def encode(self, inputs: Sequence[Item]) -> Call:
        """Return the call for some inputs."""

    def decode(self, body: Mapping[str, Any], batch: range) -> list[R]:
        """Return one result per input, in the order of ``batch``."""


class PerInputJob(Job[T], Generic[T, R]):
    """One result for each input.

    Args:
        request: encodes inputs and decodes responses.
        inputs: what is to be sent.
        batches: ranges of it.
        combine: makes the call's result of this job.
        model: the requested model.
        single: what the caller gets for one input if others have failed.
    """

    divisible = ANY_FAULT

    def __init__(
        self,
        request: PerInputRequest[R],
        inputs: Sequence[Item],
        batches: Sequence[range],
        combine: Callable[[PerInputJob[T, R]], T],
        model: str = "",
        single: Callable[[R], Any] = lambda result: result,
    ) -> None:
        super().__init__()
        self.batches = batches
        self.reads_media = not are_texts(inputs)
        self._request = request
        self._inputs = inputs
        self._combine = combine
        self._single = single
        self._results: dict[int, R] = {}
        self.model = model

    @property
    def results(self) -> list[R]:
        """The results so far, in the order of the inputs."""
        return [self._results[index] for index in sorted(self._results)]

    def call(self, piece: range) -> Call:
        """Return the call for the inputs of a piece."""
        return self._request.encode(self._inputs[piece.start : piece.stop])

    def tokens(self, piece: range) -> int:
        """Return the estimated tokens of a piece."""
        return tokens_of_all(self._inputs[piece.start : piece.stop])

    def body_bytes(self, piece: range) -> int:
        """Return the estimated size of a request with media."""
        return sum(size_of(self._inputs[index]) for index in piece) if self.reads_media else 0

    def read(self, piece: range, response: Any) -> None:
        """Decode one result per input of a piece."""
        body = as_object(response)
        self._results.update(zip(piece, self._request.decode(body, piece), strict=True))
        self.usage += usage_of(body)
        self.model = model_of(body, self.model)

    def result(self) -> T:
        """Return the caller's result, which ``combine`` makes from all results."""
        return self._combine(self)

    def completed(self) -> dict[int, Any]:
        """Return the results so far, by index, each as the caller gets it."""
        return {index: self._single(result) for index, result in self._results.items()}

    def _done(self) -> Set[int]:
        return self._results.keys()


def plan_multi_vector(
    context: PlanningContext, inputs: Iterable[Any], request: protocol.MultiVectorRequest, options: Mapping[str, Any]
) -> Job[results.MultiVectors]:
    """Return the job of :meth:`jina_client.JinaClient.embed_multi_vector`."""
    items = as_items(inputs, "inputs", request.modalities, request.model, options.get("max_image_side"))
    context.check(request, request.path, items)
    batches = context.split(items, options.get("batch_size"), request.row)

    def combine(job: PerInputJob[results.MultiVectors, tuple[Any, tuple[str, ...]]]) -> results.MultiVectors:
        vectors, tokens = [each[0] for each in job.results], [each[1] for each in job.results]
        failed = job.failures()
        indices = sorted(job.completed()) if failed else None
        return results.MultiVectors(
            vectors, job.usage, job.model, tokens if request.tokenized else None, indices, failed
        )

    return PerInputJob(request, items, batches, combine, request.model, lambda result: result[0])


def plan_sparse(
    context: PlanningContext, inputs: Iterable[str], request: protocol.SparseRequest, batch_size: int | None
) -> Job[results.SparseEmbeddings]:
    """Return the job of :meth:`jina_client.JinaClient.embed_sparse`."""
    texts = as_texts(inputs, "inputs")
    context.check(request, "embeddings", texts)
    batches = context.split(texts, batch_size, request.row)
    return PerInputJob(
        request, texts, batches, lambda job: results.SparseEmbeddings(job.results, job.usage, job.model), request.model
    )


def plan_classify(
    context: PlanningContext,
    inputs: Iterable[Any],
    model: str,
    request: protocol.ClassifyRequest,
    options: Mapping[str, Any],
) -> Job[results.Classifications]:
    """Return the job of :meth:`jina_client.JinaClient.classify`."""
    items = as_items(inputs, "inputs", request.modalities, model, options.get("max_image_side"))
    context.check(request, "classify", items)
    batches = context.split(items, options.get("batch_size"), request.row)
    return PerInputJob(request, items, batches, lambda job: results.Classifications(job.results, job.usage))
