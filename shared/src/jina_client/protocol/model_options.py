"""Checks of options against the model's row of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

from ..checks import check_choice, check_flag, check_whole
from ..errors import JinaInputError
from ..models import EMBEDDING_TYPES, EmbeddingType, Endpoint, Modality, Model, canonical_id, find_model, models_for
from ..options import EmbedOptions

ALL_MODALITIES: frozenset[Modality] = frozenset({"text", "image", "pdf", "video", "audio"})

_METHODS: Mapping[str, str] = {
    "embeddings": "embed",
    "multi-vector": "embed_multi_vector",
    "sparse": "embed_sparse",
    "rerank": "rerank",
}
"""The client's method for each endpoint that only some models have."""

_FLAGS = frozenset(name for name, hint in get_type_hints(EmbedOptions).items() if bool in (hint, *get_args(hint)))


def known_model(model: Any, endpoint: Endpoint) -> tuple[str, Model | None]:
    """Return the id as the wire has it, and the model's row; ``None`` for a model that is not in the catalog.

    Raises:
        JinaInputError: not an id, or a model of another endpoint.
    """
    if not isinstance(model, str) or not model.strip():
        raise JinaInputError(f"model must be a model id such as {models_for(endpoint)[0].id!r}, got {model!r}")
    row = find_model(model)
    if row is not None and endpoint not in row.fields:
        allowed = ", ".join(other.id for other in models_for(endpoint))
        other_call = next(
            (f"; or call {_METHODS[other]}() with {row.id}" for other in row.endpoints if other in _METHODS), ""
        )
        raise JinaInputError(
            f"{row.id} is a model for {' and '.join(row.endpoints)}, not {endpoint}; use one of: {allowed}{other_call}"
        )
    return (row.id if row else canonical_id(model)), row


def modalities(row: Model | None, endpoint: Endpoint) -> frozenset[Modality]:
    """Return the kinds of input that a model takes; an unknown model takes all."""
    return row.modalities_at(endpoint) if row else ALL_MODALITIES


def check_embedding_type(value: Any) -> EmbeddingType:
    """Return an encoding of vectors, or raise."""
    check_choice("embedding_type", value, EMBEDDING_TYPES)
    encoding: EmbeddingType = value
    return encoding


def check_flags(options: Mapping[str, Any]) -> None:
    """Check every option that is declared as a flag."""
    for name in _FLAGS & options.keys():
        check_flag(name, options[name])


def choose_task(row: Model | None, value: str | None) -> str | None:
    """Return the task to send: the caller's, else the model's own for documents.

    Without a task, jina-embeddings-v3 would run without its adapters; most of what is embedded are documents.
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


def check_dimensions(row: Model | None, endpoint: Endpoint, value: int | None) -> None:
    """Raise unless the model can give vectors of this length."""
    check_whole("dimensions", value)
    if value is None or row is None:
        return
    if "dimensions" not in row.fields[endpoint]:
        raise JinaInputError(
            f"{row.id} always gives {row.dimensions} dimensions at this endpoint: leave dimensions out (got {value})"
        )
    if not row.allows_dimensions(value):
        raise JinaInputError(f"{row.id} gives {row.allowed_dimensions} dimensions, got {value}")


def model_fields(row: Model | None, endpoint: Endpoint, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not ``None``, and raise for one that the model does not take."""
    fields = {name: value for name, value in options.items() if value is not None}
    for name in fields:
        if row and name not in row.fields[endpoint]:
            allowed = ", ".join(sorted(row.fields[endpoint])) or "none"
            raise JinaInputError(f"{row.id} does not take {name}; it takes: {allowed}")
    return fields
