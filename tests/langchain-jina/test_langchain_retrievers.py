"""LangChain's retrievers on the index, with the embedded engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from jina_client import AsyncJinaClient, JinaArgumentError, JinaClient, JinaInputError
from jina_index import IndexFileError
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_core.documents import Document
from langchain_core.runnables import ConfigurableField
from langchain_core.stores import InMemoryByteStore
from langchain_jina import JinaEmbeddings, JinaLateInteractionRetriever, JinaRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

TEXTS = ["The cat sleeps on the sofa.", "Stocks fell sharply today.", "Bread needs flour, water and salt."]
DOCUMENTS = [Document(text, id=str(number), metadata={"page": number}) for number, text in enumerate(TEXTS)]
EMBEDDINGS = JinaEmbeddings(model="jina-embeddings-v3", base_url="local")


def dense(**options: Any) -> JinaRetriever:
    return JinaRetriever(embeddings=EMBEDDINGS, **options)


def late(**options: Any) -> JinaLateInteractionRetriever:
    return JinaLateInteractionRetriever(base_url="local", **options)


BOTH = pytest.mark.parametrize("make", [dense, late])


class StandardTests(RetrieversIntegrationTests):
    """LangChain's tests for retrievers, which create one several times with different arguments."""

    make: Any
    path: Path

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def documents(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.path = tmp_path_factory.mktemp("standard") / "index"
        retriever = cls.make(path=cls.path)
        retriever.add_documents(DOCUMENTS)
        retriever.close()

    @property
    def retriever_constructor(self) -> Any:
        return type(self).make

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"path": self.path, "read_only": True}

    @property
    def retriever_query_example(self) -> str:
        return "What does the cat do?"


class TestDense(StandardTests):
    make = staticmethod(dense)


class TestLateInteraction(StandardTests):
    make = staticmethod(late)


