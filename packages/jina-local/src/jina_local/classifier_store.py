"""Store trained classifiers in memory and, optionally, in a folder."""

from __future__ import annotations

import logging
import os
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pybase64
from numpy.typing import NDArray

from .errors import UPGRADE_ADVICE, RejectedRequestError, not_found, resource_limit_exceeded
from .state_files import write_atomically, writing_state
from .timestamps import timestamp

MAX_CLASSIFIERS = 16
"""Maximum number of classifiers, which is the service's limit per key."""

# The engine has a single user.
_USER = str(uuid.uuid5(uuid.NAMESPACE_URL, "jina-local"))
_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

logger = logging.getLogger("jina_local")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classifier:
    """A trained classifier. It is immutable: further training makes a new one with the same id.

    Attributes:
        model: Id of the model that computes its vectors.
        labels: Labels in the order of the head's columns.
        access: ``public`` or ``private``.
        samples: Unit vectors of the examples, ``(n, d)``, for further training.
        sample_labels: Label of each example.
        head: See :func:`~jina_local.classification.train_head`.
        classifier_id: Its id.
        created_at: Time of the first training.
        updated_at: Time of the last training.
        updated_number: Number of further trainings.
    """

    model: str
    labels: tuple[str, ...]
    access: str
    samples: NDArray[np.float32]
    sample_labels: tuple[str, ...]
    head: NDArray[np.float64]
    classifier_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: str = field(default_factory=timestamp)
    updated_at: str = field(default_factory=timestamp)
    updated_number: int = 0


