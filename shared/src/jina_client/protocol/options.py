"""Checks of single options, shared by all requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import JinaInputError
from ..models import EMBEDDING_TYPES, Endpoint, Modality, Model, canonical_id, find_model, models_for

ALL_MODALITIES: frozenset[Modality] = frozenset({"text", "image", "pdf", "video", "audio"})


def known_model(model: Any, endpoint: Endpoint) -> tuple[str, Model | None]:
    """The id as the wire has it, and the model's row; ``None`` for a model that the catalogue does not have."""
    if not isinstance(model, str) or not model.strip():
        raise JinaInputError(f"model must be a model id such as {models_for(endpoint)[0].id!r}, got {model!r}")
    row = find_model(model)
    if row is not None and endpoint not in row.fields:
        allowed = ", ".join(known.id for known in models_for(endpoint))
        raise JinaInputError(
            f"{row.id} is a model for {' and '.join(row.endpoints)}, not {endpoint}; use one of: {allowed}"
        )
    return (row.id if row else canonical_id(model)), row


def modalities(row: Model | None, endpoint: Endpoint) -> frozenset[Modality]:
    """The kinds of input that a model takes; an unknown one takes all."""
    return row.modalities_at(endpoint) if row else ALL_MODALITIES


def embedding_type(value: Any) -> None:
    """Refuse what is no encoding of vectors."""
    if value not in EMBEDDING_TYPES:
        raise JinaInputError(f"embedding_type must be one of {', '.join(EMBEDDING_TYPES)}, got {value!r}")


def flags(**values: bool | None) -> None:
    """Refuse a flag that is neither ``True``, ``False`` nor ``None``."""
    for name, value in values.items():
        if value is not None and not isinstance(value, bool):
            raise JinaInputError(f"{name} must be True or False, got {value!r}")


def whole(name: str, value: Any, low: int = 1, high: int | None = None, unit: str = "") -> None:
    """Refuse what is no whole number between two bounds; ``None`` passes."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        span = f"of {low} or more" if high is None else f"from {low} to {high}"
        raise JinaInputError(f"{name} must be a whole number {span}{unit and f' ({unit})'}, got {value!r}")


def one_of(name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse what is none of the choices."""
    if value not in choices:
        raise JinaInputError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def task(row: Model | None, value: str | None) -> str | None:
    """The task that is sent: the caller's, else the one that the model has for documents.

    Without a task, jina-embeddings-v3 would run without its adapters; documents are what is embedded most.
    """
    if row is None:
        return value
    if value is None:
        return row.task_for("document")
    if not row.tasks:
        raise JinaInputError(f"{row.id} has no tasks: leave task out (got {value!r})")
    if value not in row.tasks:
        raise JinaInputError(f"{row.id} has no task {value!r}; it has: {', '.join(row.tasks)}")
    return value


def dimensions(row: Model | None, endpoint: Endpoint, value: int | None) -> int | None:
    """The length of the vectors, if the model can give it."""
    whole("dimensions", value)
    if value is None or row is None:
        return value
    if "dimensions" not in row.fields[endpoint]:
        raise JinaInputError(
            f"{row.id} always gives {row.dimensions} dimensions here: leave dimensions out (got {value})"
        )
    if not row.allows_dimensions(value):
        raise JinaInputError(f"{row.id} gives {row.allowed_dimensions} dimensions, got {value}")
    return value


def taken(row: Model | None, endpoint: Endpoint, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that were given, all of them fields that the model takes."""
    fields = {name: value for name, value in given.items() if value is not None}
    for name in fields:
        if row and name not in row.fields[endpoint]:
            allowed = ", ".join(sorted(row.fields[endpoint])) or "none"
            raise JinaInputError(f"{row.id} does not take {name}; it takes: {allowed}")
    return fields
