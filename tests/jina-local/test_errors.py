"""Mistakes are answered with the hosted service's status, body and code."""

import logging
import re
from typing import Any

import jina_local
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jina_client.models import models_for
from jina_local.app import App
from jina_local.engine import Engine

V3 = {"model": "jina-embeddings-v3", "input": "a"}
RERANK = {"model": "jina-reranker-v3", "query": "q", "documents": ["a"]}
REQUEST_ID = re.compile("[0-9a-f]{32}")


@pytest.mark.parametrize(
    ("endpoint", "fields", "field", "kind", "message"),
    [
        ("rerank", {**RERANK, "top_n": 0}, "top_n", "greater_than_equal", "Input should be greater than or equal to 1"),
        (
            "rerank",
            {**RERANK, "max_doc_length": 9000},
            "max_doc_length",
            "less_than_equal",
            "less than or equal to 8192",
        ),
        ("rerank", {**RERANK, "documents": []}, "documents", "too_short", "at least 1 item"),
        ("rerank", {**RERANK, "documents": "a"}, "documents", "list_type", "Input should be a valid list"),
        ("rerank", {**RERANK, "documents": [1]}, "documents -> 0", "string_type", "Input should be a valid string"),
        ("rerank", {**RERANK, "documents": ["a"] * 513}, "documents", "too_long", "at most 512 items."),
        ("rerank", {**RERANK, "query": None}, "query", "string_type", "Input should be a valid string"),
        ("rerank", {**RERANK, "query": {"text": "q"}}, "query", "string_type", "Input should be a valid string"),
        (
            "rerank",
            {**RERANK, "model": "jina-reranker-m0", "return_embeddings": True},
            "return_embeddings",
            "extra_forbidden",
            "Extra",
        ),
        ("rerank", {"model": "jina-reranker-v3", "documents": ["a"]}, "query", "missing", "Field required"),
        ("rerank", {"model": "jina-reranker-v3", "query": "a"}, "documents", "missing", "Field required"),
        (
            "rerank",
            {**RERANK, "model": "jina-reranker-v2-base-multilingual", "max_doc_length": 9},
            "max_doc_length",
            "extra_forbidden",
            "Extra inputs are not permitted",
        ),
        ("rerank", {**RERANK, "model": "jina-colbert-v2", "dimensions": 64}, "dimensions", "extra_forbidden", "Extra"),
        ("embeddings", {**V3, "user": "me"}, "user", "extra_forbidden", "Extra inputs are not permitted"),
        ("embeddings", {**V3, "dimensions": 1025}, "dimensions", "less_than_equal", "less than or equal to 1024"),
        ("embeddings", {**V3, "dimensions": 0}, "dimensions", "greater_than", "Input should be greater than 0"),
        ("embeddings", {**V3, "dimensions": "x"}, "dimensions", "int_parsing", "Input should be a valid integer"),
        ("embeddings", {**V3, "task": "retrieval"}, "task", "literal_error", "'retrieval.query', 'retrieval.passage'"),
        ("embeddings", {**V3, "embedding_type": "int4"}, "embedding_type", "literal_error", "'base64'"),
        ("embeddings", {**V3, "embedding_type": ["float", "binary"]}, "embedding_type", "too_long", "not 2"),
        ("embeddings", {**V3, "embedding_type": []}, "embedding_type", "too_short", "not 0"),
        ("embeddings", {**V3, "input": []}, "input", "value_error", "Input list cannot be empty. Provide at least one"),
        ("embeddings", {**V3, "input": ["a"] * 513}, "input", "too_long", "Each input list can contain at most 512"),
        ("embeddings", {**V3, "input": ["a", "b", "c", None]}, "input -> 3", "string_type", "valid string"),
        ("embeddings", {**V3, "input": None}, "input", "string_type", "Input should be a valid string"),
        ("embeddings", {**V3, "input": {"text": 3}}, "input -> text", "string_type", "Input should be a valid string"),
        ("embeddings", {**V3, "input": [{}]}, "input -> 0 -> text", "missing", "Field required"),
        ("embeddings", {"model": "jina-embeddings-v3"}, "input", "missing", "Field required"),
        ("embeddings", {"input": "a"}, "model", "missing", "Field required"),
        ("embeddings", {**V3, "model": 3}, "model", "string_type", "Input should be a valid string"),
        (
            "embeddings",
            {**V3, "input": {"image": "aGk="}},
            "input",
            "unsupported_modality",
            "does not take items with 'image' here: send text",
        ),
        (
            "embeddings",
            {**V3, "model": "jina-clip-v2", "input": [{"pdf": "aGk="}]},
            "input -> 0",
            "unsupported_modality",
            "A PDF must be the only input",
        ),
        (
            "embeddings",
            {**V3, "model": "jina-embeddings-v5-omni-nano", "input": {"video": "aGk="}},
            "input",
            "unsupported_modality",
            "This engine cannot read video",
        ),
        (
            "embeddings",
            {**V3, "model": "jina-clip-v2", "input": {"content": [{"text": "a"}]}},
            "input",
            "unsupported_modality",
            "does not take groups",
        ),
        (
            "embeddings",
            {**V3, "model": "jina-embeddings-v5-omni-nano", "input": {"content": []}},
            "input -> content",
            "too_short",
            "at least 1",
        ),
        ("embeddings", {**V3, "input": {"text": "a", "image": "b"}}, "input", "value_error", "one of 'text', 'image'"),
        (
            "embeddings",
            {**V3, "model": "jina-embeddings-v2-base-en", "task": "retrieval.query"},
            "task",
            "extra_forbidden",
            "Extra inputs are not permitted",
        ),
        (
            "embeddings",
            {**V3, "model": "jina-colbert-v2", "dimensions": 65},
            "dimensions",
            "literal_error",
            "Input should be 64, 96 or 128",
        ),
        (
            "embeddings",
            {**V3, "model": "jina-colbert-v1-en", "dimensions": 128},
            "dimensions",
            "extra_forbidden",
            "Extra",
        ),
        (
            "multi-vector",
            {"model": "jina-colbert-v2", "input": "a", "input_type": "passage"},
            "input_type",
            "literal_error",
            "'query' or 'document'",
        ),
    ],
)
def test_an_error_names_the_invalid_field(
    post: Any, endpoint: str, fields: Any, field: str, kind: str, message: str
) -> None:
    status, body = post(endpoint, **fields)
    assert (status, len(body["errors"])) == (422, 1)
    error = body["errors"][0]
    assert (error["field"], error["type"]) == (f"body -> {field}", kind)
    assert message in error["message"]
    assert REQUEST_ID.fullmatch(body["request_id"])
    assert body["detail"] == f"Validation errors in 1 fields. Field errors: {error['field']}: {error['message']}"


