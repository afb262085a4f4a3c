"""Inputs: the caller's values in the form of requests. The first invalid one raises an error with its index.

A string is always a text, never a path or a URL. Other inputs are:

- ``{"image": …}``, ``{"pdf": …}``, ``{"video": …}`` or ``{"audio": …}`` with a value of any shape, see
  :class:`jina_client.media.Media`;
- a ``Path``, bytes, a binary file or a PIL image, whose content shows the kind;
- ``{"content": […]}``, several of these fused into one vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, TypeAlias

from .checks import check_whole, kind_of_value
from .errors import JinaInputError
from .media import KINDS, Media, is_media, kind_of_string
from .models import Modality

Item: TypeAlias = "str | Media | ContentGroup"
"""One input as the client keeps it."""

_BYTES_PER_TOKEN = 4
# First bytes of UTF-8 characters of three and four bytes, which most East Asian text consists of: about a token each.
_WIDE = bytes(range(0xE0, 0xF8))
# For planning only: the tokens of a small image.
_MEDIA_TOKENS = 1000

# Keys that older services used for images; sent as {"image": …}.
_OLD_IMAGE_KEYS = ("url", "bytes")


class ContentGroup:
    """Several inputs that become one vector (``jina-embeddings-v5-omni``)."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[str | Media]) -> None:
        self.parts = tuple(parts)

    @property
    def size(self) -> int:
        """The estimated size in a request, in bytes."""
        return sum(size_of(part) for part in self.parts)

    @property
    def held(self) -> int:
        """The number of bytes of the media that are in memory."""
        return sum(held_by(part) for part in self.parts)

    def wire(self) -> dict[str, Any]:
        """Return the form of the published schema, see :mod:`jina_client.json_body`."""
        return {"content": [{"text": part} if isinstance(part, str) else part.wire() for part in self.parts]}

    def identity(self) -> dict[str, Any]:
        """Return a value for :mod:`jina_client.json_body` that is the same for equal inputs."""
        return {"content": [{"text": part} if isinstance(part, str) else part.identity() for part in self.parts]}


def as_list(items: Any, name: str) -> list[Any]:
    """Return any iterable as a list with at least one item.

    Raises:
        JinaInputError: a single string or bytes (which Python would iterate letter by letter), a mapping or a set
            (which have no order of their own), something that is not iterable, or an empty iterable.
    """
    if isinstance(items, (str, bytes, Mapping, Set)) or is_media(items) or not isinstance(items, Iterable):
        raise JinaInputError(
            f"{name} must be a list, got {kind_of_value(items)}; for a single one pass [{_example(items)}]"
        )
    result = list(items)
    if not result:
        raise JinaInputError(f"{name} is empty: pass at least one")
    return result


def checked_iterable(inputs: Any) -> Iterable[Any]:
    """Return inputs that can be iterated over; a single string is not meant as one.

    Raises:
        JinaInputError: a string, bytes, or something that is not iterable.
    """
    if isinstance(inputs, (str, bytes)) or not isinstance(inputs, Iterable):
        raise JinaInputError(f"inputs must be an iterable of inputs, got {type(inputs).__name__}")
    return inputs


def as_text(item: Any, name: str) -> str:
    """Return one text: a string, or the wire's ``{"text": …}``.

    Raises:
        JinaInputError: anything else, or a string that UTF-8 cannot carry.
    """
    text = item["text"] if isinstance(item, Mapping) and set(item) == {"text"} else item
    if not isinstance(text, str):
        kind = "None" if item is None else type(item).__name__
        if isinstance(item, (list, tuple)) and item and all(type(each) is int for each in item):
            kind += " of token ids, which no service of this API reads: pass the text itself"
        raise JinaInputError(f"{name} must be a string, got {kind}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise JinaInputError(
            f"{name} contains a lone surrogate at character {error.start}, which UTF-8 cannot encode; "
            "decode the text with errors='replace' when you read it"
        ) from None
    return text


def as_texts(items: Any, name: str) -> list[str]:
    """Return any iterable of texts as a list of strings; see :func:`as_list` and :func:`as_text`."""
    return [as_text(item, f"{name}[{index}]") for index, item in enumerate(as_list(items, name))]


