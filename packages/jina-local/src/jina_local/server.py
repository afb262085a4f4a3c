"""Serve the API over HTTP: FastAPI in front of :class:`~jina_local.app.App`, run by uvicorn.

Needs the extra ``server``: ``pip install "jina-local[server]"``. The page at ``/docs`` describes every endpoint and the
request of each model.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from typing import IO

import uvicorn
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from . import __version__
from .app import App, StreamedResponse, default_app
from .bodies import RequestBodies
from .cancellation import RequestScope
from .connections import ConnectionGuard
from .docs_page import docs_page
from .errors import FlatError, ModelNotFoundError
from .hosts import accepted_hosts, check_host, is_loopback
from .openapi import openapi_document
from .server_limits import ServerLimits

MAX_BODY_BYTES = 32 * 2**20
"""Default maximum size of a request body."""

logger = logging.getLogger("jina_local")

_START_SECONDS = 30.0
# Seconds in which a stopping server sends its last responses, after the time for requests that are being computed.
_SENDING_SECONDS = 2.0
# Threads that wait for results. Batches and media are computed a few at a time, whatever their number.
_THREADS = 96
# Bytes of a file that are read and sent at a time.
_BLOCK = 256 * 1024
# Handled without a worker thread, so that they respond however many requests are computed.
_HEALTH_PATHS = ("/health", "/live", "/ready")
_DESCRIPTION_PATHS = ("/docs", "/openapi.json")
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def create_fastapi(
    app: App, max_body: int = MAX_BODY_BYTES, limits: ServerLimits | None = None, host: str | None = None
) -> FastAPI:
    """Create the FastAPI application of an app.

    Requests reach :meth:`App.handle` as raw bytes in a worker thread, because the hosted service's error bodies differ
    from FastAPI's, and so that ``/health`` responds while a batch is computed.

    Args:
        app: Handles the requests.
        max_body: Maximum size of a request body in bytes; a larger one gets a 413. All bodies together may have eight
            times that size; a request that exceeds this gets a 503.
        limits: Limits against slow clients, and the accepted hosts.
        host: Address that the server listens on, for the check of the ``Host`` header. ``None`` accepts every name.
    """
    hosts = accepted_hosts(host, (limits or ServerLimits()).hosts)
    api = FastAPI(title="jina-local", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    api.openapi = lru_cache(lambda: openapi_document(app.engine.served, stand_in=app.engine.stand_in is not None))  # type: ignore[method-assign]

    def described(request: Request) -> Response:
        if rejection := check_host(request.headers.get("host"), hosts):
            return _response(app.error_response(rejection))
        if request.url.path == "/docs":
            return HTMLResponse(docs_page(api.openapi()))
        return JSONResponse(api.openapi())

    for path in _DESCRIPTION_PATHS:
        api.add_route(path, described, methods=["GET"], include_in_schema=False)

    # All paths and methods: the app itself returns 404 and 405, with the headers of every response.
    respond = _responder(app, max_body, limits, host)
    api.add_api_route("/{path:path}", respond, methods=_METHODS, include_in_schema=False)
    return api


def _responder(
    app: App, max_body: int, limits: ServerLimits | None, host: str | None
) -> Callable[[Request], Awaitable[Response]]:
    """Return the function that responds to requests, with the arguments of :func:`create_fastapi`."""
    limits = limits or ServerLimits()
    bodies = RequestBodies(max_body, limits.body_seconds, limits.stall_seconds)
    hosts = accepted_hosts(host, limits.hosts)
    threads: list[CapacityLimiter] = []

    async def respond(request: Request) -> Response:
        if rejection := check_host(request.headers.get("host"), hosts):
            return _response(app.error_response(rejection))
        path = request.scope["path"]
        if path in _HEALTH_PATHS:
            return _response(_handle(app, request, b"", RequestScope()))
        if not threads:
            # Create the limiter here, because it belongs to the running event loop.
            threads.append(CapacityLimiter(_THREADS))
        try:
            # Check the key before the body is read, so that a client without a key cannot send a body.
            if rejected := app.reject(request.method, path, request.headers):
                await bodies.drain(request)
                return _response(rejected)
            async with bodies.reading(request, _sender(request)) as body, _cancelled_with(request) as scope:
                return _response(await to_thread.run_sync(_handle, app, request, body, scope, limiter=threads[0]))
        except FlatError as error:
            return _response(app.error_response(error))
        except ClientDisconnect:
            return Response(status_code=400)

    return respond


def serve(
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    app: App | None = None,
    api_key: str | None = None,
    max_body: int = MAX_BODY_BYTES,
    limits: ServerLimits | None = None,
) -> None:
    """Print the server's URL, and serve until interrupted.

    Args:
        host: Address to listen on. If other machines can reach it, require a key.
        port: Port; 0 for a free one.
        app: Handles the requests; defaults to an app on this process's engine.
        api_key: Key that requests must send; used only without ``app``.
        max_body: Maximum size of a request body in bytes.
        limits: Limits against slow and numerous clients, and the accepted hosts.

    Raises:
        OSError: The server cannot listen on the address.
    """
    app = app or App(default_app().engine, api_key)
    if not is_loopback(host) and not app.needs_key:
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
        _Server(app, max_body, limits or ServerLimits(), host, app.engine.close, announce).run(sockets=[listener])


@contextmanager
def running(
    port: int = 0,
    *,
    app: App | None = None,
    api_key: str | None = None,
    max_body: int = MAX_BODY_BYTES,
    limits: ServerLimits | None = None,
) -> Iterator[str]:
    """Serve on loopback in a thread while the block runs, for tests and notebooks.

    Args:
        port: Port; 0 for a free one.
        app: Handles the requests; defaults to an app on this process's engine.
        api_key: Key that requests must send; used only without ``app``.
        max_body: Maximum size of a request body in bytes.
        limits: Limits against slow and numerous clients, and the accepted hosts.

    Yields:
        Root of the API, such as ``http://127.0.0.1:49152/v1``, for use as ``base_url``.

    Raises:
        OSError: The server cannot listen on the port.
        RuntimeError: The server did not start, or did not stop.
    """
    # The engine belongs to the caller or to the process, and outlives the server.
    app = app or App(default_app().engine, api_key)
    server = _Server(app, max_body, limits or ServerLimits(), "127.0.0.1", lambda: None)
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
            thread.join(server.stop_seconds * 2)
            if thread.is_alive():
                server.force_exit = True
                thread.join(server.stop_seconds)
    if thread.is_alive():
        raise RuntimeError("the server did not stop: a request is still being computed")


def _handle(app: App, request: Request, body: bytes, scope: RequestScope) -> StreamedResponse:
    # The raw path, because a slash inside a name is sent as %2F.
    path = request.scope.get("raw_path", request.scope["path"].encode()).decode("latin-1")
    if query := request.scope["query_string"]:
        path = f"{path}?{query.decode('latin-1')}"
    try:
        return app.stream(request.method, path, request.headers, body, cancellation=scope)
    except ModelNotFoundError as error:
        logger.error("%s", error)
        return app.error_response(FlatError(503, str(error), "SERVICE_UNAVAILABLE"))


@asynccontextmanager
async def _cancelled_with(request: Request) -> AsyncIterator[RequestScope]:
    """Cancel a scope if the client hangs up while the block runs. The body must have been read."""
    scope = RequestScope()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue
        scope.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield scope
    finally:
        watcher.cancel()


def _sender(request: Request) -> str:
    """Return a name of the client: its address, and its key if it sends one."""
    address = request.client.host if request.client else ""
    key = request.headers.get("authorization", "")
    return f"{address} {hashlib.sha256(key.encode()).hexdigest()}"


def _response(response: StreamedResponse) -> Response:
    status, headers, body = response
    if isinstance(body, bytes):
        return Response(body, status, headers)
    return StreamingResponse(_blocks(body), status, headers | {"content-length": str(body.seek(0, os.SEEK_END))})


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of a file, and close it."""
    with file:
        file.seek(0)
        while block := file.read(_BLOCK):
            yield block


