"""Files are fetched from public addresses only, whatever a URL, a name or a redirection says, and in bounded time."""

from __future__ import annotations

import io
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from jina_local.app import App
from jina_local.engine import Engine
from jina_local.media.fetch import Address, FetchError, fetch, is_public
from loopback import Answer, Sent, recorder
from PIL import Image, ImageDraw, ImageFont

LARGEST = 100_000


def loopback(address: Address) -> bool:
    return address == ipaddress.ip_address("127.0.0.1")


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads a request's head and then says what a test wants, on one connection after another."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    talk(connection)
                except OSError:
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        # Ends the wait of accept, which closing does not.
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "0.1.2.3",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        "5f00::1",
        "100::1",
        "100:0:0:1::1",
        "2001:2::1",
        "2001:20::1",
        "2001:30::1",
        "2620:4f:8000::1",
        "64:ff9b:1::1",
        "192.88.99.1",
        "192.31.196.1",
        "192.52.193.1",
        "192.175.48.1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::808:808",
        "2002:7f00:1::",
        "2002:a00:1::",
        "2001:0:808:808:0:0:80ff:fffe",
    ],
)
def test_addresses_that_are_not_public_are_rejected(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[fe80::1%25lo]",
        "8.8.8.8@127.0.0.1",
        "127.0.0.1.",
        "169.254.169.254",
    ],
)
def test_every_spelling_of_a_private_host_is_rejected(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_connection(*_: Any, **__: Any) -> Any:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "create_connection", no_connection)
    # "not known" where this system's resolver does not understand the spelling.
    with pytest.raises(FetchError, match=r"not public|not known|not a valid URL"):
        fetch(f"http://{host}:8080/x", LARGEST)


@pytest.mark.parametrize("addresses", [["10.0.0.7"], ["8.8.8.8", "10.0.0.7"], ["::1"], ["fe80::1%eth0"], []])
def test_a_name_with_any_private_address_is_rejected(addresses: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)
    with pytest.raises(FetchError, match="not public"):
        fetch("http://pictures.example/cat.png", LARGEST)


