"""The faults: what the server does, and what must happen."""

from __future__ import annotations

import base64
import gzip
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import numpy as np
from jina_client import (
    AuthenticationError,
    BadRequestError,
    JinaConnectionError,
    JinaError,
    JinaResponseError,
    JinaStatusError,
    JinaTimeoutError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
)

from .server import (
    DIMENSIONS,
    Behavior,
    ConcurrencyLimit,
    Exchange,
    PerWindow,
    above,
    above_bytes,
    alter,
    bomb,
    chunked,
    compressed,
    corrupt_gzip,
    damage,
    drip,
    dying,
    echo,
    every,
    first,
    hang_up,
    last,
    on_text,
    refuse,
    reset_before,
    reset_within,
    say,
    stall_before,
    stall_within,
    until_closed,
    work,
)

BATCH = 4
"""Inputs in one request, where a framework does not choose itself."""
TEXTS = [f"text number {index}" for index in range(12)]
TEXTS[7] += " poison"
MANY = [f"text number {index}" for index in range(128)]


@dataclass(frozen=True)
class Succeeds:
    """Every input gets its vector.

    Attributes:
        requests: the exact number of requests, if it is certain.
        at_most: the maximum number of requests; 0 for no limit.
    """

    requests: int | None = None
    at_most: int = 0


@dataclass(frozen=True)
class Fails:
    """No input gets a vector.

    Attributes:
        kind: the class of the exception.
        at_most: the maximum number of requests.
        says: a part of the message.
        check: returns True if the exception is the expected one.
    """

    kind: type[JinaError]
    at_most: int = 3
    says: str = ""
    check: Callable[[Any], bool] = lambda error: True