class _Server(uvicorn.Server):
    """A server that, when it stops, lets requests finish for a moment and then fails the rest with 503.

    Args:
        app: Handles the requests.
        max_body: Maximum size of a request body in bytes.
        limits: Limits against slow and numerous clients.
        host: Address that the server listens on.
        close: Called when the server stops.
        announce: Called once the server is ready.
    """

    def __init__(
        self,
        app: App,
        max_body: int,
        limits: ServerLimits,
        host: str,
        close: Callable[[], None],
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        def too_many() -> dict[str, object]:
            message = f"The server has {limits.connections} connections already. Please retry with exponential backoff."
            return FlatError(503, message, "SERVICE_UNAVAILABLE").body(uuid.uuid4().hex)

        described = create_fastapi(app, max_body, limits, host)
        respond = _responder(app, max_body, limits, host)

        async def api(scope: Scope, receive: Receive, send: Send) -> None:
            # FastAPI serves the descriptions only: its layers cost as much as the rest of a request without vectors.
            if scope["path"] in _DESCRIPTION_PATHS:
                await described(scope, receive, send)
                return
            response = await respond(Request(scope, receive))
            await response(scope, receive, send)

        guard = ConnectionGuard(api, limits.connections, limits.header_seconds, too_many)
        self._grace_seconds = limits.stop_seconds
        self.stop_seconds = limits.stop_seconds + _SENDING_SECONDS
        super().__init__(
            uvicorn.Config(
                guard,
                http=guard.protocol,  # type: ignore[arg-type]
                ws="none",
                log_level="warning",
                # A header must not change the address by which the guard knows a connection.
                proxy_headers=False,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=math.ceil(self.stop_seconds),
            )
        )
        self._close, self._announce = close, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Only after startup, so that a program that reads the announcement can stop the server right away.
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        timer = asyncio.get_running_loop().call_later(self._grace_seconds, self._close)
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
