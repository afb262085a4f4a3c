"""Which inputs go in one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ..errors import JinaInputError
from ..inputs import Item, kind_of, size_of, tokens_of
from ..models import LIST_LIMIT

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
