"""Haystack's document store, writer and retrievers on the index, with the embedded engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from haystack import Document, Pipeline
from haystack.components.writers import DocumentWriter
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.errors import FilterError
from haystack.utils import Secret
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
from haystack_integrations.components.retrievers.jina import JinaEmbeddingRetriever, JinaLateInteractionRetriever
from haystack_integrations.components.writers.jina import JinaLateInteractionWriter
from haystack_integrations.document_stores.jina import JinaDocumentStore
from jina_client import AsyncJinaClient, JinaArgumentError, JinaClient, JinaInputError

TEXTS = ["The cat sleeps on the sofa.", "Stocks fell sharply today.", "Bread needs flour, water and salt."]
DOCUMENTS = [Document(content=text, id=str(number), meta={"page": number}) for number, text in enumerate(TEXTS)]


def embedded(*documents: Document) -> list[Document]:
    return [
        replace(document, embedding=[float(place == number) for place in range(4)])
        for number, document in enumerate(documents)
    ]


def test_saved_pipelines_can_be_loaded(tmp_path: Path) -> None:
    indexing = Pipeline()
    indexing.add_component("embedder", JinaDocumentEmbedder(base_url="local", progress_bar=False))
    indexing.add_component("writer", DocumentWriter(JinaDocumentStore(tmp_path / "index", model="jina-embeddings-v3")))
    indexing.connect("embedder", "writer")
    query = Pipeline()
    query.add_component("embedder", JinaTextEmbedder(base_url="local"))
    store = JinaDocumentStore(tmp_path / "index", model="jina-embeddings-v3")
    query.add_component("retriever", JinaEmbeddingRetriever(store, top_k=1, oversampling=3))
    query.connect("embedder.embedding", "retriever.query_embedding")
    Pipeline.loads(indexing.dumps()).run({"embedder": {"documents": DOCUMENTS}})
    result = Pipeline.loads(query.dumps()).run({"embedder": {"text": "What do I need for baking?"}})
    (document,) = result["retriever"]["documents"]
    assert (document.id, document.content, document.meta) == ("2", TEXTS[2], {"page": 2})
    assert document.score > 0


def test_a_saved_late_interaction_pipeline_can_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "secret-0123456789")
    key = Secret.from_env_var("A_KEY")
    writer = JinaLateInteractionWriter(tmp_path / "index", key, base_url="local", first_stage="float")
    indexing = Pipeline()
    indexing.add_component("writer", writer)
    query = Pipeline()
    query.add_component("retriever", JinaLateInteractionRetriever(str(tmp_path / "index"), key, base_url="local"))
    assert "secret" not in indexing.dumps() + query.dumps()
    written = Pipeline.loads(indexing.dumps()).run({"writer": {"documents": DOCUMENTS}})
    assert written["writer"]["documents_written"] == 3
    result = Pipeline.loads(query.dumps()).run({"retriever": {"query": "What do I need for baking?", "top_k": 2}})
    assert result["retriever"]["documents"][0].id == "2"
    assert len(result["retriever"]["documents"]) == 2


def test_retrievers_run_asynchronously(tmp_path: Path) -> None:
    async def ask() -> list[str]:
        store = JinaDocumentStore()
        await store.write_documents_async(embedded(*DOCUMENTS))
        assert await store.count_documents_async() == len(await store.filter_documents_async()) == 3
        await store.delete_documents_async(["0"])
        (dense,) = (await JinaEmbeddingRetriever(store, top_k=1).run_async([0.0, 0.1, 1.0, 0.0]))["documents"]
        writer = JinaLateInteractionWriter(tmp_path / "index", base_url="local")
        await writer.run_async(DOCUMENTS)
        retriever = JinaLateInteractionRetriever(tmp_path / "index", base_url="local", top_k=1)
        (late,) = (await retriever.run_async("What does the cat do?"))["documents"]
        await retriever.close_async()
        return [dense.id, late.id]

    assert asyncio.run(ask()) == ["2", "0"]


def test_the_duplicate_policy_decides_about_existing_ids() -> None:
    store = JinaDocumentStore()
    first, second = embedded(Document(content="a", id="1"), Document(content="b", id="2"))
    changed = replace(first, content="changed")
    assert store.write_documents([first]) == 1
    for policy in (DuplicatePolicy.NONE, DuplicatePolicy.FAIL):
        with pytest.raises(DuplicateDocumentError):
            store.write_documents([second, changed], policy)
    assert store.count_documents() == 1
    assert store.write_documents([changed, second], DuplicatePolicy.SKIP) == 1
    assert [document.content for document in store.filter_documents()] == ["a", "b"]
    assert store.write_documents([changed, second], DuplicatePolicy.OVERWRITE) == 2
    assert sorted(document.content or "" for document in store.filter_documents()) == ["b", "changed"]


def test_a_clustered_store_searches_nprobe_cells(tmp_path: Path) -> None:
    store = JinaDocumentStore(tmp_path / "index")
    with pytest.raises(JinaInputError, match="nothing was added yet"):
        store.cluster()
    store.write_documents(embedded(*DOCUMENTS))
    store.cluster(3)
    retriever = JinaEmbeddingRetriever(store, top_k=1, oversampling=1, nprobe=1)
    loaded = JinaEmbeddingRetriever.from_dict(retriever.to_dict())
    assert loaded.nprobe == 1
    for each in (retriever, loaded):
        assert each.run([0.0, 0.0, 1.0, 0.0])["documents"][0].id == "2"
    with pytest.raises(JinaInputError, match="nprobe must be a whole number"):
        JinaEmbeddingRetriever(store, nprobe=0).run([0.0, 0.0, 1.0, 0.0])
    with pytest.raises(JinaInputError, match="at most the number of vectors, 3"):
        store.cluster(4)


def test_a_read_only_store_changes_nothing(tmp_path: Path) -> None:
    store = JinaDocumentStore(tmp_path / "index")
    store.write_documents(embedded(*DOCUMENTS))
    store.close()
    reader = JinaDocumentStore.from_dict(JinaDocumentStore(tmp_path / "index", read_only=True).to_dict())
    with pytest.raises(JinaInputError, match="read-only"):
        reader.delete_documents(["0"])
    assert reader.count_documents() == 3
    reader.close()
    late = JinaLateInteractionRetriever(tmp_path / "index", base_url="local", read_only=True)
    assert JinaLateInteractionRetriever.from_dict(late.to_dict()).read_only


def test_a_writer_embeds_nothing_for_a_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JinaLateInteractionWriter(tmp_path / "index", base_url="local")
    writer.run(DOCUMENTS)
    writer.close()
    reader = JinaLateInteractionRetriever(tmp_path / "index", base_url="local", read_only=True)
    assert reader.run("baking")["documents"][0].id == "2"
    for client in (JinaClient, AsyncJinaClient):
        monkeypatch.setattr(client, "embed_multi_vector", None)
    with pytest.raises(JinaInputError, match="read-only"):
        writer.run(DOCUMENTS)
    with pytest.raises(JinaInputError, match="read-only"):
        asyncio.run(writer.run_async(DOCUMENTS))
    reader.close()


def test_the_writer_keeps_the_last_of_equal_ids(tmp_path: Path) -> None:
    writer = JinaLateInteractionWriter(tmp_path / "index", base_url="local")
    copies = [Document(content="cat", id="1", meta={"page": page}) for page in (1, 2)]
    assert writer.run(copies) == {"documents_written": 2}
    retriever = JinaLateInteractionRetriever(tmp_path / "index", base_url="local")
    (document,) = retriever.run("cat")["documents"]
    assert document.meta == {"page": 2}


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (JinaDocumentStore, ["path", "model", "stored", "read_only"]),
        (JinaLateInteractionWriter, ["path", "model", "model_name", "dimensions", "stored", "first_stage"]),
        (JinaLateInteractionRetriever, ["path", "model", "model_name", "dimensions", "read_only"]),
    ],
)
def test_an_attribute_that_the_index_depends_on_cannot_change(make: Any, names: list[str]) -> None:
    user = make("folder")
    for name in names:
        with pytest.raises(JinaInputError, match=f"{name} cannot change, .* make a new {make.__name__}"):
            setattr(user, name, getattr(user, name))
    user.top_k = 3
    assert user.top_k == 3


def test_haystack_filters_work() -> None:
    store = JinaDocumentStore()
    store.write_documents(embedded(*DOCUMENTS))
    results = store.filter_documents({"field": "meta.page", "operator": ">=", "value": 1})
    assert results == DOCUMENTS[1:]


BITS = Document(content="a", embedding=[0.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: JinaDocumentStore(folder="a"), JinaArgumentError, "has no argument 'folder'"),
        (lambda: JinaDocumentStore().to_dict(), JinaInputError, "temporary folder"),
        (lambda: JinaDocumentStore().write_documents(DOCUMENTS), JinaInputError, "has no embedding"),
        (lambda: JinaDocumentStore().write_documents([BITS]), JinaInputError, "needs floats, got a vector of zeros"),
        (lambda: JinaDocumentStore().embedding_retrieval([0.0, 1.0, 1.0], 1), JinaInputError, "needs floats"),
        (lambda: JinaDocumentStore().filter_documents({"page": 1}), FilterError, "'operator' key missing"),
        (lambda: JinaDocumentStore().write_documents("a"), JinaInputError, "list of Documents"),
        (lambda: JinaEmbeddingRetriever("store"), JinaArgumentError, "must be a JinaDocumentStore"),
        (lambda: JinaLateInteractionRetriever("a", topk=1), JinaArgumentError, "did you mean 'top_k'"),
        (lambda: JinaLateInteractionRetriever("a", base_url="local").run(None), JinaArgumentError, "got None"),
        (lambda: JinaLateInteractionWriter("a", base_url="local").run("text"), JinaArgumentError, "list of Documents"),
        (lambda: JinaLateInteractionWriter("a", base_url="local").run([Document()]), JinaInputError, "no text"),
    ],
)
def test_bad_input_is_rejected(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
