"""Classes: by the similarity to a label, or by what examples have taught.

Zero-shot: the softmax of the cosines between an input and each label. Its temperature is 1, with which the one
published answer of the hosted service that shows all scores agrees. So scores lie close together: their order means
something, and a threshold has to be found for the task at hand.

Few-shot: multinomial logistic regression on the vectors, as good as any head on so few examples. The loss is convex and
the start fixed, so the same examples always give the same classifier.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TEMPERATURE = 1.0
# One iteration of a request is several steps, so that the default of 10 comes close to the optimum.
STEPS_PER_ITERATION = 20
# The inverse of the weight that large coefficients are punished with, as in scikit-learn.
_C = 10.0


def label_scores(inputs: NDArray[np.float32], labels: NDArray[np.float32]) -> Array:
    """The scores of labels for inputs; each row sums to 1.

    Args:
        inputs: unit vectors of shape ``(n, d)``.
        labels: unit vectors of shape ``(k, d)``.

    Returns:
        float64 of shape ``(n, k)``.
    """
    return softmax(inputs.astype(np.float64) @ labels.astype(np.float64).T / TEMPERATURE)


def train_head(vectors: NDArray[np.float32], classes: Sequence[int], count: int, num_iters: int) -> Array:
    """Multinomial logistic regression by accelerated gradient descent (Nesterov 1983).

    Args:
        vectors: unit vectors of shape ``(n, d)``.
        classes: the class of each, from 0 to ``count - 1``.
        count: how many classes there are.
        num_iters: iterations, of 20 steps each.

    Returns:
        The head: float64 of shape ``(d + 1, count)``, the last row the classes' biases.
    """
    inputs = _with_bias(vectors)
    wanted = np.eye(count)[np.asarray(classes)]
    # The mean loss of unit vectors has gradients that change at most this fast: half the squared norm of an input.
    decay = 1.0 / (_C * len(inputs))
    step = 1.0 / (0.5 * 2.0 + decay)
    head = ahead = np.zeros((inputs.shape[1], count))
    momentum = 1.0
    for _ in range(num_iters * STEPS_PER_ITERATION):
        gradient = inputs.T @ (softmax(inputs @ ahead) - wanted) / len(inputs) + decay * ahead
        moved = ahead - step * gradient
        following = (1.0 + np.sqrt(1.0 + 4.0 * momentum**2)) / 2.0
        ahead = moved + (momentum - 1.0) / following * (moved - head)
        head, momentum = moved, following
    return head


def head_scores(head: Array, vectors: NDArray[np.float32]) -> Array:
    """The probabilities of the classes for unit vectors ``(n, d)``: float64 ``(n, count)``, each row sums to 1."""
    return softmax(_with_bias(vectors) @ head)


def softmax(logits: Array) -> Array:
    """Along the rows, without overflow."""
    raised: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    scaled: Array = raised / raised.sum(axis=1, keepdims=True)
    return scaled


def _with_bias(vectors: NDArray[np.float32]) -> Array:
    return np.hstack([vectors.astype(np.float64), np.ones((len(vectors), 1))])
