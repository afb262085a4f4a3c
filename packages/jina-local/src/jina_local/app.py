"""HTTP without a server: method, path, headers and body in, status, headers and body out.

The in-process transport and the HTTP server both call :meth:`App.handle`, so they answer alike.
"""

from __future__ import annotations

import hmac
import logging
import os
import traceback
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from .engine import Engine
from .errors import InvalidRequest, ModelNotFoundError, RefusedRequest, RequestError, UnauthorizedRequest, problem
from .weights import MODEL_NAME

Answer = tuple[int, dict[str, str], bytes]

logger = logging.getLogger("jina_local")

_KEY_PAGE = "https://jina.ai/api-dashboard/key-manager"
_MISSING_KEY = (
    "Authentication required. Provide your API key via the Authorization header: 'Authorization: Bearer <api-key>'. "
    f"Get your API key at {_KEY_PAGE}."
)
_WRONG_KEY = f"Invalid API key. Verify your API key at {_KEY_PAGE} or generate a new one."
_UNEXPECTED = "An unexpected error occurred. If this persists, contact support with the request_id from this response."


class App:
    """The API on an engine.

    Args:
        engine: what computes; by default one that finds the model by itself.
        api_key: if set, the two POST endpoints need ``Authorization: Bearer`` with it.
    """

    def __init__(self, engine: Engine | None = None, api_key: str | None = None) -> None:
        self.engine = engine or Engine()
        self._api_key = api_key
        self._routes: dict[str, tuple[str, Callable[[bytes], Any]]] = {
            "/v1/embeddings": ("POST", lambda body: self.engine.embed(_json(body))),
            "/v1/rerank": ("POST", lambda body: self.engine.rerank(_json(body))),
            "/v1/models": ("GET", lambda _: self.engine.models()),
            "/health": ("GET", lambda _: {"status": "ok"}),
        }

    @property
    def needs_key(self) -> bool:
        """Whether requests must carry a key."""
        return self._api_key is not None

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Answer one request.

        Args:
            method: such as ``POST``.
            path: such as ``/v1/embeddings``; a whole URL is taken too.
            headers: by name, in any case.
            body: the raw JSON.

        Returns:
            The status, the headers and the body. Mistakes in the request are answers too.

        Raises:
            ModelNotFoundError: the model's files are not on this machine. It is the only failure that is raised: no
                request can change it, and inside a process its message should reach the user as it is.
        """
        request_id = uuid.uuid4().hex
        route = self._routes.get(urlsplit(path).path)
        if route is None:
            return _answer(404, request_id, {"detail": "Not Found"})
        allowed, serve = route
        if method.upper() != allowed:
            status, answer_headers, content = _answer(405, request_id, {"detail": "Method Not Allowed"})
            return status, answer_headers | {"allow": allowed}, content
        try:
            if allowed == "POST":
                self._authorize(headers)
            return _answer(200, request_id, serve(body))
        except ModelNotFoundError:
            raise
        except RequestError as error:
            return _answer(error.status, request_id, error.body(request_id))
        except Exception as error:
            # The frames and the type, but not the message: that can hold what the user sent.
            frames = "".join(traceback.format_tb(error.__traceback__))
            logger.error("request %s failed with %s\n%s", request_id, type(error).__name__, frames)
            failure = RefusedRequest(_UNEXPECTED, "INTERNAL_ERROR", status=500)
            return _answer(500, request_id, failure.body(request_id))

    def _authorize(self, headers: Mapping[str, str]) -> None:
        if self._api_key is None:
            return
        sent = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        scheme, _, key = sent.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise UnauthorizedRequest(_MISSING_KEY, "AUTH_MISSING_API_KEY")
        if not hmac.compare_digest(key.strip().encode(), self._api_key.encode()):
            raise UnauthorizedRequest(_WRONG_KEY, "AUTH_INVALID_API_KEY")


_apps: dict[int, App] = {}


def default_app() -> App:
    """The process's own app, without a key: made at the first call, the model loaded at the first request.

    It is safe to call from several threads and after a fork: a child process gets an app of its own.
    """
    return _apps.get(os.getpid()) or _apps.setdefault(os.getpid(), App())


def error_answer(status: int, detail: str, code: str) -> Answer:
    """An answer with the flat body ``{"detail", "request_id", "code"}``, for what stands before the app."""
    request_id = uuid.uuid4().hex
    return _answer(status, request_id, {"detail": detail, "request_id": request_id, "code": code})


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest([problem((), f"JSON decode error: {error}", "json_invalid")]) from None


def _answer(status: int, request_id: str, content: Any) -> Answer:
    headers = {"content-type": "application/json", "x-request-id": request_id, "X-Jina-Stand-In": MODEL_NAME}
    return status, headers, orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