@dataclass(frozen=True)
class Partial:
    """Some inputs fail, and all others get their vectors.

    Attributes:
        failed: the indices of the failed inputs.
        kind: the class of their errors.
        requests: the exact number of requests, if it is certain.
        at_most: the maximum number of requests; 0 for no limit.
    """

    failed: frozenset[int]
    kind: type[JinaError]
    requests: int | None = None
    at_most: int = 0


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    Attributes:
        name: the id of the test.
        make: returns the server's behavior; called for each run.
        expected: the expected outcome.
        texts: the inputs.
        batch_size: inputs per request.
        options: the options of the client.
        everywhere: whether the fault also runs through the frameworks and as a stream. Slow ones do not.
    """

    name: str
    make: Callable[[], Behavior]
    expected: Succeeds | Fails | Partial
    texts: list[str] = field(default_factory=lambda: TEXTS, repr=False)
    batch_size: int | None = BATCH
    options: dict[str, Any] = field(default_factory=dict)
    everywhere: bool = True


def once(name: str, fault: Callable[[], Behavior] | Behavior, **more: Any) -> Fault:
    """One request fails, is sent again, and all is well."""
    return Fault(name, lambda: first(1, fault), Succeeds(4), **more)  # type: ignore[arg-type]


def limited(retry_after: Callable[[], str] | None) -> Callable[[], Behavior]:
    """429, once."""

    def make() -> Behavior:
        headers = {"Retry-After": retry_after()} if retry_after else {}
        return first(1, refuse(429, {"detail": "Too many requests", "code": "RATE_REQUEST_LIMIT_EXCEEDED"}, headers))

    return make


def date(seconds: float) -> str:
    """An HTTP date, some seconds from now."""
    return formatdate(time.time() + seconds, usegmt=True)


def b64(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[str], str]:
    """A change of a vector that travels as base64."""

    def changed(text: str) -> str:
        vector = np.frombuffer(base64.b64decode(text), "<f4").copy()
        return base64.b64encode(change(vector).astype("<f4").tobytes()).decode()

    return changed


def put(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def changed(vector: np.ndarray) -> np.ndarray:
        vector[3] = value
        return vector

    return changed


def with_indices(choose: Callable[[int], list[int | None]]) -> Behavior:
    """Other indices than the right ones; ``None`` for none."""

    def change(body: dict[str, Any], _: Exchange) -> None:
        for item, index in zip(body["data"], choose(len(body["data"])), strict=True):
            item["index"] = index
            if index is None:
                del item["index"]

    return alter(change)


def shuffle(body: dict[str, Any], _: Exchange) -> None:
    body["data"] = body["data"][1::2] + body["data"][::2]


def names_the_place(exchange: Exchange) -> None:
    """422 as a validation error that names the input."""
    place = next(place for place, text in enumerate(exchange.texts) if "poison" in text)
    errors = [{"field": f"body -> input -> {place}", "message": "Input should be a valid string", "type": "string"}]
    exchange.send({"detail": "Validation errors in 1 fields. Field errors: …", "errors": errors}, 422)


def repeats_the_key(exchange: Exchange) -> None:
    """401 that repeats the key wherever it can."""
    body = {"detail": {"message": f"Invalid API key {exchange.key}", "code": exchange.key, "request_id": exchange.key}}
    exchange.send(body, 401, {"X-Request-ID": exchange.key, "Server": exchange.key})


def reads_the_key_back(exchange: Exchange) -> None:
    """200 with a page of what came, as some gateways answer."""
    exchange.send(f"{exchange.key} was sent to {exchange.key}".encode(), 200, {"X-Request-ID": exchange.key})


def retries_with_the_key(exchange: Exchange) -> None:
    """A failure that passes, whose id is the key."""
    exchange.send({"detail": exchange.key, "code": exchange.key}, 503, {"X-Request-ID": exchange.key})


def key_as_index(body: dict[str, Any], exchange: Exchange) -> None:
    body["data"][0]["index"] = exchange.key


def too_many_items(limit: int) -> Behavior:
    detail = f"Validation error: List should have at most {limit} items after validation, not more"
    return above(limit, refuse(422, {"detail": detail}))


NESTED = {"detail": {"message": "Unauthorized", "code": "AUTHZ_BAD", "request_id": "ab-12"}}
FLAT = {"detail": "Unauthorized", "code": "AUTHZ_BAD", "request_id": "ab-12"}
OPTION = {
    "detail": "Validation errors in 1 fields. Field errors: …",
    "errors": [{"field": "body -> dimensions", "message": "Input should be less than or equal to 32", "type": "le"}],
}
TOO_LONG = {"detail": "Input text exceeds the limit of 8194 tokens", "code": "INPUT_TOKEN_LIMIT_EXCEEDED"}
HTML = b"<html><head><title>502</title><style>h1 {color: red}</style></head><body><h1>Bad Gateway</h1></body></html>"
POISON = frozenset({7})

RETRIED = [
    *(once(f"{status} once", refuse(status, {"detail": "later"})) for status in (408, 500, 503)),
    *(once(f"{status} once", refuse(status, {"detail": "later"}), everywhere=False) for status in (409, 502, 504)),
    once("502 as HTML on one request", refuse(502, HTML, {"Content-Type": "text/html"})),
    Fault("429 without Retry-After", limited(None), Succeeds(4)),
    Fault("429 with seconds", limited(lambda: "1"), Succeeds(4), everywhere=False),
    Fault("429 with a fraction of a second", limited(lambda: "0.05"), Succeeds(4)),
    Fault("429 with a date", limited(lambda: date(1)), Succeeds(4), everywhere=False),
    Fault("429 with a past date", limited(lambda: date(-3600)), Succeeds(4)),
    Fault("429 with a Retry-After of zero", limited(lambda: "0"), Succeeds(4), everywhere=False),
    Fault("429 with a negative Retry-After", limited(lambda: "-5"), Succeeds(4), everywhere=False),
    Fault("429 with an unreadable Retry-After", limited(lambda: "soon, I hope"), Succeeds(4)),
    Fault("429 with an infinite Retry-After", limited(lambda: "1e999"), Succeeds(4), everywhere=False),
    Fault("every third request fails", lambda: every(3, refuse(500)), Succeeds(at_most=3 * 3)),
    once("an empty body", say(b"")),
    once("truncated JSON", say(b'{"data": [{"index": 0, "embedd')),
    once("a reset before the response", reset_before),
    once("a reset in the body", reset_within),
    once("a closed connection without a response", hang_up),
    once("a stall before the headers", stall_before, options={"timeout": 0.3}, everywhere=False),
    once("a stall in the body", stall_within, options={"timeout": 0.3}, everywhere=False),
    once("a Content-Length that is too large", lambda exchange: exchange.send(exchange.right(), length=10)),
    once("a Content-Length that is too small", lambda exchange: exchange.send(exchange.right(), length=-10)),
    once(
        "a response that is not HTTP", lambda exchange: (exchange.raw(b"SSH-2.0-OpenSSH_9.6\r\n"), exchange.hang_up())
    ),
    once("truncated chunks", chunked(b"")),
    once("a chunk without a size", chunked(b"many\r\n")),
    once("broken gzip", corrupt_gzip),
    once("an endless header", lambda exchange: (exchange.raw(b"HTTP/1.1 200 OK\r\nX: "), exchange.hang_up())),
    once("503 with the key as request id", retries_with_the_key),
    Fault("a server that restarts", lambda: dying(2, 0.2), Succeeds(at_most=8), options={"max_retries": 40}),
]

TAKEN = [
    Fault("no fault", lambda: work, Succeeds(3)),
    Fault(
        "another content type",
        lambda: (
            lambda exchange: exchange.send(exchange.right(), headers={"Content-Type": "text/html; charset=latin-1"})
        ),
        Succeeds(3),
    ),
    Fault("gzip that was not requested", lambda: compressed("gzip", gzip.compress), Succeeds(3)),
    Fault(
        "deflate that was not requested", lambda: compressed("deflate", zlib.compress), Succeeds(3), everywhere=False
    ),
    Fault("chunked encoding", lambda: chunked(b"0\r\n\r\n"), Succeeds(3)),
    Fault("a response that ends with the connection", lambda: until_closed, Succeeds(3)),
    Fault("vectors in another order", lambda: alter(shuffle), Succeeds(3)),
    Fault("no index", lambda: with_indices(lambda count: [None] * count), Succeeds(3)),
    Fault("no usage", lambda: alter(lambda body, _: body.pop("usage") and None), Succeeds(3)),
    Fault("usage that is not a number", lambda: alter(lambda body, _: body.update(usage="much")), Succeeds(3)),
    Fault(
        "usage of null",
        lambda: alter(lambda body, _: body.update(usage={"total_tokens": None})),
        Succeeds(3),
        everywhere=False,
    ),
    Fault(
        "vectors as numbers",
        lambda: damage(lambda text: np.frombuffer(base64.b64decode(text), "<f4").tolist()),
        Succeeds(3),
    ),
    Fault("413 above a size", lambda: above_bytes(260, refuse(413, b"Payload Too Large")), Succeeds(at_most=12)),
    Fault(
        "413 above 5 items",
        lambda: above(5, refuse(413)),
        # Two refusals at each of 128, 64, 32, 16 and 8, and then 32 requests of 4.
        Succeeds(at_most=9 + 32),
        MANY,
        batch_size=128,
    ),
    Fault(
        "422 above 16 items",
        lambda: too_many_items(16),
        Succeeds(1 + 4),
        batch_size=64,
        texts=[f"text number {index}" for index in range(64)],
    ),
    Fault("a limit of two concurrent requests", lambda: ConcurrencyLimit(2), Succeeds(at_most=24), batch_size=1),
    Fault(
        "a limit of two concurrent requests without a number",
        lambda: ConcurrencyLimit(2, says="code"),
        Succeeds(at_most=36),
        batch_size=1,
        options={"max_retries": 6},
    ),
    Fault(
        "a limit of four requests per window",
        lambda: PerWindow(4, 0.15),
        Succeeds(at_most=36),
        batch_size=1,
        options={"max_retries": 10},
    ),
]

REFUSED = [
    Fault(
        "429 with Retry-After of an hour",
        lambda: refuse(429, {"detail": "no"}, {"Retry-After": "3600"}),
        Fails(RateLimitError, check=lambda error: error.retry_after == 3600),
    ),
    Fault(
        "429 with a date in an hour",
        lambda: refuse(429, {"detail": "no"}, {"Retry-After": date(3600)}),
        Fails(RateLimitError, check=lambda error: 3500 < error.retry_after <= 3600),
        everywhere=False,
    ),
    Fault(
        "503 with Retry-After of two minutes",
        lambda: refuse(503, {"detail": "no"}, {"Retry-After": "120"}),
        Fails(ServerError, check=lambda error: error.retry_after == 120),
        everywhere=False,
    ),
    Fault(
        "429 on every request", lambda: refuse(429, {"detail": "no"}, {"Retry-After": "0"}), Fails(RateLimitError, 9)
    ),
    Fault("503 on every request", lambda: refuse(503), Fails(ServerError, 9)),
    Fault("500 on every request", lambda: refuse(500, {"detail": "Internal error"}), Fails(ServerError, 27)),
    Fault(
        "502 as HTML on every request",
        lambda: refuse(502, HTML),
        Fails(ServerError, 9, "Bad Gateway", lambda error: "<" not in str(error) and "color" not in str(error)),
    ),
    Fault(
        "401 with message",
        lambda: refuse(401, {"message": "Unauthorized"}),
        Fails(AuthenticationError, says="Unauthorized"),
    ),
    Fault(
        "401 with nested detail",
        lambda: refuse(401, NESTED),
        Fails(AuthenticationError, says="AUTHZ_BAD", check=lambda error: error.request_id == "ab-12"),
    ),
    Fault(
        "401 with flat detail",
        lambda: refuse(401, FLAT),
        Fails(AuthenticationError, says="AUTHZ_BAD", check=lambda error: error.request_id == "ab-12"),
    ),
    Fault("401 that repeats the key", lambda: repeats_the_key, Fails(AuthenticationError, says="Invalid API key")),
    Fault(
        "402", lambda: refuse(402, {"detail": "Insufficient balance"}), Fails(PaymentRequiredError), everywhere=False
    ),
    Fault("403", lambda: refuse(403, {"readableMessage": "no"}), Fails(PermissionDeniedError), everywhere=False),
    Fault("404", lambda: refuse(404, {"detail": "Not Found"}), Fails(NotFoundError)),
    Fault("413 on every request", lambda: refuse(413), Fails(RequestTooLargeError, 23), everywhere=False),
    Fault(
        "413 on every large request",
        lambda: refuse(413),
        Fails(RequestTooLargeError, 30),
        MANY,
        batch_size=128,
        everywhere=False,
    ),
    Fault("422 that names an option", lambda: refuse(422, OPTION), Fails(BadRequestError, says="dimensions")),
    Fault("422 without a reason", lambda: refuse(422), Fails(BadRequestError, 21), everywhere=False),
    Fault(
        "400 nested too deeply",
        lambda: refuse(400, b"[" * 200_000),
        Fails(BadRequestError, 21),
        everywhere=False,
    ),
    Fault(
        "503 with a megabyte of tags",
        lambda: refuse(503, b"<script" * 150_000),
        Fails(ServerError, 9),
        everywhere=False,
    ),
    Fault("a redirect without an address", lambda: refuse(302), Fails(JinaStatusError)),
    Fault("an empty body on every request", lambda: say(b""), Fails(JinaConnectionError, 9)),
    Fault("truncated JSON on every request", lambda: say(b'{"data": ['), Fails(JinaConnectionError, 9, "broke off")),
    Fault("text that is not JSON", lambda: say(b"It works!"), Fails(JinaResponseError, says="not JSON")),
    Fault("a page of HTML", lambda: say(HTML, {"Content-Type": "text/html"}), Fails(JinaResponseError)),
    Fault("text that repeats the key", lambda: reads_the_key_back, Fails(JinaResponseError, says="not JSON")),
    Fault("the key as an index", lambda: alter(key_as_index), Fails(JinaResponseError, says="index")),
    Fault("an echo of the request", lambda: echo, Fails(JinaConnectionError, 9)),
    Fault("JSON nested too deeply", lambda: say(b"[" * 200_000), Fails(JinaError, 9), everywhere=False),
    Fault("an error with status 200", lambda: say({"detail": "overloaded"}), Fails(JinaResponseError)),
    *(
        Fault(f"JSON that is {text}", lambda text=text: say(text.encode()), Fails(JinaResponseError), everywhere=False)  # type: ignore[misc]
        for text in ("null", "[]", "7", '"yes"', '{"data": null}', '{"data": [1, 2]}')
    ),
    Fault("a reset on every request", lambda: reset_before, Fails(JinaConnectionError, 9), everywhere=False),
    Fault(
        "a stall on every request",
        lambda: stall_before,
        Fails(JinaTimeoutError, 6),
        options={"timeout": 0.2, "max_retries": 1},
        everywhere=False,
    ),
    Fault(
        "an endless body",
        lambda: drip(b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        Fails(JinaTimeoutError, 3),
        options={"timeout": 0.2, "max_retries": 0},
        everywhere=False,
    ),
    Fault(
        "endless headers",
        lambda: drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        Fails(JinaTimeoutError, 3),
        options={"timeout": 0.2, "max_retries": 0},
        everywhere=False,
    ),
    Fault("a gzip bomb", lambda: bomb(), Fails(JinaResponseError, says="larger than"), everywhere=False),
    Fault(
        "a gzip bomb with an error status",
        lambda: bomb(400),
        Fails(JinaResponseError, says="larger than"),
        everywhere=False,
    ),
    Fault("too few vectors", lambda: alter(lambda body, _: body["data"].pop() and None), Fails(JinaResponseError)),
    Fault(
        "too many vectors",
        lambda: alter(lambda body, _: body["data"].append(body["data"][0])),
        Fails(JinaResponseError),
    ),
    Fault(
        "no vectors", lambda: alter(lambda body, _: body["data"].clear()), Fails(JinaResponseError), everywhere=False
    ),
    Fault("repeated indices", lambda: with_indices(lambda count: [0, *range(count - 1)]), Fails(JinaResponseError)),
    Fault("a missing index", lambda: with_indices(lambda count: [*range(count - 1), count]), Fails(JinaResponseError)),
    Fault(
        "an index for some items only",
        lambda: with_indices(lambda count: [None, *range(1, count)]),
        Fails(JinaResponseError),
        everywhere=False,
    ),
    Fault(
        "indices from 1",
        lambda: with_indices(lambda count: [*range(1, count + 1)]),
        Fails(JinaResponseError),
        everywhere=False,
    ),
    Fault(
        "negative indices",
        lambda: with_indices(lambda count: [*range(-count, 0)]),
        Fails(JinaResponseError),
        everywhere=False,
    ),
    Fault("vectors of the wrong length", lambda: damage(b64(lambda vector: vector[:-1])), Fails(JinaResponseError)),
    Fault("empty vectors", lambda: damage(lambda text: ""), Fails(JinaResponseError), everywhere=False),
    Fault("NaN in every vector", lambda: damage(b64(put(np.nan))), Fails(JinaResponseError, says="NaN")),
]

PARTIAL = [
    Fault(
        "500 for one input",
        lambda: on_text("poison", refuse(500, {"detail": "Failed to encode text"})),
        Partial(POISON, ServerError, 3 + 2 + 2 + 2),
    ),
    Fault(
        "422 that names the input", lambda: on_text("poison", names_the_place), Partial(POISON, BadRequestError, 3 + 1)
    ),
    Fault(
        "400 for one input that is too long",
        lambda: on_text("poison", refuse(400, TOO_LONG)),
        Partial(POISON, BadRequestError, 3 + 2 + 2),
    ),
    Fault(
        "422 without a reason for one input",
        lambda: on_text("poison", refuse(422, {"detail": "no"})),
        Partial(POISON, BadRequestError, 3 + 2 + 2),
    ),
    Fault("413 for one input", lambda: on_text("poison", refuse(413)), Partial(POISON, RequestTooLargeError, 7)),
    Fault(
        "a vector of the wrong length for one input",
        lambda: damage(b64(lambda vector: vector[:-1]), "poison"),
        Partial(POISON, JinaResponseError, 3),
    ),
    Fault(
        "NaN as base64 for one input", lambda: damage(b64(put(np.nan)), "poison"), Partial(POISON, JinaResponseError, 3)
    ),
    Fault(
        "infinity as base64 for one input",
        lambda: damage(b64(put(-np.inf)), "poison"),
        Partial(POISON, JinaResponseError, 3),
        everywhere=False,
    ),
    Fault(
        "NaN as JSON for one input",
        lambda: damage(lambda text: [float("nan")] * DIMENSIONS, "poison"),
        Partial(POISON, JinaResponseError, 3),
    ),
    Fault(
        "null for one input",
        lambda: damage(lambda text: [None] * DIMENSIONS, "poison"),
        Partial(POISON, JinaResponseError, 3),
        everywhere=False,
    ),
    Fault(
        "no vector for one input",
        lambda: damage(lambda text: None, "poison"),
        Partial(POISON, JinaResponseError, 3),
        everywhere=False,
    ),
    Fault(
        "truncated base64 for one input",
        lambda: damage(lambda text: text[:-7], "poison"),
        Partial(POISON, JinaResponseError, 3),
    ),
    Fault(
        "invalid base64 for one input",
        lambda: damage(lambda text: "*" + text[1:], "poison"),
        Partial(POISON, JinaResponseError, 3),
    ),
    Fault(
        "too few vectors in one response",
        lambda: on_text("poison", last(alter(lambda body, _: body["data"].pop() and None), 2)),
        Partial(frozenset({4, 5, 6, 7}), JinaResponseError, 3),
        everywhere=False,
    ),
    Fault(
        "one response that is not JSON",
        lambda: on_text("poison", last(say(b"It works!"), 2)),
        Partial(frozenset({4, 5, 6, 7}), JinaResponseError, 3),
        everywhere=False,
    ),
]

FAULTS = [*RETRIED, *TAKEN, *REFUSED, *PARTIAL]
