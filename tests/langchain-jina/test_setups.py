"""The set-ups that the documentation recommends: stores, caches, the indexing API, agents, LangGraph's store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from jina_client import JinaInputError
from langchain.agents import create_agent
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_classic.storage import InMemoryByteStore, LocalFileStore
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, aindex, index
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_core.tools import create_retriever_tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_jina import JinaEmbeddings, JinaRerank
from langgraph.store.memory import InMemoryStore
from loopback import Answer, Recorder, Sent, embeddings

MODEL, RERANKER = "jina-embeddings-v3", "jina-reranker-v2-base-multilingual"
TEXTS = ["The cat sleeps on the sofa.", "Stocks fell sharply today.", "Bread needs flour, water and salt."]
DOCUMENTS = [Document(text, id=str(number), metadata={"source": str(number)}) for number, text in enumerate(TEXTS)]
QUESTION = "What do I bake?"


def filled_store(url: str) -> InMemoryVectorStore:
    store = InMemoryVectorStore(JinaEmbeddings(model=MODEL, base_url=url))
    store.add_documents(DOCUMENTS)
    return store


def ids(documents: Any) -> list[str]:
    return [str(document.id) for document in documents]


def cached(model: JinaEmbeddings, folder: Path) -> CacheBackedEmbeddings:
    """As the documentation has it."""
    return CacheBackedEmbeddings.from_bytes_store(
        model,
        LocalFileStore(folder / "documents"),
        query_embedding_cache=LocalFileStore(folder / "queries"),
        namespace=model.cache_namespace,
        key_encoder="sha256",
    )


def by_role(sent: Sent) -> Answer:
    """A vector that depends on the task, as those of Jina's models do, and not those of the embedded engine."""
    roles = [f"{sent.body['task']}: {text}" for text in sent.body["input"]]
    return Answer(embeddings(Sent(sent.path, sent.headers, {**sent.body, "input": roles})))


def test_a_cache_separates_queries_and_documents(server: Recorder, tmp_path: Path) -> None:
    server.answer = by_role
    model = JinaEmbeddings(model=MODEL, base_url=server.url)
    query, document = model.embed_query("a cat"), model.embed_documents(["a cat"])[0]
    assert query != document
    for _ in range(2):
        cache = cached(model, tmp_path)
        assert (cache.embed_documents(["a cat"]), cache.embed_query("a cat")) == ([document], query)
    assert len(server.sent) == 4


def test_one_cache_store_for_both_roles_mixes_their_vectors(server: Recorder) -> None:
    """The documentation warns of this. If LangChain fixes it, the warning can go."""
    server.answer = by_role
    model = JinaEmbeddings(model=MODEL, base_url=server.url)
    cache = CacheBackedEmbeddings.from_bytes_store(
        model, InMemoryByteStore(), query_embedding_cache=True, key_encoder="sha256"
    )
    assert cache.embed_documents(["a cat"])[0] == cache.embed_query("a cat") != model.embed_query("a cat")


def test_the_clients_cache_separates_roles(server: Recorder, tmp_path: Path) -> None:
    server.answer = by_role
    model = JinaEmbeddings(model=MODEL, base_url=server.url, cache=str(tmp_path / "vectors"))
    for _ in range(2):
        assert model.embed_query("a cat") != model.embed_documents(["a cat"])[0]
    assert len(server.sent) == 2


def test_the_clients_cache_key_includes_every_option(server: Recorder, tmp_path: Path) -> None:
    def ask(**options: Any) -> int:
        before = len(server.sent)
        cache = cached(JinaEmbeddings(model=MODEL, base_url=server.url, **options), tmp_path)
        cache.embed_documents(["a"])
        asyncio.run(cache.aembed_query("a"))
        return len(server.sent) - before

    assert [ask(), ask()] == [2, 0]
    for options in (
        {"dimensions": 64},
        {"task": "separation"},
        {"query_task": "separation"},
        {"normalized": False},
        {"embedding_type": "binary"},
    ):
        assert [ask(**options), ask(**options)] == [2, 0]


def test_a_cache_namespace_names_service_and_model_but_not_the_key() -> None:
    first = JinaEmbeddings(model=MODEL, base_url="local", api_key="jina_a").cache_namespace
    assert first == JinaEmbeddings(model=MODEL, base_url="local", api_key="jina_b", batch_size=7).cache_namespace
    assert first != JinaEmbeddings(model="jina-embeddings-v4", base_url="local").cache_namespace
    assert first != JinaEmbeddings(model=MODEL, base_url="http://127.0.0.1:9/v1").cache_namespace


def test_the_indexing_api_embeds_only_new_documents(server: Recorder) -> None:
    model = JinaEmbeddings(model=MODEL, base_url=server.url)
    store = InMemoryVectorStore(model)
    records = InMemoryRecordManager(namespace=model.cache_namespace)
    records.create_schema()
    options: dict[str, Any] = {"cleanup": "incremental", "source_id_key": "source", "key_encoder": "sha256"}
    assert index(DOCUMENTS, records, store, **options)["num_added"] == 3
    changed = [*DOCUMENTS[:2], Document("Bread needs time.", metadata={"source": "2"})]
    done = index(changed, records, store, **options)
    assert (done["num_added"], done["num_skipped"], done["num_deleted"]) == (1, 2, 1)
    assert server.sent[-1].body["input"] == ["Bread needs time."]
    assert asyncio.run(aindex(changed, records, store, **options))["num_skipped"] == 3


