"""Validate requests to ``/v1/classify`` and ``/v1/train``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Optional

from jina_client.integration import (
    MAX_EXAMPLES,
    MAX_GROUP_LABELS,
    MAX_GROUPS,
    MAX_LABELS,
    MODELS,
    Modality,
    Model,
)
from pydantic import BaseModel, ConfigDict, Field

from ..errors import FieldProblem, InvalidFieldsError, RejectedRequestError, problem
from .inputs import TEXT_AND_IMAGE, InputItem, read_inputs, read_list
from .options import (
    Catalog,
    WholeNumber,
    as_object,
    canonical_fields,
    modalities_at,
    read_model,
    read_options,
    validate_fields,
)

Labels = dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroShotBody:
    """A valid classification request with labels.

    Attributes:
        model: The requested model.
        inputs: The inputs, in order.
        groups: The labels of each group; a plain list of labels is one group named "".
        grouped: Whether the labels were sent in groups.
    """

    model: Model
    inputs: tuple[InputItem, ...]
    groups: Labels
    grouped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FewShotBody:
    """A valid classification request for a trained classifier."""

    classifier_id: str
    inputs: tuple[InputItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainBody:
    """A valid training request. Exactly one of ``model`` and ``classifier_id`` is set.

    Attributes:
        model: Model of a new classifier.
        classifier_id: Id of an existing classifier to train further.
        inputs: The examples.
        labels: Label of each example.
        access: ``public`` or ``private``.
        num_iters: Training iterations.
    """

    model: Model | None
    classifier_id: str | None
    inputs: tuple[InputItem, ...]
    labels: list[str]
    access: str = "public"
    num_iters: int = 10


class _FewShotFields(BaseModel):
    model_config = ConfigDict(extra="forbid")

    classifier_id: str


class _FurtherTrainingFields(_FewShotFields):
    num_iters: Optional[Annotated[WholeNumber, Field(ge=1, le=1000)]] = None  # noqa: UP045


def read_classify_body(body: Any, served: Catalog = MODELS) -> ZeroShotBody | FewShotBody:
    """Validate the body of ``POST /v1/classify``.

    Args:
        body: The body, decoded from JSON.
        served: The models that are served.

    Raises:
        InvalidFieldsError: A field is missing, unknown or invalid (422).
        RejectedRequestError: The model is not served for classification (400).
    """
    content, problems = as_object(body), list[FieldProblem]()
    if "classifier_id" in content:
        fields = canonical_fields(content, ("input", "classifier_id"))
        inputs = _read_classify_inputs(fields.pop("input", ...), TEXT_AND_IMAGE, problems)
        options = validate_fields(_FewShotFields, fields, problems)
        if problems:
            raise InvalidFieldsError(problems)
        return FewShotBody(classifier_id=options["classifier_id"], inputs=inputs)
    model, fields = read_model(content, "classify", ("input", "labels"), served)
    inputs = _read_classify_inputs(fields.pop("input", ...), modalities_at(model, "classify"), problems, model)
    labels = fields.pop("labels", ...)
    groups = _read_groups(labels, problems)
    read_options(model, "classify", fields, problems)
    if problems:
        raise InvalidFieldsError(problems)
    return ZeroShotBody(model=model, inputs=inputs, groups=groups, grouped=isinstance(labels, dict))


def read_train_body(body: Any, served: Catalog = MODELS) -> TrainBody:
    """Validate the body of ``POST /v1/train``.

    Args:
        body: The body, decoded from JSON.
        served: The models that are served.

    Raises:
        InvalidFieldsError: A field is missing, unknown or invalid (422).
        RejectedRequestError: The model is not served for training, or there is only one label (400).
    """
    content, problems = as_object(body), list[FieldProblem]()
    model: Model | None = None
    if "classifier_id" in content:
        fields = canonical_fields(content, ("input", "classifier_id"))
        examples = fields.pop("input", ...)
        inputs, labels = _read_examples(
            [examples] if isinstance(examples, dict) else examples, TEXT_AND_IMAGE, problems
        )
        options = validate_fields(_FurtherTrainingFields, fields, problems)
    else:
        model, fields = read_model(content, "train", ("input",), served)
        inputs, labels = _read_examples(fields.pop("input", ...), modalities_at(model, "train"), problems)
        options = read_options(model, "train", fields, problems)
    if problems:
        raise InvalidFieldsError(problems)
    if model is not None and len(set(labels)) < 2:
        message = "Invalid training labels. At least 2 unique labels are required for training."
        raise RejectedRequestError(message, "INPUT_INVALID_LABELS")
    return TrainBody(model=model, inputs=inputs, labels=labels, **{"classifier_id": None, **options})


def _read_classify_inputs(
    value: Any, kinds: frozenset[Modality], problems: list[FieldProblem], model: Model | None = None
) -> tuple[InputItem, ...]:
    # All models have the same list limit. A trained classifier's model is not looked up yet.
    return read_inputs(value, model or MODELS["jina-clip-v2"], kinds - {"pdf"}, problems)


def _read_groups(value: Any, problems: list[FieldProblem]) -> Labels:
    if value is ...:
        problems.append(problem(("labels",), "Field required", "missing"))
        return {}
    if isinstance(value, list):
        return {"": _read_labels(value, ("labels",), MAX_LABELS, problems)}
    if not isinstance(value, dict):
        problems.append(problem(("labels",), "Input should be a valid list", "list_type", value))
        return {}
    if not 1 <= len(value) <= MAX_GROUPS:
        message = f"Dictionary should have 1 to {MAX_GROUPS} items after validation, not {len(value)}"
        problems.append(problem(("labels",), message, "too_long" if value else "too_short"))
        return {}
    return {name: _read_labels(labels, ("labels", name), MAX_GROUP_LABELS, problems) for name, labels in value.items()}


def _read_labels(value: Any, field: tuple[str, ...], most: int, problems: list[FieldProblem]) -> list[str]:
    if not isinstance(value, list):
        problems.append(problem(field, "Input should be a valid list", "list_type", value))
        return []
    if not value:
        problems.append(problem(field, "List should have at least 1 item after validation, not 0", "too_short"))
    if len(value) > most:
        message = f"List should have at most {most} items after validation, not {len(value)}"
        problems.append(problem(field, message, "too_long"))
        return []
    for index, label in enumerate(value):
        if not isinstance(label, str):
            problems.append(problem((*field, index), "Input should be a valid string", "string_type", label))
    return value


def _read_examples(
    value: Any, kinds: frozenset[Modality], problems: list[FieldProblem]
) -> tuple[tuple[InputItem, ...], list[str]]:
    """Validate training examples of the form ``{"text" or "image": …, "label": …}``."""
    if value is ...:
        problems.append(problem(("input",), "Field required", "missing"))
        return (), []
    if not isinstance(value, list):
        problems.append(problem(("input",), "Input should be a valid list", "list_type", value))
        return (), []
    if not value:
        problems.append(problem(("input",), "Input list cannot be empty. Provide at least one item.", "value_error"))
    labels = []
    for index, example in enumerate(value[:MAX_EXAMPLES]):
        label = example.get("label", ...) if isinstance(example, dict) else ...
        if label is ...:
            problems.append(problem(("input", index, "label"), "Field required", "missing"))
        elif not isinstance(label, str):
            problems.append(problem(("input", index, "label"), "Input should be a valid string", "string_type", label))
        else:
            labels.append(label)
    return read_list(value, "input", MAX_EXAMPLES, kinds, problems), labels
