"""Inputs: strings, and objects that hold a text or a medium.

They are read by hand, because pydantic reports every branch of a union that did not match where the service reports
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from jina_client.models import Modality, Model

from ..errors import FieldProblem, problem

Field = tuple[str | int, ...]
Kind = Literal["text", "image", "pdf", "video", "audio", "content"]

# By the key of an object. Older descriptions of the API have an image under two further names.
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
class Item:
    """One input.

    Attributes:
        kind: what it is; ``content`` is a group of others that gives one vector.
        value: the text, or the medium as it was sent (a URL, a data URI or base64); nothing for a group.
        field: where it stands in the request, for complaints.
        parts: of a group.
    """

    kind: Kind
    value: str
    field: Field
    parts: tuple[Item, ...] = ()


_NOTHING = Item("text", "", ())


def read_inputs(value: Any, model: Model, kinds: frozenset[Modality], problems: list[FieldProblem]) -> tuple[Item, ...]:
    """The field ``input``: one item or a list of them.

    Args:
        value: what was sent; ``...`` for nothing.
        model: whose list limit holds.
        kinds: what may be sent. A PDF must be the whole input.
        problems: where what is wrong is added.
    """
    if not isinstance(value, list):
        return (read_item(value, ("input",), kinds, problems),)
    if not value:
        message = "Input list cannot be empty. Provide at least one item."
        problems.append(problem(("input",), message, "value_error"))
    return read_list(value, "input", model.list_limit, kinds - {"pdf"}, problems)


def read_list(
    values: list[Any], field: str, most: int, kinds: frozenset[Modality], problems: list[FieldProblem]
) -> tuple[Item, ...]:
    """The items of a list that holds at most ``most``."""
    if len(values) > most:
        message = f"Each input list can contain at most {most} items."
        problems.append(problem((field,), message, "too_long"))
        return ()
    return tuple(read_item(item, (field, index), kinds, problems) for index, item in enumerate(values))


def read_documents(
    value: Any, model: Model, kinds: frozenset[Modality], problems: list[FieldProblem]
) -> tuple[Item, ...]:
    """The field ``documents``."""
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


def read_query(value: Any, kinds: frozenset[Modality], problems: list[FieldProblem]) -> Item:
    """The field ``query``, which is a string where nothing but text is taken."""
    if isinstance(value, dict) and kinds == {"text"}:
        problems.append(problem(("query",), "Input should be a valid string", "string_type"))
        return _NOTHING
    return read_item(value, ("query",), kinds, problems)


def read_item(
    value: Any, field: Field, kinds: frozenset[Modality], problems: list[FieldProblem], *, grouped: bool = False
) -> Item:
    """A string, or an object that holds one text or medium of the kinds that are taken."""
    if isinstance(value, str):
        return Item("text", value, field)
    if value is ...:
        problems.append(problem(field, "Field required", "missing"))
        return _NOTHING
    if not isinstance(value, dict):
        problems.append(problem(field, "Input should be a valid string", "string_type", value))
        return _NOTHING
    keys = [key for key in value if key in _KINDS]
    if not keys:
        problems.append(problem((*field, "text"), "Field required", "missing"))
        return _NOTHING
    if len(keys) > 1:
        message = f"An item holds one of {', '.join(map(repr, keys))}, not all of them"
        problems.append(problem(field, message, "value_error"))
        return _NOTHING
    kind, inner = _KINDS[keys[0]], value[keys[0]]
    if complaint := _refused(kind, kinds, grouped):
        problems.append(problem(field, complaint, "unsupported_modality"))
        return _NOTHING
    if kind == "content":
        return Item("content", "", field, _parts(inner, (*field, "content"), kinds, problems))
    if not isinstance(inner, str):
        problems.append(problem((*field, keys[0]), "Input should be a valid string", "string_type", inner))
        return _NOTHING
    return Item(kind, inner, (*field, keys[0]) if kind != "text" else field)


def _refused(kind: Kind, kinds: frozenset[Modality], grouped: bool) -> str | None:
    """Why an item of a kind cannot be taken."""
    if kind == "content":
        if grouped:
            return "A group cannot hold another group"
        return None if "audio" in kinds else "This model does not take groups of inputs as one"
    if kind == "pdf" and "image" in kinds and "pdf" not in kinds:
        return "A PDF must be the only input of its request: send {'pdf': …} instead of a list"
    if kind not in kinds:
        return f"This model does not take items with '{kind}' here: send {_listed(kinds)}"
    if kind in ("video", "audio"):
        return f"This engine cannot read {kind}: it finds text in texts, images and PDFs only"
    return None


def _listed(kinds: frozenset[Modality]) -> str:
    return "text" if kinds == {"text"} else f"one of {', '.join(sorted(kinds))}"


def _parts(value: Any, field: Field, kinds: frozenset[Modality], problems: list[FieldProblem]) -> tuple[Item, ...]:
    if not isinstance(value, list):
        problems.append(problem(field, "Input should be a valid list", "list_type", value))
        return ()
    if not value:
        message = "List should have at least 1 item after validation, not 0"
        problems.append(problem(field, message, "too_short"))
    return tuple(
        read_item(part, (*field, index), kinds - {"pdf"}, problems, grouped=True) for index, part in enumerate(value)
    )
