"""Reranking: what is sent, what comes back, and that no answer is believed unchecked."""

from __future__ import annotations

from typing import Any

import pytest
from jina_client import JinaInputError, JinaResponseError
from loopback import Answer, Recorder, ranking

DOCUMENTS = ["a", "ccc", "bb"]


def test_results_carry_the_callers_own_documents_best_first(client: Any) -> None:
    documents = [{"text": "a"}, "ccc", {"text": "bb"}]
    result = client.rerank("query", documents)
    assert [ranked.index for ranked in result] == [1, 2, 0]
    assert all(ranked.document is documents[ranked.index] for ranked in result)
    assert result.usage.total_tokens == 7


def test_no_document_is_asked_back(client: Any, server: Recorder) -> None:
    client.rerank("query", DOCUMENTS)
    assert server.sent[0].body["return_documents"] is False


def test_top_n_larger_than_the_list_returns_all(client: Any, server: Recorder) -> None:
    assert len(client.rerank("query", DOCUMENTS, top_n=10)) == 3
    assert server.sent[0].body["top_n"] == 3


def test_scores_are_sorted_whatever_the_server_does_and_may_be_negative(client: Any, server: Recorder) -> None:
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
        ("q", [{"image": "x"}], {}, r"documents\[0\] must be a string"),
        ("q", DOCUMENTS, {"top_n": 0}, "1 or more"),
        ("q", DOCUMENTS, {"top_n": 1.5}, "1 or more"),
        ("q", DOCUMENTS, {"model": "jina-embeddings-v3"}, "is a model for embeddings"),
        ("q", DOCUMENTS, {"max_doc_length": 100}, "does not take max_doc_length"),
        ("q", DOCUMENTS, {"model": "jina-reranker-v3", "max_doc_length": 9000}, "1 to 8192"),
        ("q", DOCUMENTS, {"truncation": 1}, "True or False"),
    ],
)
def test_bad_input_is_refused_before_sending(
    client: Any, server: Recorder, query: Any, documents: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(JinaInputError, match=message):
        client.rerank(query, documents, **options)
    assert server.sent == []


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([{"index": 0, "relevance_score": 1}], "expected 3 results, got 1"),
        (None, "got no list"),
        ([{"index": index, "relevance_score": 1} for index in (0, 1, 1)], "index 1"),
        ([{"index": index, "relevance_score": 1} for index in (0, 1, 3)], "index 3"),
        ([{"relevance_score": 1}] * 3, "index None"),
        ([{"index": index, "relevance_score": "high"} for index in range(3)], "relevance_score 'high'"),
        (["a", "b", "c"], "index None"),
    ],
)
def test_an_answer_that_breaks_the_protocol_is_an_error(
    client: Any, server: Recorder, results: Any, message: str
) -> None:
    server.answer = lambda sent: Answer({**ranking(sent), "results": results})
    with pytest.raises(JinaResponseError, match=message):
        client.rerank("query", DOCUMENTS)