@BOTH
def test_one_query_can_have_another_number_of_results(make: Any) -> None:
    retriever = make(k=2)
    retriever.add_documents(DOCUMENTS)
    assert [len(retriever.invoke("cat", k=k)) for k in (1, 3)] == [1, 3]
    assert len(asyncio.run(retriever.ainvoke("cat", k=1))) == 1
    with pytest.raises(JinaInputError, match="k must be"):
        retriever.invoke("cat", k=0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'top_k'"):
        retriever.invoke("cat", top_k=1)
    retriever.close()


@BOTH
def test_results_have_id_metadata_and_score(make: Any) -> None:
    retriever = make(k=2)
    assert retriever.add_documents(DOCUMENTS) == ["0", "1", "2"]
    best, second = retriever.invoke("What do I need for baking?")
    assert (best.id, best.page_content, best.metadata["page"]) == ("2", TEXTS[2], 2)
    assert best.metadata["relevance_score"] > second.metadata["relevance_score"]
    assert "relevance_score" not in DOCUMENTS[2].metadata
    retriever.close()


@BOTH
def test_async_retrieval_returns_the_same(make: Any) -> None:
    async def ask() -> list[Document]:
        retriever = make(k=1)
        await retriever.aadd_documents(DOCUMENTS)
        return await retriever.ainvoke("What does the cat do?")

    assert [document.id for document in asyncio.run(ask())] == ["0"]


@BOTH
def test_an_index_at_a_path_is_reopened(make: Any, tmp_path: Path) -> None:
    make(path=tmp_path / "index").add_documents(DOCUMENTS)
    retriever = make(path=tmp_path / "index", k=1)
    assert retriever.invoke("baking")[0].id == "2"
    retriever.add_documents([Document("Cats sleep sixteen hours a day.", id="0")])
    assert retriever.delete(["1", "9"]) == 1
    assert len(retriever) == 2
    retriever.save(tmp_path / "copy")
    retriever.close()
    assert make(path=tmp_path / "copy", k=1).invoke("cat")[0].page_content == "Cats sleep sixteen hours a day."


def test_loading_needs_an_index_of_the_same_model(tmp_path: Path) -> None:
    JinaRetriever.from_documents(DOCUMENTS, EMBEDDINGS, path=tmp_path / "index").close()
    assert len(JinaRetriever.load(tmp_path / "index", EMBEDDINGS)) == 3
    with pytest.raises(JinaInputError, match="vectors of jina-embeddings-v3, and these are of jina-embeddings-v4"):
        JinaRetriever.load(tmp_path / "index", JinaEmbeddings(model="jina-embeddings-v4", base_url="local"))
    with pytest.raises(IndexFileError, match="an index of vectors, MultiVectorIndex has multi-vectors"):
        JinaLateInteractionRetriever.load(tmp_path / "index", base_url="local")
    with pytest.raises(IndexFileError, match="holds no index"):
        JinaRetriever.load(tmp_path / "elsewhere", EMBEDDINGS)


def test_a_retriever_can_be_created_from_documents() -> None:
    late_retriever = asyncio.run(JinaLateInteractionRetriever.afrom_documents(DOCUMENTS, base_url="local", k=1))
    assert late_retriever.invoke("baking")[0].id == "2"
    dense_retriever = asyncio.run(JinaRetriever.afrom_documents(DOCUMENTS, EMBEDDINGS, k=1))
    assert dense_retriever.invoke("baking")[0].id == "2"


@BOTH
def test_invalid_arguments_are_rejected(make: Any) -> None:
    with pytest.raises(JinaArgumentError, match="did you mean 'oversampling'"):
        make(oversampelling=3)
    with pytest.raises(JinaInputError, match="k must be a number of at least 1"):
        make(k=0)
    with pytest.raises(JinaInputError, match="nothing to save"):
        make().save("anywhere")
    with pytest.raises(JinaInputError, match="documents\\[0\\] must be a Document"):
        make().add_documents(["a text"])
    with pytest.raises(JinaInputError, match="payloads\\[0\\] is not a JSON value"):
        make().add_documents([Document("a", metadata={"set": {1}})])
    assert make().invoke("a question to nothing") == []


def test_a_clustered_index_searches_nprobe_cells(tmp_path: Path) -> None:
    retriever = dense(path=tmp_path / "index", k=2, oversampling=1, nprobe=1)
    with pytest.raises(JinaInputError, match="nothing was added yet"):
        retriever.cluster()
    retriever.add_documents(DOCUMENTS)
    assert retriever.invoke("baking")[0].id == "2"
    retriever.cluster(3)
    assert retriever.invoke("baking")[0].id == "2"
    assert len(retriever.invoke("baking")) == 2
    with pytest.raises(JinaInputError, match="at most the number of vectors, 3"):
        retriever.cluster(4)
    with pytest.raises(JinaInputError, match="nprobe must be a number of at least 1"):
        dense(nprobe=0)
    with pytest.raises(JinaArgumentError, match="nprobe"):
        late(nprobe=1)


@BOTH
def test_a_read_only_retriever_changes_nothing(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    retriever = make(path=tmp_path / "index")
    retriever.add_documents(DOCUMENTS)
    retriever.close()
    reader = make(path=tmp_path / "index", read_only=True)
    with pytest.raises(JinaInputError, match="read-only"):
        reader.delete(["0"])
    assert len(reader) == 3
    for method in ("embed", "embed_multi_vector"):
        monkeypatch.setattr(JinaClient, method, None)
        monkeypatch.setattr(AsyncJinaClient, method, None)
    with pytest.raises(JinaInputError, match="read-only"):
        reader.add_documents(DOCUMENTS)
    with pytest.raises(JinaInputError, match="read-only"):
        asyncio.run(reader.aadd_documents(DOCUMENTS))
    with pytest.raises(JinaInputError, match="read-only"):
        make(path=tmp_path / "new", read_only=True).add_documents(DOCUMENTS)


@BOTH
def test_a_field_that_the_index_depends_on_cannot_change(make: Any, tmp_path: Path) -> None:
    retriever = make(k=1)
    retriever.add_documents(DOCUMENTS)
    changes = {"path": tmp_path, "stored": "int8", "read_only": True}
    changes |= {"embeddings": EMBEDDINGS} if make is dense else {"model": "a", "dimensions": 64, "first_stage": "bits"}
    for name, value in changes.items():
        with pytest.raises(JinaInputError, match=f"{name} cannot change, because the index depends on it"):
            setattr(retriever, name, value)
        with pytest.raises(JinaInputError, match=f"{name} cannot change, because the index depends on it"):
            retriever.model_copy(update={name: value})
    assert len(retriever.model_copy(update={"k": 2}).invoke("baking")) == 2
    retriever.k = 3
    assert len(retriever.invoke("baking")) == 3


def test_a_configured_retriever_uses_the_same_path(tmp_path: Path) -> None:
    retriever = dense(path=tmp_path / "index", k=1)
    retriever.add_documents(DOCUMENTS)
    configurable = retriever.configurable_fields(k=ConfigurableField("k"))
    assert len(configurable.invoke("baking", {"configurable": {"k": 2}})) == 2


@pytest.mark.parametrize("encoding", ["binary", "ubinary"])
def test_binary_vectors_are_rejected_before_embedding(encoding: Any) -> None:
    bits = JinaEmbeddings(model="jina-embeddings-v3", base_url="http://127.0.0.1:9", embedding_type=encoding)
    with pytest.raises(JinaInputError, match=f"needs floats, got embedding_type='{encoding}'.*Leave embedding_type"):
        JinaRetriever(embeddings=bits)


def test_undeclared_binary_vectors_are_rejected() -> None:
    bits = JinaEmbeddings(model="jina-embeddings-v3", base_url="local", embedding_type="binary")
    cached = CacheBackedEmbeddings.from_bytes_store(bits, InMemoryByteStore(), key_encoder="sha256")
    retriever = JinaRetriever(embeddings=cached)
    with pytest.raises(JinaInputError, match="needs floats, got a vector of zeros and ones"):
        retriever.add_documents(DOCUMENTS)
    with pytest.raises(JinaInputError, match="needs floats, got a vector of zeros and ones"):
        retriever.invoke("baking")
