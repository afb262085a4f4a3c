"""A text's tokens, and its chunks: cut where the text has a break anyway, and nothing lost.

A chunk is filled as far as its length allows and ends, by preference, after a blank line, else after a line, a
sentence, a word; a word that is longer than a chunk is cut. Breaks in the first half of a chunk are not used, so chunks
do not become slivers. The chunks, one after the other, are the text.
"""

from __future__ import annotations

import re
from typing import Any

from .backend import Backend
from .reading.services import SegmentRequest
from .text_tokens import Piece, pieces

Span = tuple[int, int]

# From the break to be preferred to the one to be avoided. White space after a break belongs to the chunk before it.
_BREAKS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\n[^\S\n]*\n\s*",
        r"\n\s*",
        # Written so that a long row of points is looked at once, not once from each of its points.
        r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+\s+|[。！？]+\s*",
        r"\s+",
    )
)


def segment(backend: Backend, asked: SegmentRequest) -> dict[str, Any]:
    """Answer a request for segments.

    Returns:
        ``num_tokens`` and ``tokenizer``, which names the one that counted, always; ``num_chunks``, ``chunk_positions``
        and ``chunks`` with ``return_chunks``; ``tokens`` with ``return_tokens``: those of the text or, with chunks, a
        list for each chunk, of the chunk by itself. With ``head`` or ``tail`` all of it is about those tokens only;
        positions are still in the text that was sent.
    """
    name, found = pieces(asked.content, asked.tokenizer, backend.pieces)
    start, end = 0, len(asked.content)
    if asked.head is not None:
        found = found[: asked.head]
        end = sum(len(text) for text, _ in found)
    elif asked.tail is not None:
        found = found[-asked.tail :]
        start = end - sum(len(text) for text, _ in found)
    answer: dict[str, Any] = {
        "num_tokens": _count(found),
        "tokenizer": name,
        # The service does not bill this.
        "usage": {"tokens": 0},
    }
    if asked.return_chunks:
        spans = [(start + a, start + b) for a, b in chunk_spans(asked.content[start:end], asked.max_chunk_length)]
        chunks = [asked.content[a:b] for a, b in spans]
        answer |= {"num_chunks": len(chunks), "chunk_positions": spans, "chunks": chunks}
        if asked.return_tokens:
            answer["tokens"] = [pieces(chunk, asked.tokenizer, backend.pieces)[1] for chunk in chunks]
    elif asked.return_tokens:
        answer["tokens"] = found
    return answer


def chunk_spans(text: str, longest: int) -> list[Span]:
    """Where chunks of at most ``longest`` characters begin and end: one after the other, the whole text."""
    spans, start = list[Span](), 0
    while len(text) - start > longest:
        end = _break(text, start, start + longest)
        spans.append((start, end))
        start = end
    if start < len(text):
        spans.append((start, len(text)))
    return spans


def _break(text: str, start: int, latest: int) -> int:
    """The best place to end a chunk that begins at ``start`` and ends at ``latest`` at the latest."""
    earliest = start + (latest - start) // 2
    for pattern in _BREAKS:
        places = [found.end() for found in pattern.finditer(text, start, latest) if found.end() >= earliest]
        if places:
            return places[-1]
    return latest


def _count(found: list[Piece]) -> int:
    return sum(len(ids) for _, ids in found)
