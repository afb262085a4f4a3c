"""Score classes by similarity to a label (zero-shot), or by a classifier trained on examples (few-shot).

Zero-shot scores are the softmax of the cosines between an input and each label. The temperature is 1, which agrees with
the one published response of the hosted service that shows all scores. Scores are therefore close together: their order
is meaningful, and a threshold must be tuned for each application.

Few-shot classifiers are multinomial logistic regressions on the vectors, which is as accurate as other heads on so few
examples. The loss is convex and the start is fixed, so the same examples always give the same classifier.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .cancellation import current_scope

Array = NDArray[np.float64]

TEMPERATURE = 1.0
# One iteration of a request is several gradient steps, so that the default of 10 iterations gets close to the optimum.
STEPS_PER_ITERATION = 20
# Training stops when no part of the gradient of the mean loss is larger. Scores then differ by less than 0.01 from
# those of the optimum.
_CONVERGED = 1e-5
MAX_SECONDS = 10.0
"""Training stops after this time, with the best classifier so far."""

# Inverse regularization strength, as in scikit-learn.
_C = 10.0


def label_scores(inputs: NDArray[np.float32], labels: NDArray[np.float32]) -> Array:
    """Score labels for inputs.

    Args:
        inputs: Unit vectors of shape ``(n, d)``.
        labels: Unit vectors of shape ``(k, d)``.

    Returns:
        float64 of shape ``(n, k)``; each row sums to 1.
    """
    return softmax(inputs.astype(np.float64) @ labels.astype(np.float64).T / TEMPERATURE)


def train_head(vectors: NDArray[np.float32], classes: Sequence[int], count: int, num_iters: int) -> Array:
    """Train a multinomial logistic regression by accelerated gradient descent (Nesterov 1983).

    Training stops early once it has converged, and after :data:`MAX_SECONDS`.

    Args:
        vectors: Unit vectors of shape ``(n, d)``.
        classes: Class of each vector, from 0 to ``count - 1``.
        count: Number of classes.
        num_iters: Maximum number of iterations, each of 20 steps.

    Returns:
        The head: float64 of shape ``(d + 1, count)``, whose last row holds the biases of the classes.

    Raises:
        FlatError: The request was cancelled (503).
    """
    inputs = _with_bias(vectors)
    targets = np.eye(count)[np.asarray(classes)]
    # An upper bound on how fast the gradient of the mean loss changes: half the squared norm of an input.
    decay = 1.0 / (_C * len(inputs))
    step = 1.0 / (0.5 * 2.0 + decay)
    head = lookahead = np.zeros((inputs.shape[1], count))
    momentum = 1.0
    scope, deadline = current_scope(), time.monotonic() + MAX_SECONDS
    for _ in range(num_iters * STEPS_PER_ITERATION):
        scope.check()
        gradient = inputs.T @ (softmax(inputs @ lookahead) - targets) / len(inputs) + decay * lookahead
        if np.abs(gradient).max() < _CONVERGED or time.monotonic() > deadline:
            break
        next_head = lookahead - step * gradient
        next_momentum = (1.0 + np.sqrt(1.0 + 4.0 * momentum**2)) / 2.0
        lookahead = next_head + (momentum - 1.0) / next_momentum * (next_head - head)
        head, momentum = next_head, next_momentum
    return head


def head_scores(head: Array, vectors: NDArray[np.float32]) -> Array:
    """Return the probability of each class.

    Args:
        head: The head that :func:`train_head` returned.
        vectors: Unit vectors of shape ``(n, d)``.

    Returns:
        float64 of shape ``(n, count)``; each row sums to 1.
    """
    return softmax(_with_bias(vectors) @ head)


def softmax(logits: Array) -> Array:
    """Return the softmax of each row, computed without overflow."""
    exponentials: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def _with_bias(vectors: NDArray[np.float32]) -> Array:
    return np.hstack([vectors.astype(np.float64), np.ones((len(vectors), 1))])
