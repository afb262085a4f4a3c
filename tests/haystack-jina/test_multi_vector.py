"""One vector for each token: the document and the text embedder for late interaction."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from haystack import Document
from haystack_integrations.components.embedders.jina import JinaMultiVectorDocumentEmbedder, JinaMultiVectorTextEmbedder
from jina_client import JinaClient, JinaInputError
from loopback import Answer, Recorder

TEXTS = ["Stocks fell sharply today.", "The cat sleeps on the sofa.", "Bread needs flour."]
QUESTION = "What does the cat do?"


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_vectors_are_those_of_the_client(way: str) -> None:
    documents = JinaMultiVectorDocumentEmbedder(base_url="local", progress_bar=False, dimensions=64)
    query = JinaMultiVectorTextEmbedder(base_url="local", dimensions=64)
    given = [Document(content=text) for text in TEXTS]
    if way == "sync":
        embedded, asked = documents.run(given), query.run(QUESTION)
    else:
        embedded, asked = asyncio.run(documents.run_async(given)), asyncio.run(query.run_async(QUESTION))
    client = JinaClient(base_url="local")
    expected = client.embed_multi_vector(TEXTS, dimensions=64)
    for document, matrix in zip(embedded["documents"], expected, strict=True):
        assert np.array_equal(np.asarray(document.meta["multi_vector"], np.float32), matrix)
    assert embedded["meta"] == {"model": "jina-colbert-v2", "usage": expected.usage.to_dict()}
    assert all("multi_vector" not in document.meta for document in given)
    asked_for = client.embed_multi_vector([QUESTION], input_type="query", dimensions=64)[0]
    assert np.array_equal(np.asarray(asked["embedding"], np.float32), asked_for)


def test_queries_and_documents_are_told_apart(server: Recorder) -> None:
    server.answer = lambda sent: Answer({"data": [{"index": 0, "embeddings": [[1.0] * 128]}], "usage": {}})
    document = JinaMultiVectorDocumentEmbedder(
        base_url=server.url, prefix="<", suffix=">", meta_fields_to_embed=["title"], embedding_separator="|"
    )
    found = document.run([Document(content="text", meta={"title": "Title", "multi_vector": "old"})])["documents"][0]
    assert found.meta == {"title": "Title", "multi_vector": [[1.0] * 128]}
    JinaMultiVectorTextEmbedder(base_url=server.url, prefix="[", suffix="]").run("text")
    assert [(sent.body["input"], sent.body["input_type"]) for sent in server.sent] == [
        (["<Title|text>"], "document"),
        (["[text]"], "query"),
    ]


def test_an_empty_list_gives_every_socket_without_a_request(server: Recorder) -> None:
    embedder = JinaMultiVectorDocumentEmbedder(base_url=server.url)
    nothing = {"documents": [], "meta": {"model": "jina-colbert-v2", "usage": {"prompt_tokens": 0, "total_tokens": 0}}}
    assert embedder.run([]) == nothing
    assert asyncio.run(embedder.run_async([])) == nothing
    assert server.sent == []


def test_what_is_no_text_is_a_type_error() -> None:
    for given in (None, ["a"], 1):
        with pytest.raises(JinaInputError) as caught:
            JinaMultiVectorTextEmbedder(base_url="local").run(given)  # type: ignore[arg-type]
        assert isinstance(caught.value, TypeError)


def test_what_is_saved_is_what_was_set() -> None:
    saved = JinaMultiVectorDocumentEmbedder(base_url="local", dimensions=64, multi_vector_field="v").to_dict()
    assert {"dimensions": 64, "multi_vector_field": "v"}.items() <= saved["init_parameters"].items()
    assert "raise_on_failure" not in saved["init_parameters"]
    assert JinaMultiVectorDocumentEmbedder.from_dict(saved).to_dict() == saved
    text = JinaMultiVectorTextEmbedder(prefix="q: ").to_dict()
    assert JinaMultiVectorTextEmbedder.from_dict(text).to_dict() == text
