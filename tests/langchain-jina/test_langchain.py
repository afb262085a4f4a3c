"""The LangChain components, through LangChain's own stores, retrievers and runnables."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import numpy as np
import pytest
from jina_client import AsyncJinaClient, JinaArgumentError, JinaClient, JinaInputError
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_jina import JinaEmbeddings, JinaRerank
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests
from loopback import Recorder, vector_of

KEY = "jina_0123456789abcdef"
MODEL = "jina-embeddings-v3"
TEXTS = ["The cat sleeps on the sofa.", "Stocks fell sharply today.", "Bread needs flour, water and salt."]


class TestUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[JinaEmbeddings]:
        return JinaEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": MODEL, "api_key": KEY}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"JINA_API_KEY": KEY}, {"model": MODEL}, {"model_name": MODEL}


class TestIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[JinaEmbeddings]:
        return JinaEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": MODEL, "base_url": "local"}


def test_a_retriever_and_a_reranker_answer_a_question(engine_url: str) -> None:
    store = InMemoryVectorStore(JinaEmbeddings(model=MODEL, base_url=engine_url))
    store.add_documents([Document(text, id=str(number)) for number, text in enumerate(TEXTS)])
    reranker = JinaRerank(model="jina-reranker-v2-base-multilingual", base_url=engine_url, top_n=1)
    chain = store.as_retriever() | RunnableLambda(
        lambda documents: reranker.compress_documents(documents, "What do I bake?")
    )
    assert [document.id for document in chain.invoke("What do I bake?")] == ["2"]


def test_async_pipelines_give_the_same_answer(engine_url: str) -> None:
    async def ask() -> list[Document]:
        store = InMemoryVectorStore(JinaEmbeddings(model=MODEL, base_url=engine_url))
        await store.aadd_documents([Document(text, id=str(number)) for number, text in enumerate(TEXTS)])
        results = await store.asimilarity_search("Where is the animal?", k=3)
        return list(await JinaRerank(base_url=engine_url, top_n=2).acompress_documents(results, "Where is the animal?"))

    results = asyncio.run(ask())
    assert (len(results), results[0].id) == (2, "0")


def test_queries_and_documents_have_different_tasks(server: Recorder) -> None:
    embeddings = JinaEmbeddings(model=MODEL, base_url=server.url)
    embeddings.embed_documents(["a"])
    embeddings.embed_query("a")
    asyncio.run(embeddings.aembed_documents(["a"]))
    asyncio.run(embeddings.aembed_query("a"))
    tasks = [sent.body["task"] for sent in server.sent]
    assert tasks == ["retrieval.passage", "retrieval.query"] * 2


def test_each_task_can_be_overridden(server: Recorder) -> None:
    options: dict[str, Any] = {"model": "jina-code-embeddings-0.5b", "base_url": server.url, "dimensions": 64}
    both = JinaEmbeddings(**options, task="qa.query")
    each = JinaEmbeddings(**options, query_task="code2code.query", document_task="code2code.passage")
    for embeddings in (both, each):
        embeddings.embed_documents(["a"])
        embeddings.embed_query("a")
    tasks = [sent.body["task"] for sent in server.sent]
    assert tasks == ["qa.query", "qa.query", "code2code.passage", "code2code.query"]


def test_every_option_reaches_the_wire(server: Recorder) -> None:
    options = {"dimensions": 64, "normalized": False, "truncate": True, "batch_size": 2}
    JinaEmbeddings(model=MODEL, base_url=server.url, **options).embed_documents(["a", "b", "c"])
    assert sorted(len(sent.body["input"]) for sent in server.sent) == [1, 2]
    body = server.sent[0].body
    assert (body["dimensions"], body["normalized"], body["truncate"]) == (64, False, True)


def test_vectors_are_in_input_order(server: Recorder) -> None:
    vectors = JinaEmbeddings(model=MODEL, base_url=server.url).embed_documents(["a", "b"])
    assert isinstance(vectors[1][0], float)
    assert np.array_equal(vectors, np.stack([vector_of("a"), vector_of("b")]))


def test_empty_input_sends_no_request(server: Recorder) -> None:
    assert JinaEmbeddings(base_url=server.url).embed_documents([]) == []
    assert JinaRerank(base_url=server.url).compress_documents([], "q") == []
    assert server.sent == []


def test_reranked_documents_are_copies_with_id_and_metadata(server: Recorder) -> None:
    documents = [Document("aa", id="1", metadata={"page": 7}), Document("b", id="2")]
    results = JinaRerank(base_url=server.url, top_n=1).compress_documents(documents, "q")
    assert results == [Document("aa", id="1", metadata={"page": 7, "relevance_score": 0.002})]
    assert documents[0].metadata == {"page": 7}


def test_rerank_accepts_texts_documents_and_dicts(server: Recorder) -> None:
    reranker = JinaRerank(base_url=server.url)
    results = reranker.rerank(["a", Document("bb"), {"text": "ccc"}, "dddd"], "q", model="jina-reranker-v3", top_n=None)
    assert [pair["index"] for pair in results] == [3, 2, 1, 0]
    assert server.sent[0].body["model"] == "jina-reranker-v3"
    assert [pair["index"] for pair in asyncio.run(reranker.arerank(["a", "bb"], "q", top_n=1))] == [1]


def test_compress_documents_rejects_plain_texts(server: Recorder) -> None:
    reranker = JinaRerank(base_url=server.url)
    for run in (
        lambda: reranker.compress_documents(["a text"], "q"),  # type: ignore[list-item]
        lambda: asyncio.run(reranker.acompress_documents(["a text"], "q")),  # type: ignore[list-item]
        lambda: reranker.invoke({"query": "q", "documents": ["a text"]}),  # type: ignore[list-item]
    ):
        with pytest.raises(JinaArgumentError, match=r"documents\[0\] must be a Document, got str; rerank\(…\) takes"):
            run()
    assert server.sent == []


@pytest.mark.parametrize("name", ["jina_api_key", "api_key"])
def test_the_key_is_sent_and_never_shown(server: Recorder, name: str) -> None:
    options: dict[str, Any] = {"base_url": server.url, name: KEY}
    for component in (JinaEmbeddings(**options), JinaRerank(**options)):
        assert KEY not in f"{component!r} {component} {component.model_dump()} {component.model_dump_json()}"
    JinaEmbeddings(model=MODEL, **options).embed_query("a")
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_models_of_langchain_community_are_the_defaults() -> None:
    assert JinaEmbeddings().model_name == JinaEmbeddings(model_name="jina-embeddings-v2-base-en").model
    assert (JinaRerank().model, JinaRerank().top_n) == ("jina-reranker-v1-base-en", 3)


@pytest.mark.parametrize("kind", [JinaEmbeddings, JinaRerank])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"api_kye": KEY}, JinaArgumentError, "did you mean 'api_key'"),
        ({"api_key": KEY, "jina_api_key": KEY}, JinaArgumentError, "pass only one of jina_api_key, api_key"),
        ({"timeout": "soon"}, JinaInputError, "timeout must be a number"),
        ({"client": "a client"}, JinaInputError, "client"),
        ({"api_key": 7.5}, JinaInputError, "api_key"),
    ],
)
def test_an_error_shows_no_secret_value(
    kind: type, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        kind(**arguments)
    assert KEY not in str(caught.value)


def test_a_missing_key_raises_at_first_use() -> None:
    with pytest.raises(JinaInputError, match="JINA_API_KEY"):
        JinaEmbeddings().embed_query("a")
    with pytest.raises(JinaInputError, match="JINA_API_KEY"):
        JinaRerank().rerank(["a"], "q")


@pytest.mark.parametrize("texts", ["one text", [None], None])
def test_invalid_texts_are_rejected(server: Recorder, texts: Any) -> None:
    with pytest.raises(JinaInputError):
        JinaEmbeddings(base_url=server.url).embed_documents(texts)
    assert server.sent == []


def test_a_ready_client_serves_sync_and_async_calls(server: Recorder) -> None:
    for client in (JinaClient(base_url=server.url), AsyncJinaClient(base_url=server.url)):
        embeddings = JinaEmbeddings(model=MODEL, client=client)
        assert embeddings.embed_query("a") == asyncio.run(embeddings.aembed_query("a"))
    assert len(server.sent) == 4


def test_a_ready_client_cannot_be_combined_with_client_options(server: Recorder) -> None:
    with pytest.raises(JinaInputError, match="leave out timeout"):
        JinaEmbeddings(client=JinaClient(base_url=server.url), timeout=3).embed_query("a")


def test_a_pickle_keeps_every_option(server: Recorder) -> None:
    embeddings = JinaEmbeddings(model=MODEL, base_url=server.url, api_key=KEY, dimensions=64, query_task="separation")
    embeddings.embed_query("a")
    again = pickle.loads(pickle.dumps(embeddings))
    again.embed_query("a")
    assert again.model_dump() == embeddings.model_dump()
    assert server.sent[0].body == server.sent[1].body
    assert server.sent[1].headers["authorization"] == f"Bearer {KEY}"


def test_a_changed_attribute_takes_effect(server: Recorder) -> None:
    embeddings = JinaEmbeddings(model=MODEL, base_url="http://127.0.0.1:9/v1")
    embeddings.base_url = server.url
    embeddings.dimensions = 64
    assert len(embeddings.embed_query("a")) == 64


def test_a_closed_component_can_be_used_again(server: Recorder) -> None:
    embeddings = JinaEmbeddings(model=MODEL, base_url=server.url)
    embeddings.embed_query("a")
    embeddings.close()
    asyncio.run(embeddings.aclose())
    assert len(embeddings.embed_query("a")) == 1024


@pytest.mark.parametrize("kind", ["binary", "ubinary"])
def test_binary_vectors_are_lists_of_0_and_1(server: Recorder, kind: str) -> None:
    embeddings = JinaEmbeddings(model=MODEL, base_url=server.url, embedding_type=kind)
    expected = (vector_of("a") > 0).astype(float).tolist()
    vectors = embeddings.embed_documents(["a"])
    assert vectors == [expected] == asyncio.run(embeddings.aembed_documents(["a"]))
    assert embeddings.embed_query("a") == asyncio.run(embeddings.aembed_query("a")) == expected
    assert isinstance(vectors[0][0], float)
    assert server.sent[0].body["embedding_type"] == kind


def test_any_number_of_binary_dimensions_is_supported(server: Recorder) -> None:
    embeddings = JinaEmbeddings(model=MODEL, base_url=server.url, embedding_type="ubinary", dimensions=20)
    assert embeddings.embed_query("a") == (vector_of("a", 20) > 0).astype(float).tolist()


def test_vectors_that_langchain_cannot_represent_are_rejected(server: Recorder) -> None:
    with pytest.raises(JinaInputError, match="embedding_type must be one of 'float', 'base64', 'binary' or 'ubinary'"):
        JinaEmbeddings(embedding_type="int8")
    for model in ("jina-colbert-v2", "elser-v2"):
        with pytest.raises(JinaInputError, match=model):
            JinaEmbeddings(model=model, base_url=server.url).embed_query("a")
    assert server.sent == []
