"""Slow, numerous and hostile clients take no more than their share."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import orjson
import pytest
import requests
import uvicorn
from jina_local.app import App
from jina_local.media.pool import MediaLimits
from jina_local.media.workers import set_media_limits
from jina_local.server import running
from jina_local.server_limits import ServerLimits

BODY = {"model": "jina-embeddings-v3", "input": "a text"}


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve on one of the two event loops. The server uses uvloop where another package has installed it."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    else:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    factory = uvicorn.Config("").get_loop_factory()
    assert factory is not None
    loop = factory()
    assert type(loop).__module__.startswith(request.param)
    loop.close()


on_both_event_loops = pytest.mark.usefixtures("event_loop")


@contextmanager
def connected(url: str, sent: bytes = b"") -> Iterator[socket.socket]:
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(sent)
        yield connection


def received(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    content = b""
    try:
        while block := connection.recv(65536):
            content += block
    except ConnectionResetError:
        pass
    return content


def head(length: int, *more: str) -> bytes:
    lines = ("POST /v1/embeddings HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}", *more)
    return "\r\n".join((*lines, "", "")).encode()


def post(url: str, timeout: float = 30, **fields: Any) -> requests.Response:
    return requests.post(f"{url}/embeddings", json={**BODY, **fields}, timeout=timeout)


@on_both_event_loops
def test_the_key_is_checked_before_the_body_is_read() -> None:
    with running(api_key="right") as url, connected(url, head(10_000_000)) as connection:
        # The body never comes.
        began = time.monotonic()
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert (response.status, orjson.loads(response.read())["code"]) == (401, "AUTH_MISSING_API_KEY")
        assert time.monotonic() - began < 5


@on_both_event_loops
def test_stalled_bodies_do_not_block_others() -> None:
    """Eight connections that each withhold the last byte used to make every other request a 503."""
    size = 100_000
    with running(max_body=size) as url, ExitStack() as stack:
        connections = [stack.enter_context(connected(url, head(size) + b"x" * (size - 1))) for _ in range(12)]
        time.sleep(0.5)
        assert [post(url, input="word " * 100).status_code for _ in range(5)] == [200] * 5
        # The oldest of the held ones has made room.
        assert connections[0].recv(100).startswith(b"HTTP/1.1 503")


@on_both_event_loops
def test_a_stalled_body_gets_a_408() -> None:
    limits = ServerLimits(stall_seconds=0.5)
    with running(limits=limits) as url, connected(url, head(100) + b"x") as connection:
        began = time.monotonic()
        assert received(connection).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 3


@on_both_event_loops
def test_a_slow_body_gets_a_408() -> None:
    limits = ServerLimits(body_seconds=1, stall_seconds=0.5)
    with running(limits=limits) as url, connected(url, head(100)) as connection:
        began = time.monotonic()
        for _ in range(30):
            try:
                connection.sendall(b"x")
            except OSError:
                break
            time.sleep(0.1)
        assert b"408" in received(connection)[:20]
        assert time.monotonic() - began < 6


@on_both_event_loops
@pytest.mark.parametrize("sent", [b"", b"POST /v1/embeddings HTTP/1.1\r\nHo"], ids=["nothing", "half a head"])
def test_incomplete_headers_end_the_connection(sent: bytes) -> None:
    with running(limits=ServerLimits(header_seconds=0.5)) as url, connected(url, sent) as connection:
        began = time.monotonic()
        received(connection)
        assert time.monotonic() - began < 5


def test_the_server_needs_neither_uvloop_nor_httptools() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['uvloop', 'httptools'])); from jina_local.cli import main; "
        "sys.exit(main(['serve', '--port', '0', '--body-seconds', '1', '--max-body', '1000']))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        announcement = re.search(r"JINA_BASE_URL=(\S+);", server.stdout.readline())
        assert announcement
        url = announcement[1]
        with requests.Session() as session:
            statuses = [
                session.post(f"{url}/embeddings", data=orjson.dumps({**BODY, **fields}), timeout=30).status_code
                for fields in ({}, {"input": 3}, {"input": "x" * 2000}, {})
            ]
        with connected(url, head(100) + b"x") as connection:
            assert received(connection).startswith(b"HTTP/1.1 408")
        server.terminate()
        assert server.wait(20) == 0
    assert statuses == [200, 422, 413, 200]


def test_a_forwarded_address_does_not_end_a_long_request() -> None:
    with running(limits=ServerLimits(header_seconds=0.2)) as url:
        headers = {"X-Forwarded-For": "203.0.113.1"}
        body = {**BODY, "input": ["word " * 500] * 12}
        assert requests.post(f"{url}/embeddings", json=body, headers=headers, timeout=60).status_code == 200


@on_both_event_loops
def test_a_connection_above_the_limit_gets_a_503() -> None:
    with running(limits=ServerLimits(connections=3)) as url:
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(connected(url))
            time.sleep(0.2)
            response = post(url)
            assert (response.status_code, response.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
            assert "3 connections already" in response.json()["detail"]
        time.sleep(0.2)
        assert post(url).status_code == 200


@on_both_event_loops
def test_clients_that_reset_their_connection_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with running() as url:
        for _ in range(30):
            with connected(url) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert requests.get(f"{url}/models", timeout=20).status_code == 200
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("LOCALHOST:8080", 200),
        ("[::1]:8080", 200),
        ("engine.internal", 200),
        ("attacker.example", 403),
        ("127.0.0.1.attacker.example", 403),
        ("", 403),
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/health", "/docs", "/openapi.json"])
def test_the_host_header_must_be_the_servers(host: str, path: str, status: int) -> None:
    with running(limits=ServerLimits(hosts=("engine.internal",))) as url:
        response = requests.get(url.removesuffix("/v1") + path, headers={"Host": host}, timeout=30)
    assert response.status_code == status


def test_a_great_many_invalid_items_get_a_small_response() -> None:
    bodies: list[dict[str, Any]] = [
        {"model": "jina-embeddings-v5-omni-small", "input": [{"content": [0] * 500_000}]},
        {**BODY, **{f"field {number}": 1 for number in range(100_000)}},
        {**BODY, "model": "x" * 4_000_000},
        {**BODY, "x" * 4_000_000: 1},
        {**BODY, "input": [1.5] * 512},
        {**BODY, "task": ["x"] * 300_000},
    ]
    app = App()
    for body in bodies:
        began = time.monotonic()
        status, _, content = app.handle("POST", "/v1/embeddings", {}, orjson.dumps(body))
        assert status in (400, 422)
        assert len(content) < 20_000
        assert time.monotonic() - began < 2


def test_an_error_lists_twenty_items_and_says_how_many_there_are() -> None:
    body = orjson.dumps({**BODY, "input": [1.5] * 512})
    status, _, content = App().handle("POST", "/v1/embeddings", {}, body)
    response = orjson.loads(content)
    assert (status, len(response["errors"])) == (422, 20)
    assert response["detail"].startswith("Validation errors in 512 fields.")
    assert response["detail"].endswith("; and 492 more")


def test_repeated_labels_are_bounded() -> None:
    body = {"model": "jina-embeddings-v3", "input": ["a"] * 512, "labels": ["x" * 100_000, "y"]}
    status, _, content = App().handle("POST", "/v1/classify", {}, orjson.dumps(body))
    assert (status, orjson.loads(content)["code"]) == (413, "REQUEST_TOO_LARGE")


def test_a_file_is_not_decoded_when_too_many_files_wait() -> None:
    body = orjson.dumps({"model": "jina-clip-v2", "input": {"image": "data:image/png;base64,???"}})
    set_media_limits(MediaLimits(waiting=0))
    try:
        status, headers, _ = App().handle("POST", "/v1/embeddings", {}, body)
    finally:
        set_media_limits(MediaLimits())
    assert (status, headers["retry-after"]) == (503, "1")
    assert App().handle("POST", "/v1/embeddings", {}, body)[0] == 422
