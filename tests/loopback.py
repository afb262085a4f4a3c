"""A real HTTP server on loopback that records requests, and answers as a test tells it."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def vector_of(text: str, dimensions: int = 1024) -> np.ndarray:
    """Return a unit vector that is unique to a text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)
    return vector / np.linalg.norm(vector)


def embeddings(sent: Sent, dimensions: int = 1024) -> dict[str, Any]:
    """Return a correct response to an embeddings request in base64, binary or ubinary."""
    kind = sent.body.get("embedding_type", "float")
    data = []
    for index, text in enumerate(sent.body["input"]):
        vector = vector_of(text, sent.body.get("dimensions") or dimensions)
        bits = np.packbits(vector > 0)
        shapes: dict[str, Any] = {
            "float": vector.tolist(),
            "base64": base64.b64encode(vector.astype("<f4").tobytes()).decode(),
            "ubinary": bits.astype(float).tolist(),
            "binary": (bits.astype(float) - 128).tolist(),
        }
        data.append({"object": "embedding", "index": index, "embedding": shapes[kind]})
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

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Ignore clients that hang up, as after a cancelled call."""
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    state = Recorder(f"http://127.0.0.1:{server.server_address[1]}/v1", answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
