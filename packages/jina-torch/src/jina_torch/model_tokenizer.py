"""Tokenize texts with a model's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jina_local.backend import Piece


class ModelTokenizer:
    """A model's tokenizer.

    Args:
        tokenizer: A tokenizer of transformers.

    Attributes:
        tokenizer: The tokenizer of transformers.
        head, tail: Special tokens before and after every text.
        pad: Id of the padding token.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        content = self.content("a")
        ids = list(tokenizer("a")["input_ids"])
        start = next(at for at in range(len(ids)) if ids[at : at + len(content)] == content)
        self.head = ids[:start]
        self.tail = ids[start + len(content) :]
        self.pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0

    @property
    def specials(self) -> int:
        """Number of special tokens around a text."""
        return len(self.head) + len(self.tail)

    def content(self, text: str) -> list[int]:
        """Return the ids of a text of any length, without special tokens."""
        # The spelling of a special token inside a text is ordinary text.
        encoding = self.tokenizer(
            text, add_special_tokens=False, truncation=False, verbose=False, split_special_tokens=True
        )
        return list(encoding["input_ids"])

    def add_special_tokens(self, content: Sequence[int]) -> list[int]:
        """Return ids with the special tokens around them."""
        return [*self.head, *content, *self.tail]

    def truncate(self, text: str, limit: int) -> str:
        """Return the part of a text that its first ``limit`` tokens stand for."""
        if len(self.content(text)) <= limit:
            return text
        count = 0
        parts = []
        for piece, ids in self.pieces(text):
            count += len(ids)
            if count > limit:
                break
            parts.append(piece)
        return "".join(parts)

    def pieces(self, text: str) -> list[Piece]:
        """Split a text into the pieces that its tokens stand for, with their ids; joined, the pieces are the text."""
        encoding = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        pieces: list[Piece] = []
        start = 0
        ids: list[int] = []
        for number, (_, end) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True):
            ids.append(number)
            if end > start:
                pieces.append((text[start:end], ids))
                start, ids = end, []
        if pieces and (start < len(text) or ids):
            last, last_ids = pieces[-1]
            pieces[-1] = last + text[start:], [*last_ids, *ids]
        return pieces
