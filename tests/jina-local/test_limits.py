"""The limits that the engine plays: what is refused, with which words, and when to come again."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import warm
from jina_client import Attempt, JinaClient, RateLimitError, RequestTooLargeError
from jina_local.app import App, default_app
from jina_local.engine import Engine
from jina_local.errors import RateLimitedError
from jina_local.limits import Limits
from jina_local.server import running

BODY = {"model": "jina-embeddings-v3", "input": "one two three"}
TOKENS = 5
REFUSED_BODY = {"detail", "request_id", "code"}


class Clock:
    """Real time that can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class Held(Engine):
    """An engine that computes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.computing, self.go = threading.Semaphore(0), threading.Event()

    def embed(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        self.computing.release()
        assert self.go.wait(20)
        return super().embed(*arguments, **options)


def post(url: str, **fields: Any) -> requests.Response:
    return requests.post(f"{url}/embeddings", json={**BODY, **fields}, timeout=30)


def test_requests_per_minute_are_limited() -> None:
    clock = Clock()
    with running(app=App(default_app().engine, limits=Limits(requests_per_minute=2, clock=clock))) as url:
        left = [post(url).headers["X-RateLimit-Remaining-Requests"] for _ in range(2)]
        rejection = post(url)
        clock.ahead += 61
        later = post(url)
    assert left == ["1", "0"]
    assert (rejection.status_code, later.status_code) == (429, 200)
    assert rejection.json() == {
        "detail": "Request rate limit exceeded: 3/2 requests per minute. Reduce request frequency or upgrade your plan "
        "at https://jina.ai/api-dashboard/key-manager.",
        "request_id": rejection.headers["x-request-id"],
        "code": "RATE_REQUEST_LIMIT_EXCEEDED",
    }
    assert 55 <= int(rejection.headers["Retry-After"]) <= 60
    assert rejection.headers["X-RateLimit-Remaining-Requests"] == "0"


def test_tokens_per_minute_are_limited() -> None:
    clock = Clock()
    with running(app=App(default_app().engine, limits=Limits(tokens_per_minute=TOKENS * 2, clock=clock))) as url:
        first = post(url)
        clock.ahead += 30
        second = post(url, input="one")
        rejection = post(url)
        clock.ahead += int(rejection.headers["Retry-After"])
        later = post(url)
    assert first.headers["X-RateLimit-Remaining-Tokens"] == "5"
    assert (first.status_code, second.status_code, rejection.status_code, later.status_code) == (200, 200, 429, 200)
    assert rejection.json()["code"] == "RATE_TOKEN_LIMIT_EXCEEDED"
    assert rejection.json()["detail"].startswith(
        "Token rate limit exceeded: 13/10 tokens per minute. Reduce batch sizes"
    )
    assert 25 <= int(rejection.headers["Retry-After"]) <= 30


def test_a_request_above_the_token_limit_is_told_to_wait_a_minute() -> None:
    with running(app=App(default_app().engine, limits=Limits(tokens_per_minute=TOKENS))) as url:
        rejection = post(url, input="one two three four")
        # What was refused is not counted: the next one has the whole minute.
        fits = post(url)
    assert (rejection.status_code, rejection.headers["Retry-After"], fits.status_code) == (429, "60", 200)
    assert rejection.json()["detail"].startswith("Token rate limit exceeded: 6/5 tokens")


def test_requests_in_flight_are_limited() -> None:
    engine = Held()
    with running(app=App(engine, limits=Limits(concurrency=2))) as url, ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(post, url) for _ in range(2)]
        for _ in calls:
            assert engine.computing.acquire(timeout=20)
        rejection = post(url)
        health = requests.get(url.replace("/v1", "/health"), timeout=30)
        models = requests.get(f"{url}/models", timeout=30)
        engine.go.set()
        statuses = [call.result(30).status_code for call in calls]
        later = post(url)
    assert (rejection.status_code, rejection.headers["Retry-After"]) == (429, "1")
    assert rejection.json()["code"] == "RATE_CONCURRENCY_LIMIT_EXCEEDED"
    assert rejection.json()["detail"].startswith(
        "Concurrency limit exceeded: 3/2 concurrent requests. Wait for pending"
    )
    assert (health.status_code, models.status_code, statuses, later.status_code) == (200, 200, [200, 200], 200)


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        ("embeddings", {"input": "a b"}),
        ("multi-vector", {"model": "jina-colbert-v2", "input": "a b"}),
        ("rerank", {"model": "jina-reranker-v3", "query": "a b", "documents": ["c"]}),
        ("classify", {"input": "a b", "labels": ["c", "d"]}),
        ("train", {"input": [{"text": "a", "label": "b"}, {"text": "c", "label": "d"}]}),
    ],
)
def test_tokens_of_every_endpoint_count(asking: Any, endpoint: str, fields: Any) -> None:
    fields = {"model": "jina-embeddings-v3", **fields}
    used = asking(App(default_app().engine))("POST", f"/v1/{endpoint}", fields).body["usage"]["total_tokens"]
    ask = asking(App(default_app().engine, limits=Limits(tokens_per_minute=used)))
    first, second = ask("POST", f"/v1/{endpoint}", fields), ask("POST", f"/v1/{endpoint}", fields)
    assert (first.status, first.headers["X-RateLimit-Remaining-Tokens"]) == (200, "0")
    assert (second.status, set(second.body)) == (429, REFUSED_BODY)


def test_a_rejected_training_leaves_no_classifier(asking: Any) -> None:
    ask = asking(App(Engine(), limits=Limits(tokens_per_minute=1)))
    examples = [{"text": "a", "label": "b"}, {"text": "c", "label": "d"}]
    assert ask("POST", "/v1/train", {"model": "jina-embeddings-v3", "input": examples}).status == 429
    assert ask("GET", "/v1/classifiers").body == []


def test_an_invalid_request_counts_without_tokens(asking: Any) -> None:
    ask = asking(App(default_app().engine, limits=Limits(requests_per_minute=5, tokens_per_minute=50)))
    wrong = ask("POST", "/v1/embeddings", {"model": "jina-embeddings-v3"})
    assert wrong.status == 422
    assert wrong.headers["X-RateLimit-Remaining-Requests"] == "4"
    assert wrong.headers["X-RateLimit-Remaining-Tokens"] == "50"


def test_no_limits_send_no_limit_headers(asking: Any) -> None:
    headers = asking(App(default_app().engine))("POST", "/v1/embeddings", BODY).headers
    assert not [name for name in headers if name.lower().startswith("x-ratelimit")]


def test_many_threads_get_exactly_the_limit() -> None:
    limits = Limits(requests_per_minute=50, tokens_per_minute=300)

    def call(_: int) -> bool:
        try:
            with limits.admit() as charge:
                charge(10)
        except RateLimitedError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(call, range(200))) == 30
    assert limits.headers() == {"X-RateLimit-Remaining-Requests": "20", "X-RateLimit-Remaining-Tokens": "0"}


# The client's own backoff.


def test_the_client_retries_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    # The client's own minute, which it learns of by the rejection.
    monkeypatch.setattr("jina_client.limiter.WINDOW", 0.1)
    now = 0.0  # the server's clock, which moves only when a request was refused
    attempts: list[Attempt] = []

    def attempted(attempt: Attempt) -> None:
        nonlocal now
        attempts.append(attempt)
        if attempt.status_code == 429:
            now = 60.0

    app = App(default_app().engine, limits=Limits(requests_per_minute=1, clock=lambda: now))
    with running(app=app) as url, JinaClient(base_url=url, on_attempt=attempted) as client:
        client.embed(["a"])
        now = 59.5
        assert len(client.embed(["b"])) == 1
    assert [attempt.status_code for attempt in attempts] == [200, 429, 200]
    assert (attempts[1].retry_in or 0) >= 1  # "Retry-After: 1"


def test_the_client_adapts_to_a_concurrency_limit() -> None:
    texts = [f"text {number}" for number in range(24)]
    with running(app=App(default_app().engine, limits=Limits(concurrency=1))) as url:
        with JinaClient(base_url=url, max_concurrency=3, max_retries=20) as client:
            vectors = client.embed(texts, batch_size=4).vectors
        with JinaClient(base_url=url, max_concurrency=1) as client:
            assert (vectors == client.embed(texts).vectors).all()


def test_the_clients_error_names_the_exceeded_limit() -> None:
    with (
        running(app=App(default_app().engine, limits=Limits(tokens_per_minute=3))) as url,
        JinaClient(base_url=url, max_retries=0) as client,
        pytest.raises(RateLimitError, match="Token rate limit exceeded") as caught,
    ):
        client.embed(["a text of more tokens than that"])
    assert (caught.value.code, caught.value.retry_after) == ("RATE_TOKEN_LIMIT_EXCEEDED", 60)


def test_the_client_explains_a_body_above_the_limit() -> None:
    with (
        running(max_body=2000) as url,
        JinaClient(base_url=url) as client,
        pytest.raises(RequestTooLargeError, match="larger than 2000 bytes"),
    ):
        client.embed(["word " * 1000])


# Bodies.


def raw(url: str, head: str, body: bytes) -> bytes:
    """The answer to a request as it is written here, byte for byte."""
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        lines = f"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}\r\n\r\n"
        connection.sendall(lines.encode() + body)
        answer = b""
        while block := connection.recv(65536):
            answer += block
    return answer


@pytest.mark.parametrize("size", [1001, 5000, 7999])
def test_a_body_above_the_limit_gets_a_413(size: int) -> None:
    with running(max_body=1000) as url:
        answer = requests.post(f"{url}/embeddings", data=b"x" * size, timeout=30)
        again = post(url)
    assert (answer.status_code, set(answer.json()), again.status_code) == (413, REFUSED_BODY, 200)


def test_a_body_without_a_length_is_bounded() -> None:
    with running(max_body=1000) as url:
        chunks = b"".join(b"%x\r\n%s\r\n" % (100, b"x" * 100) for _ in range(20)) + b"0\r\n\r\n"
        answer = raw(url, "Transfer-Encoding: chunked", chunks)
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_body_at_the_limit_is_read() -> None:
    body = b'{"model": "jina-embeddings-v3", "input": "a"}'
    with running(max_body=len(body)) as url:
        assert requests.post(f"{url}/embeddings", data=body, timeout=30).status_code == 200
        assert requests.post(f"{url}/embeddings", data=body + b" ", timeout=30).status_code == 413


def test_the_total_size_of_bodies_is_bounded() -> None:
    """Requests that are being computed hold their bodies; what is too much is told to come again."""
    engine = Held()
    texts = {"input": ["x" * 600]}
    with running(app=App(engine), max_body=1000) as url, ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(post, url, **texts) for _ in range(20)]
        rejections: list[Any] = []
        deadline = time.monotonic() + 20
        while len(rejections) < 20 - 12 and time.monotonic() < deadline:
            rejections = [call.result() for call in calls if call.done()]
            time.sleep(0.01)
        engine.go.set()
        statuses = sorted(call.result(30).status_code for call in calls)
        again = post(url)
    assert {answer.status_code for answer in rejections} == {503}
    assert (statuses, again.status_code) == ([200] * 12 + [503] * 8, 200)


# The command.


def served(*options: str) -> tuple[warm.Process, str]:
    command = ["-m", "jina_local.cli", "serve", "--port", "0", *options]
    process = warm.start(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    match = re.search(r"JINA_BASE_URL=(\S+);", process.stdout.readline())
    assert match
    return process, match[1]


def test_the_command_accepts_all_limits() -> None:
    process, url = served("--rpm", "3", "--tpm", "100", "--concurrency", "2", "--max-body", "700", "--api-key", "right")
    key = {"Authorization": "Bearer right"}

    def send(**more: Any) -> requests.Response:
        return requests.post(f"{url}/embeddings", timeout=30, **more)

    try:
        answers = [
            send(json=BODY),
            send(json=BODY, headers=key),
            send(data=b"x" * 701, headers=key),
            send(json={**BODY, "input": "word " * 97}, headers=key),
            send(json=BODY, headers=key),
            send(json=BODY, headers=key),
            send(json=BODY, headers=key),
        ]
    finally:
        process.terminate()
        process.communicate(timeout=20)
    codes = [(answer.status_code, answer.json().get("code")) for answer in answers]
    assert codes == [
        (401, "AUTH_MISSING_API_KEY"),
        (200, None),
        (413, "REQUEST_TOO_LARGE"),
        (429, "RATE_TOKEN_LIMIT_EXCEEDED"),
        (200, None),
        (200, None),
        (429, "RATE_REQUEST_LIMIT_EXCEEDED"),
    ]
