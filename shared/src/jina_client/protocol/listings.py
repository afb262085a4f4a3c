"""Requests for lists: the service's models, and the caller's trained classifiers."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ..errors import JinaInputError, JinaResponseError
from ..models import canonical_id
from ..results import ClassifierInfo, ModelInfo
from .call import Call
from .responses import as_object, as_objects, as_string, count_of


def models_call(model: str | None = None) -> Call:
    """Return the call for all models, or for one.

    Raises:
        JinaInputError: not a model id.
    """
    if model is not None and (not isinstance(model, str) or not model.strip()):
        raise JinaInputError(f"model must be a model id, got {model!r}")
    return Call(f"models/{quote(canonical_id(model), safe='')}" if model else "models", method="GET")


def read_model(value: Any) -> ModelInfo:
    """Return one model as the service describes it; other servers of this API say less."""
    body = as_object(value)
    return ModelInfo(
        id=canonical_id(as_string(body.get("id"), "the model's id")),
        name=str(body.get("name") or ""),
        hugging_face_id=str(body.get("hugging_face_id") or ""),
        input_modalities=_strings(body.get("input_modalities")),
        output_modalities=_strings(body.get("output_modalities")),
        context_length=count_of(body.get("context_length")) or count_of(body.get("max_model_len")) or 0,
        description=str(body.get("description") or ""),
        details=body,
    )


def read_models(value: Any) -> list[ModelInfo]:
    """Return all models."""
    return [read_model(item) for item in as_objects(as_object(value).get("data"), "data")]


def classifiers_call() -> Call:
    """Return the call for the caller's classifiers."""
    return Call("classifiers", method="GET")


def delete_classifier_call(classifier_id: Any) -> Call:
    """Return the call that deletes a classifier."""
    if not isinstance(classifier_id, str) or not classifier_id.strip():
        raise JinaInputError(f"classifier_id must be a string, got {classifier_id!r}")
    return Call(f"classifiers/{quote(classifier_id, safe='')}", method="DELETE")


def read_classifiers(value: Any) -> list[ClassifierInfo]:
    """Return the caller's classifiers."""
    if not isinstance(value, list):
        raise JinaResponseError(f"the response is a JSON {type(value).__name__}, expected a list of classifiers")
    return [_classifier(item) for item in as_objects(value, "classifiers")]


def _classifier(body: dict[str, Any]) -> ClassifierInfo:
    return ClassifierInfo(
        classifier_id=as_string(body.get("classifier_id"), "a classifier's id"),
        model=str(body.get("model") or ""),
        labels=_strings(body.get("labels")),
        access=str(body.get("access") or ""),
        created_at=body.get("created_at"),
        updated_at=body.get("updated_at"),
        used_at=body.get("used_at"),
        updated_number=count_of(body.get("updated_number")) or 0,
        used_number=count_of(body.get("used_number")) or 0,
        is_active=body.get("is_active") is not False,
        is_latest=body.get("is_latest") is not False,
        metadata=body.get("metadata_") or {},
    )


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
