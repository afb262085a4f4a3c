"""Answers that hold judgements: rankings, classes, and the training of classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import ranking
from .backend import Backend
from .classification import head_scores, label_scores, train_head
from .classifiers import Classifier, Classifiers, now
from .errors import FlatRefusal, RefusedRequest
from .limits import Charge
from .reading.items import Item
from .reading.requests import RerankRequest
from .reading.services import MAX_CLASSES, TrainRequest, ZeroShotRequest

MAX_SAMPLES = 16_384
"""The most examples of one classifier, all trainings together."""

_PLANS = "upgrade your plan at https://jina.ai/api-dashboard/key-manager."


def rank(backend: Backend, asked: RerankRequest, charge: Charge) -> dict[str, Any]:
    """The answer to a request for reranking."""
    found = backend.rank(asked, charge)
    results = []
    for index in ranking.best_first(found.scores, asked.top_n):
        result: dict[str, Any] = {"index": index, "relevance_score": found.scores[index]}
        if asked.return_documents:
            result["document"] = asked.echo[index]
        if found.embeddings is not None:
            result["embedding"] = found.embeddings[index]
        results.append(result)
    return {"model": asked.model.id, "object": "list", "usage": {"total_tokens": found.tokens}, "results": results}


def classify(backend: Backend, asked: ZeroShotRequest, charge: Charge) -> dict[str, Any]:
    """The best label, or the best of each group, for each input. The labels' tokens are counted too."""
    labels = list(dict.fromkeys(label for group in asked.groups.values() for label in group))
    items = [*asked.inputs, *(Item("text", label, ("labels",)) for label in labels)]
    tokens, vectors = backend.unit_vectors(asked.model, items, charge)
    count = len(asked.inputs)
    of_labels = dict(zip(labels, vectors[count:], strict=True))
    data: list[dict[str, Any]] = [{"object": "classification", "index": index} for index in range(count)]
    for name, group in asked.groups.items():
        scores = label_scores(vectors[:count], np.array([of_labels[label] for label in group]))
        for item, row in zip(data, scores, strict=True):
            for key, value in _judged(group, row).items():
                if asked.grouped:
                    item.setdefault(key, {})[name] = value
                else:
                    item[key] = value
    return {"usage": {"total_tokens": tokens}, "data": data}


def classify_trained(backend: Backend, classifier: Classifier, items: Sequence[Item], charge: Charge) -> dict[str, Any]:
    """The label that a trained classifier gives to each input."""
    tokens, vectors = _vectors(backend, classifier, items, charge)
    data = [
        {"object": "classification", "index": index, **_judged(classifier.labels, row)}
        for index, row in enumerate(head_scores(classifier.head, vectors))
    ]
    return {"usage": {"total_tokens": tokens}, "data": data}


def train(backend: Backend, store: Classifiers, asked: TrainRequest, charge: Charge) -> dict[str, Any]:
    """Train a new classifier, or one that exists with all its examples, old and new."""
    if asked.classifier_id is not None:
        with store.changing(asked.classifier_id) as before:
            return _trained(backend, store, before, asked, charge)
    assert asked.model is not None
    store.check_room()
    empty = Classifier(
        model=asked.model.id,
        labels=(),
        access=asked.access,
        samples=np.empty((0, 0), np.float32),
        sample_labels=(),
        head=np.empty((0, 0)),
        updated_number=-1,
    )
    return _trained(backend, store, empty, asked, charge)


def _trained(
    backend: Backend, store: Classifiers, before: Classifier, asked: TrainRequest, charge: Charge
) -> dict[str, Any]:
    sample_labels = (*before.sample_labels, *asked.labels)
    labels = tuple(dict.fromkeys(sample_labels))
    _check_sizes(len(labels), len(sample_labels))
    tokens, vectors = _vectors(backend, before, asked.inputs, charge)
    samples = np.vstack([before.samples, vectors]) if before.samples.size else vectors
    head = train_head(samples, [labels.index(label) for label in sample_labels], len(labels), asked.num_iters)
    changed = replace(
        before,
        labels=labels,
        samples=samples,
        sample_labels=sample_labels,
        head=head,
        updated_at=now() if before.samples.size else before.created_at,
        updated_number=before.updated_number + 1,
    )
    store.put(changed)
    return {
        "classifier_id": changed.classifier_id,
        "num_samples": len(asked.labels),
        "usage": {"total_tokens": tokens},
    }


def _vectors(
    backend: Backend, classifier: Classifier, items: Sequence[Item], charge: Charge
) -> tuple[int, NDArray[np.float32]]:
    """The tokens of inputs and the vectors by which a classifier judges them."""
    model = backend.served.get(classifier.model)
    if model is None:
        message = (
            f"The classifier belongs to '{classifier.model}', which is not served here: {', '.join(backend.served)}"
        )
        raise RefusedRequest(message, "INPUT_MODEL_NOT_FOUND")
    tokens, vectors = backend.unit_vectors(model, items, charge)
    if classifier.samples.size and classifier.samples.shape[1] != vectors.shape[1]:
        message = (
            f"The classifier was trained on vectors of {classifier.samples.shape[1]} numbers, by other weights than "
            f"those that are loaded ({backend.name}: {vectors.shape[1]}). Train it anew."
        )
        raise RefusedRequest(message, "INPUT_MODEL_NOT_FOUND")
    return tokens, vectors


def _check_sizes(labels: int, samples: int) -> None:
    if labels > MAX_CLASSES:
        message = (
            f"Label limit exceeded: {labels} labels provided, maximum {MAX_CLASSES} allowed for your plan. "
            f"Reduce the number of labels or {_PLANS}"
        )
        raise RefusedRequest(message, "INPUT_LABEL_LIMIT_EXCEEDED")
    if samples > MAX_SAMPLES:
        message = (
            f"Resource limit exceeded for your plan. Current: {samples}, limit: {MAX_SAMPLES}. "
            f"Delete existing resources or {_PLANS}"
        )
        raise FlatRefusal(403, message, "AUTHZ_RESOURCE_LIMIT_EXCEEDED")


def _judged(labels: Sequence[str], scores: NDArray[np.float64]) -> Mapping[str, Any]:
    """The best label, its score, and all labels with theirs, in the order of the labels."""
    best = int(scores.argmax())
    listed = [{"label": label, "score": float(score)} for label, score in zip(labels, scores, strict=True)]
    return {"prediction": labels[best], "score": float(scores[best]), "predictions": listed}
