"""Serve the API over HTTP: FastAPI in front of :class:`~jina_local.app.App`, run by uvicorn.

Needs the extra ``server``: ``pip install "jina-local[server]"``. The page at ``/docs`` describes every endpoint and the
request of each model.
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
from .app import App, AppResponse, default_app
from .docs_page import docs_page
from .errors import FlatError, ModelNotFoundError, stopping
from .openapi import openapi_document

MAX_BODY_BYTES = 32 * 2**20
"""Default maximum size of a request body."""

logger = logging.getLogger("jina_local")

# The server reads an oversized request up to this multiple of the limit, so that the client gets the response and not a
# broken pipe.
_DRAIN_FACTOR = 8
# The bodies of all requests together may have this multiple of the limit.
_CONCURRENT_BODIES = 8
_START_SECONDS = 30.0
# A stopping server lets requests finish for this long, then fails the rest with 503.
_GRACE_SECONDS = 3.0
_STOP_SECONDS = 5
# Handled without a worker thread, so that they respond however many requests are computed.
_HEALTH_PATHS = ("/health", "/live", "/ready")
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def create_fastapi(app: App, max_body: int = MAX_BODY_BYTES) -> FastAPI:
    """Create the FastAPI application of an app.

    Requests reach :meth:`App.handle` as raw bytes in a worker thread, because the hosted service's error bodies differ
    from FastAPI's, and so that ``/health`` responds while a batch is computed.

    Args:
        app: Handles the requests.
        max_body: Maximum size of a request body in bytes; a larger one gets a 413. All bodies together may have eight
            times that size; a request that exceeds this gets a 503.
    """
    api = FastAPI(title="jina-local", version=__version__, docs_url=None, redoc_url=None)
    api.openapi = lru_cache(lambda: openapi_document(app.engine.served, stand_in=app.engine.stand_in is not None))  # type: ignore[method-assign]
    bodies = _Bodies(max_body)

    async def respond(request: Request) -> Response:
        if request.url.path in _HEALTH_PATHS:
            return _response(_handle(app, request, b""))
        try:
            async with bodies.reading(request) as body:
                return _response(await run_in_threadpool(_handle, app, request, body))
        except FlatError as error:
            return _response(app.error_response(error))
        except ClientDisconnect:
            return Response(status_code=400)

    @api.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(api.openapi()))

    # All paths and methods: the app itself returns 404 and 405, with the headers of every response.
    api.add_api_route("/{path:path}", respond, methods=_METHODS, include_in_schema=False)
    return api


def serve(
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    app: App | None = None,
    api_key: str | None = None,
    max_body: int = MAX_BODY_BYTES,
) -> None:
    """Print the server's URL, and serve until interrupted.

    Args:
        host: Address to listen on. If other machines can reach it, require a key.
        port: Port; 0 for a free one.
        app: Handles the requests; defaults to an app on this process's engine.
        api_key: Key that requests must send; used only without ``app``.
        max_body: Maximum size of a request body in bytes.

    Raises:
        OSError: The server cannot listen on the address.
    """
    app = app or App(default_app().engine, api_key)
    if not _is_loopback(host) and not app.needs_key:
        print(f"Warning: {host} can be reached by other machines and no API key is required.", file=sys.stderr)
    listener = _listen(host, port)
    url = _url(listener)

    def announce() -> None:
        print(
            f"jina-local serves {url} ({app.engine.name}). Use it with JINA_BASE_URL={url}; "
            f"its API page is {url.removesuffix('/v1')}/docs",
            flush=True,
        )

    with listener:
        # Closing the engine stops work that nobody waits for: batch jobs, and requests of clients that hung up.
        _Server(create_fastapi(app, max_body), app.engine.close, announce).run(sockets=[listener])


@contextmanager
def running(
    port: int = 0, *, app: App | None = None, api_key: str | None = None, max_body: int = MAX_BODY_BYTES
) -> Iterator[str]:
    """Serve on loopback in a thread while the block runs, for tests and notebooks.

    Args:
        port: Port; 0 for a free one.
        app: Handles the requests; defaults to an app on this process's engine.
        api_key: Key that requests must send; used only without ``app``.
        max_body: Maximum size of a request body in bytes.

    Yields:
        Root of the API, such as ``http://127.0.0.1:49152/v1``, for use as ``base_url``.

    Raises:
        OSError: The server cannot listen on the port.
        RuntimeError: The server did not start, or did not stop.
    """
    # The engine belongs to the caller or to the process, and outlives the server.
    server = _Server(create_fastapi(app or App(default_app().engine, api_key), max_body), lambda: None)
    with _listen("127.0.0.1", port) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), name="jina-local", daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not server.started:
                if not thread.is_alive() or time.monotonic() > deadline:
                    raise RuntimeError("the server did not start")
                time.sleep(0.005)
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join(_STOP_SECONDS * 2)
            if thread.is_alive():
                server.force_exit = True
                thread.join(_STOP_SECONDS)
    if thread.is_alive():
        raise RuntimeError("the server did not stop: a request is still being computed")


def _handle(app: App, request: Request, body: bytes) -> AppResponse:
    # The raw path, because a slash inside a name is sent as %2F.
    path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1")
    if request.url.query:
        path = f"{path}?{request.url.query}"
    try:
        return app.handle(request.method, path, request.headers, body)
    except ModelNotFoundError as error:
        logger.error("%s", error)
        return app.error_response(FlatError(503, str(error), "SERVICE_UNAVAILABLE"))


class _Bodies:
    """Reads request bodies, and limits the size of each and of all together.

    Args:
        largest: Maximum size of one body in bytes.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._free = largest * _CONCURRENT_BODIES

    @asynccontextmanager
    async def reading(self, request: Request) -> AsyncIterator[bytes]:
        """Read a body, and count its size against the total while the block runs.

        Yields:
            The body.

        Raises:
            FlatError: The body is too large (413), or all bodies together are (503).
        """
        body = bytearray()
        size = reserved = 0
        try:
            async for block in request.stream():
                size += len(block)
                if size > self._largest * _DRAIN_FACTOR:
                    break
                if size > self._largest:
                    body.clear()
                    continue
                self._free -= len(block)
                reserved += len(block)
                if self._free < 0:
                    raise stopping()
                body += block
            if size > self._largest:
                detail = f"The request body is larger than {self._largest} bytes. Send fewer items at once."
                raise FlatError(413, detail, "REQUEST_TOO_LARGE")
            yield bytes(body)
        finally:
            self._free += reserved


def _response(response: AppResponse) -> Response:
    status, headers, body = response
    return Response(body, status, headers)


class _Server(uvicorn.Server):
    """A server that, when it stops, lets requests finish for a moment and then fails the rest with 503.

    Args:
        api: The application.
        close: Called when the server stops.
        announce: Called once the server is ready.
    """

    def __init__(self, api: FastAPI, close: Callable[[], None], announce: Callable[[], None] = lambda: None) -> None:
        super().__init__(
            uvicorn.Config(
                api, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=_STOP_SECONDS
            )
        )
        self._close, self._announce = close, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Only after startup, so that a program that reads the announcement can stop the server right away.
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        timer = asyncio.get_running_loop().call_later(_GRACE_SECONDS, self._close)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()
            self._close()


def _listen(host: str, port: int) -> socket.socket:
    """Open the socket, so that the port is known and in use before the server's thread runs."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
