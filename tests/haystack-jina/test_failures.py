"""Documents that cannot be embedded: an error, or, if asked for, part of the output."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from haystack import Document
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaMultiVectorDocumentEmbedder
from jina_client import BadRequestError, JinaInputError, PartialFailureError
from loopback import Answer, Recorder, Sent, right_answer

TOO_LONG = {"detail": {"message": "Input text exceeds the maximum", "code": "INPUT_TOKEN_LIMIT_EXCEEDED"}}


def _multi_vectors(sent: Sent) -> Answer:
    data = [{"index": index, "embeddings": [[1.0] * 128] * 3} for index, _ in enumerate(sent.body["input"])]
    return Answer({"model": sent.body["model"], "usage": {"total_tokens": 1}, "data": data})


def _refusing(sent: Sent) -> Answer:
    if any("bad" in text for text in sent.body["input"]):
        return Answer(TOO_LONG, 400)
    return _multi_vectors(sent) if sent.body["model"] == "jina-colbert-v2" else right_answer(sent)


def _embedded(document: Document) -> bool:
    return document.embedding is not None or "multi_vector" in document.meta


DOCUMENTS = [
    Document(id="0", content="good", meta={"source_id": "a"}),
    Document(id="1", content="bad", meta={"source_id": "b"}),
    Document(id="2", content=None, meta={"source_id": "c"}),
    Document(id="3", content="\ud800", meta={"source_id": "a"}),
    Document(id="4", content="good too", meta={"source_id": "d"}),
]
KINDS: dict[str, Any] = {
    "plain": lambda **options: JinaDocumentEmbedder(progress_bar=False, **options),
    "late chunking": lambda **options: JinaDocumentEmbedder(progress_bar=False, late_chunking=True, **options),
    "multi-vector": lambda **options: JinaMultiVectorDocumentEmbedder(progress_bar=False, **options),
}


def _runs(embedder: Any) -> list[Any]:
    return [embedder.run, lambda documents: asyncio.run(embedder.run_async(documents))]


@pytest.mark.parametrize("kind", KINDS)
def test_documents_that_fail_come_back_without_an_embedding(
    server: Recorder, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = _refusing
    embedder = KINDS[kind](base_url=server.url, raise_on_failure=False, max_retries=0)
    for run in _runs(embedder):
        caplog.clear()
        output = run(DOCUMENTS)
        assert [_embedded(document) for document in output["documents"]] == [True, False, False, False, True]
        assert list(output["meta"]["failed"]) == ["1", "2", "3"]
        assert "exceeds the maximum" in output["meta"]["failed"]["1"]
        assert "3 of 5 Documents have no embedding" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_documents_come_back_even_if_all_fail(server: Recorder, kind: str) -> None:
    server.answer = lambda sent: Answer({"detail": "Invalid API key.", "code": "AUTH_INVALID_API_KEY"}, 401)
    embedder = KINDS[kind](base_url=server.url, raise_on_failure=False, max_retries=0)
    for run in _runs(embedder):
        output = run([DOCUMENTS[0], DOCUMENTS[4]])
        assert [_embedded(document) for document in output["documents"]] == [False, False]
        assert set(output["meta"]["failed"]) == {"0", "4"}
        assert output["meta"]["usage"]["total_tokens"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_raises_with_the_position_of_the_document(server: Recorder, kind: str) -> None:
    server.answer = _refusing
    embedder = KINDS[kind](base_url=server.url, max_retries=0)
    for run in _runs(embedder):
        with pytest.raises(PartialFailureError) as caught:
            run([DOCUMENTS[4], DOCUMENTS[1], DOCUMENTS[0]])
        assert (set(caught.value.completed), set(caught.value.failed)) == ({0, 2}, {1})
        assert caught.value.completed[0].shape == ((3, 128) if kind == "multi-vector" else (1024,))
        with pytest.raises(BadRequestError):
            run([DOCUMENTS[1]])
        with pytest.raises(JinaInputError, match="id 2"):
            run(DOCUMENTS)


def test_a_failed_batch_keeps_the_others(server: Recorder) -> None:
    server.answer = lambda sent: Answer(b"", 503) if "9" in sent.body["input"] else right_answer(sent)
    embedder = JinaDocumentEmbedder(
        base_url=server.url, progress_bar=False, batch_size=1, max_retries=0, raise_on_failure=False, max_concurrency=1
    )
    output = embedder.run([Document(content=str(number)) for number in range(10)])
    assert [document.embedding is not None for document in output["documents"]] == [True] * 9 + [False]


def test_invalid_options_raise_even_without_raise_on_failure(server: Recorder) -> None:
    for kind in KINDS.values():
        with pytest.raises(JinaInputError):
            kind(base_url=server.url, raise_on_failure=False, model="jina-reranker-v3").run(DOCUMENTS)
    assert server.sent == []


def test_usage_without_prompt_tokens_is_accepted(server: Recorder) -> None:
    documents = [Document(content=str(number)) for number in range(33)]
    output = JinaDocumentEmbedder(base_url=server.url, progress_bar=False, batch_size=32).run(documents)
    assert output["meta"]["usage"] == {"prompt_tokens": 33, "total_tokens": 33}


def test_an_error_page_of_a_gateway_raises_a_server_error(server: Recorder) -> None:
    server.answer = lambda sent: Answer(b"<html><h1>502 Bad Gateway</h1></html>", 502, {"Content-Type": "text/html"})
    with pytest.raises(RuntimeError, match="502 Bad Gateway"):
        JinaDocumentEmbedder(base_url=server.url, progress_bar=False, max_retries=0).run(DOCUMENTS[:1])
