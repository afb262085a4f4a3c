"""HTTP without a server: take method, path, headers and body, and return status, headers and body.

The in-process transport and the HTTP server both call :meth:`App.handle`, so they return the same responses.
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
from typing import IO, Any
from urllib.parse import parse_qsl

import orjson

from .cancellation import CallerCancellation
from .engine import Engine
from .errors import FlatError, ModelNotFoundError, RejectedRequestError, RequestError
from .limits import Limits, no_charge
from .routes import RouteCall, find_route

AppResponse = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""

StreamedResponse = tuple[int, dict[str, str], bytes | IO[bytes]]
"""Status, headers and body, which is an open file if it can be large. The receiver closes it."""

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
    """The API of an engine.

    Args:
        engine: Computes the responses; defaults to a new engine on the stand-in.
        api_key: Key that requests must send as ``Authorization: Bearer``, except for the list of models and the health
            checks; ``None`` requires no key.
        limits: Simulated rate limits; defaults to none.

    Raises:
        ValueError: The key is empty, or has characters other than printable ASCII without spaces.

    Attributes:
        engine: The engine.
    """

    def __init__(self, engine: Engine | None = None, api_key: str | None = None, limits: Limits | None = None) -> None:
        if api_key is not None and not re.fullmatch("[!-~]+", api_key):
            problem = "is empty" if not api_key else "has characters that an HTTP header cannot carry"
            raise ValueError(f"the API key {problem}: use printable ASCII characters without spaces, or set no key")
        self.engine = engine or Engine()
        self._api_key = api_key
        self._limits = limits or Limits()

    @property
    def needs_key(self) -> bool:
        """Whether requests must send a key."""
        return self._api_key is not None

    def handle(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        cancellation: CallerCancellation | None = None,
    ) -> AppResponse:
        """Handle one request.

        Args:
            method: HTTP method, such as ``POST``.
            path: Path, such as ``/v1/embeddings``, with its query string if it has one. A whole URL works too.
            headers: Headers by name, in any case.
            body: Raw JSON.
            cancellation: Tells that the caller no longer waits. The engine then stops computing for this request
                within a moment, and the response is a 503.

        Returns:
            The status, the headers and the body. An invalid request gets an error response.

        Raises:
            ModelNotFoundError: The model cannot be loaded. Only this error is raised: no request can change it, and in
                process its message should reach the user unchanged.
        """
        status, response_headers, content = self.stream(method, path, headers, body, cancellation=cancellation)
        if not isinstance(content, bytes):
            with content:
                content = content.read()
        return status, response_headers, content

    def stream(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        cancellation: CallerCancellation | None = None,
    ) -> StreamedResponse:
        """Handle one request as :meth:`handle` does, but return the output of a batch job as an open file."""
        request_id = uuid.uuid4().hex
        url_path, _, query = path.partition("?")
        url_path = re.sub("^https?://[^/]*", "", url_path)
        match = find_route(method.upper(), url_path)
        if isinstance(match, list):
            return self._no_route(request_id, method, url_path, match)
        route, params = match
        try:
            if not route.keyless:
                self._authorize(headers)
            with (
                self.engine.request_scope(cancellation) if route.metered else nullcontext(),
                self._limits.admit() if route.metered else nullcontext(no_charge) as charge,
            ):
                parameters = dict(parse_qsl(query, keep_blank_values=True))
                content = route.handler(
                    self.engine, RouteCall(params=params, query=parameters, body=body, charge=charge)
                )
                data = content if route.lines else _encode(content)
            content_type = "application/jsonl" if route.lines else "application/json"
            return 200, self._headers(request_id, content_type), data
        except ModelNotFoundError:
            raise
        except RequestError as error:
            return error.status, self._headers(request_id) | error.headers, _encode(error.body(request_id))
        except Exception as error:
            # The log has the type and the frames, but not the message, which can contain the user's input.
            frames = "".join(traceback.format_tb(error.__traceback__))
            logger.error("request %s failed with %s\n%s", request_id, type(error).__name__, frames)
            failure = RejectedRequestError(_UNEXPECTED, "INTERNAL_ERROR", status=500)
            return 500, self._headers(request_id), _encode(failure.body(request_id))

    def reject(self, method: str, path: str, headers: Mapping[str, str]) -> AppResponse | None:
        """Return the response to a request that is rejected whatever its body, or ``None``.

        A server calls this before it reads the body: an unknown path, a wrong method, or a missing or wrong key.

        Args:
            method: HTTP method.
            path: Path without the query string.
            headers: Headers by name, in any case.
        """
        request_id = uuid.uuid4().hex
        match = find_route(method.upper(), path)
        if isinstance(match, list):
            return self._no_route(request_id, method, path, match)
        try:
            if not match[0].keyless:
                self._authorize(headers)
        except FlatError as error:
            return error.status, self._headers(request_id), _encode(error.body(request_id))
        return None

    def error_response(self, error: FlatError) -> AppResponse:
        """Return the response to a request that failed before it reached the app."""
        request_id = uuid.uuid4().hex
        return error.status, self._basic_headers(request_id) | error.headers, _encode(error.body(request_id))

    def _no_route(self, request_id: str, method: str, path: str, methods: list[str]) -> AppResponse:
        if not methods:
            return 404, self._basic_headers(request_id), _encode({"detail": _not_found(method, path)})
        allow = {"allow": ", ".join(methods)}
        return 405, self._basic_headers(request_id) | allow, _encode({"detail": "Method Not Allowed"})

    def _headers(self, request_id: str, content_type: str = "application/json") -> dict[str, str]:
        return self._basic_headers(request_id, content_type) | self._limits.headers()

    def _basic_headers(self, request_id: str, content_type: str = "application/json") -> dict[str, str]:
        stand_in = {"X-Jina-Stand-In": self.engine.stand_in} if self.engine.stand_in else {}
        return {"content-type": content_type, "x-request-id": request_id, **stand_in}

    def _authorize(self, headers: Mapping[str, str]) -> None:
        if self._api_key is None:
            return
        authorization = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        scheme, _, key = authorization.partition(" ")
        if not authorization.strip() or (scheme.lower() == "bearer" and not key.strip()):
            raise FlatError(401, _MISSING_KEY, "AUTH_MISSING_API_KEY")
        if scheme.lower() != "bearer":
            raise FlatError(401, _WRONG_FORMAT, "AUTH_INVALID_FORMAT")
        if not hmac.compare_digest(key.strip().encode(errors="replace"), self._api_key.encode()):
            raise FlatError(401, _WRONG_KEY, "AUTH_INVALID_API_KEY")


_apps: dict[int, App] = {}


def default_app() -> App:
    """Return this process's shared app, which needs no key.

    The first call creates it, and the first request loads the model. Calls are thread-safe, and a forked child gets an
    app of its own.
    """
    return _apps.get(os.getpid()) or _apps.setdefault(os.getpid(), App())


def _encode(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def _not_found(method: str, path: str) -> str:
    """Return the detail of a 404. The bare words are those of the hosted service."""
    if not isinstance(find_route(method.upper(), f"/v1{path}"), list):
        return f"Not Found. Did you mean /v1{path}? The root of this API ends in /v1"
    return "Not Found"
