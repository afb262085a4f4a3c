"""Encoding of calls as HTTP requests with the caller's key, and decoding of responses, in the service's dialect."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from traceback import format_exception
from typing import Any

from . import protocol
from .addresses import endpoint_url, may_receive_key
from .advice import advice_for
from .cancellation import Cancellation
from .dialects import DIALECTS, Dialect
from .errors import JinaConnectionError, JinaResponseError, error_from_response, masked
from .gateway import header_of_key
from .protocol import Call, parse
from .protocol.base64_vectors import parse_vectors
from .settings import Settings
from .transport import Request, Response
from .turns import Turn
from .version import __version__


class HttpCodec:
    """Encodes and decodes for one service.

    Args:
        settings: where requests go, and the key.
        dialect: the protocol that the service speaks.
    """

    def __init__(self, settings: Settings, dialect: Dialect) -> None:
        self._settings = settings
        self._dialect = dialect
        self._secrets = settings.secrets
        self._gateway_headers = dict(settings.headers or {})
        # A header that the caller passes takes the place of the client's own, whatever the environment says.
        own = {name.lower() for name in self._gateway_headers}
        if settings.key is not None and (settings.key_header or "authorization" not in own):
            self._gateway_headers |= header_of_key(settings.key.reveal(), settings.key_header)

    def encode(
        self,
        call: Call,
        cancellation: Cancellation,
        root: str | None = None,
        timeout: float = math.inf,
        turn: Turn | None = None,
    ) -> Request:
        """Return the HTTP request for a call. Reads files and encodes images.

        Args:
            call: the call.
            cancellation: tells the transport when the call has ended.
            root: the root of the server that gets it; by default that of the only one.
            timeout: seconds for the exchange, if they are fewer than those of the settings.
            turn: the request's turn at reading its response.
        """
        root = root or self._settings.root
        encoded = call if call.url else self._dialect.encode(call)
        url = call.url or endpoint_url(root, encoded.path)
        headers = {
            "Accept": "text/plain" if call.plain else "application/json",
            "Accept-Encoding": "gzip, deflate" if encoded.compress else "identity",
            "User-Agent": f"jina-client/{__version__}",
        }
        if call.url is None or may_receive_key(root, call.url):
            own = {name.lower() for name in self._gateway_headers}
            headers = {name: headers[name] for name in headers if name.lower() not in own} | self._gateway_headers
        body = b""
        if encoded.payload is not None:
            headers["Content-Type"] = "application/json"
            body = self._dialect.dumps(encoded.payload)
        reserved = {name.lower() for name in headers}
        callers = {name: value for name, value in call.headers.items() if name.lower() not in reserved}
        timeout = min(timeout, self._settings.timeout)
        return Request(encoded.method, url, {**callers, **headers}, body, timeout, cancellation, turn or Turn())

    def decode(self, call: Call, response: Response, url: str = "") -> Any:
        """Return the parsed response as Jina's API spells it.

        Args:
            call: the call.
            response: the response to its request.
            url: the address that the request went to, for the message of an error.

        Raises:
            JinaStatusError: the error that the response's status stands for.
            JinaConnectionError: the body is truncated.
            JinaResponseError: the body breaks the protocol.
        """
        if 200 <= response.status < 300:
            if call.vectors:
                return self._translate(call, parse_vectors(response.body), response.headers)
            content = bytes(response.body)
            if call.url is not None:
                return protocol.parse_reader_response(call, content, response.headers)
            if call.lines:
                return protocol.parse_lines(content)
            if call.method == "DELETE" and not content:
                return {}
            return self._translate(call, parse(content), response.headers)
        error = error_from_response(response.status, bytes(response.body), response.headers, secrets=self._secrets)
        error.url = url
        error.advice = advice_for(
            error, url, self._settings, location=response.headers.get("location", ""), model=_model_of(call)
        )
        raise error

    def _translate(self, call: Call, body: Any, headers: Mapping[str, str]) -> Any:
        """Return a response as Jina's API spells it, unless it is the response of another service."""
        if type(self._dialect) is Dialect:
            self._check_service(call, body, headers)
        try:
            return self._dialect.decode(call, body, headers)
        except JinaResponseError:
            self._check_service(call, body, headers)
            raise

    def _check_service(self, call: Call, body: Any, headers: Mapping[str, str]) -> None:
        for other in DIALECTS.values():
            if other is not type(self._dialect) and other.made(call, body, headers):
                raise JinaResponseError(
                    f"the response comes from {other.title}, which interprets this request differently: "
                    f"pass dialect={other.name!r} (it is {self._dialect.name!r})"
                )

    def hide_key(self, response: Response) -> Response:
        """Return a response without the key in its headers, because some services repeat it."""
        return replace(response, headers={name: self._masked(value) for name, value in response.headers.items()})

    @contextmanager
    def key_hidden(self) -> Iterator[None]:
        """Take the key out of errors that quote a response, in their own words or in those of their cause."""
        try:
            yield
        except (JinaConnectionError, JinaResponseError) as error:
            # Without the lines of the program, which take milliseconds to find.
            text = "".join(format_exception(error, limit=0))
            if self._masked(text) != text:
                error.args = tuple(self._masked(argument) for argument in error.args)
                error.__cause__ = None
            raise

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = masked(text, secret)
        return text


def _model_of(call: Call) -> str:
    model = (call.payload or {}).get("model")
    return model if isinstance(model, str) else ""