def test_the_compression_retriever_of_langchain_classic_works(engine_url: str) -> None:
    retriever = ContextualCompressionRetriever(
        base_compressor=JinaRerank(model=RERANKER, base_url=engine_url, top_n=1),
        base_retriever=filled_store(engine_url).as_retriever(),
    )
    assert ids(retriever.invoke(QUESTION)) == ["2"]
    assert ids(asyncio.run(retriever.ainvoke(QUESTION))) == ["2"]


def test_a_reranker_is_a_step_of_a_chain(engine_url: str) -> None:
    reranker = JinaRerank(model=RERANKER, base_url=engine_url, top_n=1)
    gathered = {"query": RunnablePassthrough(), "documents": filled_store(engine_url).as_retriever()}
    chain: Runnable[str, list[Document]] = gathered | reranker
    results = chain.invoke(QUESTION)
    assert (ids(results), results[0].metadata["source"]) == (["2"], "2")
    assert asyncio.run(chain.ainvoke(QUESTION)) == results
    assert chain.batch([QUESTION, "Where is the animal?"])[1][0].id == "0"
    assert ids((gathered | reranker.bind(top_n=None)).invoke(QUESTION))[0] == "2"
    assert len((gathered | reranker.bind(top_n=2)).invoke(QUESTION)) == 2


def test_a_rerank_step_appears_in_traces(engine_url: str) -> None:
    async def names() -> set[str]:
        step = JinaRerank(model=RERANKER, base_url=engine_url)
        chain_input: Any = {"query": QUESTION, "documents": DOCUMENTS}
        return {event["name"] async for event in step.astream_events(chain_input)}

    assert asyncio.run(names()) == {"JinaRerank"}


@pytest.mark.parametrize("chain_input", ["a question", {"query": "q"}, {"question": "q", "documents": []}])
def test_a_rerank_step_has_an_input_schema(server: Recorder, chain_input: Any) -> None:
    with pytest.raises(JinaInputError, match="must be invoked with"):
        JinaRerank(base_url=server.url).invoke(chain_input)
    assert server.sent == []


def test_a_qdrant_store_works(qdrant: Any, engine_url: str) -> None:
    store = qdrant(JinaEmbeddings(model=MODEL, base_url=engine_url, dimensions=256), size=256)
    store.add_documents(DOCUMENTS, ids=[0, 1, 2])
    assert store.similarity_search(QUESTION, k=1)[0].page_content == TEXTS[2]
    results = asyncio.run(store.as_retriever(search_kwargs={"k": 1}).ainvoke("Where does the cat sleep?"))
    assert results[0].page_content == TEXTS[0]


def test_qdrant_searches_binary_vectors_by_manhattan_distance(qdrant: Any, engine_url: str) -> None:
    """The distance between lists of 0 and 1 is the Hamming distance."""
    model = JinaEmbeddings(model=MODEL, base_url=engine_url, embedding_type="ubinary")
    store = qdrant(model, size=1024, distance="Manhattan")
    store.add_documents(DOCUMENTS, ids=[0, 1, 2])
    result, distance = store.similarity_search_with_score(QUESTION, k=1)[0]
    query, document = model.embed_query(QUESTION), model.embed_documents([TEXTS[2]])[0]
    differing = sum(left != right for left, right in zip(query, document, strict=True))
    assert (result.page_content, distance) == (TEXTS[2], differing)


def test_a_retriever_is_a_tool_of_an_agent(engine_url: str) -> None:
    retriever = ContextualCompressionRetriever(
        base_compressor=JinaRerank(model=RERANKER, base_url=engine_url, top_n=1),
        base_retriever=filled_store(engine_url).as_retriever(),
    )
    tool = create_retriever_tool(retriever, "search_notes", "Finds notes.", response_format="content_and_artifact")

    class Model(GenericFakeChatModel):
        """A model that calls the tool and then answers."""

        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

    def model() -> Model:
        call = {"name": "search_notes", "args": {"query": QUESTION}, "id": "1"}
        return Model(messages=iter([AIMessage("", tool_calls=[call]), AIMessage("Bread.")]))

    messages: Any = {"messages": [("user", QUESTION)]}
    for answer in (
        create_agent(model(), [tool]).invoke(messages),
        asyncio.run(create_agent(model(), [tool]).ainvoke(messages)),
    ):
        (result,) = [message for message in answer["messages"] if isinstance(message, ToolMessage)]
        assert result.content == TEXTS[2]
        assert ids(result.artifact) == ["2"]


def test_langgraph_memory_searches_with_our_embeddings(engine_url: str) -> None:
    model = JinaEmbeddings(model=MODEL, base_url=engine_url, dimensions=256)
    store = InMemoryStore(index={"dims": 256, "embed": model, "fields": ["text"]})
    for number, text in enumerate(TEXTS):
        store.put(("notes",), str(number), {"text": text})
    assert [item.key for item in store.search(("notes",), query=QUESTION, limit=1)] == ["2"]


def test_langgraph_memory_works_asynchronously(engine_url: str) -> None:
    async def ask() -> list[str]:
        model = JinaEmbeddings(model=MODEL, base_url=engine_url)
        store = InMemoryStore(index={"dims": 1024, "embed": model, "fields": ["text"]})
        for number, text in enumerate(TEXTS):
            await store.aput(("notes",), str(number), {"text": text})
        results = [item.key for item in await store.asearch(("notes",), query="Where is the animal?", limit=1)]
        await model.aclose()
        return results

    assert asyncio.run(ask()) == ["0"]


def test_langgraph_memory_embeds_by_role(server: Recorder) -> None:
    store = InMemoryStore(index={"dims": 1024, "embed": JinaEmbeddings(model=MODEL, base_url=server.url)})
    store.put(("notes",), "1", {"text": "a"})
    store.search(("notes",), query="a")
    assert [sent.body["task"] for sent in server.sent] == ["retrieval.passage", "retrieval.query"]
