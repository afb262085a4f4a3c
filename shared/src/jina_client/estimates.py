"""Estimates of what inputs will be billed as, before they are sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from .errors import JinaInputError
from .inputs import ContentGroup, Item, as_items, as_list, text_tokens
from .media import Media
from .models import Model, find_model
from .protocol.model_options import ALL_MODALITIES

_SPECIAL_TOKENS = 2


class Tokenizer(Protocol):
    """Counts tokens. ``tokenizers.Tokenizer``, transformers' tokenizers and tiktoken's encodings fit."""

    def encode(self, text: str, /) -> Any:
        """Return the tokens of a text: a sequence, or an object with ``ids``."""


def image_tokens(width: int, height: int, row: Model) -> int:
    """Return the tokens of an image by the published formula: ``ceil(width / t) * ceil(height / t) * c``.

    ``t`` is the side of a tile in pixels and ``c`` its tokens.

    Raises:
        JinaInputError: no formula is published for the model.
    """
    if row.image_tile is None:
        raise JinaInputError(f"no formula is published for the tokens of an image with {row.id}")
    side, tokens = row.image_tile
    return -(-width // side) * -(-height // side) * tokens


def estimate_tokens(
    inputs: Iterable[Any] | str, *, model: str, tokenizer: Tokenizer | None = None, max_image_side: int | None = None
) -> int:
    """See :meth:`jina_client.JinaClient.estimate_tokens`."""
    row = find_model(model) if isinstance(model, str) else None
    if row is None:
        raise JinaInputError(f"model must be a model of the catalog, got {model!r}")
    values = [inputs] if isinstance(inputs, str) else as_list(inputs, "inputs")
    prefix = row.prefixes.get(row.document_task or "", "")
    items = as_items(values, "inputs", ALL_MODALITIES, row.id, max_image_side)
    return sum(_tokens(item, row, tokenizer, prefix) for item in items)


def _tokens(item: Item, row: Model, tokenizer: Tokenizer | None, prefix: str) -> int:
    if isinstance(item, ContentGroup):
        return sum(_tokens(part, row, tokenizer, "") for part in item.parts)
    if isinstance(item, Media):
        if item.kind != "image":
            raise JinaInputError(f"{item.name} is a {item.kind}: no formula is published for its tokens")
        return image_tokens(*item.pixels(), row)
    if tokenizer is None:
        return text_tokens(prefix + item) + _SPECIAL_TOKENS
    encoding = tokenizer.encode(prefix + item)
    # tokenizers returns an Encoding, transformers and tiktoken return a list.
    return len(getattr(encoding, "ids", encoding))