def test_an_error_names_every_invalid_field(post: Any) -> None:
    _, body = post("embeddings", model="jina-embeddings-v3", input=[1, "a", None], dimensions=0, user="me")
    assert body["detail"].startswith("Validation errors in 4 fields. ")
    assert [error["field"].removeprefix("body -> ") for error in body["errors"]] == [
        "input -> 0",
        "input -> 2",
        "dimensions",
        "user",
    ]


def test_an_error_repeats_only_short_input(post: Any) -> None:
    _, body = post("embeddings", **V3, dimensions=0, user="x" * 1000)
    assert [error["input"] for error in body["errors"]] == [0, None]


@pytest.mark.parametrize(
    "options",
    [
        {"return_multivector": True, "dimensions": 64},
        {"return_multivector": True, "late_chunking": True},
        {"return_tokenized_input": True},
    ],
)
def test_incompatible_options_are_rejected(post: Any, options: Any) -> None:
    status, body = post("embeddings", model="jina-embeddings-v4", input="a", **options)
    assert status == 422
    assert body["errors"][0]["message"].startswith("Incompatible options: ")


@pytest.mark.parametrize("model", ["no-such-model", "jina-reranker-v3"])
def test_an_unknown_model_is_not_found(post: Any, model: str) -> None:
    status, body = post("embeddings", model=model, input="a")
    assert (status, body["detail"]["code"]) == (400, "INPUT_MODEL_NOT_FOUND")
    assert REQUEST_ID.fullmatch(body["detail"]["request_id"])
    start = f"Model '{model}' not found. Available models: jina-embeddings-v2-base-en, "
    assert body["detail"]["message"].startswith(start)


def test_an_embedding_model_is_not_a_reranker(post: Any) -> None:
    _, body = post("rerank", **{**RERANK, "model": "jina-embeddings-v3"})
    assert body["detail"]["message"].endswith(f", {models_for('rerank')[-1].id}")


