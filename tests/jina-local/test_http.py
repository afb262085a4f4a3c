"""The server answers as the app does, over real HTTP on loopback."""

import socket
import threading
import time
from typing import Any

import jina_local
import numpy as np
import orjson
import pytest
import requests
from jina_local.app import App
from jina_local.engine import Engine
from jina_local.server import running

BODY = {"model": "jina-embeddings-v3", "input": ["a", "b"]}


def answers_alike(url: str, method: str, path: str, **fields: Any) -> None:
    sent = orjson.dumps(fields) if fields else b""
    status, _, body = jina_local.default_app().handle(method, path, {}, sent)
    answer = requests.request(method, url.removesuffix("/v1") + path, data=sent, timeout=30)
    assert (answer.status_code, answer.content) == (status, body)


def test_http_responses_equal_those_of_the_app(url: str) -> None:
    answers_alike(url, "POST", "/v1/embeddings", **BODY)
    answers_alike(url, "POST", "/v1/rerank", model="jina-reranker-v3", query="a", documents=["a", "b"])
    answers_alike(url, "GET", "/v1/segment?content=One.%20Two.&return_chunks=true&max_chunk_length=6")
    answers_alike(url, "GET", "/v1/models/jina-ai%2Fjina-clip-v2")


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/models", "/health", "/nothing"])
def test_every_response_names_the_stand_in(url: str, path: str) -> None:
    headers = requests.get(url.removesuffix("/v1") + path, timeout=30).headers
    assert (headers["x-jina-stand-in"], headers["content-type"]) == ("all-MiniLM-L6-v2", "application/json")
    assert len(headers["x-request-id"]) == 32


def test_the_request_id_of_an_error_is_in_its_header(url: str) -> None:
    answer = requests.post(f"{url}/embeddings", json={}, timeout=30)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_models_are_listed_in_the_published_shape(url: str, conforms: Any) -> None:
    body = requests.get(f"{url}/models", timeout=30).json()
    conforms("ModelListResponse", body)
    assert "jina-ai/jina-embeddings-v3" in {model["id"] for model in body["data"]}


def test_the_api_page_describes_each_models_request(url: str) -> None:
    root = url.removesuffix("/v1")
    paths = requests.get(f"{root}/openapi.json", timeout=30).json()["paths"]
    schemas = paths["/v1/embeddings"]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    v3 = next(schema for schema in schemas if schema["title"] == "jina-embeddings-v3")
    assert {"task", "dimensions", "late_chunking", "embedding_type"} <= set(v3["properties"])
    assert requests.get(f"{root}/docs", timeout=30).status_code == 200


def test_the_api_page_works_without_javascript(url: str) -> None:
    root = url.removesuffix("/v1")
    page = requests.get(f"{root}/docs", timeout=30).text
    for path, operations in requests.get(f"{root}/openapi.json", timeout=30).json()["paths"].items():
        assert all(f"<h3>{method.upper()} {path}</h3>" in page for method in operations)
    assert "&quot;late_chunking&quot;: true" in page


def test_the_examples_on_the_api_page_work(url: str) -> None:
    paths = requests.get(f"{url.removesuffix('/v1')}/openapi.json", timeout=30).json()["paths"]
    bodies = {
        path: each["post"]["requestBody"]["content"]["application/json"]
        for path, each in paths.items()
        if "requestBody" in each.get("post", {})
    }
    assert sum("examples" in body for body in bodies.values()) >= 4
    for path, body in bodies.items():
        for example in body.get("examples", {}).values():
            answer = requests.post(url.removesuffix("/v1") + path, json=example["value"], timeout=30)
            assert answer.status_code == 200, answer.text


def test_a_body_above_the_limit_is_rejected() -> None:
    with running(max_body=10_000) as url:
        answer = requests.post(f"{url}/embeddings", data=b"x" * 60_000, timeout=30)
    assert answer.status_code == 413
    assert "10000 bytes" in answer.json()["detail"]


def test_health_answers_while_a_request_is_computed() -> None:
    computing, finish = threading.Event(), threading.Event()

    class Slow(Engine):
        def embed(self, request: Any, *_: Any) -> Any:
            computing.set()
            finish.wait(20)
            return {}

    with running(app=App(Slow())) as url:
        slow = threading.Thread(target=lambda: requests.post(f"{url}/embeddings", json={}, timeout=30))
        slow.start()
        assert computing.wait(20)
        status = requests.get(f"{url.removesuffix('/v1')}/health", timeout=5).status_code
        finish.set()
        slow.join()
    assert status == 200


def test_a_key_is_required_over_http() -> None:
    with running(api_key="right") as url:
        rejection = requests.post(f"{url}/embeddings", json=BODY, timeout=30)
        allowed = requests.post(f"{url}/embeddings", json=BODY, headers={"authorization": "Bearer right"}, timeout=30)
    assert (rejection.status_code, rejection.json()["code"], allowed.status_code) == (401, "AUTH_MISSING_API_KEY", 200)


def test_a_missing_model_returns_a_503_with_instructions(tmp_path: Any) -> None:
    with running(app=App(Engine(tmp_path))) as url:
        answer = requests.post(f"{url}/embeddings", json=BODY, timeout=30)
    assert answer.status_code == 503
    assert "jina-local fetch-model" in answer.json()["detail"]


def test_a_missing_model_raises_in_the_process(tmp_path: Any) -> None:
    with pytest.raises(jina_local.ModelNotFoundError, match="fetch-model"):
        App(Engine(tmp_path)).handle("POST", "/v1/embeddings", {}, b'{"model": "jina-embeddings-v3", "input": "a"}')


def test_a_stopped_server_releases_its_port() -> None:
    with running() as url:
        port = int(url.split(":")[2].split("/")[0])
    began = time.monotonic()
    with running(port) as again:
        assert again == url
    assert time.monotonic() - began < 5
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def test_many_callers_get_the_same_vectors(url: str) -> None:
    responses: list[Any] = [None] * 16

    def call(number: int) -> None:
        body = {"model": "jina-embeddings-v3", "input": [f"text {number % 4}"]}
        responses[number] = requests.post(f"{url}/embeddings", json=body, timeout=60).json()["data"][0]["embedding"]

    callers = [threading.Thread(target=call, args=(number,)) for number in range(16)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(np.array_equal(responses[number], responses[number % 4]) for number in range(16))
    assert responses[0] != responses[1]
