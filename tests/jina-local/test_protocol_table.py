"""The table "Where descriptions of the protocol differ" in docs/engine.md, row by row."""

import base64
from collections.abc import Callable
from typing import Any

import jina_local
import pytest
from jina_local.app import App
from jina_local.engine import Engine
from jina_local.server import running
from pictures import written

V3 = {"model": "jina-embeddings-v3", "input": "a"}
RERANK = {"model": "jina-reranker-v2-base-multilingual", "query": "q", "documents": ["a"]}


PNG = base64.b64encode(written("a line of text")).decode()
BARE_FILES = [
    f"data:image/png;base64,{PNG}",
    PNG,
    "data:image/svg+xml,%3Csvg/%3E",
    "data:application/pdf;base64,JVBERi0=",
]


@pytest.fixture(scope="module")
def lenient_app() -> App:
    return App(Engine(lenient=True))


@pytest.fixture(scope="module")
def lenient(asking: Callable[[App], Any], lenient_app: App) -> Any:
    ask = asking(lenient_app)
    return lambda endpoint, **fields: ask("POST", f"/v1/{endpoint}", fields)[:2]


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        ("embeddings", V3),
        ("multi-vector", {"model": "jina-colbert-v2", "input": "a"}),
        ("rerank", RERANK),
        ("classify", {**V3, "labels": ["a", "b"]}),
    ],
)
def test_a_lenient_engine_ignores_fields_that_the_api_does_not_have(
    post: Any, lenient: Any, endpoint: str, fields: Any
) -> None:
    status, body = post(endpoint, **fields, user="me")
    assert (status, [error["field"] for error in body["errors"]]) == (422, ["body -> user"])
    assert lenient(endpoint, **fields, user="me", metadata={"tags": []})[0] == 200


@pytest.mark.parametrize("field", ["dimensions", "task", "late_chunking", "output_dimension"])
def test_a_lenient_engine_ignores_no_field_of_another_model(lenient: Any, field: str) -> None:
    status, body = lenient("embeddings", model="jina-embeddings-v2-base-en", input="a", **{field: 1})
    assert (status, body["errors"][0]["type"]) == (422, "extra_forbidden")


def test_a_lenient_engine_reads_the_other_names_of_fields(lenient: Any) -> None:
    status, body = lenient("embeddings", model="jina-embeddings-v3", texts=["a"], output_dimension=8, user="me")
    assert (status, len(body["data"][0]["embedding"])) == (200, 8)


def test_openais_form_works_over_http(lenient_app: App) -> None:
    import requests

    fields = {"model": "jina-embeddings-v3", "input": ["a"], "encoding_format": "float", "user": "me"}
    with running(app=lenient_app) as url:
        assert requests.post(f"{url}/embeddings", json=fields, timeout=60).status_code == 200


@pytest.mark.parametrize("value", [[None], ["float", None], [], "none"])
def test_an_invalid_embedding_type_is_rejected(post: Any, value: Any) -> None:
    assert post("embeddings", **V3, embedding_type=value)[0] == 422


@pytest.mark.parametrize(("value", "status"), [(None, 200), ("float", 200), (["float"], 200), ("base64", 422)])
def test_scores_of_terms_have_one_encoding(post: Any, value: Any, status: int) -> None:
    assert post("embeddings", model="elser-v2", input="a", embedding_type=value)[0] == status


@pytest.mark.parametrize(
    ("endpoint", "fields", "name"),
    [
        ("embeddings", V3, "dimensions"),
        ("rerank", RERANK, "top_n"),
        ("rerank", {**RERANK, "model": "jina-reranker-v3"}, "max_doc_length"),
        ("segment", {"content": "a"}, "max_chunk_length"),
    ],
)
def test_true_is_not_a_number(post: Any, endpoint: str, fields: Any, name: str) -> None:
    status, body = post(endpoint, **fields, **{name: True})
    assert (status, [(error["field"], error["type"], error["input"]) for error in body["errors"]]) == (
        422,
        [(f"body -> {name}", "int_type", True)],
    )


def test_a_group_consists_of_objects(post: Any) -> None:
    status, body = post("embeddings", model="jina-embeddings-v5-omni-nano", input={"content": ["a"]})
    assert (status, body["errors"][0]["field"]) == (422, "body -> input -> content -> 0")


@pytest.mark.parametrize("value", [[1, 2], [[1], [2, 3]]])
def test_token_ids_are_rejected_with_a_message(post: Any, value: Any) -> None:
    status, body = post("embeddings", model="jina-embeddings-v3", input=value)
    assert (status, len(body["errors"])) == (422, 1)
    assert body["errors"][0]["message"].startswith("Token ids are not supported")


@pytest.mark.parametrize("value", BARE_FILES)
def test_a_model_of_texts_rejects_a_bare_file(post: Any, value: str) -> None:
    for fields in ({**V3, "input": value}, {**V3, "input": ["a text", value]}):
        status, body = post("embeddings", **fields)
        assert (status, body["errors"][0]["type"]) == (422, "unsupported_modality")
    assert post("rerank", **{**RERANK, "documents": ["a", value]})[0] == 422


def test_a_model_of_images_reads_a_bare_image(post: Any) -> None:
    named = post("embeddings", model="jina-clip-v2", input=[{"image": PNG}])[1]["data"]
    for value in BARE_FILES[:2]:
        assert post("embeddings", model="jina-clip-v2", input=[value])[1]["data"] == named


@pytest.mark.parametrize("text", ["data:image/png is a MIME type", "data:,a", "/9j/", "iVBORw0KGgo" + " a" * 60])
def test_a_text_about_files_is_a_text(post: Any, text: str) -> None:
    assert post("embeddings", model="jina-embeddings-v3", input=text)[0] == 200


@pytest.mark.parametrize(
    ("model", "sent", "returned"),
    [
        ("jina-reranker-v2-base-multilingual", {"text": "a", "id": 7}, {"text": "a", "id": 7}),
        ("jina-reranker-v2-base-multilingual", "a", "a"),
        ("jina-reranker-v3", {"text": "a", "id": 7}, {"text": "a"}),
        ("jina-reranker-m0", {"url": PNG, "id": 7}, {"image": PNG, "id": 7}),
    ],
)
def test_rerank_returns_documents_unchanged(post: Any, model: str, sent: Any, returned: Any) -> None:
    _, body = post("rerank", model=model, query="q", documents=[sent])
    assert body["results"][0]["document"] == returned


def test_a_trailing_slash_makes_no_difference(ask: Any) -> None:
    assert ask("POST", "/v1/embeddings/", V3).status == 200
    assert ask("GET", "/health/").status == 200


def test_a_404_for_a_path_without_v1_has_a_hint() -> None:
    status, _, body = jina_local.default_app().handle("POST", "/rerank", {}, b"{}")
    assert (status, b"Did you mean /v1/rerank?" in body) == (404, True)
    assert jina_local.default_app().handle("GET", "/other", {}, b"")[2] == b'{"detail":"Not Found"}'
