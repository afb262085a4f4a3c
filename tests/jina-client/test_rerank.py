"""Reranking: what is sent, what comes back, and that no answer is believed unchecked."""

from __future__ import annotations

import base64
import random
from typing import Any

import numpy as np
import pytest
from jina_client import JinaInputError, JinaResponseError
from jina_client.batching.batcher import REQUEST_TOKENS
from loopback import Answer, Recorder, Sent, ranking

DOCUMENTS = ["a", "ccc", "bb"]


def test_results_contain_the_callers_documents_best_first(client: Any) -> None:
    documents = [{"text": "a"}, "ccc", {"text": "bb"}]
    result = client.rerank("query", documents)
    assert [ranked.index for ranked in result] == [1, 2, 0]
    assert all(ranked.document is documents[ranked.index] for ranked in result)
    assert result.usage.total_tokens == 7


def test_the_service_is_asked_to_leave_out_documents(client: Any, server: Recorder) -> None:
    client.rerank("query", DOCUMENTS)
    assert server.sent[0].body["return_documents"] is False


def test_a_top_n_above_the_length_returns_all(client: Any, server: Recorder) -> None:
    assert len(client.rerank("query", DOCUMENTS, top_n=10)) == 3
    assert server.sent[0].body["top_n"] == 3


def test_results_are_sorted_even_if_scores_are_negative(client: Any, server: Recorder) -> None:
    results = [
        {"index": 0, "relevance_score": -0.5},
        {"index": 1, "relevance_score": 2},
        {"index": 2, "relevance_score": -0.5},
    ]
    server.answer = lambda sent: Answer({"results": results})
    ranked = client.rerank("query", DOCUMENTS).results
    assert [(item.index, item.relevance_score) for item in ranked] == [(1, 2.0), (0, -0.5), (2, -0.5)]


@pytest.mark.parametrize(
    ("query", "documents", "options", "message"),
    [
        (None, DOCUMENTS, {}, "query must be a string, got None"),
        ("q", [], {}, "documents is empty"),
        ("q", "text", {}, "documents must be a list, got a str"),
        ("q", ["a", None], {}, r"documents\[1\] must be a string"),
        ("q", [{"image": "x"}], {}, r"documents\[0\] is an image, and jina-reranker-v2-base-multilingual takes text"),
        ({"image": "x"}, ["a"], {}, r"query is an image"),
        ("q", DOCUMENTS, {"top_n": 0}, "of 1 or more"),
        ("q", DOCUMENTS, {"top_n": 1.5}, "of 1 or more"),
        ("q", DOCUMENTS, {"model": "jina-embeddings-v3"}, "is a model for embeddings"),
        ("q", DOCUMENTS, {"max_doc_length": 100}, "does not take max_doc_length"),
        ("q", DOCUMENTS, {"model": "jina-reranker-v3", "max_doc_length": 9000}, "from 1 to 8192"),
        ("q", DOCUMENTS, {"truncation": 1}, "True or False"),
    ],
)
def test_bad_input_is_rejected_before_sending(
    client: Any, server: Recorder, query: Any, documents: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(JinaInputError, match=message):
        client.rerank(query, documents, **options)
    assert server.sent == []


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([{"index": 0, "relevance_score": 1}], "expected 3 results, got 1"),
        (None, "no list of objects"),
        ([{"index": index, "relevance_score": 1} for index in (0, 1, 1)], "index 1"),
        ([{"index": index, "relevance_score": 1} for index in (0, 1, 3)], "index 3"),
        ([{"relevance_score": 1}] * 3, "index None"),
        (
            [{"index": index, "relevance_score": "high"} for index in range(3)],
            "relevance_score of document 0 is 'high'",
        ),
        (["a", "b", "c"], "no list of objects"),
    ],
)
def test_an_invalid_response_raises(client: Any, server: Recorder, results: Any, message: str) -> None:
    server.answer = lambda sent: Answer({**ranking(sent), "results": results})
    with pytest.raises(JinaResponseError, match=message):
        client.rerank("query", DOCUMENTS)


@pytest.mark.parametrize("model", ["jina-reranker-v2-base-multilingual", "jina-reranker-v3"])
def test_a_response_that_ignores_top_n_is_accepted(client: Any, server: Recorder, model: str) -> None:
    server.answer = lambda sent: Answer(ranking(Sent(sent.path, sent.headers, {**sent.body, "top_n": None})))
    result = client.rerank("query", ["a", "bbb", "bb"], top_n=2, model=model, batch_size=2)
    assert [ranked.index for ranked in result] == [1, 2]


