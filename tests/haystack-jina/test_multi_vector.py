"""One vector for each token: the document and the text embedder for late interaction."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from haystack import Document
from haystack.dataclasses import ByteStream
from haystack_integrations.components.embedders.jina import JinaMultiVectorDocumentEmbedder, JinaMultiVectorTextEmbedder
from haystack_integrations.components.rankers.jina import JinaRanker
from haystack_integrations.components.retrievers.jina import JinaLateInteractionRetriever
from haystack_integrations.components.writers.jina import JinaLateInteractionWriter
from jina_client import JinaClient, JinaInputError
from loopback import Answer, Recorder
from pictures import encoded, written

TEXTS = ["Stocks fell sharply today.", "The cat sleeps on the sofa.", "Bread needs flour."]
QUESTION = "What does the cat do?"


@pytest.mark.parametrize("way", ["sync", "async"])
def test_vectors_equal_those_of_the_client(way: str) -> None:
    documents = JinaMultiVectorDocumentEmbedder(base_url="local", progress_bar=False, dimensions=64)
    query = JinaMultiVectorTextEmbedder(base_url="local", dimensions=64)
    documents_in = [Document(content=text) for text in TEXTS]
    if way == "sync":
        embedded, query_output = documents.run(documents_in), query.run(QUESTION)
    else:
        embedded, query_output = asyncio.run(documents.run_async(documents_in)), asyncio.run(query.run_async(QUESTION))
    client = JinaClient(base_url="local")
    expected = client.embed_multi_vector(TEXTS, dimensions=64)
    for document, matrix in zip(embedded["documents"], expected, strict=True):
        assert np.array_equal(np.asarray(document.meta["multi_vector"], np.float32), matrix)
    assert embedded["meta"] == {"model": "jina-colbert-v2", "usage": expected.usage.to_dict()}
    assert all("multi_vector" not in document.meta for document in documents_in)
    asked_for = client.embed_multi_vector([QUESTION], input_type="query", dimensions=64)[0]
    assert np.array_equal(np.asarray(query_output["embedding"], np.float32), asked_for)


def test_queries_and_documents_have_different_input_types(server: Recorder) -> None:
    server.answer = lambda sent: Answer({"data": [{"index": 0, "embeddings": [[1.0] * 128]}], "usage": {}})
    document = JinaMultiVectorDocumentEmbedder(
        base_url=server.url, prefix="<", suffix=">", meta_fields_to_embed=["title"], embedding_separator="|"
    )
    results = document.run([Document(content="text", meta={"title": "Title", "multi_vector": "old"})])["documents"][0]
    assert results.meta == {"title": "Title", "multi_vector": [[1.0] * 128]}
    JinaMultiVectorTextEmbedder(base_url=server.url, prefix="[", suffix="]").run("text")
    assert [(sent.body["input"], sent.body["input_type"]) for sent in server.sent] == [
        (["<Title|text>"], "document"),
        (["[text]"], "query"),
    ]


def test_an_empty_list_returns_every_socket_without_a_request(server: Recorder) -> None:
    embedder = JinaMultiVectorDocumentEmbedder(base_url=server.url)
    nothing = {"documents": [], "meta": {"model": "jina-colbert-v2", "usage": {"prompt_tokens": 0, "total_tokens": 0}}}
    assert embedder.run([]) == nothing
    assert asyncio.run(embedder.run_async([])) == nothing
    assert server.sent == []


def test_input_that_is_not_text_is_a_type_error() -> None:
    for value in (None, ["a"], 1):
        with pytest.raises(JinaInputError) as caught:
            JinaMultiVectorTextEmbedder(base_url="local").run(value)  # type: ignore[arg-type]
        assert isinstance(caught.value, TypeError)


def test_only_options_that_were_set_are_saved() -> None:
    saved = JinaMultiVectorDocumentEmbedder(base_url="local", dimensions=64, multi_vector_field="v").to_dict()
    assert {"dimensions": 64, "multi_vector_field": "v"}.items() <= saved["init_parameters"].items()
    assert "raise_on_failure" not in saved["init_parameters"]
    assert JinaMultiVectorDocumentEmbedder.from_dict(saved).to_dict() == saved
    text = JinaMultiVectorTextEmbedder(prefix="q: ").to_dict()
    assert JinaMultiVectorTextEmbedder.from_dict(text).to_dict() == text


LINES = ["Departures: Berlin 10:42", "Apple pie: flour and butter"]


def _pictures(folder: Path) -> list[Document]:
    """One in a file, one in a blob, and a text beside them."""
    (folder / "train.png").write_bytes(written(LINES[0]))
    return [
        Document(id="train", meta={"file_path": "train.png"}),
        Document(id="pie", blob=ByteStream(written(LINES[1]), mime_type="image/png")),
        Document(id="text", content="The cat sleeps.", meta={"file_path": "of-the-text.txt"}),
    ]


@pytest.mark.parametrize("way", ["sync", "async"])
def test_image_vectors_equal_those_of_the_client(tmp_path: Path, way: str) -> None:
    embedder = JinaMultiVectorDocumentEmbedder(
        model="jina-embeddings-v4", base_url="local", root_path=str(tmp_path), progress_bar=False
    )
    pictures = _pictures(tmp_path)
    output = embedder.run(pictures) if way == "sync" else asyncio.run(embedder.run_async(pictures))
    inputs = [*({"image": written(line)} for line in LINES), "The cat sleeps."]
    expected = JinaClient(base_url="local").embed_multi_vector(inputs, model="jina-embeddings-v4")
    for document, matrix in zip(output["documents"], expected, strict=True):
        assert np.array_equal(np.asarray(document.meta["multi_vector"], np.float32), matrix)
    assert type(embedder).from_dict(embedder.to_dict()).root_path == str(tmp_path)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_late_interaction_finds_written_images(tmp_path: Path, way: str) -> None:
    options: Any = {"model": "jina-embeddings-v4", "base_url": "local"}
    writer = JinaLateInteractionWriter(tmp_path / "index", root_path=str(tmp_path), **options)
    retriever = JinaLateInteractionRetriever(tmp_path / "index", top_k=1, **options)
    pictures, question = _pictures(tmp_path), "When does the train to Berlin leave?"
    if way == "sync":
        writer.run(pictures)
        results = retriever.run(question)["documents"]
    else:
        asyncio.run(writer.run_async(pictures))
        results = asyncio.run(retriever.run_async(question))["documents"]
    assert [document.id for document in results] == ["train"]
    writer.close()
    assert retriever.run("What is in the pie?")["documents"][0].blob == pictures[1].blob
    retriever.close()


@pytest.mark.parametrize("way", ["sync", "async"])
def test_images_are_reranked_by_an_image_model(tmp_path: Path, way: str) -> None:
    ranker = JinaRanker(model="jina-reranker-m0", base_url="local", root_path=str(tmp_path), top_k=1)
    pictures, question = _pictures(tmp_path), "When does the train to Berlin leave?"
    output = ranker.run(question, pictures) if way == "sync" else asyncio.run(ranker.run_async(question, pictures))
    assert [document.id for document in output["documents"]] == ["train"]


def test_an_image_is_rejected_by_a_text_model(tmp_path: Path) -> None:
    image = Document(blob=ByteStream(encoded("red")))
    runs: list[Any] = [
        JinaMultiVectorDocumentEmbedder(base_url="local").run,
        JinaLateInteractionWriter(tmp_path / "index", base_url="local").run,
        lambda documents: JinaRanker(base_url="local").run("a question", documents),
    ]
    for run in runs:
        with pytest.raises(JinaInputError, match=r"has no text: .*it has an image, and jina-\S+ is not known to take"):
            run([image])
    reported = JinaMultiVectorDocumentEmbedder(base_url="local", raise_on_failure=False).run([image])
    assert "is not known to take images" in reported["meta"]["failed"][image.id]
    titled = Document(meta={"file_path": "nowhere.png", "title": "A title"})
    by_title = JinaMultiVectorDocumentEmbedder(base_url="local", meta_fields_to_embed=["title"]).run([titled])
    assert by_title["documents"][0].meta["multi_vector"]
