"""Pages, searches and checks of statements: what is asked, what is read from the answer, and where the key goes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from jina_client import (
    JinaConnectionError,
    JinaInputError,
    JinaResponseError,
    JinaTimeoutError,
    Page,
    PaymentRequiredError,
    RateLimitError,
    Usage,
)
from jina_client.transport import Request, Response
from loopback import Answer, Recorder, recorder

KEY = "test-key-0123456789"
PAGE = {"title": "Cats", "url": "https://cats.example/", "content": "# Cats", "usage": {"tokens": 12}, "warning": "w"}
STATEMENT = {
    "factuality": 0.9,
    "result": True,
    "reason": "Two sources say so.",
    "references": [{"url": "https://cats.example/", "keyQuote": "Cats sleep", "isSupportive": True}],
    "usage": {"tokens": 900},
}


def _answer(data: Any, **further: Any) -> Answer:
    return Answer({"code": 200, "status": 20000, "data": data, **further})


def _root(server: Recorder) -> str:
    return server.url.removesuffix("/v1")


@pytest.fixture
def reader(client: Any, server: Recorder) -> dict[str, Callable[..., Any]]:
    """The client's methods, bound to the server."""
    server.answer = lambda sent: _answer(PAGE)

    def bound(name: str) -> Callable[..., Any]:
        return lambda subject, **options: getattr(client.web, name)(subject, **{"endpoint": _root(server), **options})

    return {name: bound(name) for name in ("read", "search", "ground")}


def test_a_page_can_be_read(reader: Any, server: Recorder, client: Any) -> None:
    page = reader["read"]("https://cats.example/")
    assert (page.title, page.url, page.content, page.usage.total_tokens) == ("Cats", PAGE["url"], "# Cats", 12)
    assert page.details == PAGE
    assert (server.sent[0].method, server.sent[0].headers["accept"]) == ("GET", "application/json")
    assert client.usage.total_tokens == 12


def test_search_results_are_returned(reader: Any, server: Recorder) -> None:
    server.answer = lambda sent: _answer([PAGE, {"title": "No content", "url": "https://b.example/"}])
    results = reader["search"]("cats")
    assert [(page.title, page.content) for page in results] == [("Cats", "# Cats"), ("No content", "")]
    assert isinstance(results[0], Page)
    assert results.usage == Usage(12, 12)
    assert urlsplit(server.sent[0].path).path == "/"
    server.answer = lambda sent: _answer([PAGE], meta={"usage": {"tokens": 10_000}})
    assert reader["search"]("cats").usage.total_tokens == 10_000
    server.answer = lambda sent: _answer([])
    assert len(reader["search"]("nothing has these words")) == 0


def test_a_statement_can_be_grounded(reader: Any, server: Recorder) -> None:
    server.answer = lambda sent: _answer(STATEMENT)
    checked = reader["ground"]("Cats sleep.")
    assert (checked.factuality, checked.result, checked.reason) == (0.9, True, STATEMENT["reason"])
    assert checked.references[0]["isSupportive"]
    assert checked.usage.total_tokens == 900


ADDRESSES = [
    "https://a.example/path/?q=a b&c=%20+#part".replace(" ", "%20"),
    "https://köln.example/straße?x=ä",
    "http://a.example/../b//c;d",
    "a.example/page",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_address_is_sent_unchanged(reader: Any, server: Recorder, address: str) -> None:
    reader["read"](address)
    assert unquote(server.sent[0].path.removeprefix("/")) == address


@pytest.mark.parametrize("query", ["What is C# used for?", "a & b = c + d / 100 %", "wo schläft 🐈", "?q=1&x"])
def test_the_query_is_sent_unchanged(reader: Any, server: Recorder, query: str) -> None:
    server.answer = lambda sent: _answer([PAGE])
    reader["search"](query)
    assert parse_qs(urlsplit(server.sent[0].path).query, strict_parsing=True) == {"q": [query]}
    server.answer = lambda sent: _answer(STATEMENT)
    reader["ground"](query)
    assert unquote(server.sent[1].path.removeprefix("/")) == query


def test_the_key_is_never_added_to_the_callers_headers(reader: Any, server: Recorder) -> None:
    headers = {"X-Wait-For-Selector": "main", "accept": "text/event-stream", "authorization": "Basic abc"}
    original = dict(headers)
    reader["read"]("https://a.example", headers=headers)
    assert headers == original
    sent = server.sent[0].headers
    assert (sent["x-wait-for-selector"], sent["accept"]) == ("main", "application/json")
    assert sent["authorization"] == f"Bearer {KEY}"


def test_reader_options_are_sent_as_headers(reader: Any, server: Recorder) -> None:
    reader["read"](
        "https://a.example",
        return_format="text",
        target_selector="#main",
        page_timeout=20,
        with_links_summary=True,
        no_cache=True,
        headers={"x-timeout": "30"},
    )
    sent = {name: value for name, value in server.sent[0].headers.items() if name.startswith("x-")}
    assert sent == {
        "x-return-format": "text",
        "x-target-selector": "#main",
        "x-timeout": "30",
        "x-with-links-summary": "true",
        "x-no-cache": "true",
    }


@pytest.mark.parametrize("name", ["read", "search", "ground"])
def test_the_reader_can_return_plain_text(reader: Any, server: Recorder, name: str) -> None:
    server.answer = lambda sent: Answer("Title: Ä\n".encode(), headers={"Content-Type": "text/plain; charset=utf-8"})
    page = reader[name]("https://a.example", plain=True)
    page = page[0] if name == "search" else page
    assert (page.reason if name == "ground" else page.content) == "Title: Ä\n"
    assert page.details["content_type"] == "text/plain; charset=utf-8"
    assert server.sent[0].headers["accept"] == "text/plain"


NO_BALANCE = {
    "data": None,
    "code": 402,
    "name": "InsufficientBalanceError",
    "status": 40203,
    "message": "Account balance not enough to run this query, please recharge.",
    "readableMessage": "InsufficientBalanceError: Account balance not enough to run this query, please recharge.",
}


def test_an_empty_balance_raises_payment_required(reader: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer(NO_BALANCE, 402)
    with pytest.raises(PaymentRequiredError, match="balance not enough") as caught:
        reader["search"]("cats")
    assert (caught.value.status_code, caught.value.code) == (402, "InsufficientBalanceError")
    assert KEY not in f"{caught.value} {caught.value!r}"
    assert len(server.sent) == 1


def test_transient_errors_are_retried(make_client: Any, server: Recorder) -> None:
    answers = [Answer({"message": "slow down"}, 429, {"Retry-After": "0"}), Answer(b"", 503), _answer(PAGE)]
    server.answer = lambda sent: answers[len(server.sent) - 1]
    client = make_client(base_url=server.url, max_retries=2)
    assert client.web.read("https://a.example", endpoint=_root(server)).title == "Cats"
    answers = [answers[0]] * 4
    with pytest.raises(RateLimitError):
        make_client(base_url=server.url, max_retries=0).web.read("https://a.example", endpoint=_root(server))


def test_a_page_that_takes_too_long_is_a_timeout(make_client: Any, server: Recorder) -> None:
    released = threading.Event()

    def late(sent: Any) -> Answer:
        released.wait(20)
        return _answer(PAGE)

    server.answer = late
    client = make_client(base_url=server.url, max_retries=0, timeout=0.2)
    with pytest.raises(JinaTimeoutError):
        client.web.read("https://a.example", endpoint=_root(server))
    released.set()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("read", {"code": 200}),
        ("read", {"data": [PAGE]}),
        ("read", [1]),
        ("search", {"data": PAGE}),
        ("search", {"data": ["x"]}),
        ("ground", {"data": {"factuality": 1}}),
    ],
)
def test_an_unexpected_response_raises(reader: Any, server: Recorder, name: str, body: Any) -> None:
    server.answer = lambda sent: Answer(body)
    with pytest.raises(JinaResponseError):
        reader[name]("https://a.example")
    server.answer = lambda sent: Answer(b'{"code": 200, "da')
    with pytest.raises(JinaConnectionError):
        reader[name]("https://a.example")


