"""What a caller passes, made into what the wire carries, or refused with the place of the first bad item.

A string is text, always: it is never taken for a path or a URL. Anything else says what it is: ``{"image": …}``,
``{"pdf": …}``, ``{"video": …}``, ``{"audio": …}`` with a value of any shape (see :class:`jina_client.media.Media`), a
``Path``, bytes, a binary file or a PIL image, which are told by their content, or ``{"content": […]}``, several of
these fused into one vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, TypeAlias

from .errors import JinaInputError
from .media import KINDS, Media, is_media
from .models import Modality

Item: TypeAlias = "str | Media | Group"
"""One input as the client keeps it."""

_BYTES_PER_TOKEN = 4
# First bytes of characters of three and four bytes, which are most of East Asian text: about one token each.
_WIDE = bytes(range(0xE0, 0xF8))
# For planning only, without looking at it: a small picture's.
_MEDIA_TOKENS = 1000

# What older services called an image; understood, and sent as {"image": …}.
_OLD_IMAGE_KEYS = ("url", "bytes")


class Group:
    """Several inputs that become one vector (``jina-embeddings-v5-omni``)."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[str | Media]) -> None:
        self.parts = tuple(parts)

    @property
    def size(self) -> int:
        """About how many bytes it takes in a request."""
        return sum(size_of(part) for part in self.parts)

    def wire(self) -> dict[str, Any]:
        """As the published schema has it."""
        return {"content": [{"text": part} if isinstance(part, str) else part.wire() for part in self.parts]}


def as_list(items: Any, name: str) -> list[Any]:
    """Any iterable of items as a list with at least one.

    Raises:
        JinaInputError: a single string or bytes (which Python would iterate letter by letter), a mapping or a set
            (whose order is not the caller's), something that is no iterable, or nothing.
    """
    if isinstance(items, (str, bytes, Mapping, Set)) or is_media(items) or not isinstance(items, Iterable):
        kind = "None" if items is None else f"a {type(items).__name__}"
        raise JinaInputError(f"{name} must be a list, got {kind}; for a single one pass [{_example(items)}]")
    listed = list(items)
    if not listed:
        raise JinaInputError(f"{name} is empty: pass at least one")
    return listed


def as_text(item: Any, name: str) -> str:
    """One text: a string, or the wire's ``{"text": …}``.

    Raises:
        JinaInputError: anything else, or a string that UTF-8 cannot carry.
    """
    text = item["text"] if isinstance(item, Mapping) and set(item) == {"text"} else item
    if not isinstance(text, str):
        raise JinaInputError(f"{name} must be a string, got {'None' if item is None else type(item).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise JinaInputError(
            f"{name} holds a lone surrogate at character {error.start}, which is no text; "
            "decode it with errors='replace' where it is read"
        ) from None
    return text


def as_texts(items: Any, name: str) -> list[str]:
    """Any iterable of texts as a list of strings; see :func:`as_list` and :func:`as_text`."""
    return [as_text(item, f"{name}[{index}]") for index, item in enumerate(as_list(items, name))]


def as_item(item: Any, name: str, allowed: Set[Modality], model: str, max_image_side: int | None = None) -> Item:
    """One input of any kind that a model takes.

    Args:
        item: see the module's text.
        name: what to call it in errors.
        allowed: the kinds that the model takes.
        model: the model's id, for errors.
        max_image_side: see :class:`jina_client.media.Media`.

    Raises:
        JinaInputError: another kind, or something that is no input at all.
    """
    if isinstance(item, str):
        if item.startswith("data:") and ";base64," in item[:100] and "image" in allowed:
            raise JinaInputError(f"{name} is a data URI, and a string is embedded as text: pass {{'image': …}}")
        return as_text(item, name)
    made: Item
    if isinstance(item, Mapping):
        made = _from_mapping(item, name, allowed, model, max_image_side)
    elif is_media(item) and allowed > {"text"}:
        made = Media(item, None, name, max_image_side)
    else:
        return as_text(item, name)
    if isinstance(made, Media):
        _check_kind(made.kind, name, allowed, model)
    return made


def as_items(
    items: Any, name: str, allowed: Set[Modality], model: str, max_image_side: int | None = None
) -> list[Item]:
    """Any iterable of inputs; see :func:`as_list` and :func:`as_item`."""
    listed = as_list(items, name)
    if max_image_side is not None and (
        isinstance(max_image_side, bool) or not isinstance(max_image_side, int) or max_image_side < 1
    ):
        raise JinaInputError(f"max_image_side must be a whole number of pixels, got {max_image_side!r}")
    return [as_item(item, f"{name}[{index}]", allowed, model, max_image_side) for index, item in enumerate(listed)]


def kind_of(item: Item) -> str:
    """``text``, ``image``, ``pdf``, ``video``, ``audio`` or ``content``."""
    if isinstance(item, Media):
        return item.kind
    return "content" if isinstance(item, Group) else "text"


def size_of(item: Item) -> int:
    """About how many bytes an input takes in a request."""
    return len(item) if isinstance(item, str) else item.size


def tokens_of(item: Item) -> int:
    """About how many tokens an input has, for planning; of media as many as a small picture has."""
    if isinstance(item, str):
        return text_tokens(item) + 2
    return sum(map(tokens_of, item.parts)) if isinstance(item, Group) else _MEDIA_TOKENS


def text_tokens(text: str) -> int:
    """About how many tokens a text has, without its special tokens.

    One for four bytes of UTF-8, one for a character of three bytes or more. Beside two real tokenizers (that of
    cl100k_base and BERT's) it gave 0.9 to 1.3 times the tokens of prose and code in English, German and Chinese, and as
    little as half those of Russian, which BERT cuts into single letters.
    """
    if text.isascii():
        return -(-len(text) // _BYTES_PER_TOKEN)
    content = text.encode()
    return -(-(2 * len(content) - len(content.translate(None, _WIDE))) // _BYTES_PER_TOKEN)


def _from_mapping(
    item: Mapping[Any, Any], name: str, allowed: Set[Modality], model: str, max_image_side: int | None
) -> Item:
    keys = list(item)
    if keys == ["text"]:
        return as_text(item, name)
    if keys == ["content"]:
        if "audio" not in allowed:
            raise JinaInputError(f"{name} is a content group, and {model} takes none: only omni models fuse inputs")
        parts = as_items(item["content"], f"{name}['content']", allowed - {"pdf"}, model, max_image_side)
        if any(isinstance(part, Group) for part in parts):
            raise JinaInputError(f"{name} holds a content group in a content group")
        return Group([part for part in parts if not isinstance(part, Group)])
    kind = keys[0] if len(keys) == 1 else None
    if kind in _OLD_IMAGE_KEYS:
        kind = "image"
    if kind not in KINDS:
        raise JinaInputError(
            f"{name} must have one key of text, {', '.join(KINDS)} or content, got {sorted(map(str, keys))}"
        )
    _check_kind(kind, name, allowed, model)
    return Media(item[keys[0]], kind, name, max_image_side)


def _check_kind(kind: str, name: str, allowed: Set[Modality], model: str) -> None:
    if kind not in allowed:
        article = "an" if kind[0] in "aeiou" else "a"
        raise JinaInputError(f"{name} is {article} {kind}, and {model} takes {', '.join(sorted(allowed))} only")


def _example(items: Any) -> str:
    if isinstance(items, str) and len(items) <= 30:
        return repr(items)
    return "…"
