"""The relevance score is the documented blend, and the answer is sorted by it."""

from typing import Any

import numpy as np
import pytest
from jina_local.encoder import Encoder
from jina_local.rerank import best_first, relevance

QUERY = "Which city is the capital of France?"
DOCUMENTS = ["Cats sleep for most of the day.", "Paris is the capital of France.", "Berlin is in Germany.", ""]


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("document", [*DOCUMENTS, "The Seine flows through Paris. " * 150])
def test_the_score_is_mean_maxsim_and_cosine(encoder: Encoder, document: str) -> None:
    query, text = (encoder.token_vectors(encoder.tokenize([item]))[0].astype(float) for item in (QUERY, document))
    maxsim = np.mean([max(float(q @ d) for d in unit(text)) for q in unit(query)])
    expected = 0.7 * maxsim + 0.3 * float(unit(query.mean(axis=0)) @ unit(text.mean(axis=0)))
    actual = relevance(encoder, encoder.tokenize([QUERY])[0], encoder.tokenize([document]))
    assert actual.scores == pytest.approx([expected], abs=1e-6)


def test_equal_scores_are_ordered_by_index() -> None:
    assert best_first([0.1, 0.5, 0.1, 0.5]) == [1, 3, 0, 2]


def test_a_document_that_answers_comes_first(post: Any) -> None:
    status, body = post("rerank", model="jina-reranker-v2-base-multilingual", query=QUERY, documents=DOCUMENTS)
    scores = [result["relevance_score"] for result in body["results"]]
    assert (status, body["results"][0]["index"]) == (200, 1)
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 4
    assert all(score == round(score, 8) for score in scores)


def test_top_n_keeps_the_best(post: Any) -> None:
    _, body = post("rerank", model="jina-reranker-v3", query=QUERY, documents=DOCUMENTS, top_n=2)
    assert [result["index"] for result in body["results"]] == [1, 2]


def test_response_keys_are_in_the_published_order(post: Any) -> None:
    _, body = post("rerank", model="jina-reranker-v3", query=QUERY, documents=DOCUMENTS)
    assert list(body) == ["model", "object", "usage", "results"]
    assert list(body["results"][0]) == ["index", "relevance_score", "document"]


@pytest.mark.parametrize(
    ("model", "echo"),
    [
        ("jina-reranker-v2-base-multilingual", ["a", {"text": "b"}]),
        ("jina-reranker-v1-tiny-en", ["a", {"text": "b"}]),
        ("jina-reranker-m0", ["a", {"text": "b"}]),
        ("jina-colbert-v2", ["a", {"text": "b"}]),
        ("jina-reranker-v3", [{"text": "a"}, {"text": "b"}]),
        ("jina-reranker-v3.5", [{"text": "a"}, {"text": "b"}]),
    ],
)
def test_returned_documents_have_the_form_of_the_model(post: Any, conforms: Any, model: str, echo: list[Any]) -> None:
    _, body = post("rerank", model=model, query="a", documents=["a", {"text": "b"}])
    conforms("RerankingResponse", body)
    assert [result["document"] for result in sorted(body["results"], key=lambda result: result["index"])] == echo


def test_documents_can_be_left_out(post: Any) -> None:
    _, body = post("rerank", model="jina-reranker-v3", query="a", documents=["a"], return_documents=False)
    assert set(body["results"][0]) == {"index", "relevance_score"}


def test_usage_counts_the_query_and_every_document(post: Any, encoder: Encoder) -> None:
    _, body = post("rerank", model="jina-reranker-v3", query=QUERY, documents=DOCUMENTS)
    assert body["usage"] == {"total_tokens": sum(len(ids) + 2 for ids in encoder.tokenize([QUERY, *DOCUMENTS]))}


def test_max_doc_length_truncates_documents(post: Any) -> None:
    fields = {"model": "jina-reranker-v3", "query": "Paris", "documents": ["one two three Paris"]}
    _, cut = post("rerank", **fields, max_doc_length=3)
    _, short = post("rerank", **{**fields, "documents": ["one two three"]})
    assert cut["results"][0]["relevance_score"] == short["results"][0]["relevance_score"]
    assert cut["usage"] == short["usage"]


def test_a_document_is_read_whole_without_truncation(post: Any) -> None:
    fields = {"model": "jina-reranker-v2-base-multilingual", "query": "Paris", "documents": ["one " * 1100 + "Paris"]}
    answers = {truncation: post("rerank", **fields, truncation=truncation) for truncation in (None, True, False)}
    assert answers[None][1]["usage"]["total_tokens"] == 3 + 1103
    assert answers[True][1]["usage"]["total_tokens"] == 3 + 1026
    assert answers[False][1]["detail"]["code"] == "INPUT_TOKEN_LIMIT_EXCEEDED"