@pytest.mark.parametrize("top_n", [None, 1, 7, 2000])
def test_a_list_above_the_request_limit_is_split_and_merged(client: Any, server: Recorder, top_n: int | None) -> None:
    rng = random.Random(7)
    documents = ["x" * rng.randrange(1, 5000) for _ in range(1100)]
    result = client.rerank("query", documents, top_n=top_n)
    best = sorted(range(1100), key=lambda index: (-len(documents[index]), index))[:top_n]
    assert [ranked.index for ranked in result] == best
    assert [ranked.document for ranked in result] == [documents[index] for index in best]
    parts = [sent.body["documents"] for sent in server.sent]
    assert sum(map(len, parts)) == 1100
    assert all(len(part) <= 512 and sum(map(len, part)) <= 4 * REQUEST_TOKENS for part in parts)
    assert result.usage.total_tokens == 7 * len(parts)


def test_a_listwise_model_reranks_the_finalists_in_one_request(client: Any, server: Recorder) -> None:
    """Its scores depend on the other documents: here a document scores by its share of the longest of its request."""

    def relative(sent: Sent) -> Answer:
        documents = sent.body["documents"]
        longest = max(map(len, documents))
        results = [
            {"index": index, "relevance_score": len(document) / longest - 2 * (len(document) == longest)}
            for index, document in enumerate(documents)
        ]
        results.sort(key=lambda item: -item["relevance_score"])
        return Answer({"results": results[: sent.body.get("top_n")], "usage": {"total_tokens": 1}})

    server.answer = relative
    documents = ["x" * (index + 1) for index in range(1200)]
    result = client.rerank("query", documents, model="jina-reranker-v3", top_n=3)
    *parts, final = server.sent
    assert sorted(len(sent.body["documents"]) for sent in parts) == [176, 512, 512]
    finalists = [508, 509, 510, 1020, 1021, 1022, 1196, 1197, 1198]
    assert [len(document) - 1 for document in final.body["documents"]] == finalists
    assert [ranked.index for ranked in result] == [1197, 1196, 1022]
    assert result.usage.total_tokens == 4


def test_without_top_n_the_parts_of_a_listwise_model_are_merged(client: Any, server: Recorder) -> None:
    result = client.rerank("query", ["x" * (index + 1) for index in range(600)], model="jina-reranker-v3")
    assert [ranked.index for ranked in result] == list(range(599, -1, -1))
    assert len(server.sent) == 2


def test_batch_size_bounds_the_documents_of_a_request(client: Any, server: Recorder) -> None:
    assert len(client.rerank("query", ["a", "bb", "ccc"], batch_size=1)) == 3
    assert [len(sent.body["documents"]) for sent in server.sent] == [1, 1, 1]


def test_return_documents_false_leaves_out_documents(client: Any, server: Recorder) -> None:
    result = client.rerank("query", DOCUMENTS, return_documents=False)
    assert [ranked.document for ranked in result] == [None] * 3
    assert server.sent[0].body["return_documents"] is False


def test_document_embeddings_are_returned_on_request(client: Any, server: Recorder) -> None:
    vectors = np.eye(3, 512, dtype=np.float32)
    server.answer = lambda sent: Answer(
        {
            "results": [
                {"index": index, "relevance_score": index, "embedding": vectors[index].tolist()} for index in (2, 0, 1)
            ]
        }
    )
    result = client.rerank("query", DOCUMENTS, model="jina-reranker-v3", return_embeddings=True)
    assert server.sent[0].body["return_embeddings"] is True
    for ranked in result:
        assert np.array_equal(ranked.embedding, vectors[ranked.index])
    with pytest.raises(JinaInputError, match="does not take return_embeddings"):
        client.rerank("query", DOCUMENTS, return_embeddings=True)


@pytest.mark.parametrize(
    "document", ["ccc", {"text": "ccc"}, {"image": "…"}, {"text": "ccc", "multi_modal": None}, None]
)
def test_a_document_in_the_response_is_ignored(client: Any, server: Recorder, document: Any) -> None:
    server.answer = lambda sent: Answer(
        {"results": [{"index": index, "relevance_score": index, "document": document} for index in range(3)]}
    )
    assert [ranked.document for ranked in client.rerank("query", DOCUMENTS)] == ["bb", "ccc", "a"]


def test_m0_reranks_images(client: Any, server: Recorder, png: bytes) -> None:
    documents = ["a text", {"image": png}, {"image": "https://example.com/a.png"}]
    server.answer = lambda sent: Answer(
        {"results": [{"index": index, "relevance_score": index / 3} for index in range(3)]}
    )
    result = client.rerank({"image": png}, documents, model="jina-reranker-m0")
    encoded = {"image": base64.b64encode(png).decode()}
    assert server.sent[0].body["query"] == encoded
    assert server.sent[0].body["documents"] == ["a text", encoded, {"image": "https://example.com/a.png"}]
    assert result.results[0].document is documents[2]
