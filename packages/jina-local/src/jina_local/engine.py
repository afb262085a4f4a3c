"""The engine: takes the decoded body of a request to Jina's API, and returns the response as plain data.

It knows neither HTTP nor bytes. Each process loads the model at the first request that needs it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from . import model_cards
from .backend import Backend, BackendFactory
from .backend_discovery import make_backend_factory
from .batch_tasks import BatchTaskQueue
from .cancellation import CallerCancellation, RequestScope, RequestScopes
from .classifier_store import ClassifierStore
from .errors import stopping
from .limits import Charge, no_charge
from .media.reader import read_lines
from .precision import Precision
from .responses.classify import few_shot_response, train_response, zero_shot_response
from .responses.embeddings import embedding_response
from .responses.rerank import rerank_response
from .segmentation import segment
from .stand_in import StandInFactory
from .validation.batch import read_batch_body
from .validation.classify import FewShotBody, read_classify_body, read_train_body
from .validation.embeddings import read_embedding_body
from .validation.options import Catalog, without_unknown_fields
from .validation.options import Path as RequestPath
from .validation.rerank import read_rerank_body
from .validation.segment import read_segment_body

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _in_scope(method: Callable[Concatenate[Engine, _P], _R]) -> Callable[Concatenate[Engine, _P], _R]:
    """Make a method's work end when the engine is closed."""

    @wraps(method)
    def run(self: Engine, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with self.request_scope():
            return method(self, *args, **kwargs)

    return run


class Engine:
    """Jina's API on one backend. Thread-safe.

    Every method that computes takes the body of a request, decoded from JSON, and returns the response, ready to be
    encoded as JSON. It raises :class:`~jina_local.RequestError` for a request that cannot be served, and
    :class:`~jina_local.ModelNotFoundError` if the model cannot be loaded.

    Args:
        model_path: Folder of the stand-in's files. By default the engine searches the places that
            ``jina-local fetch-model`` and the model's package use.
        threads: Threads that compute one batch; defaults to one per core that this process may use.
        backend: Factory of the backend to compute with; defaults to the stand-in's. See :mod:`jina_local.backend`.
        model: Folder of one of Jina's open models, or its id on the hub, such as ``jinaai/jina-embeddings-v3-hf``. The
            installed backend package makes the factory.
        model_id: Id that the model is served under, such as ``jina-embeddings-v3``; defaults to the id that ``model``
            contains.
        allow_fetch: Whether images, PDFs and batch files may be fetched from public addresses.
        lenient: Whether fields that Jina's API does not have, such as OpenAI's ``user``, are ignored; by default they
            are errors. Fields of other models stay errors.
        state: Folder for trained classifiers and batch jobs. By default they are kept only as long as the engine.
        precision: Number format of the stand-in's linear layers: ``int8``, which is about twice as fast, or
            ``float32``. Defaults to ``JINA_LOCAL_PRECISION``, and else to ``int8``.

    Raises:
        ValueError: More than one of ``model_path``, ``backend`` and ``model`` is set, ``model_id`` without ``model``,
            ``precision`` with ``backend`` or ``model``, or ``precision`` is unknown.
        ModelNotFoundError: ``model`` is set and no backend package is installed.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        threads: int | None = None,
        *,
        backend: BackendFactory | None = None,
        model: str | os.PathLike[str] | None = None,
        model_id: str | None = None,
        allow_fetch: bool = False,
        lenient: bool = False,
        state: str | os.PathLike[str] | None = None,
        precision: Precision | None = None,
    ) -> None:
        if sum(option is not None for option in (model_path, backend, model)) > 1:
            raise ValueError("model_path=, backend= and model= each choose what computes: set only one of them")
        if model_id is not None and model is None:
            raise ValueError(f"model_id={model_id!r} names the model of model=: set model= too, or leave it out")
        if precision is not None and (backend is not None or model is not None):
            raise ValueError(f"precision={precision!r} applies to the stand-in only: leave it out with another model")
        if backend is not None:
            self._factory = backend
        elif model is not None:
            self._factory = make_backend_factory(
                os.fspath(model), model_id=model_id, threads=threads, allow_fetch=allow_fetch
            )
        else:
            self._factory = StandInFactory(model_path, threads, allow_fetch, precision)
        self._allow_fetch = allow_fetch
        self._lenient = lenient
        # One backend per process: a session's threads, and a lock held by another thread, do not survive a fork.
        self._backends: dict[int, Backend] = {}
        self._locks: dict[int, threading.Lock] = {}
        self._scopes = RequestScopes()
        self._classifiers = ClassifierStore(state)
        jobs_folder = None if state is None else Path(state, "jobs")
        self.jobs = BatchTaskQueue(lambda request: self.embed(request), self._scopes.enter, jobs_folder)
        self._closed = False

    @property
    def name(self) -> str:
        """Name of the backend for messages."""
        return self._factory.name

    @property
    def stand_in(self) -> str | None:
        """Name of the model that stands in for the requested ones, or ``None`` if the models are the real ones."""
        return self._factory.stand_in

    @property
    def served(self) -> Catalog:
        """The models that are served. For the stand-in they are known without loading it."""
        served = self._factory.served
        return self._backend().served if served is None else served

    def load(self) -> None:
        """Load the model now and not at the first request.

        Raises:
            ModelNotFoundError: The model cannot be loaded. The message says what to do.
        """
        self._backend()

    def check(self) -> None:
        """Check quickly that the model is loaded or can be loaded.

        Raises:
            ModelNotFoundError: Its files are missing.
        """
        if os.getpid() not in self._backends:
            self._factory.check()

    def close(self) -> None:
        """Stop computing: pending requests get a 503 within a moment."""
        self._closed = True
        self.jobs.close()
        self._scopes.close()
        if backend := self._backends.get(os.getpid()):
            backend.close()

    def request_scope(self, cancellation: CallerCancellation | None = None) -> AbstractContextManager[RequestScope]:
        """Compute a request that can be cancelled while the block runs.

        Args:
            cancellation: Tells that the caller no longer waits. The methods that compute then raise a 503 within a
                moment.
        """
        return self._scopes.enter(cancellation)

    @_in_scope
    def embed(self, request: Any, charge: Charge = no_charge, path: RequestPath = "embeddings") -> dict[str, Any]:
        """Serve ``POST /v1/embeddings``, or ``/v1/multi-vector`` for that path.

        Args:
            request: The body.
            charge: Called with the number of tokens before they are computed. It raises an error if that exceeds a
                limit.
            path: Path of the request, which decides which models and fields are valid.

        Returns:
            ``{"model", "object", "usage", "data"}``. Vectors are base64 strings, or float32 arrays that become JSON
            lists.
        """
        body = read_embedding_body(self._prepared(request, path), path, self.served)
        return embedding_response(self._backend(), body, charge)

    @_in_scope
    def rerank(self, request: Any, charge: Charge = no_charge) -> dict[str, Any]:
        """Serve ``POST /v1/rerank``.

        Args:
            request: The body.
            charge: As for :meth:`embed`.

        Returns:
            ``{"model", "object", "usage", "results"}``, with results by descending score.
        """
        body = read_rerank_body(self._prepared(request, "rerank"), self.served)
        return rerank_response(self._backend(), body, charge)

    @_in_scope
    def classify(self, request: Any, charge: Charge = no_charge) -> dict[str, Any]:
        """Serve ``POST /v1/classify``.

        Args:
            request: The body.
            charge: As for :meth:`embed`.

        Returns:
            ``{"usage", "data"}``.
        """
        body = read_classify_body(self._prepared(request, "classify"), self.served)
        if isinstance(body, FewShotBody):
            classifier = self._classifiers.use(body.classifier_id)
            return few_shot_response(self._backend(), classifier, body.inputs, charge)
        return zero_shot_response(self._backend(), body, charge)

    @_in_scope
    def train(self, request: Any, charge: Charge = no_charge) -> dict[str, Any]:
        """Serve ``POST /v1/train``.

        Args:
            request: The body.
            charge: As for :meth:`embed`.

        Returns:
            ``{"classifier_id", "num_samples", "usage"}``.
        """
        body = read_train_body(self._prepared(request, "train"), self.served)
        return train_response(self._backend(), self._classifiers, body, charge)

    def classifiers(self) -> list[dict[str, Any]]:
        """Serve ``GET /v1/classifiers``."""
        return self._classifiers.summaries()

    def delete_classifier(self, classifier_id: str) -> dict[str, Any]:
        """Serve ``DELETE /v1/classifiers/{classifier_id}``."""
        self._classifiers.delete(classifier_id)
        return {"classifier_id": classifier_id, "deleted": True}

    @_in_scope
    def segment(self, request: Any) -> dict[str, Any]:
        """Serve ``/v1/segment``; see :func:`jina_local.segmentation.segment`."""
        body = read_segment_body(request)
        return segment(self._backend(), body)

    @_in_scope
    def create_batch(self, request: Any) -> dict[str, Any]:
        """Serve ``POST /v1/batch/embeddings``: queue a job, and return its status.

        :attr:`jobs` serves the other batch endpoints.
        """
        body = read_batch_body(self._prepared(request, "batch"), self.served)
        self.check()
        lines = body.lines
        if lines is None:
            lines = read_lines(body.input_url or "", allow_fetch=self._allow_fetch)
        return self.jobs.create(body, lines)

    def models(self) -> dict[str, Any]:
        """Serve ``GET /v1/models``."""
        return model_cards.model_cards(self.served, stand_in=self.stand_in is not None)

    def model(self, name: str) -> Mapping[str, Any]:
        """Serve ``GET /v1/models/{model_id}``."""
        return model_cards.model_card(name, self.served, stand_in=self.stand_in is not None)

    def _prepared(self, request: Any, path: RequestPath) -> Any:
        """Add the model to a request that names none, if the backend serves a single model; drop unknown fields."""
        if self._lenient:
            request = without_unknown_fields(request, path)
        if not isinstance(request, dict) or "model" in request or "classifier_id" in request:
            return request
        if len(self.served) != 1:
            return request
        return {"model": next(iter(self.served)), **request}

    def _backend(self) -> Backend:
        if self._closed:
            raise stopping()
        process = os.getpid()
        if process not in self._backends:
            with self._locks.setdefault(process, threading.Lock()):
                if process not in self._backends:
                    self._backends[process] = self._factory.load()
        return self._backends[process]
