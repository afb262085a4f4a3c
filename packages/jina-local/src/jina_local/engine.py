"""The engine: a request as Jina's API has it in, the answer as Jina's API has it out.

It knows neither HTTP nor bytes. The model is loaded at the first request that needs it, once in each process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from . import cards, embedding, judging
from .classifiers import Classifiers
from .encoder import Encoder
from .errors import stopping
from .jobs import Jobs
from .limits import Charge, free
from .media.reader import read_texts
from .reading.fields import Path
from .reading.items import Item
from .reading.requests import read_embedding_request, read_rerank_request
from .reading.services import (
    FewShotRequest,
    read_batch_request,
    read_classify_request,
    read_segment_request,
    read_train_request,
)
from .segmentation import segment
from .weights import find_model_files


class Engine:
    """Jina's API, answered by the stand-in model. It may be used by several threads at once.

    Every method that computes takes the body of a request, decoded from JSON, and gives the answer to be encoded. It
    raises :class:`~jina_local.errors.RequestError` for a request that cannot be served, and ModelNotFoundError where
    the model's files are not on this machine.

    Args:
        model_path: the folder of the model's files; by default they are looked for (see :mod:`jina_local.weights`).
        threads: how many threads compute one batch; by default one for each core this process may use.
        allow_fetch: whether images, PDFs and batch files may be fetched from public addresses.
        state: the folder where classifiers are kept; by default they live as long as the engine.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        threads: int | None = None,
        *,
        allow_fetch: bool = False,
        state: str | os.PathLike[str] | None = None,
    ) -> None:
        self._model_path = model_path
        self._threads = threads
        self._allow_fetch = allow_fetch
        self._classifiers = Classifiers(state)
        self.jobs = Jobs(lambda request: self.embed(request))
        # By process: a session's threads, and a lock that another thread holds, do not survive a fork.
        self._encoders: dict[int, Encoder] = {}
        self._locks: dict[int, threading.Lock] = {}
        self._closed = False

    def load(self) -> None:
        """Load the model now rather than at the first request.

        Raises:
            ModelNotFoundError: its files are not on this machine.
        """
        self._encoder()

    def check(self) -> None:
        """Look whether the model is loaded or could be; raises ModelNotFoundError if its files are missing."""
        if os.getpid() not in self._encoders:
            find_model_files(self._model_path)

    def close(self) -> None:
        """Compute nothing more: requests that are being computed are refused with 503 within a moment."""
        self._closed = True
        self.jobs.close()
        if encoder := self._encoders.get(os.getpid()):
            encoder.close()

    def embed(self, request: Any, charge: Charge = free, path: Path = "embeddings") -> dict[str, Any]:
        """Answer ``POST /v1/embeddings``, or ``/v1/multi-vector`` where that is the path.

        Args:
            request: the body.
            charge: called with the tokens before they are computed; it may refuse them.
            path: which models and fields are taken.

        Returns:
            ``{"model", "object", "usage", "data"}``. Vectors are base64 strings, or float32 arrays that become JSON
            lists.
        """
        asked = read_embedding_request(request, path)
        return embedding.answer(self._encoder(), asked, self._texts(asked.inputs), charge)

    def rerank(self, request: Any, charge: Charge = free) -> dict[str, Any]:
        """Answer ``POST /v1/rerank``: ``{"model", "object", "usage", "results"}``, sorted by descending score."""
        asked = read_rerank_request(request)
        encoder = self._encoder()
        query, *documents = self._texts([asked.query, *asked.documents])
        return judging.rank(encoder, asked, query, documents, charge)

    def classify(self, request: Any, charge: Charge = free) -> dict[str, Any]:
        """Answer ``POST /v1/classify``: ``{"usage", "data"}``."""
        asked = read_classify_request(request)
        if isinstance(asked, FewShotRequest):
            classifier = self._classifiers.use(asked.classifier_id)
            return judging.classify_trained(self._encoder(), classifier, self._texts(asked.inputs), charge)
        return judging.classify(self._encoder(), asked, self._texts(asked.inputs), charge)

    def train(self, request: Any, charge: Charge = free) -> dict[str, Any]:
        """Answer ``POST /v1/train``: ``{"classifier_id", "num_samples", "usage"}``."""
        asked = read_train_request(request)
        return judging.train(self._encoder(), self._classifiers, asked, self._texts(asked.inputs), charge)

    def classifiers(self) -> list[dict[str, Any]]:
        """Answer ``GET /v1/classifiers``."""
        return self._classifiers.summaries()

    def delete_classifier(self, classifier_id: str) -> dict[str, Any]:
        """Answer ``DELETE /v1/classifiers/{classifier_id}``."""
        self._classifiers.delete(classifier_id)
        return {"classifier_id": classifier_id, "deleted": True}

    def segment(self, request: Any) -> dict[str, Any]:
        """Answer ``/v1/segment``; see :func:`jina_local.segmentation.segment`."""
        asked = read_segment_request(request)
        return segment(self._encoder(), asked)

    def create_batch(self, request: Any) -> dict[str, Any]:
        """Answer ``POST /v1/batch/embeddings``: the status of the new job; see :attr:`jobs` for the rest."""
        asked = read_batch_request(request)
        self.check()
        if asked.lines is None:
            from .media.reader import read_lines

            return self.jobs.create(asked, read_lines(asked.input_url or "", allow_fetch=self._allow_fetch))
        return self.jobs.create(asked, asked.lines)

    def models(self) -> dict[str, Any]:
        """Answer ``GET /v1/models``."""
        return cards.model_cards()

    def model(self, name: str) -> Mapping[str, Any]:
        """Answer ``GET /v1/models/{model_id}``."""
        return cards.model_card(name)

    def _texts(self, items: Sequence[Item]) -> list[str]:
        return read_texts(items, allow_fetch=self._allow_fetch, threads=self._threads, stopped=lambda: self._closed)

    def _encoder(self) -> Encoder:
        if self._closed:
            raise stopping()
        process = os.getpid()
        if process not in self._encoders:
            with self._locks.setdefault(process, threading.Lock()):
                if process not in self._encoders:
                    files = find_model_files(self._model_path)
                    self._encoders[process] = Encoder(files, self._threads)
        return self._encoders[process]
