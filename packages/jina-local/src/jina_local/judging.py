"""Answers that hold judgements: rankings, classes, and the training of classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jina_client.models import MODELS, Model
from numpy.typing import NDArray

from . import ranking
from .classification import head_scores, label_scores, train_head
from .classifiers import Classifier, Classifiers, now
from .embedding import count
from .encoder import Encoder
from .errors import FlatRefusal, RefusedRequest, token_limit_exceeded
from .lift import normalize, to_dimensions
from .limits import Charge
from .reading.requests import DEFAULT_DOC_LENGTH, RerankRequest
from .reading.services import MAX_CLASSES, TrainRequest, ZeroShotRequest

RERANK_DIMENSIONS = 512
MAX_SAMPLES = 16_384
"""The most examples of one classifier, all trainings together."""

_PLANS = "upgrade your plan at https://jina.ai/api-dashboard/key-manager."


def rank(
    encoder: Encoder, asked: RerankRequest, query: str, documents: Sequence[str], charge: Charge
) -> dict[str, Any]:
    """The answer to a request for reranking; the texts are those of its query and documents."""
    [query_ids] = encoder.tokenize([query])
    sequences = _documents(encoder, asked, documents)
    tokens = count([query_ids, *sequences])
    charge(tokens)
    found = ranking.relevance(encoder, query_ids, sequences)
    embeddings = to_dimensions(found.means, RERANK_DIMENSIONS) if asked.return_embeddings else ()
    results = []
    for index in ranking.best_first(found.scores, asked.top_n):
        result: dict[str, Any] = {"index": index, "relevance_score": found.scores[index]}
        if asked.return_documents:
            result["document"] = asked.echo[index]
        if asked.return_embeddings:
            result["embedding"] = embeddings[index]
        results.append(result)
    return {"model": asked.model.id, "object": "list", "usage": {"total_tokens": tokens}, "results": results}


def classify(encoder: Encoder, asked: ZeroShotRequest, texts: Sequence[str], charge: Charge) -> dict[str, Any]:
    """The best label, or the best of each group, for each text. The labels' tokens are counted too."""
    labels = list(dict.fromkeys(label for group in asked.groups.values() for label in group))
    sequences = _tokenized(encoder, [*texts, *labels], asked.model)
    charge(count(sequences))
    vectors = normalize(encoder.mean_vectors(sequences))
    of_labels = dict(zip(labels, vectors[len(texts) :], strict=True))
    data: list[dict[str, Any]] = [{"object": "classification", "index": index} for index in range(len(texts))]
    for name, group in asked.groups.items():
        scores = label_scores(vectors[: len(texts)], np.array([of_labels[label] for label in group]))
        for item, row in zip(data, scores, strict=True):
            for key, value in _judged(group, row).items():
                if asked.grouped:
                    item.setdefault(key, {})[name] = value
                else:
                    item[key] = value
    return {"usage": {"total_tokens": count(sequences)}, "data": data}


def classify_trained(encoder: Encoder, classifier: Classifier, texts: Sequence[str], charge: Charge) -> dict[str, Any]:
    """The label that a trained classifier gives to each text."""
    sequences = _tokenized(encoder, texts, MODELS[classifier.model])
    charge(count(sequences))
    scores = head_scores(classifier.head, normalize(encoder.mean_vectors(sequences)))
    data = [
        {"object": "classification", "index": index, **_judged(classifier.labels, row)}
        for index, row in enumerate(scores)
    ]
    return {"usage": {"total_tokens": count(sequences)}, "data": data}


def train(
    encoder: Encoder, store: Classifiers, asked: TrainRequest, texts: Sequence[str], charge: Charge
) -> dict[str, Any]:
    """Train a new classifier, or one that exists with all its examples, old and new."""
    if asked.classifier_id is not None:
        with store.changing(asked.classifier_id) as before:
            return _trained(encoder, store, before, asked, texts, charge)
    assert asked.model is not None
    store.check_room()
    empty = Classifier(
        model=asked.model.id,
        labels=(),
        access=asked.access,
        samples=np.empty((0, encoder.dimensions), np.float32),
        sample_labels=(),
        head=np.empty((encoder.dimensions + 1, 0)),
        updated_number=-1,
    )
    return _trained(encoder, store, empty, asked, texts, charge)


def _trained(
    encoder: Encoder,
    store: Classifiers,
    before: Classifier,
    asked: TrainRequest,
    texts: Sequence[str],
    charge: Charge,
) -> dict[str, Any]:
    sample_labels = (*before.sample_labels, *asked.labels)
    labels = tuple(dict.fromkeys(sample_labels))
    _check_sizes(len(labels), len(sample_labels))
    sequences = _tokenized(encoder, texts, MODELS[before.model])
    tokens = count(sequences)
    charge(tokens)
    samples = np.vstack([before.samples, normalize(encoder.mean_vectors(sequences))])
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


def _tokenized(encoder: Encoder, texts: Sequence[str], model: Model) -> list[Sequence[int]]:
    sequences = encoder.tokenize(texts, most=model.context)
    if any(len(ids) > model.context for ids in sequences):
        raise token_limit_exceeded(model.context, "Split it into smaller chunks.")
    return sequences


def _documents(encoder: Encoder, asked: RerankRequest, texts: Sequence[str]) -> list[Sequence[int]]:
    """Documents cut as the model cuts them. One that is longer than the context is read whole unless it says."""
    if asked.model.listwise:
        limit = asked.max_doc_length or DEFAULT_DOC_LENGTH
    elif asked.truncation is None:
        return encoder.tokenize(texts)
    else:
        limit = asked.model.context
    documents = encoder.tokenize(texts, most=limit)
    if asked.truncation is False and not asked.model.listwise and any(len(ids) > limit for ids in documents):
        advice = "Use 'truncation: true' to automatically truncate, or split into smaller chunks."
        raise token_limit_exceeded(limit, advice)
    return [ids[:limit] for ids in documents]
