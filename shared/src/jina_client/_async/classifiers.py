"""The resource ``client.classifiers``."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import Any

from ..batching import SingleCall
from ..models import CLASSIFIER_MODEL
from ..protocol import TrainRequest
from ..protocol.classification import Access, read_training
from ..protocol.listings import classifiers_call, delete_classifier_call, read_classifiers
from ..results import ClassifierInfo, TrainedClassifier
from .runner import AsyncRunner


class AsyncClassifiers:
    """Trained classifiers, as ``client.classifiers``; :meth:`AsyncJinaClient.classify` uses them by their id."""

    def __init__(self, runner: AsyncRunner) -> None:
        self._runner = runner

    async def train(
        self,
        examples: Iterable[Any],
        *,
        model: str = CLASSIFIER_MODEL,
        classifier_id: str | None = None,
        access: Access = "private",
        num_iters: int = 10,
        max_image_side: int | None = None,
    ) -> TrainedClassifier:
        """Train a classifier by examples, or train an existing one further.

        The client retries only if the service certainly did not act on the request, because a second training changes
        the classifier again.

        Args:
            examples: at most 512 pairs ``(input, label)`` or ``{"text": …, "label": …}``; images too with CLIP and v4.
            model: the embedding model of a new classifier.
            classifier_id: the classifier to train further; ``model`` and ``access`` then have no effect.
            access: ``private``, or ``public`` for a classifier that anybody can use.
            num_iters: passes over the examples.
            max_image_side: as in :meth:`AsyncJinaClient.embed`.

        Raises:
            JinaInputError: an invalid example or option; nothing was sent.
            JinaError: see :mod:`jina_client.errors`.
        """
        request = TrainRequest.build(
            examples,
            model=model,
            classifier_id=classifier_id,
            access=access,
            num_iters=num_iters,
            max_image_side=max_image_side,
        )
        return await self._runner.run(SingleCall(request.encode(), read_training, reads_media=True))

    async def list(self) -> builtins.list[ClassifierInfo]:
        """Return the classifiers that were trained with this key."""
        return await self._runner.run(SingleCall(classifiers_call(), read_classifiers))

    async def delete(self, classifier_id: str) -> None:
        """Delete a trained classifier by its id.

        Raises:
            NotFoundError: the key has no classifier of this id.
        """
        await self._runner.run(SingleCall(delete_classifier_call(classifier_id), lambda response: None))
