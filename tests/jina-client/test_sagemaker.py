"""Endpoints of SageMaker: boto3 signs and sends to a server on loopback that answers as Jina's packages do."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jina_client import (
    AuthenticationError,
    BadRequestError,
    JinaConnectionError,
    JinaInputError,
    JinaResponseError,
    JinaTimeoutError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from jina_client.transport import contract
from loopback import Answer, Recorder, Sent, vector_of

URL = "sagemaker://my-endpoint?region=eu-central-1"


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch, server: Recorder, tmp_path: Any) -> None:
    """AWS's settings: made-up credentials, and the loopback server in place of the service."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", server.url.removesuffix("/v1"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example-secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server.answer = _package


@pytest.fixture
def client(make_client: Callable[..., Any]) -> Any:
    return make_client(base_url=URL, max_retries=0)


def _text(item: Any) -> str:
    return item if isinstance(item, str) else next(iter(item.values()))


def _package(sent: Sent) -> Answer:
    data, options = sent.body["data"], sent.body.get("parameters", {})
    query = data[0] if isinstance(data, list) and isinstance(data[0], dict) and "query" in data[0] else data
    if isinstance(query, dict) and "query" in query:
        order = sorted(range(len(query["documents"])), key=lambda n: -len(_text(query["documents"][n])))
        results = [
            {"id": "x", "index": n, "relevance_score": 0.5, "document": query["documents"][n]}
            for n in order[: query.get("top_n")]
        ]
        usage = {"query_usage": {"total_tokens": 2}, "docs_usage": {"id": "y", "total_tokens": 5}}
        return Answer({"data": [{"id": "z", "results": results, **usage}]})
    vectors = [vector_of(_text(item), int(options.get("dimensions", 1024))).tolist() for item in data]
    if all(isinstance(item, str) for item in data):
        items = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
        return Answer({"model": "m", "object": "list", "usage": {"total_tokens": 9}, "data": items})
    return Answer({"data": [{"id": "x", "embedding": each, "usage": {"total_tokens": 3}} for each in vectors]})


def test_a_response_that_is_too_large_is_not_read(
    client: Any, server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "MAX_RESPONSE_BYTES", 2**10)
    server.answer = lambda sent: Answer(b" " * 2**11)
    with pytest.raises(JinaResponseError, match="the response is larger"):
        client.embed(["one"])


def test_texts_are_sent_in_the_older_form(client: Any, server: Recorder) -> None:
    result = client.embed(["one", "two"], task="retrieval.query", dimensions=64)
    assert np.array_equal(result.vectors, [vector_of("one", 64), vector_of("two", 64)])
    assert result.usage.total_tokens == 6
    [sent] = server.sent
    assert sent.path == "/endpoints/my-endpoint/invocations"
    assert sent.body == {
        "data": [{"text": "one"}, {"text": "two"}],
        "parameters": {"task": "retrieval.query", "dimensions": 64},
    }
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
    assert "/eu-central-1/sagemaker/" in sent.headers["authorization"]


def test_texts_are_sent_in_the_newer_form(client: Any, server: Recorder) -> None:
    result = client.embed(["one"], model="jina-code-embeddings-0.5b", dimensions=64)
    assert server.sent[0].body == {"data": ["one"], "parameters": {"task": "nl2code.passage", "dimensions": 64}}
    assert (result.vectors.shape, result.usage.total_tokens) == ((1, 64), 9)


def test_the_client_packs_binary_vectors(client: Any) -> None:
    bits = client.embed(["one"], embedding_type="ubinary").vectors
    assert np.array_equal(bits, [np.packbits(vector_of("one") > 0)])


@pytest.mark.parametrize(
    ("model", "by_url", "by_bytes"),
    [("jina-clip-v2", "url", "bytes"), ("jina-embeddings-v4", "image", "image")],
)
def test_images_are_embedded(client: Any, server: Recorder, png: bytes, model: str, by_url: str, by_bytes: str) -> None:
    client.embed(["a", png, {"image": "https://example.com/a.png"}], model=model, dimensions=512)
    encoded = base64.b64encode(png).decode()
    assert server.sent[0].body["data"] == [
        {"text": "a"},
        {by_bytes: encoded},
        {by_url: "https://example.com/a.png"},
    ]