@pytest.mark.parametrize(
    ("name", "subject", "options"),
    [
        ("read", "", {}),
        ("read", None, {}),
        ("read", "file:///etc/passwd", {}),
        ("read", "https://", {}),
        ("read", "https://a.example/a b", {}),
        ("read", "https://a.example", {"return_format": "pdf"}),
        ("read", "https://a.example", {"page_timeout": 0}),
        ("read", "https://a.example", {"no_cache": "yes"}),
        ("read", "https://a.example", {"headers": {"X-A": "b\r\nX-C: d"}}),
        ("read", "https://a.example", {"headers": {"X A": "b"}}),
        ("read", "https://a.example", {"headers": {"X-A": 1}}),
        ("read", "https://a.example", {"target_selector": "a\nb"}),
        ("read", "https://a.example", {"endpoint": "ftp://a"}),
        ("read", "https://a.example", {"endpoint": "https://user:password@a.example"}),
        ("search", "  ", {}),
        ("ground", ["a"], {}),
        ("ground", "\ud800", {}),
    ],
)
def test_invalid_reader_calls_are_rejected(
    reader: Any, server: Recorder, name: str, subject: Any, options: dict[str, Any]
) -> None:
    with pytest.raises(JinaInputError) as caught:
        reader[name](subject, **options)
    assert "password" not in str(caught.value).replace("user name, password", "")
    assert server.sent == []


def test_the_key_is_sent_to_no_other_server(make_client: Any, server: Recorder) -> None:
    with recorder(lambda sent: _answer(PAGE)) as other:
        make_client(base_url=server.url, api_key=KEY).web.read("https://a.example", endpoint=_root(other))
        assert "authorization" not in other.sent[0].headers
    server.answer = lambda sent: _answer(PAGE)
    make_client(api_key=KEY).web.read("https://a.example", endpoint=_root(server))
    assert "authorization" not in server.sent[0].headers


class Kept:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def send(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, {}, b'{"data": {"content": "x", "reason": "y"}}')

    async def asend(self, request: Request) -> Response:
        return self.send(request)

    def close(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


def test_the_key_is_sent_to_jinas_hosts(make_client: Any) -> None:
    transport = Kept()
    client = make_client(api_key=KEY, transport=transport)
    client.web.read("https://a.example/")
    client.web.ground("Cats sleep.")
    with pytest.raises(JinaResponseError):
        client.web.search("C#")
    assert [request.url for request in transport.requests] == [
        "https://r.jina.ai/https%3A%2F%2Fa.example%2F",
        "https://g.jina.ai/Cats%20sleep.",
        "https://s.jina.ai/?q=C%23",
    ]
    assert {request.headers["Authorization"] for request in transport.requests} == {f"Bearer {KEY}"}
    client.web.read("https://a.example/", endpoint="http://r.jina.ai")
    assert "Authorization" not in transport.requests[-1].headers


@pytest.mark.parametrize("base_url", ["local", "http://127.0.0.1:9/v1", "sagemaker://my-endpoint"])
def test_a_client_of_another_server_does_not_call_jinas_reader(make_client: Any, base_url: str) -> None:
    with pytest.raises(JinaInputError, match=r"jina\.ai"):
        make_client(base_url=base_url).web.read("https://a.example")
