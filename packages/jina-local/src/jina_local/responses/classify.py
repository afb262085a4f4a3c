"""Build responses to classification and training requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend import Backend
from ..classification import head_scores, label_scores, train_head
from ..classifier_store import Classifier, ClassifierStore
from ..errors import UPGRADE_ADVICE, FlatError, RejectedRequestError, resource_limit_exceeded
from ..limits import Charge
from ..timestamps import timestamp
from ..validation.classify import TrainBody, ZeroShotBody
from ..validation.inputs import InputItem

MAX_CLASSES = 16
"""Maximum number of labels of a trained classifier: the service's limit."""

MAX_SAMPLES = 16_384
"""Maximum number of examples of a classifier over all its trainings."""

MAX_LABEL_CHARACTERS = 32 * 2**20
"""Maximum number of characters of labels in one response."""


def zero_shot_response(backend: Backend, body: ZeroShotBody, charge: Charge) -> dict[str, Any]:
    """Return the best label of each group for each input.

    Args:
        backend: Computes the vectors of inputs and labels.
        body: The validated request.
        charge: Called with the number of tokens, labels included, before they are computed.

    Returns:
        ``{"usage", "data"}``.
    """
    _check_response_size(len(body.inputs), body.groups.values())
    labels = list(dict.fromkeys(label for group in body.groups.values() for label in group))
    items = [*body.inputs, *(InputItem("text", label, ("labels",)) for label in labels)]
    tokens, vectors = backend.unit_vectors(body.model, items, charge)
    count = len(body.inputs)
    label_vectors = dict(zip(labels, vectors[count:], strict=True))
    data: list[dict[str, Any]] = [{"object": "classification", "index": index} for index in range(count)]
    for name, group in body.groups.items():
        scores = label_scores(vectors[:count], np.array([label_vectors[label] for label in group]))
        for item, row in zip(data, scores, strict=True):
            for key, value in _prediction(group, row).items():
                if body.grouped:
                    item.setdefault(key, {})[name] = value
                else:
                    item[key] = value
    return {"usage": {"total_tokens": tokens}, "data": data}


def few_shot_response(
    backend: Backend, classifier: Classifier, items: Sequence[InputItem], charge: Charge
) -> dict[str, Any]:
    """Return the label that a trained classifier predicts for each input.

    Args:
        backend: Computes the vectors of the inputs.
        classifier: The trained classifier.
        items: The inputs.
        charge: Called with the number of tokens before they are computed.

    Returns:
        ``{"usage", "data"}``.
    """
    _check_response_size(len(items), [classifier.labels])
    tokens, vectors = _vectors(backend, classifier, items, charge)
    data = [
        {"object": "classification", "index": index, **_prediction(classifier.labels, row)}
        for index, row in enumerate(head_scores(classifier.head, vectors))
    ]
    return {"usage": {"total_tokens": tokens}, "data": data}


def train_response(backend: Backend, store: ClassifierStore, body: TrainBody, charge: Charge) -> dict[str, Any]:
    """Train a new classifier, or train an existing one further with all its examples, old and new.

    Args:
        backend: Computes the vectors of the examples.
        store: Receives the classifier.
        body: The validated request.
        charge: Called with the number of tokens before they are computed.

    Returns:
        ``{"classifier_id", "num_samples", "usage"}``.
    """
    if body.classifier_id is not None:
        with store.changing(body.classifier_id) as classifier:
            return _train(backend, store, classifier, body, charge)
    assert body.model is not None
    store.check_room()
    untrained = Classifier(
        model=body.model.id,
        labels=(),
        access=body.access,
        samples=np.empty((0, 0), np.float32),
        sample_labels=(),
        head=np.empty((0, 0)),
        updated_number=-1,
    )
    return _train(backend, store, untrained, body, charge)


def _train(
    backend: Backend, store: ClassifierStore, previous: Classifier, body: TrainBody, charge: Charge
) -> dict[str, Any]:
    sample_labels = (*previous.sample_labels, *body.labels)
    labels = tuple(dict.fromkeys(sample_labels))
    _check_sizes(len(labels), len(sample_labels))
    tokens, vectors = _vectors(backend, previous, body.inputs, charge)
    samples = np.vstack([previous.samples, vectors]) if previous.samples.size else vectors
    head = train_head(samples, [labels.index(label) for label in sample_labels], len(labels), body.num_iters)
    classifier = replace(
        previous,
        labels=labels,
        samples=samples,
        sample_labels=sample_labels,
        head=head,
        updated_at=timestamp() if previous.samples.size else previous.created_at,
        updated_number=previous.updated_number + 1,
    )
    store.put(classifier)
    return {
        "classifier_id": classifier.classifier_id,
        "num_samples": len(body.labels),
        "usage": {"total_tokens": tokens},
    }


def _vectors(
    backend: Backend, classifier: Classifier, items: Sequence[InputItem], charge: Charge
) -> tuple[int, NDArray[np.float32]]:
    """Return the number of tokens of inputs, and their vectors in the classifier's space."""
    model = backend.served.get(classifier.model)
    if model is None:
        message = (
            f"The classifier belongs to '{classifier.model}', which is not served here: {', '.join(backend.served)}"
        )
        raise RejectedRequestError(message, "INPUT_MODEL_NOT_FOUND")
    tokens, vectors = backend.unit_vectors(model, items, charge)
    if classifier.samples.size and classifier.samples.shape[1] != vectors.shape[1]:
        message = (
            f"The classifier was trained on vectors of {classifier.samples.shape[1]} numbers, but the loaded weights "
            f"({backend.name}) compute vectors of {vectors.shape[1]}. Train a new classifier."
        )
        raise RejectedRequestError(message, "INPUT_MODEL_NOT_FOUND")
    return tokens, vectors


def _check_response_size(inputs: int, groups: Iterable[Sequence[str]]) -> None:
    """Check that the labels, which the response repeats for every input, are not too long."""
    size = inputs * sum(len(label) for labels in groups for label in labels)
    if size > MAX_LABEL_CHARACTERS:
        message = (
            f"The response would repeat {size:,} characters of labels, more than the limit of "
            f"{MAX_LABEL_CHARACTERS:,}. Send shorter labels, or fewer inputs per request."
        )
        raise FlatError(413, message, "REQUEST_TOO_LARGE")


def _check_sizes(labels: int, samples: int) -> None:
    if labels > MAX_CLASSES:
        message = (
            f"Label limit exceeded: {labels} labels provided, maximum {MAX_CLASSES} allowed for your plan. "
            f"Reduce the number of labels or {UPGRADE_ADVICE}"
        )
        raise RejectedRequestError(message, "INPUT_LABEL_LIMIT_EXCEEDED")
    if samples > MAX_SAMPLES:
        raise resource_limit_exceeded(samples, MAX_SAMPLES, f"Delete existing resources or {UPGRADE_ADVICE}")


def _prediction(labels: Sequence[str], scores: NDArray[np.float64]) -> Mapping[str, Any]:
    """Return the best label, its score, and every label with its score, in label order."""
    best = int(scores.argmax())
    predictions = [{"label": label, "score": float(score)} for label, score in zip(labels, scores, strict=True)]
    return {"prediction": labels[best], "score": float(scores[best]), "predictions": predictions}
