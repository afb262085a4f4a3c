"""A real HTTP server on loopback that misbehaves on purpose.

A :data:`Behavior` is a function of one :class:`Exchange`. It may respond, break off, stall or send wrong data.
:func:`work` always sends the correct response, with vectors that are unique to their texts. :func:`first`,
:func:`every`, :func:`on_text` and :func:`above` choose the requests that get another behavior.
"""

from __future__ import annotations

import functools
import gzip
import itertools
import json
import socket
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Literal, Self

from loopback import Listener, Sent, embeddings

DIMENSIONS = 64


@dataclass
class Exchange:
    """One request, and methods that send a faulty response."""

    server: FaultServer
    handler: BaseHTTPRequestHandler
    number: int
    headers: dict[str, str]
    body: dict[str, Any]
    size: int

    @property
    def texts(self) -> list[str]:
        return self.body["input"]

    @property
    def key(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    def right(self) -> dict[str, Any]:
        """Return the correct response body."""
        return embeddings(Sent("/v1/embeddings", self.headers, self.body), DIMENSIONS)

    def send(self, body: Any, status: int = 200, headers: dict[str, str] | None = None, *, length: int = 0) -> None:
        """Send a response. A body other than bytes is sent as JSON.

        Args:
            body: the body.
            status: the HTTP status.
            headers: additional or different headers.
            length: the number to add to the correct Content-Length.
        """
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"Content-Type": "application/json", "Content-Length": str(len(content) + length), **(headers or {})}
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in named.items()), "", ""]
        if length:
            self.hang_up()
        self.raw("\r\n".join(lines).encode("latin-1") + content)

    def raw(self, data: bytes) -> None:
        """Send bytes that need not be HTTP."""
        self.handler.wfile.write(data)
        self.handler.wfile.flush()

    def hang_up(self) -> None:
        """Close the connection when this exchange has finished."""
        self.handler.close_connection = True

    def reset(self) -> None:
        """Reset the connection when this exchange has finished, like a killed process."""
        self.hang_up()
        sent = self.handler.connection
        sent.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.resetting.add(sent)

    def stall(self, seconds: float = 60.0) -> None:
        """Do nothing for some seconds, or until the test has finished."""
        self.server.over.wait(seconds)
        self.hang_up()


Behavior = Callable[[Exchange], None]


@dataclass
class Seen:
    """The content of one request."""

    texts: list[str]
    headers: dict[str, str]


class FaultServer:
    """The server, on a free port of 127.0.0.1, while the block runs.

    Attributes:
        url: the root of its API.
        seen: the requests so far.
        in_flight: the requests that have no response yet.
        connections: the open connections.
        models: what it says it serves; nothing if it is empty, like services without a list of models.
        model_requests: the requests for that so far.
    """

    def __init__(self, behavior: Behavior | None = None, models: Sequence[str] = ()) -> None:
        self.behavior = behavior or work
        self.models = models
        self.model_requests = 0
        self.seen: list[Seen] = []
        self.in_flight = 0
        self.answered = 0
        self.resetting: set[socket.socket] = set()
        self.over = threading.Event()
        self.changed = threading.Condition()
        self.connections: set[socket.socket] = set()
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.over.set()
        self.stop()

    def start(self) -> None:
        """Listen on the port of the last start, or on a free one."""
        self._server = _Listener(("127.0.0.1", self._port), _handler(self))
        self._server.faults = self
        self._port = self._server.server_address[1]
        self._server.start()

    def stop(self) -> None:
        """Stop listening, and close every connection."""
        self._server.stop()
        for opened in list(self.connections):
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def wait_for(self, condition: Callable[[Self], bool], seconds: float = 10.0) -> bool:
        """Wait until a condition holds, and return False if that takes too long."""
        with self.changed:
            return self.changed.wait_for(lambda: condition(self), seconds)

    def begin(self, seen: Seen) -> int:
        with self.changed:
            self.seen.append(seen)
            self.in_flight += 1
            self.changed.notify_all()
            return len(self.seen)

    def end(self) -> None:
        with self.changed:
            self.in_flight -= 1
            self.answered += 1
            self.changed.notify_all()

    def connected(self, connection: socket.socket, is_open: bool) -> None:
        with self.changed:
            (self.connections.add if is_open else self.connections.discard)(connection)
            self.changed.notify_all()


