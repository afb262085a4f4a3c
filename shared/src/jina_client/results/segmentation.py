"""The result of segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .usage import Usage


@dataclass(frozen=True, slots=True)
class Segments:
    """The tokens and chunks of a text.

    Attributes:
        num_tokens: of the whole text, by ``tokenizer``.
        tokenizer: the tokenizer's name.
        chunks: the chunks in order; empty where they were not asked for.
        positions: for each chunk where it begins and ends in the text, in characters.
        tokens: for each chunk (for the text, where there are no chunks) its tokens, each with its ids; empty where they
            were not asked for.
        usage: the tokens counted; the service does not bill them.
    """

    num_tokens: int
    tokenizer: str
    chunks: tuple[str, ...] = field(repr=False)
    positions: tuple[tuple[int, int], ...] = field(repr=False)
    tokens: tuple[tuple[tuple[str, tuple[int, ...]], ...], ...] = field(repr=False)
    usage: Usage

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[str]:
        return iter(self.chunks)
