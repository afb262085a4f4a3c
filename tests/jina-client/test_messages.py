"""Every error says what happened, at which address, after how many attempts, and what to do."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable
from typing import Any

import pytest
from jina_client import (
    JinaArgumentError,
    JinaClient,
    JinaConnectionError,
    JinaInputError,
    JinaStatusError,
    PartialFailureError,
)
from jina_client.transport import Request, Response
from loopback import Answer, Recorder, Sent, right_answer

KEY = "test-key-0123456789"


def message_of(client: Any, inputs: list[str] | None = None) -> str:
    with pytest.raises((JinaStatusError, JinaConnectionError)) as caught:
        client.embed(inputs or ["a"])
    text = str(caught.value)
    assert KEY not in text
    assert str(pickle.loads(pickle.dumps(caught.value))) == text
    return text


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "rejects the key from api_key="),
        (402, "The balance of the account is used up: top it up (from the operator of 127.0.0.1:"),
        (403, "does not allow this request: check them (from the operator of 127.0.0.1:"),
        (404, "no endpoint /v1/embeddings"),
        (413, "pass a smaller batch_size="),
        (429, "pass requests_per_minute="),
        (500, "try again later"),
        (302, "pass the new address as base_url= (https://other.example/v1)"),
    ],
)
def test_a_status_error_names_the_address_and_what_to_do(
    make_client: Callable[..., Any], server: Recorder, status: int, advice: str
) -> None:
    server.answer = lambda sent: Answer({"detail": "no"}, status, {"Location": "https://other.example/v1"})
    text = message_of(make_client(base_url=server.url, api_key=KEY, max_retries=0))
    assert f"(HTTP {status} from {server.url}/embeddings)" in text
    assert advice in text


def test_a_401_says_where_the_key_came_from(
    make_client: Callable[..., Any], server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = lambda sent: Answer({"detail": "no"}, 401)
    assert "had no API key: pass api_key=… or set JINA_API_KEY" in message_of(make_client(base_url=server.url))
    monkeypatch.setenv("JINAAI_API_KEY", KEY)
    assert "the key from the environment variable JINAAI_API_KEY" in message_of(make_client(base_url=server.url))


def test_a_404_suggests_the_missing_v1(make_client: Callable[..., Any], server: Recorder) -> None:
    server.answer = lambda sent: Answer({"detail": "Not Found"}, 404)
    root = server.url.removesuffix("/v1")
    text = message_of(make_client(base_url=root))
    assert f"Does base_url end in /v1? It is '{root}'; most services need '{root}/v1'" in text


def test_an_error_reports_attempts_and_the_requested_wait(make_client: Callable[..., Any], server: Recorder) -> None:
    server.answer = lambda sent: Answer({"detail": "busy"}, 503, {"Retry-After": "0"})
    assert "after 3 attempts" in message_of(make_client(base_url=server.url, max_retries=2))
    server.answer = lambda sent: Answer({"detail": "slow down"}, 429, {"Retry-After": "120"})
    assert "The service asks to wait 120 s." in message_of(make_client(base_url=server.url, max_retries=2))


def test_a_validation_error_names_the_field_and_the_callers_input(client: Any, server: Recorder) -> None:
    def answer(sent: Sent) -> Answer:
        if "bad" not in sent.body["input"]:
            return right_answer(sent)
        place = sent.body["input"].index("bad")
        item = {"field": f"body -> input -> {place}", "message": "not a text", "type": "x"}
        return Answer({"detail": "Invalid", "errors": [item]}, 422)

    server.answer = answer
    with pytest.raises(PartialFailureError) as caught:
        client.embed(["a", "b", "c", "bad"], batch_size=2)
    (error,) = caught.value.failed.values()
    assert isinstance(error, JinaStatusError)
    assert error.message == "Invalid: body -> input -> 1: not a text"
    assert (error.inputs, error.url) == ((3,), f"{server.url}/embeddings")
    assert "input 3" in str(error)


def test_html_tags_are_removed_from_html_errors_only(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer({"detail": "send 'Authorization: Bearer <api-key>'"}, 400)
    assert "Bearer <api-key>'" in message_of(client)
    server.answer = lambda sent: Answer(b"<html><h1>Bad Request</h1></html>", 400)
    assert message_of(client).startswith("Bad Request (HTTP 400")


def test_connection_errors_name_their_cause(
    make_client: Callable[..., Any], engine_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def message(**options: Any) -> str:
        return message_of(make_client(max_retries=0, api_key=KEY, **options))

    assert "127.0.0.1:9: connection refused" in message(base_url="http://127.0.0.1:9/v1")
    assert "has no address (DNS)" in message(base_url="https://no-such-host.invalid/v1")
    secure = engine_url.replace("http://", "https://")
    assert "does not speak TLS: pass base_url= with http://" in message(base_url=secure)
    monkeypatch.setenv("https_proxy", "http://user:proxy-password@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    text = message(base_url="https://models.example/v1")
    assert "the proxy 127.0.0.1:9 does not work" in text
    assert "add models.example to NO_PROXY" in text
    assert "proxy-password" not in text


def test_a_timeout_names_the_address_and_the_option(make_client: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        text = message_of(make_client(base_url=f"http://127.0.0.1:{port}/v1", timeout=0.2, max_retries=1))
    assert f"no complete response from 127.0.0.1:{port} within 0.2 s: raise timeout=" in text
    assert "after 2 attempts" in text


def test_a_short_key_does_not_mask_ordinary_words(make_client: Callable[..., Any], server: Recorder) -> None:
    server.answer = lambda sent: Answer({"detail": "the tested key is tes, or test"}, 400)
    client = make_client(base_url=server.url, api_key="test", max_retries=0)
    with pytest.raises(JinaStatusError) as caught:
        client.embed(["a"])
    assert caught.value.message == "the tested key is tes, or **********"


class Rejecting:
    """A transport whose service answers everything with one status."""

    def __init__(self, status: int) -> None:
        self.status = status

    def send(self, request: Request) -> Response:
        return Response(self.status, {}, b'{"detail": "no"}')

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "pass another api_key= or correct it (keys: https://jina.ai)"),
        (402, "top it up (https://jina.ai)"),
        (403, "check them (https://jina.ai)"),
    ],
)
def test_errors_of_jinas_host_link_to_its_dashboard(status: int, advice: str) -> None:
    assert advice in message_of(JinaClient(api_key=KEY, transport=Rejecting(status), max_retries=0))


@pytest.mark.parametrize(
    ("send", "similar"),
    [
        (lambda client: client.embed(["a"], model="jina-embedings-v3"), "jina-embeddings-v3"),
        (lambda client: client.rerank("a", ["b"], model="jina-rerancer-v3"), "jina-reranker-v3"),
        (lambda client: client.embed_multi_vector(["a"], model="jina-colbert-2"), "jina-colbert-v2"),
    ],
)
def test_a_misspelled_model_of_the_engine_gets_the_similar_one(send: Callable[[Any], Any], similar: str) -> None:
    with pytest.raises(JinaStatusError, match=f"Did you mean model='{similar}'"):
        send(JinaClient(base_url="local"))


def test_a_service_with_models_of_its_own_gets_no_similar_model(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer({"detail": "Model not found"}, 404)
    with pytest.raises(JinaStatusError) as caught:
        client.embed(["a"], model="jina-embedings-v3")
    assert "Did you mean" not in str(caught.value)


def test_a_model_of_another_endpoint_names_the_method_to_call(client: Any) -> None:
    with pytest.raises(
        JinaInputError, match=r"not embeddings; use one of: .*; or call rerank\(\) with jina-reranker-v3"
    ):
        client.embed(["a"], model="jina-reranker-v3")


def test_a_positional_model_of_a_call_is_answered_with_the_keyword(client: Any) -> None:
    with pytest.raises(JinaArgumentError, match=r"embed takes inputs by position, .* write model='jina-embeddings-v3'"):
        client.embed(["a"], "jina-embeddings-v3")


@pytest.mark.parametrize("key", ['"jina_0123456789"', "Bearer jina_0123456789", "jina_käse"])
def test_a_key_that_cannot_be_one_names_its_source(
    make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    with pytest.raises(JinaInputError, match=r"^api_key= contains a space, a quotation mark") as caught:
        make_client(api_key=key)
    assert key not in str(caught.value)
    monkeypatch.setenv("JINA_API_KEY", key)
    with pytest.raises(JinaInputError, match=r"^the environment variable JINA_API_KEY contains"):
        make_client()


@pytest.mark.parametrize("address", ["local", "http://127.0.0.1:8080/v1"])
def test_an_address_in_place_of_the_key_is_an_error(make_client: Callable[..., Any], address: str) -> None:
    with pytest.raises(JinaInputError, match="holds an address and no API key: pass the address as base_url="):
        make_client(api_key=address)
