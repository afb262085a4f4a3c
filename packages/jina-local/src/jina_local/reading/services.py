"""Requests for classes, classifiers, segments and batch jobs: what is valid, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional

from jina_client.models import MODELS, Modality, Model
from jina_client.protocol.batch import MAX_INLINE
from jina_client.protocol.classification import MAX_EXAMPLES, MAX_GROUP_LABELS, MAX_GROUPS, MAX_LABELS
from jina_client.protocol.segmentation import LONGEST_TEXT, TOKENIZERS
from pydantic import BaseModel, ConfigDict, Field

from ..errors import FieldProblem, InvalidRequest, RefusedRequest, problem
from .fields import Catalogue, as_object, canonical, known_model, read_options, takes, validated
from .items import Item, read_inputs, read_list

PICTURES: frozenset[Modality] = frozenset({"text", "image"})
MAX_CLASSES = 16
"""Labels of one trained classifier: the service's limit."""

Labels = dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroShotRequest:
    """A valid request for the best of some labels.

    Attributes:
        groups: the labels of each group; one group named "" for a plain list.
        grouped: whether they came in groups.
    """

    model: Model
    inputs: tuple[Item, ...]
    groups: Labels
    grouped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FewShotRequest:
    """A valid request for the label that a trained classifier gives."""

    classifier_id: str
    inputs: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """A valid training.

    Attributes:
        model: of a new classifier.
        classifier_id: of one that exists. One of the two is ``None``.
    """

    model: Model | None
    classifier_id: str | None
    inputs: tuple[Item, ...]
    labels: list[str]
    access: str = "public"
    num_iters: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """A valid batch job: its lines, or where they are to be fetched from.

    Attributes:
        options: what every line's request for embeddings has besides its input.
    """

    model: Model
    lines: list[Any] | None
    input_url: str | None
    options: Mapping[str, Any]


class SegmentRequest(BaseModel):
    """A valid request for segments; by query parameters too, so numbers may come as text."""

    model_config = ConfigDict(extra="forbid")

    content: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT - 1)]
    tokenizer: Literal[TOKENIZERS] = "cl100k_base"  # type: ignore[valid-type]
    return_tokens: bool = False
    return_chunks: bool = False
    max_chunk_length: Annotated[int, Field(ge=1)] = 1000
    head: Optional[Annotated[int, Field(ge=1)]] = None  # noqa: UP045
    tail: Optional[Annotated[int, Field(ge=1)]] = None  # noqa: UP045


class _FewShotFields(BaseModel):
    model_config = ConfigDict(extra="forbid")

    classifier_id: str


class _FurtherFields(_FewShotFields):
    num_iters: Optional[Annotated[int, Field(ge=1, le=1000)]] = None  # noqa: UP045


def read_classify_request(body: Any, served: Catalogue = MODELS) -> ZeroShotRequest | FewShotRequest:
    """Read the body of ``POST /v1/classify``, decoded from JSON.

    Raises:
        InvalidRequest: a field is missing, unknown or wrong (422).
        RefusedRequest: the model is not one that classifies (400).
    """
    sent, problems = as_object(body), list[FieldProblem]()
    if "classifier_id" in sent:
        fields = canonical(sent, ("input", "classifier_id"))
        inputs = _classified(fields.pop("input", ...), PICTURES, problems)
        options = validated(_FewShotFields, fields, problems)
        if problems:
            raise InvalidRequest(problems)
        return FewShotRequest(classifier_id=options["classifier_id"], inputs=inputs)
    model, fields = known_model(sent, "classify", ("input", "labels"), served)
    inputs = _classified(fields.pop("input", ...), takes(model, "classify"), problems, model)
    labels = fields.pop("labels", ...)
    groups = _groups(labels, problems)
    read_options(model, "classify", fields, problems)
    if problems:
        raise InvalidRequest(problems)
    return ZeroShotRequest(model=model, inputs=inputs, groups=groups, grouped=isinstance(labels, dict))


