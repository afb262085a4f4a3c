"""Validate inputs: strings, and objects that hold a text or a medium.

This module does not use pydantic, which reports every branch of a union that did not match. The hosted service reports
one problem per input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from jina_client.integration import Modality, Model, kind_of_string

from ..errors import FieldProblem, problem

FieldPath = tuple[str | int, ...]
Kind = Literal["text", "image", "pdf", "video", "audio", "content"]

TEXT_AND_IMAGE: frozenset[Modality] = frozenset({"text", "image"})
"""The inputs of trained classifiers."""

# The kind of an input by the key of its object. Older descriptions of the API have two more keys for an image.
_KINDS: dict[str, Kind] = {
    "text": "text",
    "image": "image",
    "url": "image",
    "bytes": "image",
    "pdf": "pdf",
    "video": "video",
    "audio": "audio",
    "content": "content",
}


@dataclass(frozen=True, slots=True)
class InputItem:
    """One input of a request.

    Attributes:
        kind: Its modality; ``content`` is a group of items that gets one vector.
        value: The text, or the medium as it was sent (a URL, a data URI or base64); empty for a group.
        field: Its path in the request, for error messages.
        parts: The items of a group.
    """

    kind: Kind
    value: str
    field: FieldPath
    parts: tuple[InputItem, ...] = ()


# The largest list limit of a model.
_MAX_PARTS = 2048

_INVALID = InputItem("text", "", ())


def read_inputs(
    value: Any, model: Model, kinds: frozenset[Modality], problems: list[FieldProblem]
) -> tuple[InputItem, ...]:
    """Validate the field ``input``: one item or a list of items.

    Args:
        value: The field's value; ``...`` if it is missing.
        model: The model, whose list limit applies.
        kinds: The accepted kinds of input. A PDF must be the whole input.
        problems: Receives the invalid fields.
    """
    if not isinstance(value, list):
        return (read_item(value, ("input",), kinds, problems),)
    if not value:
        message = "Input list cannot be empty. Provide at least one item."
        problems.append(problem(("input",), message, "value_error"))
    elif _is_tokens(value) or all(isinstance(item, list) and _is_tokens(item) for item in value):
        message = "Token ids are not supported, because only the tokenizer that made them can read them: send the text"
        problems.append(problem(("input",), message, "value_error"))
        return ()
    return read_list(value, "input", model.list_limit, kinds - {"pdf"}, problems)


def read_list(
    values: list[Any], field: str, most: int, kinds: frozenset[Modality], problems: list[FieldProblem]
) -> tuple[InputItem, ...]:
    """Validate the items of a list.

    Args:
        values: The list.
        field: Name of its field.
        most: Maximum number of items.
        kinds: The accepted kinds of input.
        problems: Receives the invalid fields.
    """
    if len(values) > most:
        message = f"Each input list can contain at most {most} items."
        problems.append(problem((field,), message, "too_long"))
        return ()
    return tuple(read_item(item, (field, index), kinds, problems) for index, item in enumerate(values))


def read_documents(
    value: Any, model: Model, kinds: frozenset[Modality], problems: list[FieldProblem]
) -> tuple[InputItem, ...]:
    """Validate the field ``documents``; see :func:`read_inputs` for the arguments."""
    if value is ...:
        problems.append(problem(("documents",), "Field required", "missing"))
        return ()
    if not isinstance(value, list):
        problems.append(problem(("documents",), "Input should be a valid list", "list_type", value))
        return ()
    if not value:
        message = "List should have at least 1 item after validation, not 0"
        problems.append(problem(("documents",), message, "too_short"))
    return read_list(value, "documents", model.list_limit, kinds, problems)


def read_query(value: Any, kinds: frozenset[Modality], problems: list[FieldProblem]) -> InputItem:
    """Validate the field ``query``, which must be a string if the model accepts only text."""
    if isinstance(value, dict) and kinds == {"text"}:
        problems.append(problem(("query",), "Input should be a valid string", "string_type"))
        return _INVALID
    return read_item(value, ("query",), kinds, problems)


def read_item(
    value: Any, field: FieldPath, kinds: frozenset[Modality], problems: list[FieldProblem], *, grouped: bool = False
) -> InputItem:
    """Validate one item: a string, or an object that holds one text or medium.

    Args:
        value: The item; ``...`` if it is missing.
        field: Its path in the request.
        kinds: The accepted kinds of input.
        problems: Receives the invalid fields.
        grouped: Whether the item is part of a group.
    """
    if value is ...:
        problems.append(problem(field, "Field required", "missing"))
        return _INVALID
    if isinstance(value, str) and not grouped:
        return _read_string(value, field, kinds, problems)
    if grouped and not isinstance(value, dict):
        message = "Input should be an object that holds a text or a medium, such as {'text': …}"
        problems.append(problem(field, message, "model_type", value))
        return _INVALID
    if not isinstance(value, dict):
        problems.append(problem(field, "Input should be a valid string", "string_type", value))
        return _INVALID
    keys = [key for key in value if key in _KINDS]
    if not keys:
        problems.append(problem((*field, "text"), "Field required", "missing"))
        return _INVALID
    if len(keys) > 1:
        message = f"An item must hold exactly one of {', '.join(map(repr, keys))}"
        problems.append(problem(field, message, "value_error"))
        return _INVALID
    kind, content = _KINDS[keys[0]], value[keys[0]]
    if reason := _unsupported(kind, kinds, grouped):
        problems.append(problem(field, reason, "unsupported_modality"))
        return _INVALID
    if kind == "content":
        return InputItem("content", "", field, _read_parts(content, (*field, "content"), kinds, problems))
    if not isinstance(content, str):
        problems.append(problem((*field, keys[0]), "Input should be a valid string", "string_type", content))
        return _INVALID
    return InputItem(kind, content, (*field, keys[0]) if kind != "text" else field)


def _read_string(value: str, field: FieldPath, kinds: frozenset[Modality], problems: list[FieldProblem]) -> InputItem:
    """Return a text, or a medium that was sent as a bare data URI or base64, as some integrations do."""
    kind = kind_of_string(value)
    if kind is None:
        return InputItem("text", value, field)
    if reason := _unsupported(kind, kinds, grouped=False):
        message = f"The string is a data URI or base64 of a file ({kind}), not a text. {reason}"
        problems.append(problem(field, message, "unsupported_modality"))
        return _INVALID
    return InputItem(kind, value, field)


def _is_tokens(value: list[Any]) -> bool:
    """Return whether a list consists of token ids, as OpenAI's API takes them."""
    return bool(value) and all(isinstance(item, int) and not isinstance(item, bool) for item in value)


