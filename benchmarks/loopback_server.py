"""HTTP servers on loopback for benchmarks, each in a process of its own: a script serves if it gets ``--serve``.

The standard library is enough, because some scripts also run in an environment of other packages.
"""

from __future__ import annotations

import asyncio
import io
import re
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import NamedTuple


class HttpRequest(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    body: bytes


class HttpResponse(NamedTuple):
    """A response. Each line of the headers includes its line break."""

    body: bytes
    status: int = 200
    headers: str = "content-type: application/json\r\n"


Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> HttpRequest:
    """Return the next request of a connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, path, _ = head.split(b" ", 2)
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
    return HttpRequest(method.decode(), path.decode(), await reader.readexactly(length))


async def send(writer: asyncio.StreamWriter, response: HttpResponse) -> None:
    """Send a response."""
    status = HTTPStatus(response.status)
    first = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
    writer.write(f"{first}{response.headers}content-length: {len(response.body)}\r\n\r\n".encode())
    writer.write(response.body)
    await writer.drain()


def post(connected: socket.socket, stream: io.IOBase, path: str, body: bytes) -> bytes:
    """Send a request over an open socket, and return the body of the response: the least that a client can do.

    Args:
        connected: the socket.
        stream: the same socket as a file, to read from.
        path: the path of the request.
        body: the body of the request.
    """
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    connected.sendall(head.encode() + body)
    length = 0
    while (line := stream.readline()) != b"\r\n":
        if line.startswith(b"content-length"):
            length = int(line.partition(b":")[2])
    content: bytes = stream.read(length)
    return content


def answering(respond: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> Connected:
    """Return the function that answers every request of a connection with ``respond``."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await send(writer, await respond(await read_request(reader)))
        writer.close()

    return connected


async def listen(connected: Connected, port: int = 0) -> asyncio.Server:
    """Return a server that listens on a port, by default on a free one."""
    return await asyncio.start_server(connected, "127.0.0.1", port, limit=2**24)


def port_of(server: asyncio.Server) -> int:
    """Return the port that a server listens on."""
    return int(server.sockets[0].getsockname()[1])


async def serve(connected: Connected, port: int = 0) -> None:
    """Print the port, and serve until the process ends."""
    server = await listen(connected, port)
    print(port_of(server), flush=True)
    await asyncio.sleep(7200)  # a bound, should nobody end it


def start(script: str, *options: object) -> subprocess.Popen[str]:
    """Start ``script --serve`` with options."""
    command = [sys.executable, script, "--serve", *map(str, options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def printed_by(process: subprocess.Popen[str]) -> str:
    """Wait for the next line that a process prints, such as its port."""
    assert process.stdout is not None
    return process.stdout.readline()


@contextmanager
def running(script: str, *options: object) -> Iterator[int]:
    """Run ``script --serve`` with options, and yield the port of its server."""
    with start(script, *options) as process:
        try:
            yield int(printed_by(process))
        finally:
            process.terminate()


@contextmanager
def embedded_engine() -> Iterator[tuple[str, int]]:
    """Run ``jina-local serve``, and yield the root of its API and the id of its process."""
    command = [sys.executable, "-m", "jina_local.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            announcement = re.search(r"JINA_BASE_URL=(\S+);", printed_by(process))
            assert announcement
            yield announcement[1], process.pid
        finally:
            process.terminate()