def as_item(item: Any, name: str, allowed: Set[Modality], model: str, max_image_side: int | None = None) -> Item:
    """Return one input of any kind that a model takes.

    Args:
        item: see the module.
        name: its name in errors.
        allowed: the kinds that the model takes.
        model: the model's id, for errors.
        max_image_side: see :class:`jina_client.media.Media`.

    Raises:
        JinaInputError: another kind, or something that is not an input at all.
    """
    if isinstance(item, str):
        if "image" in allowed and (kind := kind_of_string(item)):
            raise JinaInputError(
                f"{name} is a data URI or base64 of {_a(kind)}, and strings are embedded as text: pass {{{kind!r}: …}}"
            )
        return as_text(item, name)
    result: Item
    if isinstance(item, Mapping):
        result = _from_mapping(item, name, allowed, model, max_image_side)
    elif is_media(item) and allowed > {"text"}:
        result = Media(item, None, name, max_image_side)
    else:
        return as_text(item, name)
    if isinstance(result, Media):
        _check_kind(result.kind, name, allowed, model)
    return result


def as_items(
    items: Any, name: str, allowed: Set[Modality], model: str, max_image_side: int | None = None
) -> list[Item]:
    """Return any iterable of inputs as a list; see :func:`as_list` and :func:`as_item`."""
    values = as_list(items, name)
    check_whole("max_image_side", max_image_side, unit="pixels")
    if "image" not in allowed and set(map(type, values)) <= {str} and all(map(str.isascii, values)):
        # Nothing else can be wrong with them.
        return values
    return [as_item(value, f"{name}[{index}]", allowed, model, max_image_side) for index, value in enumerate(values)]


def kind_of(item: Item) -> str:
    """Return ``text``, ``image``, ``pdf``, ``video``, ``audio`` or ``content``."""
    if isinstance(item, Media):
        return item.kind
    return "content" if isinstance(item, ContentGroup) else "text"


def are_texts(items: Sequence[Item]) -> bool:
    """Return whether all inputs are texts."""
    # The types of all items take a tenth of the time of a look at each.
    return set(map(type, items)) <= {str} or all(isinstance(item, str) for item in items)


def size_of(item: Item) -> int:
    """Return the estimated size of an input in a request, in bytes."""
    return len(item) if isinstance(item, str) else item.size


def held_by(item: Item) -> int:
    """Return the number of bytes that an input keeps in memory, without those of texts."""
    return 0 if isinstance(item, str) else item.held


def tokens_of(item: Item) -> int:
    """Return the estimated tokens of an input, for planning; media count as a small image."""
    if isinstance(item, str):
        return text_tokens(item) + 2
    return sum(map(tokens_of, item.parts)) if isinstance(item, ContentGroup) else _MEDIA_TOKENS


def tokens_of_all(items: Sequence[Item]) -> int:
    """Return the estimated tokens of some inputs."""
    return sum([text_tokens(item) + 2 if type(item) is str else tokens_of(item) for item in items])


def text_tokens(text: str) -> int:
    """Return the estimated tokens of a text, without its special tokens.

    One token for four bytes of UTF-8, or for a character of three bytes or more. Measured against the tokenizers
    cl100k_base and BERT, that is 0.9 to 1.3 times the tokens of prose and code in English, German and Chinese, and as
    little as half of those in Russian, which BERT splits into single letters.
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
            raise JinaInputError(
                f"{name} is a content group, which {model} does not take: "
                "use an omni model such as jina-embeddings-v5-omni-small"
            )
        parts = as_items(item["content"], f"{name}['content']", allowed - {"pdf"}, model, max_image_side)
        if any(isinstance(part, ContentGroup) for part in parts):
            raise JinaInputError(f"{name} contains a content group inside a content group: put all parts into one list")
        return ContentGroup([part for part in parts if not isinstance(part, ContentGroup)])
    kind = keys[0] if len(keys) == 1 else None
    if kind in _OLD_IMAGE_KEYS:
        kind = "image"
    if kind not in KINDS:
        raise JinaInputError(
            f"{name} must have exactly one of the keys text, {', '.join(KINDS)} and content, "
            f"got {sorted(map(str, keys))}"
        )
    _check_kind(kind, name, allowed, model)
    return Media(item[keys[0]], kind, name, max_image_side)


def _check_kind(kind: str, name: str, allowed: Set[Modality], model: str) -> None:
    if kind not in allowed:
        raise JinaInputError(f"{name} is {_a(kind)}, and {model} takes {', '.join(sorted(allowed))} only")


def _a(kind: str) -> str:
    """Return a kind of input with its article."""
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _example(items: Any) -> str:
    if isinstance(items, str) and len(items) <= 30:
        return repr(items)
    return "…"
