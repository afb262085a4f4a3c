"""What a caller passes, made into what the wire carries, or refused with the place of the first bad item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from .errors import JinaInputError


def as_list(items: Any, name: str) -> list[Any]:
    """Any iterable of items as a list with at least one.

    Raises:
        JinaInputError: a single string or bytes (which Python would iterate letter by letter), a mapping or a set
            (whose order is not the caller's), something that is no iterable, or nothing.
    """
    if isinstance(items, (str, bytes, Mapping, Set)) or not isinstance(items, Iterable):
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


def _example(items: Any) -> str:
    if isinstance(items, str) and len(items) <= 30:
        return repr(items)
    return "…"