def test_a_pdf_is_sent_alone(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer({"data": [{"embedding": vector_of(str(n), 2048).tolist()} for n in range(3)]})
    pages = client.embed([{"pdf": "https://example.com/a.pdf"}], model="jina-embeddings-v4")
    assert pages.vectors.shape == (3, 2048)
    assert server.sent[0].body["data"] == {"pdf": "https://example.com/a.pdf"}


def test_token_vectors_are_returned(client: Any, server: Recorder) -> None:
    rows = np.stack([vector_of("a", 128), vector_of("b", 128)])
    server.answer = lambda sent: Answer({"data": [{"embeddings": rows.tolist(), "usage": {"total_tokens": 2}}]})
    vectors = client.embed_multi_vector(["a"], input_type="query")
    np.testing.assert_allclose(vectors[0], rows, rtol=1e-6)
    assert server.sent[0].body == {"data": [{"text": "a"}], "parameters": {"input_type": "query"}}


@pytest.mark.parametrize("model", ["jina-reranker-v2-base-multilingual", "jina-reranker-m0"])
def test_documents_are_reranked(client: Any, server: Recorder, model: str) -> None:
    ranked = client.rerank("q", ["a", "ccc", "bb"], model=model, top_n=2)
    assert ([each.index for each in ranked], ranked.usage.total_tokens) == ([1, 2], 7)
    payload = {"documents": [{"text": "a"}, {"text": "ccc"}, {"text": "bb"}], "query": "q", "top_n": 2}
    assert server.sent[0].body == {"data": [payload] if model.endswith("m0") else payload}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda client: client.embed(["a"], normalized=False), "does not accept normalized=False"),
        (
            lambda client: client.embed(["a"], model="jina-embeddings-v2-base-en", truncate=True),
            "does not accept truncate",
        ),
        (lambda client: client.rerank("q", ["a"], truncation=True), "does not support truncation=True"),
        (lambda client: client.classify(["a"], ["x", "y"]), "does not support classify"),
        (lambda client: client.segment("a"), "does not support segment"),
        (lambda client: client.models.list(), "does not support models"),
    ],
)
def test_unsupported_options_are_rejected_before_sending(
    client: Any, server: Recorder, call: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(JinaInputError, match=message):
        call(client)
    assert server.sent == []


def _aws_error(kind: str, status: int, **fields: Any) -> Answer:
    return Answer({"Message": "it is so", "message": "it is so", **fields}, status, {"x-amzn-errortype": kind})


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (
            _aws_error("ModelError", 424, OriginalStatusCode=400, OriginalMessage='{"detail": "no such task"}'),
            BadRequestError,
            "no such task",
        ),
        (_aws_error("ModelError", 424, OriginalStatusCode=503, OriginalMessage="<html>"), ServerError, "503"),
        (_aws_error("ThrottlingException", 400), RateLimitError, "AWS: it is so"),
        (_aws_error("ValidationError", 400), BadRequestError, "AWS: it is so"),
        (_aws_error("AccessDeniedException", 403), PermissionDeniedError, "AWS: it is so"),
        (_aws_error("ExpiredTokenException", 401), AuthenticationError, "AWS: it is so"),
        (_aws_error("ServiceUnavailable", 503), ServerError, "AWS: it is so"),
    ],
)
def test_aws_errors_become_jina_errors(
    client: Any, server: Recorder, answer: Answer, error: type[Exception], message: str
) -> None:
    server.answer = lambda sent: answer
    with pytest.raises(error, match=message):
        client.embed(["a"])
    assert len(server.sent) == 1


def test_throttling_is_retried(make_client: Callable[..., Any], server: Recorder) -> None:
    server.answer = lambda sent: _aws_error("ThrottlingException", 400) if len(server.sent) < 3 else _package(sent)
    client = make_client(base_url=URL, max_retries=4)
    assert np.array_equal(client.embed(["a"]).vectors, [vector_of("a")])
    assert len(server.sent) == 3


def test_no_response_is_a_connection_error(make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "http://127.0.0.1:9")
    with pytest.raises(JinaConnectionError, match="no response from sagemaker://my-endpoint"):
        make_client(base_url=URL, max_retries=0).embed(["a"])


def test_a_slow_response_is_a_timeout(make_client: Callable[..., Any], server: Recorder) -> None:
    import time

    def slow(sent: Sent) -> Answer:
        time.sleep(1)
        return _package(sent)

    server.answer = slow
    with pytest.raises(JinaTimeoutError, match=r"within 0\.2 s"):
        make_client(base_url=URL, max_retries=0, timeout=0.2).embed(["a"])


def test_missing_credentials_or_region_raise(make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(JinaInputError, match=r"region.*sagemaker://my-endpoint\?region="):
        make_client(base_url="sagemaker://my-endpoint").embed(["a"])
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(JinaInputError, match="configure AWS credentials"):
        make_client(base_url=URL).embed(["a"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": "sagemaker://"}, "must name one endpoint"),
        ({"base_url": "sagemaker://user:pw@host"}, "must name one endpoint"),
        ({"base_url": "sagemaker://a/b"}, "must name one endpoint"),
        ({"base_url": "sagemaker://a?zone=x"}, "must name one endpoint"),
        ({"base_url": URL, "dialect": "vllm"}, "belong together"),
        ({"base_url": "http://127.0.0.1:9", "dialect": "sagemaker"}, "belong together"),
    ],
)
def test_an_invalid_sagemaker_address_is_rejected(
    make_client: Callable[..., Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(JinaInputError, match=message) as rejection:
        make_client(**options)
    assert "pw" not in str(rejection.value)


def test_a_jina_key_is_not_sent(client: Any, server: Recorder, make_client: Callable[..., Any]) -> None:
    make_client(base_url=URL, api_key="jina_secret").embed(["a"])
    assert "jina_secret" not in str(server.sent[0].headers)


def test_without_boto3_the_error_says_what_to_install() -> None:
    program = (
        "import sys\n"
        "sys.modules['boto3'] = None\n"
        "import jina_client\n"
        f"client = jina_client.JinaClient(base_url={URL!r})\n"
        "try:\n"
        "    client.embed(['a'])\n"
        "except jina_client.JinaInputError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "pip install boto3" in run.stdout
