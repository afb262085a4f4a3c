"""Texts to token ids by a model's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..text_tokens import Piece


class Tokenizer:
    """A model's tokenizer.

    Args:
        tokenizer: of transformers.

    Attributes:
        head, tail: the special tokens that stand before and after every text.
        pad: the id that sequences are filled up with.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.own = tokenizer
        bare = self.content("a")
        framed = list(tokenizer("a")["input_ids"])
        start = next(at for at in range(len(framed)) if framed[at : at + len(bare)] == bare)
        self.head = framed[:start]
        self.tail = framed[start + len(bare) :]
        self.pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0

    @property
    def specials(self) -> int:
        """How many special tokens every text has."""
        return len(self.head) + len(self.tail)

    def content(self, text: str) -> list[int]:
        """A text's ids, without special tokens and however long it is."""
        # A word for a special token inside a text is text.
        encoded = self.own(text, add_special_tokens=False, truncation=False, verbose=False, split_special_tokens=True)
        return list(encoded["input_ids"])

    def framed(self, content: Sequence[int]) -> list[int]:
        """Ids with the special tokens around them."""
        return [*self.head, *content, *self.tail]

    def cut(self, text: str, limit: int) -> str:
        """As much of a text as its first ``limit`` tokens stand for."""
        kept = 0
        parts = []
        if len(self.content(text)) <= limit:
            return text
        for piece, numbers in self.pieces(text):
            kept += len(numbers)
            if kept > limit:
                break
            parts.append(piece)
        return "".join(parts)

    def pieces(self, text: str) -> list[Piece]:
        """A text in the pieces that its tokens stand for, with their ids; joined they are the text."""
        encoded = self.own(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        found: list[Piece] = []
        start = 0
        ids: list[int] = []
        for number, (_, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
            ids.append(number)
            if end > start:
                found.append((text[start:end], ids))
                start, ids = end, []
        if found and (start < len(text) or ids):
            last, numbers = found[-1]
            found[-1] = last + text[start:], [*numbers, *ids]
        return found
