"""Error answers, broken connections and retries."""

from __future__ import annotations

import pickle
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from jina_client import (
    AuthenticationError,
    BadRequestError,
    FieldError,
    JinaConnectionError,
    JinaResponseError,
    JinaStatusError,
    JinaTimeoutError,
    NotFoundError,
    PartialFailureError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
)
from jina_client.errors import error_from_response
from loopback import Answer, Recorder, Sent, embeddings, right_answer

KEY = "test-key-0123456789"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, PaymentRequiredError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (413, RequestTooLargeError),
        (422, BadRequestError),
        (429, RateLimitError),
        (500, ServerError),
        (503, ServerError),
        (529, ServerError),
        (418, JinaStatusError),
        (302, JinaStatusError),
    ],
)
def test_each_status_has_its_exception(client: Any, server: Recorder, status: int, kind: type) -> None:
    server.answer = lambda sent: Answer({"detail": "no"}, status, {"Location": f"{server.url}/elsewhere"})
    with pytest.raises(kind) as caught:
        client.embed(["a"])
    assert caught.value.status_code == status
    assert isinstance(caught.value, RuntimeError)
    assert len(server.sent) == 1


NESTED = {"detail": {"message": "too long", "request_id": "ab12", "code": "INPUT_TOKEN_LIMIT_EXCEEDED"}}
FIELDS = {
    "detail": "Validation errors in 1 fields. Field errors: : Invalid value",
    "request_id": "ab12",
    "errors": [{"field": "body -> top_n", "message": "too small", "type": "greater_than_equal", "input": 0}],
}
FASTAPI = {"detail": [{"loc": ["body", "input"], "msg": "field required", "type": "value_error.missing"}]}


@pytest.mark.parametrize(
    ("body", "message", "code", "request_id"),
    [
        ({"detail": "empty", "request_id": "ab12", "code": "AUTHZ_X"}, "empty", "AUTHZ_X", "ab12"),
        (NESTED, "too long", "INPUT_TOKEN_LIMIT_EXCEEDED", "ab12"),
        (FIELDS, "body -> top_n: too small", "", "ab12"),
        (FASTAPI, "body -> input: field required", "", ""),
        ({"detail": "[RID: abcdef12] Failed to encode text"}, "Failed to encode text", "", "abcdef12"),
        ({"error": {"message": "no", "code": "x", "type": "t"}}, "no", "x", ""),
        ({"error": "overloaded", "error_type": "overload"}, "overloaded", "overload", ""),
        ({"message": "no"}, "no", "", ""),
        ({"readableMessage": "no money"}, "no money", "", ""),
        ({}, "the service gave no reason", "", ""),
        ([], "[]", "", ""),
        (b"", "the service gave no reason", "", ""),
        (b"plain text", "plain text", "", ""),
        (b"<html><style>p{}</style><h1>Bad\n Gateway</h1></html>", "Bad Gateway", "", ""),
        (b"<h1>Bad Gateway</h1><script>let cut = 1;", "Bad Gateway", "", ""),
        (b"\xff\xfe", "\ufffd\ufffd", "", ""),
    ],
)
def test_every_error_body_is_parsed(
    client: Any, server: Recorder, body: Any, message: str, code: str, request_id: str
) -> None:
    server.answer = lambda sent: Answer(body, 400)
    with pytest.raises(BadRequestError) as caught:
        client.embed(["a"])
    assert (caught.value.message, caught.value.code, caught.value.request_id) == (message, code, request_id)


