"""The results of classification, and trained classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .sequence import ResultSequence
from .usage import Usage


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label and how well it fits: the scores of all labels (of a group) sum to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    """The label of one input, or one label of each group.

    Attributes:
        index: the input's place in the caller's own list.
        prediction: the label; with grouped labels a dictionary from group to label.
        score: its score; with grouped labels a dictionary from group to score.
        predictions: all labels from the highest score down (with grouped labels for each group); empty where the
            service does not list them.
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
        usage: the tokens counted.
    """

    results: Sequence[Classification]
    usage: Usage

    def _values(self) -> Sequence[Classification]:
        return self.results


@dataclass(frozen=True, slots=True)
class TrainedClassifier:
    """What a training gives: the id to classify with, the number of examples learnt, and the tokens counted."""

    classifier_id: str
    num_samples: int
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierInfo:
    """One trained classifier of the caller's; times are ISO 8601 as the service writes them."""

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
