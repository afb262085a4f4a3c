"""The result of segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .usage import Usage


@dataclass(frozen=True, slots=True)
class Segments:
    """The tokens and chunks of a text.

    Attributes:
        num_tokens: number of tokens of the whole text.
        tokenizer: the tokenizer's name.
        chunks: the chunks in order; empty if they were not requested.
        positions: start and end of each chunk in the text, in characters.
        tokens: the tokens of each chunk (or of the text, if it has no chunks) with their ids; empty if they were not
            requested.
        usage: tokens counted by the service, which does not bill them.
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
