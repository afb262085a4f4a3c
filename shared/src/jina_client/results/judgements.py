"""Rankings, classes, and the classifiers that give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from .usage import Usage


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """One document of a ranking.

    Attributes:
        index: its place in the caller's own list.
        relevance_score: higher is more relevant; 0 to 1 for most models, but it may be negative (``jina-reranker-v3``)
            or above 1 (ColBERT). Scores of different models are not comparable.
        document: the caller's own object; ``None`` where documents were not wanted back.
        embedding: the document's vector, float32, where it was asked for.
    """

    index: int
    relevance_score: float
    document: Any
    embedding: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class RerankResult:
    """Documents from the most to the least relevant.

    Attributes:
        results: at most ``top_n``, sorted by ``relevance_score`` from the highest.
        usage: the tokens counted.
        model: the model that answered.
    """

    results: list[RankedDocument]
    usage: Usage
    model: str

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[RankedDocument]:
        return iter(self.results)


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
class Classifications(Sequence[Classification]):
    """One classification for each input, in the order of the inputs.

    Attributes:
        results: the classifications.
        usage: the tokens counted.
    """

    results: Sequence[Classification]
    usage: Usage

    def __len__(self) -> int:
        return len(self.results)

    @overload
    def __getitem__(self, index: int) -> Classification: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Classification]: ...

    def __getitem__(self, index: int | slice) -> Classification | Sequence[Classification]:
        return self.results[index]


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
