"""The results of classification, and trained classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .sequence import ResultSequence
from .usage import Usage


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label and its score. The scores of all labels sum to 1; with grouped labels, those of each group."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    """The label of one input, or one label of each group.

    Attributes:
        index: the index of the input.
        prediction: the label; with grouped labels, a dictionary from group to label.
        score: the label's score; with grouped labels, a dictionary from group to score.
        predictions: all labels, best first; with grouped labels, a dictionary from group to labels. Empty if the
            service does not send them.
    """

    index: int
    prediction: str | dict[str, str]
    score: float | dict[str, float]
    predictions: tuple[LabelScore, ...] | dict[str, tuple[LabelScore, ...]] = ()


@dataclass(frozen=True, slots=True)
class Classifications(ResultSequence[Classification]):
    """One classification for each input, in the order of the inputs.

    Attributes:
        results: the classifications.
        usage: tokens counted by the service.
    """

    results: Sequence[Classification]
    usage: Usage

    def _values(self) -> Sequence[Classification]:
        return self.results


@dataclass(frozen=True, slots=True)
class TrainedClassifier:
    """The result of training: the classifier's id, the number of examples, and the tokens counted."""

    classifier_id: str
    num_samples: int
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierInfo:
    """A trained classifier of the account. Times are ISO 8601 strings, as the service sends them."""

    classifier_id: str
    model: str
    labels: tuple[str, ...]
    access: str
    created_at: str | None
    updated_at: str | None
    used_at: str | None
    updated_number: int
    used_number: int
    is_active: bool
    is_latest: bool
    metadata: Mapping[str, Any]