def _unsupported(kind: Kind, kinds: frozenset[Modality], grouped: bool) -> str | None:
    """Return the reason why an item of a kind is invalid, or ``None`` if it is valid."""
    if kind == "content":
        if grouped:
            return "A group cannot contain another group"
        return None if "audio" in kinds else "This model does not take groups of inputs as one"
    if kind == "pdf" and "image" in kinds and "pdf" not in kinds:
        return "A PDF must be the only input of its request: send {'pdf': …} instead of a list"
    if kind not in kinds:
        accepted = "text" if kinds == {"text"} else f"one of {', '.join(sorted(kinds))}"
        return f"This model does not take items with '{kind}' here: send {accepted}"
    if kind in ("video", "audio"):
        return f"This engine cannot read {kind}: it reads the text in texts, images and PDFs only"
    return None


def _read_parts(
    value: Any, field: FieldPath, kinds: frozenset[Modality], problems: list[FieldProblem]
) -> tuple[InputItem, ...]:
    if not isinstance(value, list):
        problems.append(problem(field, "Input should be a valid list", "list_type", value))
        return ()
    if not value:
        message = "List should have at least 1 item after validation, not 0"
        problems.append(problem(field, message, "too_short"))
    if len(value) > _MAX_PARTS:
        problems.append(problem(field, f"A group has at most {_MAX_PARTS} items, not {len(value):,}", "too_long"))
        return ()
    return tuple(
        read_item(part, (*field, index), kinds - {"pdf"}, problems, grouped=True) for index, part in enumerate(value)
    )