def read_train_request(body: Any, served: Catalogue = MODELS) -> TrainRequest:
    """Read the body of ``POST /v1/train``, decoded from JSON; raises as :func:`read_classify_request` does."""
    sent, problems = as_object(body), list[FieldProblem]()
    model: Model | None = None
    if "classifier_id" in sent:
        fields = canonical(sent, ("input", "classifier_id"))
        examples = fields.pop("input", ...)
        inputs, labels = _examples([examples] if isinstance(examples, dict) else examples, PICTURES, problems)
        options = validated(_FurtherFields, fields, problems)
    else:
        model, fields = known_model(sent, "train", ("input",), served)
        inputs, labels = _examples(fields.pop("input", ...), takes(model, "train"), problems)
        options = read_options(model, "train", fields, problems)
    if problems:
        raise InvalidRequest(problems)
    if model is not None and len(set(labels)) < 2:
        message = "Invalid training labels. At least 2 unique labels are required for training."
        raise RefusedRequest(message, "INPUT_INVALID_LABELS")
    return TrainRequest(model=model, inputs=inputs, labels=labels, **{"classifier_id": None, **options})


def read_segment_request(fields: Any) -> SegmentRequest:
    """Read the body of ``POST /v1/segment``, or the query of ``GET``; raises InvalidRequest (422)."""
    problems: list[FieldProblem] = []
    options = validated(SegmentRequest, as_object(fields), problems)
    if not problems and "head" in options and "tail" in options:
        problems.append(problem((), "'head' and 'tail' are mutually exclusive", "value_error"))
    if problems:
        raise InvalidRequest(problems)
    return SegmentRequest.model_construct(None, **options)


def read_batch_request(body: Any, served: Catalogue = MODELS) -> BatchRequest:
    """Read the body of ``POST /v1/batch/embeddings``; raises as :func:`read_classify_request` does."""
    model, fields = known_model(as_object(body), "batch", ("input", "input_url"), served)
    problems: list[FieldProblem] = []
    lines, url = fields.pop("input", None), fields.pop("input_url", None)
    if (lines is None) == (url is None):
        problems.append(problem((), "Exactly one of 'input' and 'input_url' must be provided", "value_error"))
    elif url is not None and not isinstance(url, str):
        problems.append(problem(("input_url",), "Input should be a valid string", "string_type", url))
    elif lines is not None and not isinstance(lines, list):
        problems.append(problem(("input",), "Input should be a valid list", "list_type", lines))
    elif lines is not None and not 1 <= len(lines) <= MAX_INLINE:
        message = f"A job takes 1 to {MAX_INLINE} lines, not {len(lines)}"
        problems.append(problem(("input",), message, "too_long" if lines else "too_short"))
    options = read_options(model, "batch", fields, problems)
    if options.pop("webhook_url", None) is not None:
        message = "This engine calls no webhooks: ask for the job's status"
        problems.append(problem(("webhook_url",), message, "unsupported_option"))
    if problems:
        raise InvalidRequest(problems)
    if options.get("task") == "retrieval":
        # What is embedded in bulk is what is searched in.
        options["task"] = model.document_task
    return BatchRequest(model=model, lines=lines, input_url=url, options=options)


def _classified(
    value: Any, kinds: frozenset[Modality], problems: list[FieldProblem], model: Model | None = None
) -> tuple[Item, ...]:
    # The list limit is the same for all models; a trained classifier's own is not known yet.
    return read_inputs(value, model or MODELS["jina-clip-v2"], kinds - {"pdf"}, problems)


def _groups(value: Any, problems: list[FieldProblem]) -> Labels:
    if value is ...:
        problems.append(problem(("labels",), "Field required", "missing"))
        return {}
    if isinstance(value, list):
        return {"": _labels(value, ("labels",), MAX_LABELS, problems)}
    if not isinstance(value, dict):
        problems.append(problem(("labels",), "Input should be a valid list", "list_type", value))
        return {}
    if not 1 <= len(value) <= MAX_GROUPS:
        message = f"Dictionary should have 1 to {MAX_GROUPS} items after validation, not {len(value)}"
        problems.append(problem(("labels",), message, "too_long" if value else "too_short"))
        return {}
    return {name: _labels(listed, ("labels", name), MAX_GROUP_LABELS, problems) for name, listed in value.items()}


def _labels(value: Any, field: tuple[str, ...], most: int, problems: list[FieldProblem]) -> list[str]:
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


def _examples(
    value: Any, kinds: frozenset[Modality], problems: list[FieldProblem]
) -> tuple[tuple[Item, ...], list[str]]:
    """The examples of a training, ``{"text" or "image": …, "label": …}``."""
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
