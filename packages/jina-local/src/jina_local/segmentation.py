"""Split a text into chunks at natural breaks, without losing a character.

A chunk is filled up to its maximum length and ends, in order of preference, after a blank line, a line, a sentence or a
word; a word that is longer than a chunk is split. Breaks in the first half of a chunk are ignored, so that chunks do
not become too short. Concatenated, the chunks are the text.
"""

from __future__ import annotations

import re
from typing import Any

from .backend import Backend
from .text_tokens import Piece, pieces
from .validation.segment import SegmentBody

Span = tuple[int, int]

# From the most to the least preferred break. White space after a break belongs to the chunk before it.
_BREAKS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\n[^\S\n]*\n\s*",
        r"\n\s*",
        # Possessive quantifiers, so that a long row of points is scanned once and not once from each point.
        r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+\s+|[。！？]+\s*",
        r"\s+",
    )
)


def segment(backend: Backend, body: SegmentBody) -> dict[str, Any]:
    """Return the response to a segmentation request.

    Args:
        backend: Its tokenizer counts if the requested one is not on this machine.
        body: The validated request.

    Returns:
        Always ``num_tokens`` and ``tokenizer``, the name of the tokenizer that counted. With ``return_chunks`` also
        ``num_chunks``, ``chunk_positions`` and ``chunks``. With ``return_tokens`` also ``tokens``: one list, or one
        list per chunk if chunks are returned. With ``head`` or ``tail`` everything refers to those tokens only, but
        positions still refer to the text that was sent.
    """
    name, tokens = pieces(body.content, body.tokenizer, backend.pieces)
    start, end = 0, len(body.content)
    if body.head is not None:
        tokens = tokens[: body.head]
        end = sum(len(text) for text, _ in tokens)
    elif body.tail is not None:
        tokens = tokens[-body.tail :]
        start = end - sum(len(text) for text, _ in tokens)
    response: dict[str, Any] = {
        "num_tokens": sum(len(ids) for _, ids in tokens),
        "tokenizer": name,
        # The hosted service does not bill segmentation.
        "usage": {"tokens": 0},
    }
    if body.return_chunks:
        spans = [(start + a, start + b) for a, b in chunk_spans(body.content[start:end], body.max_chunk_length)]
        chunks = [body.content[a:b] for a, b in spans]
        response |= {"num_chunks": len(chunks), "chunk_positions": spans, "chunks": chunks}
        if body.return_tokens:
            response["tokens"] = [_tokens(chunk, body, backend) for chunk in chunks]
    elif body.return_tokens:
        response["tokens"] = tokens
    return response


def _tokens(chunk: str, body: SegmentBody, backend: Backend) -> list[Piece]:
    return pieces(chunk, body.tokenizer, backend.pieces)[1]


def chunk_spans(text: str, longest: int) -> list[Span]:
    """Split a text into chunks.

    Args:
        text: Any text.
        longest: Maximum length of a chunk in characters.

    Returns:
        The start and end of each chunk. The spans are contiguous and cover the whole text.
    """
    spans, start = list[Span](), 0
    while len(text) - start > longest:
        end = _break(text, start, start + longest)
        spans.append((start, end))
        start = end
    if start < len(text):
        spans.append((start, len(text)))
    return spans


def _break(text: str, start: int, latest: int) -> int:
    """Return the best position to end a chunk that begins at ``start`` and ends at ``latest`` or before."""
    earliest = start + (latest - start) // 2
    for pattern in _BREAKS:
        places = [match.end() for match in pattern.finditer(text, start, latest) if match.end() >= earliest]
        if places:
            return places[-1]
    return latest