class ClassifierStore:
    """A store of classifiers. Thread-safe.

    Args:
        folder: Folder where classifiers outlive the process; created if it is missing. ``None`` keeps them in memory.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self._lock = threading.Lock()
        self._classifiers: dict[str, Classifier] = {}
        self._uses: dict[str, tuple[int, str | None]] = {}
        self._locked_ids: set[str] = set()
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(self._folder.glob("*.json")):
                self._load(path)

    def get(self, classifier_id: str) -> Classifier:
        """Return a classifier by its id.

        Raises:
            RejectedRequestError: No classifier has this id (404).
        """
        with self._lock:
            if classifier_id not in self._classifiers:
                raise not_found("Classifier", classifier_id)
            return self._classifiers[classifier_id]

    def use(self, classifier_id: str) -> Classifier:
        """Return a classifier by its id, and count the use for as long as the process runs.

        Raises:
            RejectedRequestError: No classifier has this id (404).
        """
        classifier = self.get(classifier_id)
        with self._lock:
            count, _ = self._uses.get(classifier_id, (0, None))
            self._uses[classifier_id] = count + 1, timestamp()
        return classifier

    @contextmanager
    def changing(self, classifier_id: str) -> Iterator[Classifier]:
        """Lock a classifier for further training while the block runs.

        Yields:
            The classifier.

        Raises:
            RejectedRequestError: No classifier has this id (404), or another request is training it (409).
        """
        classifier = self.get(classifier_id)
        with self._lock:
            if classifier_id in self._locked_ids:
                message = f"Classifier '{classifier_id}' is currently being modified. Please retry after a few moments."
                raise RejectedRequestError(message, "CONFLICT_RESOURCE_BUSY", status=409)
            self._locked_ids.add(classifier_id)
        try:
            yield classifier
        finally:
            with self._lock:
                self._locked_ids.discard(classifier_id)

    def check_room(self) -> None:
        """Check that the store can hold one more classifier.

        Raises:
            FlatError: The store is full (403).
        """
        with self._lock:
            self._check_room()

    def put(self, classifier: Classifier) -> None:
        """Store a classifier, and replace an earlier one with the same id.

        Raises:
            FlatError: The store is full (403).
            RejectedRequestError: The classifier cannot be written (500).
        """
        with self._lock:
            if classifier.classifier_id not in self._classifiers:
                self._check_room()
            if self._folder is not None:
                path = self._folder / f"{classifier.classifier_id}.json"
                with writing_state("classifier", path):
                    write_atomically(path, _encode(classifier))
            self._classifiers[classifier.classifier_id] = classifier

    def delete(self, classifier_id: str) -> None:
        """Delete a classifier.

        Raises:
            RejectedRequestError: No classifier has this id (404).
        """
        with self._lock:
            if self._classifiers.pop(classifier_id, None) is None:
                raise not_found("Classifier", classifier_id)
            self._uses.pop(classifier_id, None)
            if self._folder is not None:
                path = self._folder / f"{classifier_id}.json"
                with writing_state("removal of the classifier", path):
                    path.unlink(missing_ok=True)

    def summaries(self) -> list[dict[str, Any]]:
        """Return every classifier as ``GET /v1/classifiers`` describes it, the oldest first."""
        with self._lock:
            classifiers = sorted(self._classifiers.values(), key=lambda each: (each.created_at, each.classifier_id))
            return [_summary(each, *self._uses.get(each.classifier_id, (0, None))) for each in classifiers]

    def _check_room(self) -> None:
        if len(self._classifiers) >= MAX_CLASSIFIERS:
            advice = f"Delete existing resources or {UPGRADE_ADVICE}"
            raise resource_limit_exceeded(len(self._classifiers), MAX_CLASSIFIERS, advice)

    def _load(self, path: Path) -> None:
        try:
            classifier = _decode(orjson.loads(path.read_bytes()))
            if classifier.classifier_id != path.stem or not _NAME.fullmatch(path.stem):
                raise ValueError("the file name is not the classifier's id")
        except (OSError, KeyError, TypeError, ValueError) as error:
            logger.warning("Ignored %s, which is not a classifier of this engine: %s", path, error)
            return
        self._classifiers[classifier.classifier_id] = classifier


def _summary(classifier: Classifier, uses: int, used_at: str | None) -> dict[str, Any]:
    return {
        "classifier_id": classifier.classifier_id,
        "user_id": _USER,
        "model": classifier.model,
        "labels": list(classifier.labels),
        "access": classifier.access,
        "updated_number": classifier.updated_number,
        "used_number": uses,
        "created_at": classifier.created_at,
        "updated_at": classifier.updated_at,
        "used_at": used_at,
        "is_active": True,
        "is_latest": True,
        "metadata_": {"num_samples": len(classifier.samples)},
    }


def _encode(classifier: Classifier) -> bytes:
    return orjson.dumps(
        {
            "classifier_id": classifier.classifier_id,
            "model": classifier.model,
            "labels": classifier.labels,
            "access": classifier.access,
            "created_at": classifier.created_at,
            "updated_at": classifier.updated_at,
            "updated_number": classifier.updated_number,
            "sample_labels": classifier.sample_labels,
            "dimensions": classifier.samples.shape[1],
            "samples": pybase64.b64encode_as_string(classifier.samples.astype("<f4").tobytes()),
            "head": pybase64.b64encode_as_string(classifier.head.astype("<f8").tobytes()),
        },
        option=orjson.OPT_INDENT_2,
    )


def _decode(content: dict[str, Any]) -> Classifier:
    dimensions, labels = int(content["dimensions"]), tuple(content["labels"])
    samples = np.frombuffer(pybase64.b64decode(content["samples"], validate=True), "<f4").reshape(-1, dimensions)
    head = np.frombuffer(pybase64.b64decode(content["head"], validate=True), "<f8")
    return Classifier(
        classifier_id=str(content["classifier_id"]),
        model=str(content["model"]),
        labels=labels,
        access=str(content["access"]),
        samples=samples,
        sample_labels=tuple(content["sample_labels"]),
        head=head.reshape(dimensions + 1, len(labels)),
        created_at=str(content["created_at"]),
        updated_at=str(content["updated_at"]),
        updated_number=int(content["updated_number"]),
    )
