"""One vector for each token, and a score for each term."""

import base64
from typing import Any

import numpy as np
import pytest
from jina_local.encoder import Encoder

TEXTS = ["The Eiffel Tower is in Paris.", "Bread is made of flour."]
COLBERT = {"model": "jina-colbert-v2", "input": TEXTS}


def matrices(body: Any) -> list[Any]:
    assert [(item["object"], item["index"]) for item in body["data"]] == [("embeddings", 0), ("embeddings", 1)]
    return [np.array(item["embeddings"]) for item in body["data"]]


@pytest.mark.parametrize("endpoint", ["embeddings", "multi-vector"])
@pytest.mark.parametrize("model", ["jina-colbert-v1-en", "jina-colbert-v2"])
def test_a_document_has_one_unit_vector_per_token(post: Any, encoder: Encoder, endpoint: str, model: str) -> None:
    status, body = post(endpoint, model=model, input=TEXTS)
    vectors = matrices(body)
    lengths = [len(ids) + 2 for ids in encoder.tokenize(TEXTS)]
    assert (status, [rows.shape for rows in vectors]) == (200, [(length, 128) for length in lengths])
    assert all(np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6) for rows in vectors)
    assert body["usage"]["total_tokens"] == sum(lengths)


@pytest.mark.parametrize("text", ["", "a", "one two three", "word " * 100])
def test_a_query_always_has_32_vectors(post: Any, text: str) -> None:
    _, body = post("embeddings", model="jina-colbert-v2", input=text, input_type="query")
    assert np.array(body["data"][0]["embeddings"]).shape == (32, 128)
    assert body["usage"]["total_tokens"] <= 32


@pytest.mark.parametrize("dimensions", [64, 96])
def test_shorter_vectors_are_truncated_and_normalized(post: Any, dimensions: int) -> None:
    _, whole = post("embeddings", **COLBERT)
    _, cut = post("embeddings", **COLBERT, dimensions=dimensions)
    for long, short in zip(matrices(whole), matrices(cut), strict=True):
        expected = long[:, :dimensions] / np.linalg.norm(long[:, :dimensions], axis=1, keepdims=True)
        np.testing.assert_allclose(short, expected, atol=1e-5)


def test_every_encoding_contains_the_same_vectors(post: Any) -> None:
    vectors = matrices(post("embeddings", **COLBERT)[1])
    coded = {kind: post("embeddings", **COLBERT, embedding_type=kind)[1] for kind in ("base64", "ubinary", "binary")}
    for index, rows in enumerate(vectors):
        strings = coded["base64"]["data"][index]["embeddings"]
        assert np.array_equal([np.frombuffer(base64.b64decode(each), "<f4") for each in strings], np.float32(rows))
        bits = np.packbits(rows > 0, axis=1)
        assert np.array_equal(matrices(coded["ubinary"])[index], bits)
        assert np.array_equal(matrices(coded["binary"])[index], bits.astype(int) - 128)


def test_late_interaction_finds_the_right_document(post: Any) -> None:
    documents = [*TEXTS, "Paris", "A cat sleeps on the sofa all day long, and so does the dog."]
    _, body = post("embeddings", model="jina-colbert-v2", input="What do you need to bake bread?", input_type="query")
    query = np.array(body["data"][0]["embeddings"], np.float32)
    _, body = post("embeddings", model="jina-colbert-v2", input=documents)
    scores = [(query @ np.array(item["embeddings"]).T).max(axis=1).sum() for item in body["data"]]
    assert int(np.argmax(scores)) == 1


def test_v4_returns_token_vectors_and_tokens(post: Any) -> None:
    fields = {"model": "jina-embeddings-v4", "input": TEXTS, "return_multivector": True}
    _, body = post("embeddings", **fields, return_tokenized_input=True)
    tokens = [item["tokenized_input"] for item in body["data"]]
    assert tokens[1] == ["[CLS]", "bread", "is", "made", "of", "flour", ".", "[SEP]"]
    assert [rows.shape for rows in matrices(body)] == [(len(each), 128) for each in tokens]
    assert "tokenized_input" not in post("embeddings", **fields)[1]["data"][0]


def test_the_multi_vector_endpoint_rejects_v4(post: Any) -> None:
    _, body = post("multi-vector", model="jina-embeddings-v4", input="a")
    assert body["detail"]["message"].endswith("Available models: jina-colbert-v1-en, jina-colbert-v2")


def test_a_response_with_too_many_vectors_is_rejected(post: Any) -> None:
    status, body = post("embeddings", model="jina-colbert-v2", input=["a " * 8000] * 17)
    assert (status, body["code"]) == (413, "REQUEST_TOO_LARGE")
    assert "Send fewer texts" in body["detail"]


def test_a_sparse_vector_has_one_weight_per_term(post: Any, encoder: Encoder) -> None:
    status, body = post("embeddings", model="elser-v2", input=[*TEXTS, "!?"], task="retrieval.passage")
    terms = [item["embedding"] for item in body["data"]]
    assert (status, set(terms[1]), terms[2]) == (200, {"bread", "is", "made", "of", "flour"}, {})
    assert all(score > 0 for each in terms for score in each.values())
    assert terms[0]["paris"] > terms[0]["the"]
    count = sum(len(ids) + 2 for ids in encoder.tokenize([*TEXTS, "!?"]))
    assert body["usage"] == {"input_tokens": count, "output_tokens": 0, "total_tokens": count}