class _Listener(Listener):
    request_queue_size = 128
    faults: FaultServer

    def process_request(self, request: Any, client_address: Any) -> None:
        self.faults.connected(request, True)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.faults.connected(request, False)
        if request in self.faults.resetting:
            request.close()  # Without the farewell that makes it an orderly end.
        else:
            super().shutdown_request(request)


def _handler(server: FaultServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            raw = self.rfile.read(size)
            if len(raw) < size:
                self.close_connection = True  # The client has gone in the middle of its request.
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(raw or b"{}")
            number = server.begin(Seen(body.get("input", []), headers))
            try:
                server.behavior(Exchange(server, self, number, headers, body, len(raw)))
            finally:
                server.end()

        def do_GET(self) -> None:
            with server.changed:
                server.model_requests += 1
            listed = {"data": [{"id": model} for model in server.models or ()]}
            content = json.dumps(listed if server.models else {"detail": "Not Found"}).encode()
            self.send_response(200 if server.models else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


# What a service does.


def work(exchange: Exchange) -> None:
    """Send the correct response."""
    exchange.send(exchange.right())


def refuse(status: int, body: Any = b"", headers: dict[str, str] | None = None) -> Behavior:
    """Return a behavior that sends an error status."""
    return lambda exchange: exchange.send(body, status, headers)


def say(body: Any, headers: dict[str, str] | None = None) -> Behavior:
    """Return a behavior that sends a fixed body with status 200."""
    return lambda exchange: exchange.send(body, 200, headers)


def alter(change: Callable[[dict[str, Any], Exchange], Any]) -> Behavior:
    """Return a behavior that sends the correct response with a change, made in place or returned."""

    def answer(exchange: Exchange) -> None:
        body = exchange.right()
        changed = change(body, exchange)
        exchange.send(body if changed is None else changed)

    return answer


def damage(change: Callable[[Any], Any], word: str | None = None) -> Behavior:
    """Return a behavior that changes all vectors, or those of texts that contain a word."""

    def changed(body: dict[str, Any], exchange: Exchange) -> None:
        for item, text in zip(body["data"], exchange.texts, strict=True):
            if word is None or word in text:
                item["embedding"] = change(item["embedding"])

    return alter(changed)


def reset_before(exchange: Exchange) -> None:
    exchange.reset()


def reset_within(exchange: Exchange) -> None:
    content = json.dumps(exchange.right()).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    exchange.raw(head.encode() + content[: len(content) // 2])
    exchange.reset()


def hang_up(exchange: Exchange) -> None:
    """Close the connection properly, without a response."""
    exchange.hang_up()


def stall_before(exchange: Exchange) -> None:
    exchange.stall()


def stall_within(exchange: Exchange) -> None:
    exchange.raw(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"data": [')
    exchange.stall()


def drip(head: bytes, drop: bytes) -> Behavior:
    """Return a behavior that sends a few bytes every 20 ms without end, so that no single read times out."""

    def dripping(exchange: Exchange) -> None:
        exchange.hang_up()
        exchange.raw(head)
        for _ in range(100):
            if exchange.server.over.wait(0.02):
                return
            exchange.raw(drop)

    return dripping


def compressed(encoding: str, compress: Callable[[bytes], bytes]) -> Behavior:
    """Return a behavior that compresses the correct response, even if the client did not ask for it."""

    def answer(exchange: Exchange) -> None:
        content = compress(json.dumps(exchange.right()).encode())
        exchange.send(content, headers={"Content-Encoding": encoding})

    return answer


@functools.cache
def zeros(mebibytes: int) -> bytes:
    """Return JSON of one huge string as gzip, which is a thousand times smaller. Its end is missing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(b'{"data": "') + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush each block is compressed by itself, so one is repeated.
    return start + (packer.compress(b"0" * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)) * mebibytes


def bomb(status: int = 200, mebibytes: int = 256) -> Behavior:
    content = zeros(mebibytes)
    return lambda exchange: exchange.send(content, status, {"Content-Encoding": "gzip"})


def corrupt_gzip(exchange: Exchange) -> None:
    content = bytearray(gzip.compress(json.dumps(exchange.right()).encode()))
    content[len(content) // 2 :] = b"\x00" * (len(content) - len(content) // 2)
    exchange.send(bytes(content), headers={"Content-Encoding": "gzip"})


def chunked(ending: bytes) -> Behavior:
    """Return a behavior that sends the response in chunks. An unusual ending truncates the response."""

    def answer(exchange: Exchange) -> None:
        content = json.dumps(exchange.right()).encode()
        parts = [content[: len(content) // 2], content[len(content) // 2 :]]
        if ending != b"0\r\n\r\n":
            parts.pop()
            exchange.hang_up()
        sent = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        exchange.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + sent + ending)

    return answer


def until_closed(exchange: Exchange) -> None:
    """Send a response like HTTP/1.0: its body ends with the connection."""
    exchange.hang_up()
    exchange.raw(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(exchange.right()).encode())


def echo(exchange: Exchange) -> None:
    """Send the request back, like a server on a wrong port: first the line with the key."""
    exchange.hang_up()
    lines = [f"Authorization: Bearer {exchange.key}", *(f"{name}: {value}" for name, value in exchange.headers.items())]
    exchange.raw("\r\n".join(lines).encode() + b"\r\n\r\n")


# When it does it.


def first(times: int, fault: Behavior, then: Behavior = work) -> Behavior:
    """Return a behavior with a fault in the first requests only."""
    left = itertools.count()
    return lambda exchange: (fault if next(left) < times else then)(exchange)


def every(nth: int, fault: Behavior, then: Behavior = work) -> Behavior:
    """Return a behavior with a fault in every n-th request."""
    count = itertools.count(1)
    return lambda exchange: (fault if next(count) % nth == 0 else then)(exchange)


def on_text(word: str, fault: Behavior, then: Behavior = work) -> Behavior:
    """Return a behavior with a fault in requests with a text that contains a word."""
    return lambda exchange: (fault if any(word in text for text in exchange.texts) else then)(exchange)


def above(items: int, fault: Behavior, then: Behavior = work) -> Behavior:
    """Return a behavior with a fault in requests with more inputs."""
    return lambda exchange: (fault if len(exchange.texts) > items else then)(exchange)


def above_bytes(size: int, fault: Behavior, then: Behavior = work) -> Behavior:
    """Return a behavior with a fault in requests with a larger body."""
    return lambda exchange: (fault if exchange.size > size else then)(exchange)


def last(fault: Behavior, others: int) -> Behavior:
    """Return a behavior with a fault after a number of correct responses."""

    def answer(exchange: Exchange) -> None:
        exchange.server.wait_for(lambda server: server.answered >= others)
        fault(exchange)

    return answer


def dying(after: int, seconds: float) -> Behavior:
    """Return a behavior that stops the server at a request, and restarts it on the same port."""
    count = itertools.count(1)

    def answer(exchange: Exchange) -> None:
        if next(count) != after:
            return work(exchange)
        exchange.reset()

        def absence() -> None:
            exchange.server.stop()
            if not exchange.server.over.wait(seconds):
                exchange.server.start()

        threading.Thread(target=absence, daemon=True).start()
        return None

    return answer


@dataclass
class ConcurrencyLimit:
    """A limit of concurrent requests. Rejections name the limit, only a code, or nothing."""

    limit: int
    says: Literal["limit", "code", "nothing"] = "limit"
    running: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, exchange: Exchange) -> None:
        with self.lock:
            count = self.running + 1
            is_rejected = count > self.limit
            self.running += not is_rejected
            self.most = max(self.most, self.running)
        if is_rejected:
            named = f"Concurrency limit exceeded: {count}/{self.limit} concurrent requests."
            body = {"detail": named if self.says == "limit" else "no", "code": "RATE_CONCURRENCY_LIMIT_EXCEEDED"}
            exchange.send({"detail": "no"} if self.says == "nothing" else body, 429)
            return
        try:
            time.sleep(0.01)
            content = exchange.right()
        finally:
            with self.lock:
                self.running -= 1
        exchange.send(content)


@dataclass
class PerWindow:
    """A limit of requests in a sliding window."""

    limit: int
    seconds: float
    taken: deque[float] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, exchange: Exchange) -> None:
        with self.lock:
            now = time.monotonic()
            while self.taken and self.taken[0] <= now - self.seconds:
                self.taken.popleft()
            is_rejected = len(self.taken) >= self.limit
            if not is_rejected:
                self.taken.append(now)
            wait = self.taken[0] + self.seconds - now
        if is_rejected:
            exchange.send({"detail": "Too many requests"}, 429, {"Retry-After": f"{wait:.3f}"})
        else:
            work(exchange)
