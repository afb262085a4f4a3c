"""A real HTTP server on loopback that records requests, and answers as a test tells it."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np


@dataclass
class Answer:
    """A response of the server. A body other than bytes is sent as JSON."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Sent:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    method: str = "POST"


@dataclass
class Recorder:
    """The server's address, the requests that it received, and the function that answers them."""

    url: str
    answer: Callable[[Sent], Answer]
    sent: list[Sent] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)
    in_flight: int = 0
    most_in_flight: int = 0


class Listener(ThreadingHTTPServer):
    """A server that stops at once. The one of the standard library looks for the end from time to time."""

    daemon_threads = True
    _ends = False

    def start(self) -> None:
        """Accept connections in a thread."""
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening. Open connections stay open."""
        self._ends = True
        with suppress(OSError):
            socket.create_connection(self.server_address[:2], timeout=5).close()
        self._thread.join(5)
        self.server_close()

    def _accept(self) -> None:
        while True:
            with suppress(OSError):
                connection, address = self.get_request()
                if self._ends:
                    connection.close()
                    return
                self.process_request(connection, address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that hang up, as after a cancelled call."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def vector_of(text: str, dimensions: int = 1024) -> np.ndarray:
    """Return a unit vector that is unique to a text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)
    return vector / np.linalg.norm(vector)


_FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "float": np.ndarray.tolist,
    "base64": lambda vector: base64.b64encode(vector.astype("<f4").tobytes()).decode(),
    "ubinary": lambda vector: np.packbits(vector > 0).astype(float).tolist(),
    "binary": lambda vector: (np.packbits(vector > 0).astype(float) - 128).tolist(),
}


def embeddings(sent: Sent, dimensions: int = 1024) -> dict[str, Any]:
    """Return a correct response to an embeddings request in base64, binary or ubinary."""
    kind = sent.body.get("embedding_type", "float")
    data = []
    for index, text in enumerate(sent.body["input"]):
        vector = vector_of(text, sent.body.get("dimensions") or dimensions)
        data.append({"object": "embedding", "index": index, "embedding": _FORMS[kind](vector)})
    tokens = sum(len(text.split()) for text in sent.body["input"])
    return {"model": sent.body["model"], "object": "list", "usage": {"total_tokens": tokens}, "data": data}


def ranking(sent: Sent) -> dict[str, Any]:
    """Return a correct response to a rerank request: longer documents have higher scores."""
    documents = sent.body["documents"]
    order = sorted(range(len(documents)), key=lambda index: -len(documents[index]))[: sent.body.get("top_n")]
    results = [{"index": index, "relevance_score": len(documents[index]) / 1000} for index in order]
    return {"model": sent.body["model"], "object": "list", "usage": {"total_tokens": 7}, "results": results}


def right_answer(sent: Sent) -> Answer:
    """Return the response of a correct service."""
    return Answer(ranking(sent) if sent.path.endswith("/rerank") else embeddings(sent))


@contextmanager
def recorder(answer: Callable[[Sent], Answer] = right_answer) -> Iterator[Recorder]:
    """Run a recording server, on a free port of 127.0.0.1, until the block ends."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            sent = Sent(self.path, headers, json.loads(raw or b"{}"), self.command)
            with lock:
                state.sent.append(sent)
                state.connections.add(self.client_address)
                state.in_flight += 1
                state.most_in_flight = max(state.most_in_flight, state.in_flight)
            try:
                reply = state.answer(sent)
            finally:
                with lock:
                    state.in_flight -= 1
            content = reply.encoded()
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            if "Content-Length" not in reply.headers:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_DELETE = do_PUT = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = Listener(("127.0.0.1", 0), Handler)
    state = Recorder(f"http://127.0.0.1:{server.server_address[1]}/v1", answer)
    server.start()
    try:
        yield state
    finally:
        server.stop()
