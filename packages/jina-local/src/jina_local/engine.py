"""The engine: a request as Jina's API has it in, the answer as Jina's API has it out.

It knows neither HTTP nor bytes. The model is loaded at the first request that needs it, once in each process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from jina_client.models import MODELS

from . import cards, embedding, judging
from .backend import Backend
from .classifiers import Classifiers
from .encoder import Encoder
from .errors import stopping
from .jobs import Jobs
from .limits import Charge, free
from .media.reader import read_texts
from .reading.fields import Catalogue, Path
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
from .stand_in import StandIn
from .weights import MODEL_NAME, find_model_files


class Engine:
    """Jina's API, answered by the stand-in or by one of Jina's open models. It may be used by several threads at once.

    Every method that computes takes the body of a request, decoded from JSON, and gives the answer to be encoded. It
    raises :class:`~jina_local.errors.RequestError` for a request that cannot be served, and ModelNotFoundError where
    the model's files are not on this machine.

    Args:
        model_path: the folder of the stand-in's files; by default they are looked for (see
            :mod:`jina_local.weights`).
        threads: how many threads compute one batch; by default one for each core this process may use.
        model: one of Jina's open models, to be used instead of the stand-in: its folder, or its id on the hub, such as
            ``jinaai/jina-embeddings-v3-hf``. Needs the extra ``torch``; see :mod:`jina_local.open_models`.
        model_id: the id that it answers under, such as ``jina-embeddings-v3``, where its name does not say.
        trust_remote_code: whether code that comes with the model may be run.
        allow_fetch: whether images, PDFs and batch files may be fetched from public addresses.
        state: the folder where classifiers are kept; by default they live as long as the engine.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        threads: int | None = None,
        *,
        model: str | os.PathLike[str] | None = None,
        model_id: str | None = None,
        trust_remote_code: bool = False,
        allow_fetch: bool = False,
        state: str | os.PathLike[str] | None = None,
    ) -> None:
        if model is not None and model_path is not None:
            raise ValueError("model_path is the stand-in's, model one of Jina's: name one of them")
        if model is None and (model_id is not None or trust_remote_code):
            raise ValueError("model_id and trust_remote_code belong to a model: name it with model=")
        self._model_path = model_path
        self._model = None if model is None else (os.fspath(model), model_id, trust_remote_code)
        self._threads = threads
        self._allow_fetch = allow_fetch
        self._classifiers = Classifiers(state)
        self.jobs = Jobs(lambda request: self.embed(request))
        # By process: a session's threads, and a lock that another thread holds, do not survive a fork.
        self._backends: dict[int, Backend] = {}
        self._locks: dict[int, threading.Lock] = {}
        self._closed = False

    @property
    def name(self) -> str:
        """What answers, in words for people."""
        return f"stand-in model {MODEL_NAME}" if self._model is None else self._backend().name

    @property
    def stand_in(self) -> str | None:
        """The name of the model that stands in for all others, or ``None`` where a model answers for itself."""
        return MODEL_NAME if self._model is None else None

    def load(self) -> None:
        """Load the model now rather than at the first request.

        Raises:
            ModelNotFoundError: its files are not on this machine, or what is needed to load them is not installed.
        """
        self._backend()

    def check(self) -> None:
        """Look whether the model is loaded or could be; raises ModelNotFoundError if its files are missing."""
        if os.getpid() in self._backends:
            return
        if self._model is None:
            find_model_files(self._model_path)
        else:
            # Loading takes long, and whoever asks whether the engine is ready is not to wait for it.
            from .open_models.files import find_row

            find_row(*self._model[:2])

    def close(self) -> None:
        """Compute nothing more: requests that are being computed are refused with 503 within a moment."""
        self._closed = True
        self.jobs.close()
        if backend := self._backends.get(os.getpid()):
            backend.close()

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
        asked = read_embedding_request(self._named(request), path, self.served)
        return embedding.answer(self._backend(), asked, charge)

    def rerank(self, request: Any, charge: Charge = free) -> dict[str, Any]:
        """Answer ``POST /v1/rerank``: ``{"model", "object", "usage", "results"}``, sorted by descending score."""
        asked = read_rerank_request(self._named(request), self.served)
        return judging.rank(self._backend(), asked, charge)

    def classify(self, request: Any, charge: Charge = free) -> dict[str, Any]:
        """Answer ``POST /v1/classify``: ``{"usage", "data"}``."""
        asked = read_classify_request(self._named(request), self.served)
        if isinstance(asked, FewShotRequest):
            classifier = self._classifiers.use(asked.classifier_id)
            return judging.classify_trained(self._backend(), classifier, asked.inputs, charge)
        return judging.classify(self._backend(), asked, charge)

    def train(self, request: Any, charge: Charge = free) -> dict[str, Any]:
        """Answer ``POST /v1/train``: ``{"classifier_id", "num_samples", "usage"}``."""
        asked = read_train_request(self._named(request), self.served)
        return judging.train(self._backend(), self._classifiers, asked, charge)

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
        return segment(self._backend(), asked)

    def create_batch(self, request: Any) -> dict[str, Any]:
        """Answer ``POST /v1/batch/embeddings``: the status of the new job; see :attr:`jobs` for the rest."""
        asked = read_batch_request(self._named(request), self.served)
        self.check()
        if asked.lines is None:
            from .media.reader import read_lines

            return self.jobs.create(asked, read_lines(asked.input_url or "", allow_fetch=self._allow_fetch))
        return self.jobs.create(asked, asked.lines)

    def models(self) -> dict[str, Any]:
        """Answer ``GET /v1/models``."""
        return cards.model_cards(self.served, stand_in=self._model is None)

    def model(self, name: str) -> Mapping[str, Any]:
        """Answer ``GET /v1/models/{model_id}``."""
        return cards.model_card(name, self.served, stand_in=self._model is None)

    @property
    def served(self) -> Catalogue:
        """The models that are answered for. The stand-in's are known without loading it."""
        return MODELS if self._model is None else self._backend().served

    def _named(self, request: Any) -> Any:
        """A request that names its model: where one model is served, it may be left out."""
        if self._model is None or not isinstance(request, dict) or not {"model", "classifier_id"}.isdisjoint(request):
            return request
        return {"model": next(iter(self.served)), **request}

    def _texts(self, items: Sequence[Item]) -> list[str]:
        return read_texts(items, allow_fetch=self._allow_fetch, threads=self._threads, stopped=lambda: self._closed)

    def _backend(self) -> Backend:
        if self._closed:
            raise stopping()
        process = os.getpid()
        if process not in self._backends:
            with self._locks.setdefault(process, threading.Lock()):
                if process not in self._backends:
                    self._backends[process] = self._load()
        return self._backends[process]

    def _load(self) -> Backend:
        if self._model is None:
            return StandIn(Encoder(find_model_files(self._model_path), self._threads), self._texts)
        from .open_models import load

        name, model_id, trust_remote_code = self._model
        return load(
            name,
            model_id=model_id,
            trust_remote_code=trust_remote_code,
            threads=self._threads,
            allow_fetch=self._allow_fetch,
        )
