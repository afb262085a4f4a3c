"""Answers of /v1/embeddings have the published shape, the model's dimensions and the encoding asked for."""

import base64
from typing import Any

import jina_local
import numpy as np
import pytest
from jina_client.integration import models_for
from jina_local.encoder import Encoder

TEXTS = ["The Eiffel Tower is in Paris.", "Bread is made of flour."]
V3 = {"model": "jina-embeddings-v3", "input": TEXTS}


def vectors(body: Any) -> Any:
    return np.array([item["embedding"] for item in body["data"]])


@pytest.mark.parametrize("model", models_for("embeddings"), ids=lambda model: model.id)
def test_every_model_returns_its_own_dimensions(post: Any, conforms: Any, model: Any) -> None:
    status, body = post("embeddings", model=model.id, input=TEXTS)
    conforms("EmbeddingResponse", body)
    assert (status, body["model"], vectors(body).shape) == (200, model.id, (2, model.dimensions))
    np.testing.assert_allclose(np.linalg.norm(vectors(body), axis=1), 1, atol=1e-6)


def test_response_keys_are_in_the_published_order(post: Any) -> None:
    _, body = post("embeddings", **V3)
    assert list(body) == ["model", "object", "usage", "data"]
    assert [(list(item), item["object"], item["index"]) for item in body["data"]] == [
        (["object", "index", "embedding"], "embedding", 0),
        (["object", "index", "embedding"], "embedding", 1),
    ]


def test_usage_includes_special_tokens(post: Any, encoder: Encoder) -> None:
    _, body = post("embeddings", **V3)
    count = sum(len(ids) + 2 for ids in encoder.tokenize(TEXTS))
    assert body["usage"] == {"total_tokens": count, "prompt_tokens": count}


@pytest.mark.parametrize("form", ["A text", {"text": "A text"}, ["A text"], [{"text": "A text"}]])
def test_a_text_may_have_four_forms(post: Any, form: Any) -> None:
    _, expected = post("embeddings", model="jina-embeddings-v3", input=["A text"])
    assert post("embeddings", model="jina-embeddings-v3", input=form) == (200, expected)


def test_base64_contains_the_same_float32_numbers(post: Any) -> None:
    _, floats = post("embeddings", **V3)
    _, coded = post("embeddings", **V3, embedding_type="base64")
    decoded = [np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in coded["data"]]
    assert np.array_equal(decoded, vectors(floats).astype(np.float32))


def test_ubinary_is_packed_signs_as_json_floats(post: Any, conforms: Any) -> None:
    _, floats = post("embeddings", **V3)
    _, body = post("embeddings", **V3, embedding_type="ubinary")
    conforms("EmbeddingResponse", body)
    assert np.array_equal(vectors(body), np.packbits(vectors(floats) > 0, axis=1))
    assert all(isinstance(number, float) for number in body["data"][0]["embedding"])


def test_binary_is_ubinary_minus_128(post: Any) -> None:
    _, unsigned = post("embeddings", **V3, embedding_type="ubinary")
    _, signed = post("embeddings", **V3, embedding_type="binary")
    assert np.array_equal(vectors(signed), vectors(unsigned) - 128)


def test_embedding_type_may_be_a_list_of_one(post: Any) -> None:
    assert post("embeddings", **V3, embedding_type=["binary"]) == post("embeddings", **V3, embedding_type="binary")


@pytest.mark.parametrize("dimensions", [1, 7, 64, 1024])
def test_dimensions_truncates_and_normalizes(post: Any, dimensions: int) -> None:
    _, whole = post("embeddings", **V3)
    _, cut = post("embeddings", **V3, dimensions=dimensions)
    expected = vectors(whole)[:, :dimensions]
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors(cut), expected, atol=1e-5)


def test_normalized_false_keeps_the_norm(post: Any, encoder: Encoder) -> None:
    _, body = post("embeddings", **V3, normalized=False)
    pooled = encoder.mean_vectors(encoder.tokenize(TEXTS))
    np.testing.assert_allclose(np.linalg.norm(vectors(body), axis=1), np.linalg.norm(pooled, axis=1), rtol=1e-5)


def test_a_vector_does_not_depend_on_other_inputs(post: Any) -> None:
    _, together = post("embeddings", model="jina-embeddings-v3", input=[*TEXTS, "x", "one two " * 400, TEXTS[0]])
    _, alone = post("embeddings", model="jina-embeddings-v3", input=TEXTS[0])
    assert together["data"][0]["embedding"] == together["data"][4]["embedding"] == alone["data"][0]["embedding"]


def test_a_model_may_have_its_hub_name(post: Any) -> None:
    status, body = post("embeddings", model="jinaai/jina-embeddings-v3", input="a")
    assert (status, body["model"]) == (200, "jina-embeddings-v3")


@pytest.mark.parametrize(
    ("alias", "field", "value"),
    [
        ("task_type", "task", "retrieval.query"),
        ("output_dimension", "dimensions", 64),
        ("output_dimensionality", "dimensions", 64),
        ("truncation", "truncate", True),
        ("encoding_type", "embedding_type", "ubinary"),
        ("encoding_format", "embedding_type", "base64"),
        ("embedding_types", "embedding_type", ["binary"]),
    ],
)
def test_fields_have_aliases(post: Any, alias: str, field: str, value: Any) -> None:
    assert post("embeddings", **V3, **{alias: value}) == post("embeddings", **V3, **{field: value})


@pytest.mark.parametrize("alias", ["content", "texts"])
def test_input_has_aliases(post: Any, alias: str) -> None:
    assert post("embeddings", model="jina-embeddings-v3", **{alias: TEXTS}) == post("embeddings", **V3)


def test_optional_fields_may_be_null(post: Any) -> None:
    names = ("task", "dimensions", "late_chunking", "normalized", "truncate", "embedding_type")
    assert post("embeddings", **V3, **dict.fromkeys(names)) == post("embeddings", **V3)


def test_truncate_cuts_at_the_context_length(asking: Any) -> None:
    fields = {"model": "jina-embeddings-v3", "input": "word " * 9000, "truncate": True, "dimensions": 8}
    reply = asking(jina_local.default_app())("POST", "/v1/embeddings", fields)
    assert reply.body["usage"]["total_tokens"] == 8194


def test_a_long_text_within_the_context_is_read_completely(post: Any) -> None:
    texts = ["word " * 1000, "word " * 990 + "Paris is the capital of France."]
    _, body = post("embeddings", model="jina-embeddings-v3", input=texts)
    first, second = vectors(body)
    assert first @ second < 0.9999
