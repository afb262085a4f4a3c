"""The classifiers that were trained here: in memory, and in a folder where one is given."""

from __future__ import annotations

import logging
import os
import re
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pybase64
from numpy.typing import NDArray

from .errors import FlatRefusal, RefusedRequest, not_found

MAX_CLASSIFIERS = 16
"""How many there may be at once: the service's limit for one key."""

# The engine has one user.
_USER = str(uuid.uuid5(uuid.NAMESPACE_URL, "jina-local"))
_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

logger = logging.getLogger("jina_local")


def now() -> str:
    """The time in ISO 8601, UTC, as the service writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classifier:
    """One trained classifier. It is never changed: training goes on with a new one under the same id.

    Attributes:
        labels: in the order of the head's columns.
        samples: the examples' unit vectors, ``(n, d)``, for further training.
        sample_labels: the label of each.
        head: see :func:`~jina_local.classification.train_head`.
    """

    model: str
    labels: tuple[str, ...]
    access: str
    samples: NDArray[np.float32]
    sample_labels: tuple[str, ...]
    head: NDArray[np.float64]
    classifier_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)
    updated_number: int = 0


class Classifiers:
    """A store of classifiers. It may be used by several threads at once.

    Args:
        folder: where they outlive the process; it is made if need be. ``None`` for memory only.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Classifier] = {}
        self._uses: dict[str, tuple[int, str | None]] = {}
        self._changing: set[str] = set()
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(self._folder.glob("*.json")):
                self._load(path)

    def get(self, classifier_id: str) -> Classifier:
        """One classifier, by its id; raises RefusedRequest (404) if there is none."""
        with self._lock:
            if classifier_id not in self._known:
                raise not_found("Classifier", classifier_id)
            return self._known[classifier_id]

    def use(self, classifier_id: str) -> Classifier:
        """One classifier, to classify with: the use is counted, for as long as the process runs."""
        found = self.get(classifier_id)
        with self._lock:
            count, _ = self._uses.get(classifier_id, (0, None))
            self._uses[classifier_id] = count + 1, now()
        return found

    @contextmanager
    def changing(self, classifier_id: str) -> Iterator[Classifier]:
        """One classifier, for whoever is to train it further; nobody else may meanwhile.

        Raises:
            RefusedRequest: there is none (404), or somebody else is at it (409).
        """
        found = self.get(classifier_id)
        with self._lock:
            if classifier_id in self._changing:
                message = f"Classifier '{classifier_id}' is currently being modified. Please retry after a few moments."
                raise RefusedRequest(message, "CONFLICT_RESOURCE_BUSY", status=409)
            self._changing.add(classifier_id)
        try:
            yield found
        finally:
            with self._lock:
                self._changing.discard(classifier_id)

    def check_room(self) -> None:
        """Raises FlatRefusal (403) if no further classifier may be made."""
        with self._lock:
            self._check_room()

    def put(self, classifier: Classifier) -> None:
        """Keep a classifier, in place of an earlier one with its id.

        Raises:
            FlatRefusal: there are as many as there may be (403).
        """
        with self._lock:
            if classifier.classifier_id not in self._known:
                self._check_room()
            if self._folder is not None:
                _write(self._folder / f"{classifier.classifier_id}.json", _encoded(classifier))
            self._known[classifier.classifier_id] = classifier

    def delete(self, classifier_id: str) -> None:
        """Forget a classifier; raises RefusedRequest (404) if there is none."""
        with self._lock:
            if self._known.pop(classifier_id, None) is None:
                raise not_found("Classifier", classifier_id)
            self._uses.pop(classifier_id, None)
            if self._folder is not None:
                (self._folder / f"{classifier_id}.json").unlink(missing_ok=True)

    def summaries(self) -> list[dict[str, Any]]:
        """Every classifier as ``GET /v1/classifiers`` describes it, the oldest first."""
        with self._lock:
            listed = sorted(self._known.values(), key=lambda each: (each.created_at, each.classifier_id))
            return [_summary(each, *self._uses.get(each.classifier_id, (0, None))) for each in listed]

    def _check_room(self) -> None:
        if len(self._known) >= MAX_CLASSIFIERS:
            raise FlatRefusal(
                403,
                f"Resource limit exceeded for your plan. Current: {len(self._known)}, limit: {MAX_CLASSIFIERS}. Delete "
                "existing resources or upgrade your plan at https://jina.ai/api-dashboard/key-manager.",
                "AUTHZ_RESOURCE_LIMIT_EXCEEDED",
            )

    def _load(self, path: Path) -> None:
        try:
            found = _decoded(orjson.loads(path.read_bytes()))
            if found.classifier_id != path.stem or not _NAME.fullmatch(path.stem):
                raise ValueError("its name is not its id")
        except (OSError, KeyError, TypeError, ValueError) as error:
            logger.warning("%s is no classifier of this engine and is left alone: %s", path, error)
            return
        self._known[found.classifier_id] = found


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


def _encoded(classifier: Classifier) -> bytes:
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


def _decoded(content: dict[str, Any]) -> Classifier:
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


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, whatever happens in between."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)  # noqa: PTH105
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