def test_the_connection_uses_the_checked_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that gives a public address first and a private one next gains nothing."""
    names: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> Any:
        names.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8" if len(names) == 1 else "127.0.0.1", port))]

    connected: list[Any] = []

    def connect(address: Any, *_: Any) -> Any:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(FetchError, match="connection failed"):
        fetch("http://pictures.example/cat.png", LARGEST)
    assert (names, connected) == (["pictures.example"], [("8.8.8.8", 80)])


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "http:///x", "x", ""])
def test_only_http_urls_are_fetched(url: str) -> None:
    with pytest.raises(FetchError, match="only http"):
        fetch(url, LARGEST, loopback)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "http://[::1/", "http://127.0.0.1:port/"])
def test_an_invalid_url_is_rejected(url: str) -> None:
    with pytest.raises(FetchError, match="not a valid URL"):
        fetch(url, LARGEST, loopback)


def test_a_fetched_server_receives_its_own_host_name() -> None:
    with recorder(lambda _: Answer(b"the file")) as server:
        url = server.url.replace("/v1", "/a%20path/ü?size=a b&x=1")
        assert fetch(url, LARGEST, loopback) == b"the file"
    [sent] = server.sent
    assert (sent.method, sent.path) == ("GET", "/a%20path/%C3%BC?size=a%20b&x=1")
    assert sent.headers["host"] == server.url.removeprefix("http://").removesuffix("/v1")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_to_allowed_addresses_are_followed(status: int) -> None:
    def answer(sent: Sent) -> Answer:
        return Answer(b"", status, {"Location": "/there"}) if sent.path == "/here" else Answer(b"the file")

    with recorder(answer) as server:
        assert fetch(server.url.replace("/v1", "/here"), LARGEST, loopback) == b"the file"


@pytest.mark.parametrize("target", ["http://127.0.0.2/", "http://10.0.0.1/", "http://[::1]/", "//169.254.169.254/x"])
def test_a_redirect_to_a_private_address_is_rejected(target: str) -> None:
    with (
        recorder(lambda _: Answer(b"", 302, {"Location": target})) as server,
        pytest.raises(FetchError, match="not public"),
    ):
        fetch(server.url, LARGEST, loopback)


@pytest.mark.parametrize(
    ("target", "message"), [("file:///etc/passwd", "only http"), ("http://[::1", "connection failed")]
)
def test_a_redirect_to_another_scheme_is_rejected(target: str, message: str) -> None:
    with (
        recorder(lambda _: Answer(b"", 302, {"Location": target})) as server,
        pytest.raises(FetchError, match=message),
    ):
        fetch(server.url, LARGEST, loopback)


def test_at_most_three_redirects_are_followed() -> None:
    with (
        recorder(lambda _: Answer(b"", 302, {"Location": "/v1"})) as server,
        pytest.raises(FetchError, match="more than 3 redirections"),
    ):
        fetch(server.url, LARGEST, loopback)
    assert len(server.sent) == 4


def test_an_error_names_the_status() -> None:
    with (
        recorder(lambda _: Answer(b"no", 404)) as server,
        pytest.raises(FetchError, match="the server responded with HTTP 404"),
    ):
        fetch(server.url, LARGEST, loopback)


@pytest.mark.parametrize("head", [b"Content-Length: 200001\r\n\r\n", b"\r\n"], ids=["announced", "not announced"])
def test_a_file_above_the_limit_is_not_read_completely(head: bytes) -> None:
    sent = 0

    def talk(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        for _ in range(1000):
            sent += connection.send(b"x" * 65536)

    with raw_server(talk) as url, pytest.raises(FetchError, match="larger than 100,000 bytes"):
        fetch(url, LARGEST, loopback)
    assert sent < 1000 * 65536


def test_a_truncated_file_is_rejected() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    with raw_server(talk) as url, pytest.raises(FetchError, match="broke off"):
        fetch(url, LARGEST, loopback)


@pytest.mark.parametrize(
    "head",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["before the head", "in the head", "in the body", "in a body without a length"],
)
def test_a_slow_server_times_out(head: bytes) -> None:
    """Each byte comes well within any timeout of the socket; all of them never come."""
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.sendall(head)
        while head and not over.wait(0.05):
            connection.sendall(b"x")
        over.wait(20)

    with raw_server(talk) as url:
        began = time.monotonic()
        with pytest.raises(FetchError, match="too long"):
            fetch(url, LARGEST, loopback, seconds=0.5)
        took = time.monotonic() - began
        over.set()
    # Not a matter of speed: without the bound this would take 20 s or have no end.
    assert took < 15


def test_fetching_leaves_no_thread() -> None:
    with recorder(lambda _: Answer(b"the file")) as server:
        before = threading.active_count()
        for _ in range(3):
            fetch(server.url, LARGEST, loopback)
        deadline = time.monotonic() + 5
        while threading.active_count() > before + 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert threading.active_count() <= before + 1


def embed_url(asking: Any, engine: Engine, url: str) -> tuple[int, Any]:
    fields = {"model": "jina-clip-v2", "input": [{"image": url}]}
    status, body, _ = asking(App(engine))("POST", "/v1/embeddings", fields)
    return status, body


def test_nothing_is_fetched_by_default(asking: Any) -> None:
    with recorder(lambda _: Answer(b"x")) as server:
        status, body = embed_url(asking, Engine(), f"{server.url}/cat.png")
    assert (status, body["errors"][0]["field"]) == (422, "body -> input -> 0 -> image")
    assert "--allow-fetch" in body["detail"]
    assert server.sent == []


def test_loopback_is_never_fetched(asking: Any) -> None:
    with recorder(lambda _: Answer(b"x")) as server:
        status, body = embed_url(asking, Engine(allow_fetch=True), f"{server.url}/cat.png")
        jobs = asking(App(Engine(allow_fetch=True)))
        job = jobs("POST", "/v1/batch/embeddings", {"model": "jina-embeddings-v5-text-nano", "input_url": server.url})
    assert (status, job.status, server.sent) == (422, 422, [])
    assert "an address that is not public" in body["detail"]
    assert "an address that is not public" in job.body["detail"]


def test_an_image_url_equals_the_image(asking: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jina_local.media.reader.fetch", partial(fetch, allowed=loopback))
    picture = drawn("Closed on Sundays")
    with recorder(lambda _: Answer(picture)) as server:
        status, body = embed_url(asking, Engine(allow_fetch=True), f"{server.url}/sign.png")
    assert (status, len(body["data"][0]["embedding"])) == (200, 1024)


def test_one_deadline_bounds_all_fetches_of_a_request(asking: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jina_local.media.reader.fetch", partial(fetch, allowed=loopback))
    monkeypatch.setattr("jina_local.media.reader._FETCH_SECONDS", 0.3)

    def slowly(_: Any) -> Answer:
        time.sleep(0.2)
        return Answer(drawn("Closed on Sundays"))

    with recorder(slowly) as server:
        fields = {"model": "jina-clip-v2", "input": [{"image": f"{server.url}/{number}.png"} for number in range(20)]}
        status, body, _ = asking(App(Engine(allow_fetch=True)))("POST", "/v1/embeddings", fields)
        count = len(server.sent)
    assert status == 422
    assert count <= 3
    assert "send fewer per request" in body["errors"][-1]["message"]


def test_the_input_file_of_a_batch_job_is_fetched(asking: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jina_local.media.reader.fetch", partial(fetch, allowed=loopback))
    model = "jina-embeddings-v5-text-nano"
    with recorder(lambda _: Answer(b'{"custom_id": "a", "body": {"input": "x"}}\n\n')) as server:
        ask = asking(App(Engine(allow_fetch=True)))
        job = ask("POST", "/v1/batch/embeddings", {"model": model, "input_url": f"{server.url}/lines.jsonl"})
        server.answer = lambda _: Answer(b"no JSON lines")
        wrong = ask("POST", "/v1/batch/embeddings", {"model": model, "input_url": f"{server.url}/lines.jsonl"})
    assert (job.status, job.body["stats"]["total"]) == (200, 1)
    assert wrong.status == 422
    assert "one JSON object in each line" in wrong.body["detail"]


def drawn(text: str) -> bytes:
    picture = Image.new("RGB", (600, 120), "white")
    ImageDraw.Draw(picture).text((30, 40), text, fill="black", font=ImageFont.load_default(36))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def test_a_name_lookup_respects_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def slow(*_: Any, **__: Any) -> list[Any]:
        answer.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    began = time.monotonic()
    with pytest.raises(FetchError, match="too long"):
        fetch("http://slow.example/", 1000, seconds=0.3)
    answer.set()
    assert time.monotonic() - began < 5
