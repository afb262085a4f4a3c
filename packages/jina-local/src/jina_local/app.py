"""HTTP without a server: method, path, headers and body in, status, headers and body out.

The in-process transport and the HTTP server both call :meth:`App.handle`, so they answer alike.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
import traceback
import uuid
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qsl

import orjson

from .engine import Engine
from .errors import FlatRefusal, ModelNotFoundError, RefusedRequest, RequestError
from .limits import Limits, free
from .routes import Call, find_route

Answer = tuple[int, dict[str, str], bytes]

logger = logging.getLogger("jina_local")

_KEY_PAGE = "https://jina.ai/api-dashboard/key-manager"
_MISSING_KEY = (
    "Authentication required. Provide your API key via the Authorization header: 'Authorization: Bearer <api-key>'. "
    f"Get your API key at {_KEY_PAGE}."
)
_WRONG_KEY = f"Invalid API key. Verify your API key at {_KEY_PAGE} or generate a new one."
_WRONG_FORMAT = (
    "Invalid authorization format. Use 'Authorization: Bearer <api-key>' with a valid Jina API key (65 characters, "
    "starts with 'jina_')."
)
_UNEXPECTED = "An unexpected error occurred. If this persists, contact support with the request_id from this response."


class App:
    """The API on an engine.

    Args:
        engine: what computes; by default one that finds the model by itself.
        api_key: if set, everything but the models' list and the health checks needs ``Authorization: Bearer`` with it.
        limits: how much may be asked of it; by default as much as it can compute.
    """

    def __init__(self, engine: Engine | None = None, api_key: str | None = None, limits: Limits | None = None) -> None:
        self.engine = engine or Engine()
        self._api_key = api_key
        self._limits = limits or Limits()

    @property
    def needs_key(self) -> bool:
        """Whether requests must carry a key."""
        return self._api_key is not None

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Answer one request.

        Args:
            method: such as ``POST``.
            path: such as ``/v1/embeddings``, with its query string if it has one; a whole URL is taken too.
            headers: by name, in any case.
            body: the raw JSON.

        Returns:
            The status, the headers and the body. Mistakes in the request are answers too.

        Raises:
            ModelNotFoundError: the model's files are not on this machine. It is the only failure that is raised: no
                request can change it, and inside a process its message should reach the user as it is.
        """
        request_id = uuid.uuid4().hex
        place, _, query = path.partition("?")
        place = re.sub("^https?://[^/]*", "", place)
        found = find_route(method.upper(), place)
        if isinstance(found, list):
            return self._no_route(request_id, found)
        route, params = found
        try:
            if not route.keyless:
                self._authorize(headers)
            with self._limits.admit() if route.metered else nullcontext(free) as charge:
                sent = dict(parse_qsl(query, keep_blank_values=True))
                content = route.serve(self.engine, Call(params=params, query=sent, body=body, charge=charge))
                encoded = content if route.lines else _encoded(content)
            kind = "application/jsonl" if route.lines else "application/json"
            return 200, self._headers(request_id, kind), encoded
        except ModelNotFoundError:
            raise
        except RequestError as error:
            answered = self._headers(request_id) | error.headers
            return error.status, answered, _encoded(error.body(request_id))
        except Exception as error:
            # The frames and the type, but not the message: that can hold what the user sent.
            frames = "".join(traceback.format_tb(error.__traceback__))
            logger.error("request %s failed with %s\n%s", request_id, type(error).__name__, frames)
            failure = RefusedRequest(_UNEXPECTED, "INTERNAL_ERROR", status=500)
            return 500, self._headers(request_id), _encoded(failure.body(request_id))

    def refusal(self, error: FlatRefusal) -> Answer:
        """An answer that says no, for what stands before the app."""
        request_id = uuid.uuid4().hex
        return error.status, self._own_headers(request_id) | error.headers, _encoded(error.body(request_id))

    def _no_route(self, request_id: str, methods: list[str]) -> Answer:
        if not methods:
            return 404, self._own_headers(request_id), _encoded({"detail": "Not Found"})
        allowed = {"allow": ", ".join(methods)}
        return 405, self._own_headers(request_id) | allowed, _encoded({"detail": "Method Not Allowed"})

    def _headers(self, request_id: str, kind: str = "application/json") -> dict[str, str]:
        return self._own_headers(request_id, kind) | self._limits.headers()

    def _own_headers(self, request_id: str, kind: str = "application/json") -> dict[str, str]:
        said = {"X-Jina-Stand-In": self.engine.stand_in} if self.engine.stand_in else {}
        return {"content-type": kind, "x-request-id": request_id, **said}

    def _authorize(self, headers: Mapping[str, str]) -> None:
        if self._api_key is None:
            return
        sent = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        scheme, _, key = sent.partition(" ")
        if not sent.strip() or (scheme.lower() == "bearer" and not key.strip()):
            raise FlatRefusal(401, _MISSING_KEY, "AUTH_MISSING_API_KEY")
        if scheme.lower() != "bearer":
            raise FlatRefusal(401, _WRONG_FORMAT, "AUTH_INVALID_FORMAT")
        if not hmac.compare_digest(key.strip().encode(), self._api_key.encode()):
            raise FlatRefusal(401, _WRONG_KEY, "AUTH_INVALID_API_KEY")


_apps: dict[int, App] = {}


def default_app() -> App:
    """The process's own app, without a key: made at the first call, the model loaded at the first request.

    It is safe to call from several threads and after a fork: a child process gets an app of its own.
    """
    return _apps.get(os.getpid()) or _apps.setdefault(os.getpid(), App())


def _encoded(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
