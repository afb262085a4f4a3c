"""Requests for the tokens and chunks of a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..checks import check_choice, check_flag, check_whole
from ..errors import JinaInputError, JinaResponseError
from .call import Call

TOKENIZERS = ("cl100k_base", "o200k_base", "p50k_base", "r50k_base", "p50k_edit", "gpt2")
LONGEST_TEXT = 64_000
"""Characters of one request; the published limit is "64k"."""

Token = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentResponse:
    """The content of one response; positions refer to the text of its request."""

    num_tokens: int
    tokenizer: str
    chunks: tuple[str, ...]
    positions: tuple[tuple[int, int], ...]
    tokens: tuple[tuple[Token, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRequest:
    """The validated options of a segmentation; the text comes part by part."""

    fields: Mapping[str, Any]

    @classmethod
    def build(
        cls,
        *,
        tokenizer: str = "cl100k_base",
        max_chunk_length: int = 1000,
        return_chunks: bool = True,
        return_tokens: bool = False,
        head: int | None = None,
        tail: int | None = None,
    ) -> SegmentRequest:
        """Check every option.

        Raises:
            JinaInputError: an unknown tokenizer, a length below 1, or both ``head`` and ``tail``.
        """
        check_choice("tokenizer", tokenizer, TOKENIZERS)
        check_whole("max_chunk_length", max_chunk_length, unit="characters")
        check_whole("head", head, unit="tokens")
        check_whole("tail", tail, unit="tokens")
        check_flag("return_chunks", return_chunks)
        check_flag("return_tokens", return_tokens)
        if head is not None and tail is not None:
            raise JinaInputError("pass either head= (the first tokens) or tail= (the last tokens), and not both")
        fields = {
            "tokenizer": tokenizer,
            "return_chunks": return_chunks,
            "return_tokens": return_tokens,
            "max_chunk_length": max_chunk_length,
            "head": head,
            "tail": tail,
        }
        return cls(fields={name: value for name, value in fields.items() if value is not None})

    def parts(self, text: str) -> list[str]:
        """Return the text in parts that fit one request; a longer text is cut after a line, else after a word.

        Raises:
            JinaInputError: an empty text, or a longer one together with ``head`` or ``tail``.
        """
        if not text:
            raise JinaInputError("text is empty: pass at least one character")
        if len(text) < LONGEST_TEXT:
            return [text]
        if "head" in self.fields or "tail" in self.fields:
            raise JinaInputError(
                f"text has {len(text):,} characters, and with head or tail it must have fewer than {LONGEST_TEXT:,}: "
                "shorten it first"
            )
        parts, start = [], 0
        while start < len(text):
            end = min(start + LONGEST_TEXT - 1, len(text))
            if end < len(text):
                breaks = (text.rfind(mark, start + 1, end) + len(mark) for mark in ("\n\n", "\n", " "))
                end = next((place for place in breaks if place > start + LONGEST_TEXT // 2), end)
            parts.append(text[start:end])
            start = end
        return parts

    def encode(self, text: str) -> Call:
        """Return the call for the segments of a text, or of a part of it."""
        return Call("segment", {"content": text, **self.fields})

    def decode(self, body: Mapping[str, Any]) -> SegmentResponse:
        """Read a response.

        Raises:
            JinaResponseError: no number of tokens, or chunks and positions that do not fit together.
        """
        count, chunks, positions = body.get("num_tokens"), body.get("chunks"), body.get("chunk_positions")
        if not isinstance(count, int):
            raise JinaResponseError(f"the response has num_tokens {count!r}, expected a number")
        if not self.fields["return_chunks"]:
            chunks, positions = [], []
        if not isinstance(chunks, list) or not all(isinstance(chunk, str) for chunk in chunks):
            raise JinaResponseError("the response has no list of strings in 'chunks'")
        if not isinstance(positions, list) or len(positions) != len(chunks):
            raise JinaResponseError(f"the response has {len(chunks)} chunks, and not as many positions")
        try:
            return SegmentResponse(
                num_tokens=count,
                tokenizer=str(body.get("tokenizer") or self.fields["tokenizer"]),
                chunks=tuple(chunks),
                positions=tuple((int(start), int(end)) for start, end in positions),
                tokens=_tokens(body["tokens"]) if self.fields["return_tokens"] else (),
            )
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise JinaResponseError(f"the response's positions or tokens cannot be read: {error!r}") from None


def _tokens(value: Any) -> tuple[tuple[Token, ...], ...]:
    """Return the tokens of each chunk. Without chunks they come as one flat list."""
    if value and isinstance(value[0][0], str):
        value = [value]
    return tuple(tuple((str(text), tuple(map(int, ids))) for text, ids in chunk) for chunk in value)
