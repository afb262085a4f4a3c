"""Every path of the API and what answers it: one table, for the app and for its OpenAPI page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

from .engine import Engine
from .errors import FlatRefusal, InvalidRequest, ModelNotFoundError, problem
from .limits import Charge

_MOST_JOBS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What an endpoint is called with.

    Attributes:
        params: the parts of the path that its template names.
        query: the query parameters.
        charge: to be called with the tokens before they are computed.
    """

    params: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    charge: Charge

    def json(self) -> Any:
        """The body decoded; raises InvalidRequest (422) where it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise InvalidRequest([problem((), f"JSON decode error: {error}", "json_invalid")]) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path.

    Attributes:
        path: with ``{name}`` for a part that varies.
        serve: gives the answer, to be encoded as JSON; bytes where ``lines``.
        metered: whether the limits hold.
        keyless: whether it needs no key.
        lines: whether the answer is JSON lines.
    """

    method: str
    path: str
    summary: str
    serve: Callable[[Engine, Call], Any]
    metered: bool = False
    keyless: bool = False
    lines: bool = False

    def match(self, path: str) -> dict[str, str] | None:
        """The varying parts of a path, or ``None`` where it is another."""
        # A model's id may be written with the hub's name and a slash before it.
        pattern = self.path.replace("{model_id}", "(?P<model_id>.+)")
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern), path)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}


def _post(path: str, summary: str, serve: Callable[[Engine, Call], Any]) -> Route:
    return Route(method="POST", path=path, summary=summary, serve=serve, metered=True)


def _get(path: str, summary: str, serve: Callable[[Engine, Call], Any], **more: bool) -> Route:
    return Route(method="GET", path=path, summary=summary, serve=serve, **more)


def _delete(path: str, summary: str, serve: Callable[[Engine, Call], Any]) -> Route:
    return Route(method="DELETE", path=path, summary=summary, serve=serve)


def _segment_by_query(engine: Engine, call: Call) -> Any:
    try:
        return engine.segment(dict(call.query))
    except InvalidRequest as error:
        raise error.of_query() from None


def _newest_jobs(engine: Engine, call: Call) -> Any:
    sent = call.query.get("limit", "20")
    if not re.fullmatch("[0-9]{1,4}", sent) or not 1 <= int(sent) <= _MOST_JOBS:
        message = f"Input should be a number from 1 to {_MOST_JOBS}"
        raise InvalidRequest([problem(("limit",), message, "int_parsing", sent)]).of_query()
    return engine.jobs.newest(int(sent))


def _ready(engine: Engine, _: Call) -> Any:
    try:
        engine.check()
    except ModelNotFoundError as error:
        raise FlatRefusal(503, str(error), "SERVICE_UNAVAILABLE") from None
    return {"status": "ready"}


ROUTES = (
    _post("/v1/embeddings", "Embed inputs", lambda engine, call: engine.embed(call.json(), call.charge)),
    _post(
        "/v1/multi-vector",
        "Embed each token of texts",
        lambda engine, call: engine.embed(call.json(), call.charge, path="multi-vector"),
    ),
    _post("/v1/rerank", "Rerank documents", lambda engine, call: engine.rerank(call.json(), call.charge)),
    _post("/v1/classify", "Classify inputs", lambda engine, call: engine.classify(call.json(), call.charge)),
    _post("/v1/train", "Train a classifier", lambda engine, call: engine.train(call.json(), call.charge)),
    _get("/v1/classifiers", "List the classifiers", lambda engine, _: engine.classifiers()),
    # The published description has both.
    Route(
        method="POST",
        path="/v1/classifiers",
        summary="List the classifiers",
        serve=lambda engine, _: engine.classifiers(),
    ),
    _delete(
        "/v1/classifiers/{classifier_id}",
        "Delete a classifier",
        lambda engine, call: engine.delete_classifier(call.params["classifier_id"]),
    ),
    _post("/v1/segment", "Cut a text into chunks", lambda engine, call: engine.segment(call.json())),
    _get("/v1/segment", "Cut a text into chunks", _segment_by_query, metered=True),
    _post("/v1/batch/embeddings", "Start a batch job", lambda engine, call: engine.create_batch(call.json())),
    _get("/v1/batch/{batch_id}", "How far a job is", lambda engine, call: engine.jobs.status(call.params["batch_id"])),
    _delete("/v1/batch/{batch_id}", "Cancel a job", lambda engine, call: engine.jobs.cancel(call.params["batch_id"])),
    _get(
        "/v1/batch/{batch_id}/output",
        "A job's vectors, in JSON lines",
        lambda engine, call: engine.jobs.output(call.params["batch_id"]),
        lines=True,
    ),
    _get(
        "/v1/batch/{batch_id}/errors",
        "A job's failures, in JSON lines",
        lambda engine, call: engine.jobs.errors(call.params["batch_id"]),
        lines=True,
    ),
    _get("/v1/batches", "The newest jobs", _newest_jobs),
    _get("/v1/models", "List the models", lambda engine, _: engine.models(), keyless=True),
    _get(
        "/v1/models/{model_id}",
        "One model",
        lambda engine, call: engine.model(call.params["model_id"]),
        keyless=True,
    ),
    _get("/health", "Say that it runs", lambda *_: {"status": "ok"}, keyless=True),
    _get("/live", "Say that it runs", lambda *_: {"status": "ok"}, keyless=True),
    _get("/ready", "Say whether the model is at hand", _ready, keyless=True),
)


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | list[str]:
    """The route of a request and the varying parts of its path; else the methods that the path has, maybe none."""
    methods: list[str] = []
    for route in ROUTES:
        params = route.match(path)
        if params is None:
            continue
        if route.method == method:
            return route, params
        methods.append(route.method)
    return methods
