"""Late chunking: chunk vectors are means of token vectors that saw the whole document."""

from itertools import chain
from typing import Any

import numpy as np
import pytest
from jina_local.encoder import Encoder
from jina_local.late_chunking import chunk_vectors, spans

CHUNKS = ["Berlin is the capital of Germany.", "It has 3.8 million inhabitants.", "The city lies on the Spree."]


def test_each_chunk_is_the_mean_of_its_own_tokens(encoder: Encoder) -> None:
    chunks = encoder.tokenize(CHUNKS)
    first, second, third = map(len, chunks)
    tokens = encoder.token_vectors([list(chain(*chunks))])[0]
    expected = [
        tokens[: 1 + first].mean(axis=0),
        tokens[1 + first : 1 + first + second].mean(axis=0),
        tokens[1 + first + second : 2 + first + second + third].mean(axis=0),
    ]
    np.testing.assert_allclose(chunk_vectors(encoder, chunks), expected, atol=1e-6)


def test_the_first_span_takes_cls_and_the_last_sep() -> None:
    assert spans([2, 0, 3]) == [(0, 3), (3, 3), (3, 7)]


def test_a_single_chunk_equals_the_whole_document(encoder: Encoder) -> None:
    chunks = encoder.tokenize(CHUNKS[:1])
    np.testing.assert_allclose(chunk_vectors(encoder, chunks), encoder.mean_vectors(chunks), atol=1e-6)


def test_a_chunk_without_tokens_gets_the_document_mean(encoder: Encoder) -> None:
    first, second = encoder.tokenize(CHUNKS[:2])
    vectors = chunk_vectors(encoder, [first, [], second])
    np.testing.assert_allclose(vectors[1], encoder.mean_vectors([first + second])[0], atol=1e-6)


def test_later_windows_start_with_the_first_chunk(encoder: Encoder) -> None:
    chunks = encoder.tokenize([CHUNKS[0], *("Bread needs flour, water, salt and time. " * 20 for _ in range(4))])
    head, document = list(chunks[0]), list(chain(*chunks))
    fits = 510 - len(head)
    start = 510 - fits // 2
    window = encoder.token_vectors([head + document[start : start + fits]])[0]
    tail = window[1 + len(head) + fits // 2 : -1]
    rows = encoder.token_vectors([document], context=len(head))[0]
    np.testing.assert_allclose(rows[511 : 511 + len(tail)], tail, atol=2e-5)


@pytest.mark.parametrize("model", ["jina-embeddings-v3", "jina-embeddings-v4"])
def test_the_api_returns_one_vector_per_chunk(post: Any, model: str) -> None:
    status, late = post("embeddings", model=model, input=CHUNKS, late_chunking=True)
    _, apart = post("embeddings", model=model, input=CHUNKS)
    assert status == 200
    assert [item["index"] for item in late["data"]] == [0, 1, 2]
    cosines = [np.dot(a["embedding"], b["embedding"]) for a, b in zip(late["data"], apart["data"], strict=True)]
    assert all(0.3 < cosine < 0.999 for cosine in cosines)


def test_a_document_above_the_context_is_rejected(post: Any) -> None:
    status, body = post("embeddings", model="jina-embeddings-v3", input=["word " * 4100] * 2, late_chunking=True)
    assert (status, body["detail"]["code"]) == (400, "INPUT_TOKEN_LIMIT_EXCEEDED")


def test_special_tokens_count_once_per_document(post: Any, encoder: Encoder) -> None:
    _, body = post("embeddings", model="jina-embeddings-v3", input=CHUNKS, late_chunking=True)
    assert body["usage"]["total_tokens"] == sum(map(len, encoder.tokenize(CHUNKS))) + 2
