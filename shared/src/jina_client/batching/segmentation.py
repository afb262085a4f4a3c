"""The chunks of a text, which is sent in parts if it is longer than a request may be."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..protocol import Call, SegmentRequest, usage_of
from ..protocol.responses import as_object
from ..protocol.segmentation import SegmentResponse
from ..results import Segments
from .job import Job


class SegmentJob(Job[Segments]):
    """The segmentation of one text."""

    def __init__(self, request: SegmentRequest, text: str) -> None:
        super().__init__()
        self._request = request
        self._parts = request.parts(text)
        self.batches = [range(number, number + 1) for number in range(len(self._parts))]
        self._responses: dict[int, SegmentResponse] = {}

    def call(self, piece: range) -> Call:
        """Return the call for one part of the text."""
        return self._request.encode(self._parts[piece.start])

    def read(self, piece: range, response: Any) -> None:
        """Decode the segments of one part of the text."""
        body = as_object(response)
        self._responses[piece.start] = self._request.decode(body)
        self.usage += usage_of(body)

    def result(self) -> Segments:
        """Return the segments of the whole text, with positions that count from its beginning."""
        parts = [self._responses[number] for number in range(len(self._parts))]
        starts = np.cumsum([0, *map(len, self._parts)]).tolist()
        return Segments(
            num_tokens=sum(part.num_tokens for part in parts),
            tokenizer=parts[0].tokenizer,
            chunks=tuple(chunk for part in parts for chunk in part.chunks),
            positions=tuple(
                (start + begin, start + end)
                for start, part in zip(starts, parts, strict=False)
                for begin, end in part.positions
            ),
            tokens=tuple(tokens for part in parts for tokens in part.tokens),
            usage=self.usage,
        )
