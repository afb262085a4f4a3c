"""Requests for classification: zero-shot by labels, few-shot by a trained classifier, and training one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ..checks import check_choice, check_whole
from ..errors import JinaInputError, JinaResponseError
from ..inputs import Item, as_item, as_list
from ..media import Media
from ..models import Modality, Model
from ..results import Classification, LabelScore, TrainedClassifier
from .call import Call
from .model_options import known_model, modalities
from .responses import as_number, as_object, as_objects, as_string, count_of, in_order, usage_of

Labels: TypeAlias = "Sequence[str] | Mapping[str, Sequence[str]]"
Access = Literal["private", "public"]

MAX_LABELS = 512
MAX_GROUPS = 8
MAX_GROUP_LABELS = 64
MAX_EXAMPLES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyRequest:
    """The validated options of a classification; the inputs come batch by batch."""

    fields: Mapping[str, Any]
    groups: tuple[str, ...] | None
    row: Model | None = field(repr=False)

    @classmethod
    def build(cls, *, model: str, labels: Labels | None = None, classifier_id: str | None = None) -> ClassifyRequest:
        """Check the labels or the classifier.

        Raises:
            JinaInputError: neither or both, too many or repeated labels, or a model that does not classify.
        """
        if (labels is None) == (classifier_id is None):
            raise JinaInputError("pass either labels= (zero-shot) or classifier_id= (few-shot), and not both")
        if classifier_id is not None:
            # The classifier knows its model; its inputs are text.
            return cls(fields={"classifier_id": _identifier(classifier_id)}, groups=None, row=None)
        name, row = known_model(model, "classify")
        valid = _check_labels(labels)
        groups = tuple(valid) if isinstance(valid, dict) else None
        return cls(fields={"model": name, "labels": valid}, groups=groups, row=row)

    @property
    def modalities(self) -> frozenset[Modality]:
        """The kinds of input that can be classified."""
        if "classifier_id" in self.fields:
            return frozenset({"text", "image"})
        return modalities(self.row, "classify")

    def encode(self, inputs: Sequence[Item]) -> Call:
        """Return the call for the classes of these inputs."""
        return Call("classify", {**self.fields, "input": inputs})

    def decode(self, body: Mapping[str, Any], batch: range) -> list[Classification]:
        """Return one classification for each input.

        Raises:
            JinaResponseError: a wrong count, a missing or repeated index, or a missing prediction.
        """
        items = in_order(body.get("data"), len(batch), "data", "classifications")
        return [self._one(index, item) for index, item in zip(batch, items, strict=True)]

    def _one(self, index: int, item: Mapping[str, Any]) -> Classification:
        prediction, score, predictions = item.get("prediction"), item.get("score"), item.get("predictions")
        if self.groups is None:
            label = as_string(prediction, f"the prediction of input {index}")
            return Classification(
                index, label, as_number(score, f"the score of input {index}"), _label_scores(predictions, index)
            )
        if not isinstance(prediction, dict) or not isinstance(score, dict) or set(prediction) != set(self.groups):
            raise JinaResponseError(f"input {index} has no prediction for each of the groups {', '.join(self.groups)}")
        rankings = predictions if isinstance(predictions, dict) else {}
        return Classification(
            index,
            {name: as_string(prediction[name], f"the prediction of input {index} in {name}") for name in self.groups},
            {name: as_number(score.get(name), f"the score of input {index} in {name}") for name in self.groups},
            {name: _label_scores(rankings.get(name), index) for name in self.groups},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """The validated options of a training: of a new classifier, or of an existing one."""

    fields: Mapping[str, Any]
    examples: Sequence[tuple[Item, str]]

    @classmethod
    def build(
        cls,
        examples: Iterable[Any],
        *,
        model: str,
        classifier_id: str | None,
        access: Access,
        num_iters: int,
        max_image_side: int | None,
    ) -> TrainRequest:
        """Check the examples, which are pairs ``(input, label)`` or the wire's ``{"text": …, "label": …}``.

        Raises:
            JinaInputError: too few or too many examples, fewer than two labels for a new classifier, or an invalid
                example.
        """
        check_whole("num_iters", num_iters)
        fields: dict[str, Any] = {"num_iters": num_iters}
        allowed: frozenset[Modality] = frozenset({"text", "image"})
        if classifier_id is None:
            name, row = known_model(model, "train")
            check_choice("access", access, ("private", "public"))
            fields |= {"model": name, "access": access}
            allowed = modalities(row, "train") & allowed
        else:
            name = "the classifier's model"
            fields["classifier_id"] = _identifier(classifier_id)
        pairs = [
            _example(example, f"examples[{index}]", allowed, name, max_image_side)
            for index, example in enumerate(as_list(examples, "examples"))
        ]
        labels = {label for _, label in pairs}
        if classifier_id is None and len(labels) < 2:
            raise JinaInputError(f"a classifier needs examples of at least two labels, got {sorted(labels)}")
        if len(pairs) > MAX_EXAMPLES:
            raise JinaInputError(
                f"examples may have at most {MAX_EXAMPLES} items per call, got {len(pairs)}: "
                "train with the first ones, then pass classifier_id= and the others"
            )
        return cls(fields=fields, examples=pairs)

    def encode(self) -> Call:
        """Return the call. It is not retried unless the service certainly did not act on it."""
        return Call("train", {**self.fields, "input": [_Example(*pair) for pair in self.examples]}, repeatable=False)


def read_training(response: Any) -> TrainedClassifier:
    """Return the classifier that a training made or changed."""
    body = as_object(response)
    classifier_id = as_string(body.get("classifier_id"), "the classifier's id")
    return TrainedClassifier(classifier_id, count_of(body.get("num_samples")) or 0, usage_of(body))


class _Example:
    """One training example, which becomes JSON when it is sent."""

    __slots__ = ("_item", "_label")

    def __init__(self, item: Item, label: str) -> None:
        self._item, self._label = item, label

    def wire(self) -> dict[str, Any]:
        content = self._item.wire() if isinstance(self._item, Media) else {"text": self._item}
        return {**content, "label": self._label}


def _example(
    example: Any, name: str, allowed: frozenset[Modality], model: str, max_image_side: int | None
) -> tuple[Item, str]:
    if isinstance(example, Mapping) and "label" in example:
        label = example["label"]
        item: Any = {key: value for key, value in example.items() if key != "label"}
    elif isinstance(example, (tuple, list)) and len(example) == 2:
        item, label = example
    else:
        raise JinaInputError(f"{name} must be a pair (input, label) or {{'text': …, 'label': …}}")
    if not isinstance(label, str) or not label:
        raise JinaInputError(f"{name} has label {label!r}, expected a string")
    return as_item(item, name, allowed, model, max_image_side), label


def _identifier(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise JinaInputError(f"classifier_id must be a string, got {value!r}")
    return value


def _check_labels(labels: Any) -> list[str] | dict[str, list[str]]:
    if not isinstance(labels, Mapping):
        return _label_list(labels, "labels", MAX_LABELS)
    if not 1 <= len(labels) <= MAX_GROUPS:
        raise JinaInputError(f"labels may have 1 to {MAX_GROUPS} groups, got {len(labels)}")
    return {str(group): _label_list(names, f"labels[{group!r}]", MAX_GROUP_LABELS) for group, names in labels.items()}


def _label_list(labels: Any, name: str, limit: int) -> list[str]:
    texts: list[str] = as_list(labels, name)
    for index, label in enumerate(texts):
        if not isinstance(label, str) or not label.strip():
            raise JinaInputError(f"{name}[{index}] must be a non-empty string, got {label!r}")
    if len(texts) > limit:
        raise JinaInputError(f"{name} may have at most {limit} labels, got {len(texts)}")
    if len(set(texts)) != len(texts):
        repeated = next(label for index, label in enumerate(texts) if label in texts[:index])
        raise JinaInputError(f"{name} contains {repeated!r} twice: pass each label once")
    return texts


def _label_scores(value: Any, index: int) -> tuple[LabelScore, ...]:
    """Return all labels with their scores, highest first; empty if the service does not list them."""
    if value is None:
        return ()
    scores = [
        LabelScore(
            as_string(item.get("label"), f"a label of input {index}"),
            as_number(item.get("score"), f"the score of a label of input {index}"),
        )
        for item in as_objects(value, "predictions")
    ]
    return tuple(sorted(scores, key=lambda label: -label.score))
