"""Every route of the API in one table, for the app and for its OpenAPI description."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

from .engine import Engine
from .errors import FlatError, InvalidFieldsError, ModelNotFoundError, problem
from .limits import Charge

_MAX_LISTED_JOBS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteCall:
    """The arguments of a route's handler.

    Attributes:
        params: Path parameters by name.
        query: Query parameters by name.
        body: Raw body.
        charge: Called with the number of tokens before they are computed.
    """

    params: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    charge: Charge

    def json(self) -> Any:
        """Decode the body.

        Raises:
            InvalidFieldsError: The body is not valid JSON (422).
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise InvalidFieldsError([problem((error.pos,), f"JSON decode error: {error}", "json_invalid")]) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path.

    Attributes:
        method: HTTP method.
        path: Path, with ``{name}`` for a path parameter.
        summary: One line for the OpenAPI description.
        handler: Returns the response, ready to be encoded as JSON, or an open file if ``lines`` is set.
        metered: Whether rate limits apply.
        keyless: Whether it works without a key.
        lines: Whether the response is JSON lines.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Engine, RouteCall], Any]
    metered: bool = False
    keyless: bool = False
    lines: bool = False

    def match(self, path: str) -> dict[str, str] | None:
        """Return the path parameters of a path, or ``None`` if this route does not match it."""
        # A model id may be preceded by the hub's name and a slash.
        pattern = self.path.replace("{model_id}", "(?P<model_id>.+)")
        match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern), path)
        return None if match is None else {name: unquote(value) for name, value in match.groupdict().items()}


def _post(path: str, summary: str, handler: Callable[[Engine, RouteCall], Any]) -> Route:
    return Route(method="POST", path=path, summary=summary, handler=handler, metered=True)


def _get(path: str, summary: str, handler: Callable[[Engine, RouteCall], Any], **options: bool) -> Route:
    return Route(method="GET", path=path, summary=summary, handler=handler, **options)


def _delete(path: str, summary: str, handler: Callable[[Engine, RouteCall], Any]) -> Route:
    return Route(method="DELETE", path=path, summary=summary, handler=handler)


def _segment_by_query(engine: Engine, call: RouteCall) -> Any:
    try:
        return engine.segment(dict(call.query))
    except InvalidFieldsError as error:
        raise error.of_query() from None


def _newest_jobs(engine: Engine, call: RouteCall) -> Any:
    limit = call.query.get("limit", "20")
    if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= _MAX_LISTED_JOBS:
        message = f"Input should be a number from 1 to {_MAX_LISTED_JOBS}"
        raise InvalidFieldsError([problem(("limit",), message, "int_parsing", limit)]).of_query()
    return engine.jobs.newest(int(limit))


def _ready(engine: Engine, _: RouteCall) -> Any:
    try:
        engine.check()
    except ModelNotFoundError as error:
        raise FlatError(503, str(error), "SERVICE_UNAVAILABLE") from None
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
    # The published description lists the classifiers by POST too.
    Route(
        method="POST",
        path="/v1/classifiers",
        summary="List the classifiers",
        handler=lambda engine, _: engine.classifiers(),
    ),
    _delete(
        "/v1/classifiers/{classifier_id}",
        "Delete a classifier",
        lambda engine, call: engine.delete_classifier(call.params["classifier_id"]),
    ),
    _post("/v1/segment", "Split a text into chunks", lambda engine, call: engine.segment(call.json())),
    _get("/v1/segment", "Split a text into chunks", _segment_by_query, metered=True),
    _post("/v1/batch/embeddings", "Start a batch job", lambda engine, call: engine.create_batch(call.json())),
    _get(
        "/v1/batch/{batch_id}",
        "Get the status of a batch job",
        lambda engine, call: engine.jobs.status(call.params["batch_id"]),
    ),
    _delete(
        "/v1/batch/{batch_id}",
        "Cancel a batch job",
        lambda engine, call: engine.jobs.cancel(call.params["batch_id"]),
    ),
    _get(
        "/v1/batch/{batch_id}/output",
        "Get the vectors of a batch job as JSON lines",
        lambda engine, call: engine.jobs.output(call.params["batch_id"]),
        lines=True,
    ),
    _get(
        "/v1/batch/{batch_id}/errors",
        "Get the failures of a batch job as JSON lines",
        lambda engine, call: engine.jobs.errors(call.params["batch_id"]),
        lines=True,
    ),
    _get("/v1/batches", "List the newest batch jobs", _newest_jobs),
    _get("/v1/models", "List the models", lambda engine, _: engine.models(), keyless=True),
    _get(
        "/v1/models/{model_id}",
        "Describe a model",
        lambda engine, call: engine.model(call.params["model_id"]),
        keyless=True,
    ),
    _get("/health", "Report that the server runs", lambda *_: {"status": "ok"}, keyless=True),
    _get("/live", "Report that the server runs", lambda *_: {"status": "ok"}, keyless=True),
    _get("/ready", "Report whether the model can be loaded", _ready, keyless=True),
)


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | list[str]:
    """Find the route of a request.

    Args:
        method: HTTP method.
        path: Path without the query string. A slash at its end makes no difference.

    Returns:
        The route and its path parameters; if there is none, the methods that the path has, possibly empty.
    """
    methods: list[str] = []
    path = path.rstrip("/")
    for route in ROUTES:
        params = route.match(path)
        if params is None:
            continue
        if route.method == method:
            return route, params
        methods.append(route.method)
    return methods
