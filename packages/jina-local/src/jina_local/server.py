"""The API over HTTP: FastAPI in front of :class:`~jina_local.app.App`, served by uvicorn.

Needs the extra: ``pip install "jina-local[server]"``. The page at ``/docs`` describes every endpoint and each model's
request.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from starlette.requests import ClientDisconnect

from . import __version__
from .app import Answer, App, default_app
from .docs_page import docs_page
from .errors import FlatRefusal, ModelNotFoundError, stopping
from .openapi import openapi_document

MAX_BODY_BYTES = 32 * 2**20
"""The largest request body, unless another is named."""

logger = logging.getLogger("jina_local")

# How much of a request that is too large is still read, so that the client gets the answer rather than a broken pipe.
_DRAIN_FACTOR = 8
# The bodies of all requests together may be this many times the largest one.
_BODIES_AT_ONCE = 8
_STARTING_SECONDS = 30.0
# A stopping server lets requests finish for this long, then refuses what is left.
_GRACE_SECONDS = 3.0
_STOPPING_SECONDS = 5
# Answered without waiting for a thread, so that they come however many requests are computed.
_AT_ONCE = ("/health", "/live", "/ready")
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def create_fastapi(app: App, max_body: int = MAX_BODY_BYTES) -> FastAPI:
    """The FastAPI application for an app.

    Requests reach :meth:`App.handle` as raw bytes in a worker thread: the hosted service's error bodies are not
    FastAPI's, and ``/health`` answers while a batch is computed.

    Args:
        app: what answers.
        max_body: the largest request body, in bytes; a larger one is answered with 413. All bodies together may have
            eight times that; what exceeds it is answered with 503.
    """
    api = FastAPI(title="jina-local", version=__version__, docs_url=None, redoc_url=None)
    api.openapi = lru_cache(lambda: openapi_document(app.engine.served))  # type: ignore[method-assign]
    bodies = _Bodies(max_body)

    async def answer(request: Request) -> Response:
        if request.url.path in _AT_ONCE:
            return _response(_handle(app, request, b""))
        try:
            async with bodies.reading(request) as body:
                return _response(await run_in_threadpool(_handle, app, request, body))
        except FlatRefusal as error:
            return _response(app.refusal(error))
        except ClientDisconnect:
            return Response(status_code=400)

    @api.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(api.openapi()))

    # Whatever is asked for: the app says 404 or 405, with the headers that every answer has.
    api.add_api_route("/{path:path}", answer, methods=_METHODS, include_in_schema=False)
    return api


def serve(
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    app: App | None = None,
    api_key: str | None = None,
    max_body: int = MAX_BODY_BYTES,
) -> None:
    """Serve until interrupted, after saying where.

    Args:
        host: the address to listen on. Beyond this machine a key should be required.
        port: the port; 0 for a free one.
        app: what answers; by default an app on this process's engine.
        api_key: if no app is given, the key that requests must carry.
        max_body: the largest request body, in bytes.

    Raises:
        OSError: the address cannot be listened on.
    """
    app = app or App(default_app().engine, api_key)
    if not _is_loopback(host) and not app.needs_key:
        print(f"Warning: {host} can be reached by other machines and no API key is required.", file=sys.stderr)
    listening = _listen(host, port)
    url = _url(listening)

    def announce() -> None:
        print(
            f"jina-local serves {url} ({app.engine.name}). Use it with JINA_BASE_URL={url}; "
            f"its API page is {url.removesuffix('/v1')}/docs",
            flush=True,
        )

    with listening:
        # What is computed after the last answer is for nobody: a batch job, or a client that hung up.
        _Server(create_fastapi(app, max_body), app.engine.close, announce).run(sockets=[listening])


@contextmanager
def running(
    port: int = 0, *, app: App | None = None, api_key: str | None = None, max_body: int = MAX_BODY_BYTES
) -> Iterator[str]:
    """Serve on loopback in a thread while the block runs, for tests and notebooks.

    Args:
        port: the port; 0 for a free one.
        app: what answers; by default an app on this process's engine.
        api_key: if no app is given, the key that requests must carry.
        max_body: the largest request body, in bytes.

    Yields:
        The API's root, such as ``http://127.0.0.1:49152/v1``, to be used as ``base_url``.

    Raises:
        OSError: the port cannot be listened on.
        RuntimeError: the server did not start, or did not stop.
    """
    # The engine belongs to the caller, or to the process: it outlives the server.
    server = _Server(create_fastapi(app or App(default_app().engine, api_key), max_body), lambda: None)
    with _listen("127.0.0.1", port) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), name="jina-local", daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + _STARTING_SECONDS
            while not server.started:
                if not thread.is_alive() or time.monotonic() > deadline:
                    raise RuntimeError("the server did not start")
                time.sleep(0.005)
            yield _url(listening)
        finally:
            server.should_exit = True
            thread.join(_STOPPING_SECONDS * 2)
            if thread.is_alive():
                server.force_exit = True
                thread.join(_STOPPING_SECONDS)
    if thread.is_alive():
        raise RuntimeError("the server did not stop: a request is still being computed")


def _handle(app: App, request: Request, body: bytes) -> Answer:
    # As it was sent: a slash inside a name is written %2F.
    path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1")
    if request.url.query:
        path = f"{path}?{request.url.query}"
    try:
        return app.handle(request.method, path, request.headers, body)
    except ModelNotFoundError as error:
        logger.error("%s", error)
        return app.refusal(FlatRefusal(503, str(error), "SERVICE_UNAVAILABLE"))


class _Bodies:
    """Reads request bodies, each of bounded size and all of them together too."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._left = largest * _BODIES_AT_ONCE

    @asynccontextmanager
    async def reading(self, request: Request) -> AsyncIterator[bytes]:
        """The body, which counts for as long as the block runs.

        Raises:
            FlatRefusal: it is too large (413), or there are too many of them (503).
        """
        body = bytearray()
        size = taken = 0
        try:
            async for block in request.stream():
                size += len(block)
                if size > self._largest * _DRAIN_FACTOR:
                    break
                if size > self._largest:
                    body.clear()
                    continue
                self._left -= len(block)
                taken += len(block)
                if self._left < 0:
                    raise stopping()
                body += block
            if size > self._largest:
                detail = f"The request body is larger than {self._largest} bytes. Send fewer items at once."
                raise FlatRefusal(413, detail, "REQUEST_TOO_LARGE")
            yield bytes(body)
        finally:
            self._left += taken


def _response(answer: Answer) -> Response:
    status, headers, body = answer
    return Response(body, status, headers)


class _Server(uvicorn.Server):
    """A server that, when it stops, first lets requests finish and then refuses what is still computed."""

    def __init__(self, api: FastAPI, close: Callable[[], None], announce: Callable[[], None] = lambda: None) -> None:
        super().__init__(
            uvicorn.Config(
                api, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=_STOPPING_SECONDS
            )
        )
        self._close, self._announce = close, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Only now: whoever stops it as soon as it speaks finds it ready to be stopped.
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        refusing = asyncio.get_running_loop().call_later(_GRACE_SECONDS, self._close)
        try:
            await super().shutdown(sockets)
        finally:
            refusing.cancel()
            self._close()


def _listen(host: str, port: int) -> socket.socket:
    """A socket of our own, so that the port is known, and in use, before the server's thread runs."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