def test_field_errors_are_listed(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer(FIELDS, 422)
    with pytest.raises(BadRequestError) as caught:
        client.embed(["a"])
    assert caught.value.errors == (FieldError("body -> top_n", "too small", "greater_than_equal"),)


def test_the_message_has_the_status_code_and_request_id(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer(NESTED, 400)
    with pytest.raises(BadRequestError) as caught:
        client.embed(["a"])
    address = f"{server.url}/embeddings"
    assert str(caught.value) == f"too long (HTTP 400 from {address}, INPUT_TOKEN_LIMIT_EXCEEDED, request id ab12)"


def test_an_error_survives_pickling(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer(FIELDS, 422)
    with pytest.raises(BadRequestError) as caught:
        client.embed(["a"])
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.errors) == (BadRequestError, str(caught.value), caught.value.errors)


def test_a_key_repeated_by_the_service_is_hidden(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer({"detail": f"bad key {sent.headers['authorization']}"}, 401)
    with pytest.raises(AuthenticationError) as caught:
        client.embed(["a"])
    assert KEY not in f"{caught.value} {caught.value.body} {caught.value!r}"


def test_redirects_are_not_followed_with_the_key(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer({}, 307, {"Location": f"{server.url}/embeddings"})
    with pytest.raises(JinaStatusError):
        client.embed(["a"])
    assert len(server.sent) == 1


def test_a_closed_port_is_a_connection_error(make_client: Callable[..., Any]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(JinaConnectionError, match=rf"no response from 127.0.0.1:{port}: connection refused"):
        make_client(base_url=f"http://127.0.0.1:{port}/v1", max_retries=0).embed(["a"])


def test_a_stalled_response_is_a_timeout(make_client: Callable[..., Any], server: Recorder) -> None:
    def stall(sent: Sent) -> Answer:
        time.sleep(1.5)
        return right_answer(sent)

    server.answer = stall
    with pytest.raises(JinaTimeoutError, match=r"within 0\.2 s"):
        make_client(base_url=server.url, timeout=0.2, max_retries=0).embed(["a"])


def test_a_truncated_body_is_a_connection_error(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer(b"{", 200, {"Content-Length": "100", "Connection": "close"})
    with pytest.raises(JinaConnectionError):
        client.embed(["a"])


def _failing(times: int, status: int, headers: dict[str, str] | None = None) -> Callable[[Sent], Answer]:
    left = iter([True] * times)
    return lambda sent: Answer({"detail": "later"}, status, headers or {}) if next(left, False) else right_answer(sent)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_transient_failures_are_retried(make_client: Callable[..., Any], server: Recorder, status: int) -> None:
    server.answer = _failing(1, status)
    assert len(make_client(base_url=server.url, max_retries=1).embed(["a"])) == 1
    assert len(server.sent) == 2


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
def test_client_errors_are_not_retried(make_client: Callable[..., Any], server: Recorder, status: int) -> None:
    server.answer = _failing(1, status)
    with pytest.raises(JinaStatusError):
        make_client(base_url=server.url, max_retries=3).embed(["a"])
    assert len(server.sent) == 1


def test_max_retries_bounds_the_attempts(make_client: Callable[..., Any], server: Recorder) -> None:
    server.answer = _failing(10, 503, {"Retry-After": "0"})
    with pytest.raises(ServerError):
        make_client(base_url=server.url, max_retries=2).embed(["a"])
    assert len(server.sent) == 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_respected(make_client: Callable[..., Any], server: Recorder, form: str) -> None:
    wait = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    server.answer = _failing(1, 429, {"Retry-After": wait})
    started = time.monotonic()
    make_client(base_url=server.url, max_retries=1).embed(["a"])
    assert time.monotonic() - started >= 0.95


def test_a_long_retry_after_raises_immediately(make_client: Callable[..., Any], server: Recorder) -> None:
    server.answer = _failing(1, 429, {"Retry-After": "3600"})
    with pytest.raises(RateLimitError) as caught:
        make_client(base_url=server.url, max_retries=3).embed(["a"])
    assert caught.value.retry_after == 3600
    assert len(server.sent) == 1


@pytest.mark.parametrize("wait", ["1 jan 99999999999999999999 0:0:0", "9" * 5000, "soon"])
def test_an_impossible_retry_after_is_ignored(wait: str) -> None:
    assert error_from_response(429, b"", {"retry-after": wait}).retry_after is None


HUGE = b"1" + b"0" * 400


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (lambda client: client.rerank("q", ["a"]), b'{"results": [{"index": 0, "relevance_score": HUGE}]}'),
        (lambda client: client.embed(["a"]), b'{"data": [{"index": 0, "embedding": [HUGE]}]}'),
        (
            lambda client: client.segment("a", return_chunks=True),
            b'{"num_tokens": 1, "chunks": ["a"], "chunk_positions": [[0, 1e400]]}',
        ),
        (lambda client: client.web.search("q", endpoint=client.settings.root), b'{"data": 5}'),
    ],
    ids=["score", "vector", "position", "pages"],
)
def test_an_impossible_number_is_an_invalid_response(
    client: Any, server: Recorder, call: Callable[[Any], Any], body: bytes
) -> None:
    server.answer = lambda sent: Answer(body.replace(b"HUGE", HUGE))
    with pytest.raises(JinaResponseError):
        call(client)


def test_impossible_counts_are_missing(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer({"batch_id": "x", "status": "pending", "stats": {"total": "n/a", "failed": 2}})
    assert (client.batches.get("x").total, client.batches.get("x").failed) == (0, 2)
    server.answer = lambda sent: Answer({**embeddings(sent), "usage": {"total_tokens": -5}})
    assert client.embed(["a"]).usage.total_tokens == 0


def test_a_field_error_with_an_impossible_place_names_no_input(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer({"detail": [{"loc": ["body", "input", "9" * 5000], "msg": "too long"}]}, 422)
    with pytest.raises(BadRequestError) as caught:
        client.embed(["a"])
    assert caught.value.inputs == ()


def test_an_authentication_error_stops_the_call(make_client: Callable[..., Any], server: Recorder) -> None:
    server.answer = lambda sent: Answer({"detail": "no"}, 401) if "text 5" in sent.body["input"] else right_answer(sent)
    client = make_client(base_url=server.url, max_concurrency=2)
    with pytest.raises(PartialFailureError) as caught:
        client.embed([f"text {number}" for number in range(1000)], batch_size=1)
    sent = len(server.sent)
    assert sent < 1000
    assert caught.value.completed.keys() | caught.value.failed.keys() == set(range(1000))
    assert all(isinstance(error, AuthenticationError) for error in caught.value.failed.values())
    time.sleep(0.2)
    assert len(server.sent) == sent
