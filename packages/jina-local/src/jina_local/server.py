"""The API over HTTP: FastAPI in front of :class:`~jina_local.app.App`, served by uvicorn.

Needs the extra: ``pip install "jina-local[server]"``. The page at ``/docs`` describes every endpoint and each model's
request.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from . import __version__
from .app import Answer, App, default_app, error_answer
from .errors import ModelNotFoundError
from .validation import Route, request_schema

MAX_BODY_BYTES = 32 * 2**20

logger = logging.getLogger("jina_local")

# How much of a request that is too large is still read, so that the client gets the answer rather than a broken pipe.
_DRAIN_FACTOR = 8
_STARTING_SECONDS = 30.0
_STOPPING_SECONDS = 5
_EXAMPLES: dict[Route, dict[str, Any]] = {
    "embeddings": {
        "retrieval": {
            "summary": "Two passages, to be searched",
            "value": {
                "model": "jina-embeddings-v3",
                "task": "retrieval.passage",
                "input": ["The Eiffel Tower is in Paris.", "Bread is made of flour, water, salt and yeast."],
            },
        },
        "late chunking": {
            "summary": "The chunks of one document",
            "value": {
                "model": "jina-embeddings-v3",
                "task": "retrieval.passage",
                "late_chunking": True,
                "input": ["Berlin is the capital of Germany.", " It has 3.8 million inhabitants."],
            },
        },
        "bits": {
            "summary": "One bit for each dimension",
            "value": {"model": "jina-embeddings-v3", "embedding_type": "ubinary", "input": "A short text"},
        },
    },
    "rerank": {
        "text": {
            "summary": "The best two of three documents",
            "value": {
                "model": "jina-reranker-v2-base-multilingual",
                "query": "What is the capital of France?",
                "documents": ["Berlin is in Germany.", "Paris is the capital of France.", "Cats sleep a lot."],
                "top_n": 2,
            },
        }
    },
}


def create_fastapi(app: App, max_body: int = MAX_BODY_BYTES) -> FastAPI:
    """The FastAPI application for an app.

    Requests reach :meth:`App.handle` as raw bytes in a worker thread: the hosted service's error bodies are not
    FastAPI's, and ``/health`` answers while a batch is computed.

    Args:
        app: what answers.
        max_body: the largest request body, in bytes; a larger one is answered with 413.
    """
    api = FastAPI(
        title="jina-local",
        version=__version__,
        description="Jina AI's wire protocol, answered by a stand-in: all-MiniLM-L6-v2, a small English model. "
        "The vectors and scores say nothing about the quality of Jina's own models.",
        redoc_url=None,
    )

    async def answer(request: Request) -> Response:
        try:
            body = await _read_body(request, max_body)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            detail = f"The request body is larger than {max_body} bytes. Send fewer items at once."
            return _response(error_answer(413, detail, "REQUEST_TOO_LARGE"))
        return _response(await run_in_threadpool(_handle, app, request, body))

    post: dict[str, Any] = {"methods": ["POST"], "response_class": Response}
    api.add_api_route("/v1/embeddings", answer, **post, summary="Embed texts", openapi_extra=_body("embeddings"))
    api.add_api_route("/v1/rerank", answer, **post, summary="Rerank documents", openapi_extra=_body("rerank"))
    api.add_api_route("/v1/models", answer, methods=["GET"], response_class=Response, summary="List the models")
    api.add_api_route("/health", answer, methods=["GET"], response_class=Response, summary="Say that it runs")
    # Whatever else is asked for: the app says 404 or 405, with the headers that every answer has.
    everything = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
    api.add_api_route("/{path:path}", answer, methods=everything, include_in_schema=False)
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
    print(
        f"jina-local serves {url} (stand-in model all-MiniLM-L6-v2). Use it with JINA_BASE_URL={url}; "
        f"its API page is {url.removesuffix('/v1')}/docs",
        flush=True,
    )
    with listening:
        _server(create_fastapi(app, max_body)).run(sockets=[listening])


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
    server = _server(create_fastapi(app or App(default_app().engine, api_key), max_body))
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
    try:
        return app.handle(request.method, request.url.path, request.headers, body)
    except ModelNotFoundError as error:
        logger.error("%s", error)
        return error_answer(503, str(error), "SERVICE_UNAVAILABLE")


async def _read_body(request: Request, largest: int) -> bytes | None:
    """The body, or ``None`` if it is larger than allowed. No more than that is ever held."""
    body = bytearray()
    size = 0
    async for block in request.stream():
        size += len(block)
        if size <= largest:
            body += block
        elif size > largest * _DRAIN_FACTOR:
            break
        else:
            body.clear()
    return bytes(body) if size <= largest else None


def _response(answer: Answer) -> Response:
    status, headers, body = answer
    return Response(body, status, headers)


def _body(route: Route) -> dict[str, Any]:
    content = {"schema": request_schema(route), "examples": _EXAMPLES[route]}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def _server(api: FastAPI) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            api, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=_STOPPING_SECONDS
        )
    )


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
