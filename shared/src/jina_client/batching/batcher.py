"""Grouping of inputs into requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ..checks import check_whole
from ..inputs import Item, are_texts, kind_of, size_of, tokens_of
from ..models import LIST_LIMIT

# Inputs per request where their number is not known, or where responses are large: large enough that latency hardly
# counts with eight requests in flight, small enough that one failure costs little.
BATCH_SIZE = 128
# Inputs that are not divided further in order to fill free slots: each request has a price in requests per minute.
_SMALLEST_BATCH = 32
MAX_REQUEST_BYTES = 8 * 2**20
"""Bytes of the inputs of one request; a single input may have more. Large requests would share less of the work."""
REQUEST_TOKENS = 50_000
"""Estimated tokens of one request: half of what a free key may send in a minute. A single input may have more."""

# The share of the model's context that a window may fill. It is below 1 because tokens are estimated.
_CONTEXT_SHARE = 0.9
_OVERLAP_TOKENS = 512


class Batcher:
    """Decides for one input after another whether it starts a new request.

    Args:
        batch_size: inputs per request; by default ``default``.
        limit: the most inputs per request that the service accepts.
        request_tokens: estimated tokens per request; a single input may have more.
        one_kind: whether a request may hold inputs of one kind only.
        default: inputs per request without ``batch_size``.
        sizes: by kind of input, the inputs per request without ``batch_size``, if fewer than ``default``.

    Raises:
        JinaInputError: a batch size that is not an integer from 1 to ``limit``.
    """

    def __init__(
        self,
        batch_size: int | None,
        limit: int = LIST_LIMIT,
        *,
        request_tokens: float,
        one_kind: bool = False,
        default: int = BATCH_SIZE,
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        check_whole("batch_size", batch_size, 1, limit)
        self._max_count = min(default, limit) if batch_size is None else batch_size
        self._sizes = sizes if sizes and batch_size is None else {}
        self._max_tokens = request_tokens
        self._one_kind = one_kind
        self._count = self._bytes = self._tokens = 0
        self._kind = ""

    def texts(self, items: Sequence[Item]) -> list[range] | None:
        """Return the batches of texts that are all short, and ``None`` for other inputs.

        The result is what :meth:`add` leads to, at a fifth of its time.
        """
        if not are_texts(items):
            return None
        count, lengths = self._count_limit("text"), list(map(len, items))  # type: ignore[arg-type]
        batches = [range(start, min(start + count, len(items))) for start in range(0, len(items), count)]
        for batch in batches:
            characters = sum(lengths[batch.start : batch.stop])
            # No text has more tokens than characters, besides its two special tokens.
            if characters > MAX_REQUEST_BYTES or characters + 2 * len(batch) > self._max_tokens:
                return None
        return batches

    def add(self, item: Item) -> bool:
        """Count an input, and return whether it starts a new request."""
        kind, size, tokens = kind_of(item), size_of(item), tokens_of(item)
        # A PDF gets a request of its own.
        separate = "pdf" in (kind, self._kind) or (self._one_kind and kind != self._kind)
        starts_new = self._count > 0 and (
            separate
            or self._count >= self._count_limit(kind)
            or self._bytes + size > MAX_REQUEST_BYTES
            or self._tokens + tokens > self._max_tokens
        )
        if starts_new:
            self._count = self._bytes = self._tokens = 0
        self._kind = kind
        self._count += 1
        self._bytes += size
        self._tokens += tokens
        return starts_new

    def _count_limit(self, kind: str) -> int:
        return min(self._max_count, self._sizes.get(kind, self._max_count))


def split(
    items: Sequence[Item],
    batch_size: int | None,
    limit: int = LIST_LIMIT,
    *,
    request_tokens: float,
    one_kind: bool = False,
    default: int = BATCH_SIZE,
    sizes: Mapping[str, int] | None = None,
) -> list[range]:
    """Return the batches of a list of inputs: consecutive ranges that cover all of it; see :class:`Batcher`."""
    batcher = Batcher(batch_size, limit, request_tokens=request_tokens, one_kind=one_kind, default=default, sizes=sizes)
    batches = batcher.texts(items)
    if batches is None:
        starts = [index for index, item in enumerate(items) if batcher.add(item)]
        batches = [range(start, stop) for start, stop in pairwise((0, *starts, len(items)))]
    return batches


def even_batch_size(count: int, slots: int | None, limit: int = LIST_LIMIT) -> int:
    """Return how many inputs a request should have, so that requests are of one size and few slots stay free.

    Args:
        count: inputs of the call.
        slots: requests that may be in flight; ``None`` to make as few requests as possible.
        limit: the most inputs per request that the service accepts.
    """
    fewest = -(-count // limit)
    requests = max(fewest, min(slots or 1, count // _SMALLEST_BATCH))
    return -(-count // requests)


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive chunks of a document that the model reads together.

    Attributes:
        read: the chunks.
        first: the first chunk whose vector is kept; those before it are context.
    """

    read: range
    first: int


def windows(chunks: Sequence[Item], context: float, limit: int) -> list[Window]:
    """Return the windows in which a document is read: one, if it fits the model's context.

    A longer document is read in windows that overlap by about 512 tokens, as in the reference implementation of late
    chunking (github.com/jina-ai/late-chunking). The vectors of the overlap come from the earlier window.

    Args:
        chunks: of one document.
        context: of the model, in tokens.
        limit: the most chunks per request.
    """
    sizes = [tokens_of(chunk) for chunk in chunks]
    room = context * _CONTEXT_SHARE
    result, begin, first = list[Window](), 0, 0
    while first < len(chunks):
        end, total = first, sum(sizes[begin:first])
        while end < len(chunks) and (end == first or (total + sizes[end] <= room and end - begin < limit)):
            total += sizes[end]
            end += 1
        result.append(Window(range(begin, end), first))
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
    return result


def document_ranges(lengths: Sequence[int]) -> list[range]:
    """Return for each document the range of its chunks in the list of all chunks."""
    return [range(start, stop) for start, stop in pairwise(accumulate(lengths, initial=0))]
