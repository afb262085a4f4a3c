"""One thing for each of many inputs, and the chunks of a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from ..inputs import Item, tokens_of
from ..protocol import Call, SegmentRequest, usage_of
from ..protocol.answers import as_object, model_of
from ..protocol.segmentation import Segmented
from ..results import Segments, Usage
from .job import FOR_ANY_REASON, Job

T = TypeVar("T")
R = TypeVar("R")


class ListRequest(Protocol[R]):
    """A request whose answers hold one thing for each input."""

    def encode(self, inputs: Sequence[Item]) -> Call: ...

    def decode(self, body: Mapping[str, Any], batch: range) -> list[R]: ...


class ListJob(Job[T], Generic[T, R]):
    """One thing for each input of a list, put together by a function of the things, the usage and the model."""

    divisible = FOR_ANY_REASON

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