def test_a_text_above_the_context_is_rejected(post: Any) -> None:
    status, body = post("embeddings", model="jina-embeddings-v3", input=["a", "word " * 8193])
    assert (status, body["detail"]["code"]) == (400, "INPUT_TOKEN_LIMIT_EXCEEDED")
    assert body["detail"]["message"] == (
        "Input text exceeds the model's maximum of 8192 tokens. Use 'truncate: true' to automatically truncate, "
        "or split into smaller chunks."
    )


@pytest.mark.parametrize(("body", "position"), [(b"", 0), (b"{", 1), (b"\xff", 0), (b'{"input": NaN}', 10)])
def test_broken_json_is_rejected_at_its_position(body: bytes, position: int) -> None:
    status, _, answer = jina_local.default_app().handle("POST", "/v1/embeddings", {}, body)
    [error] = orjson.loads(answer)["errors"]
    assert (status, error["field"], error["type"]) == (422, f"body -> {position}", "json_invalid")


@pytest.mark.parametrize("body", [b'"text"', b"[]", b"null"])
def test_a_body_that_is_not_a_json_object_is_rejected(body: bytes) -> None:
    status, _, answer = jina_local.default_app().handle("POST", "/v1/embeddings", {}, body)
    assert (status, orjson.loads(answer)["errors"][0]["field"]) == (422, "body")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "AUTH_MISSING_API_KEY"),
        ({"Authorization": "Basic abc"}, "AUTH_INVALID_FORMAT"),
        ({"Authorization": "Bearer "}, "AUTH_MISSING_API_KEY"),
        ({"Authorization": "Bearer wrong"}, "AUTH_INVALID_API_KEY"),
    ],
)
def test_a_missing_or_wrong_key_returns_a_flat_body(headers: Any, code: str) -> None:
    status, _, answer = App(api_key="right").handle("POST", "/v1/embeddings", headers, b"{}")
    body = orjson.loads(answer)
    assert (status, list(body), body["code"]) == (401, ["detail", "request_id", "code"], code)


def test_the_right_key_is_accepted() -> None:
    app = App(jina_local.default_app().engine, api_key="right")
    headers = {"AUTHORIZATION": "bearer right"}
    assert app.handle("POST", "/v1/embeddings", headers, orjson.dumps(V3))[0] == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/v1/rerank", 405)])
def test_unknown_paths_and_methods_return_404_and_405(method: str, path: str, status: int) -> None:
    actual, headers, body = App(jina_local.default_app().engine).handle(method, path, {})
    assert (actual, list(orjson.loads(body))) == (status, ["detail"])
    assert headers.get("allow") == ("POST" if status == 405 else None)


def test_a_failure_of_the_engine_shows_no_internals(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Engine):
        def embed(self, request: Any, *_: Any) -> Any:
            raise ZeroDivisionError(f"cannot embed {request['input']}")

    with caplog.at_level(logging.DEBUG):
        status, _, answer = App(Broken()).handle("POST", "/v1/embeddings", {}, b'{"input": "a secret text"}')
    body = orjson.loads(answer)["detail"]
    assert (status, body["code"]) == (500, "INTERNAL_ERROR")
    assert body["request_id"] in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text + str(body)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "image", "content", "label", "custom_id", "body", "x"]), inner)
    ),
    max_leaves=4,
)
FIELDS = ["input", "task", "dimensions", "late_chunking", "normalized", "truncate", "embedding_type", "top_n", "x"]
MORE = ["query", "documents", "truncation", "top_k", "labels", "classifier_id", "return_multivector", "input_url"]
MODELS = ["jina-embeddings-v3", "jina-embeddings-v4", "jina-embeddings-v5-text-nano", "jina-embeddings-v5-omni-nano"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    endpoint=st.sampled_from(["embeddings", "multi-vector", "rerank", "classify", "train", "batch/embeddings"]),
    model=st.sampled_from([*MODELS, "jina-reranker-v3", "jina-reranker-m0", "jina-colbert-v2", "elser-v2"]),
    fields=st.dictionaries(st.sampled_from([*FIELDS, *MORE]), VALUES),
)
def test_no_json_body_causes_a_500(endpoint: str, model: str, fields: Any) -> None:
    usual = {"rerank": {"query": "a", "documents": ["b"]}, "classify": {"input": "a", "labels": ["b", "c"]}}
    try:
        body = orjson.dumps({**usual.get(endpoint, {"input": "a"}), **fields, "model": model})
    except TypeError:  # an integer that JSON libraries do not write
        return
    assert FUZZED.handle("POST", f"/v1/{endpoint}", {}, body)[0] in (200, 400, 403, 404, 413, 422)


FUZZED = App(jina_local.default_app().engine)
