"""The components in what LlamaIndex users build: pipelines, indexes, fusion, agents."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Sequence
from operator import methodcaller
from typing import Any

import numpy as np
import pytest
from jina_client import JinaClient
from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.llms.mock import MockFunctionCallingLLM, MockLLM
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import TextNode
from llama_index.core.tools import QueryEngineTool
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from loopback import Recorder, vector_of

TEXTS = ["The cat sleeps on the sofa.", "Stocks fell sharply today.", "Bread needs flour, water and salt."]
LONG = [
    Document(
        text="Berlin is the capital of Germany. It has 3.8 million inhabitants. It lies on the Spree.", id_="Berlin"
    ),
    Document(text="Bread is made of flour. It rises for an hour. It is baked at 230 degrees.", id_="bread"),
]


def _splitter() -> TokenTextSplitter:
    # Its own tokenizer would be downloaded by another process that unpickles it.
    return TokenTextSplitter(chunk_size=8, chunk_overlap=0, include_metadata=False, tokenizer=str.split)


@pytest.mark.parametrize("way", ["run", "arun", "two processes"])
def test_a_pipeline_chunks_late(engine_url: str, way: str) -> None:
    embedding = JinaEmbedding(base_url=engine_url, late_chunking=True, dimensions=64)
    pipeline = IngestionPipeline(transformations=[_splitter(), embedding])
    nodes: Sequence[Any]
    if way == "arun":
        nodes = asyncio.run(pipeline.arun(documents=LONG))
    else:
        nodes = pipeline.run(documents=LONG, num_workers=2 if way == "two processes" else None)
    by_document: dict[Any, list[Any]] = {}
    for node in nodes:
        by_document.setdefault(node.ref_doc_id, []).append(node)
    assert list(by_document) == ["Berlin", "bread"]
    assert min(map(len, by_document.values())) > 1
    client = JinaClient(base_url="local")
    for chunks in by_document.values():
        (expected,) = client.embed_chunked([[chunk.text for chunk in chunks]], dimensions=64)
        assert np.array_equal(np.asarray([chunk.embedding for chunk in chunks], np.float32), expected.vectors)


def test_a_pipeline_cache_avoids_a_second_request(server: Recorder) -> None:
    cache = IngestionCache()
    for options in ({}, {"api_key": "jina_0123456789abcdef"}, {"dimensions": 64}, {"encoding_documents": "ubinary"}):
        server.sent.clear()
        for _ in range(2):
            embedding = JinaEmbedding(base_url=server.url, **options)  # type: ignore[arg-type]
            pipeline = IngestionPipeline(transformations=[embedding], cache=cache)
            nodes = pipeline.run(nodes=[TextNode(text=text) for text in TEXTS])
            assert all(node.embedding for node in nodes)
        assert len(server.sent) == (0 if "api_key" in options else 1)


def test_a_spawned_process_has_every_option(server: Recorder) -> None:
    key = "jina_0123456789abcdef"
    embedding = JinaEmbedding(base_url=server.url, api_key=key, dimensions=64, query_task="separation", num_workers=2)
    reranker = JinaRerank(7, "jina-reranker-v3", base_url=server.url, api_key=key, max_doc_length=9)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        saved = pool.map_async(methodcaller("to_dict"), [embedding, reranker]).get(120)
        vector = pool.apply_async(methodcaller("get_query_embedding", "a"), (embedding,)).get(120)
    assert saved == [embedding.to_dict(), reranker.to_dict()]
    assert len(vector) == 64
    assert server.sent[0].body["task"] == "separation"
    assert server.sent[0].headers["authorization"] == f"Bearer {key}"


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_workers_keep_the_order(server: Recorder, workers: int | None) -> None:
    texts = [f"text {number}" for number in range(50)]
    embedding = JinaEmbedding(base_url=server.url, embed_batch_size=4, num_workers=workers, dimensions=8)
    vectors = asyncio.run(embedding.aget_text_embedding_batch(texts))
    assert np.array_equal(vectors, np.stack([vector_of(text, 8) for text in texts]))


def test_an_index_chunks_late_if_the_embedding_is_a_transformation(server: Recorder) -> None:
    embedding = JinaEmbedding(base_url=server.url, late_chunking=True)
    VectorStoreIndex.from_documents(LONG, transformations=[_splitter(), embedding], embed_model=embedding)
    assert [sent.body["late_chunking"] for sent in server.sent] == [True, True]


def _index(url: str) -> VectorStoreIndex:
    nodes = [TextNode(text=text, id_=str(number)) for number, text in enumerate(TEXTS)]
    return VectorStoreIndex(nodes, embed_model=JinaEmbedding(base_url=url))


def test_an_index_is_saved_and_loaded_with_the_embedding_of_the_settings(
    engine_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llama_index.core import StorageContext, load_index_from_storage

    _index(engine_url).storage_context.persist(str(tmp_path))
    monkeypatch.setattr(Settings, "_embed_model", None)
    Settings.embed_model = JinaEmbedding(base_url=engine_url)
    index = load_index_from_storage(StorageContext.from_defaults(persist_dir=str(tmp_path)))
    results = index.as_retriever(similarity_top_k=1).retrieve("What do I bake?")
    assert [node.node_id for node in results] == ["2"]


@pytest.mark.parametrize("use_async", [False, True])
def test_fusion_retrieves_for_each_query(engine_url: str, use_async: bool) -> None:
    class Writer(MockLLM):
        """Writes two more queries."""

        def complete(self, *args: Any, **kwargs: Any) -> Any:
            response = super().complete(*args, **kwargs)
            response.text = "How is bread made?\nWhat happened on the stock market?"
            return response

    retriever = QueryFusionRetriever(
        [_index(engine_url).as_retriever(similarity_top_k=1)],
        llm=Writer(),
        num_queries=3,
        similarity_top_k=3,
        use_async=False,
    )
    question = "Where is the cat?"
    results = asyncio.run(retriever.aretrieve(question)) if use_async else retriever.retrieve(question)
    assert {node.node_id for node in results} == {"0", "1", "2"}


def _scripted(messages: Sequence[ChatMessage], **kwargs: Any) -> ChatMessage:
    """Calls the tool with the question, and then gives back what it said."""
    if messages[-1].role == MessageRole.TOOL:
        return ChatMessage(role=MessageRole.ASSISTANT, content=f"Found: {messages[-1].content}")
    call = ToolCallBlock(tool_call_id="1", tool_name="library", tool_kwargs={"input": "What do I bake?"})
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=[call])


async def test_an_agent_asks_a_query_engine(engine_url: str) -> None:
    """The tool's answer holds the node that the reranker keeps, and none of the others."""
    reranker = JinaRerank(top_n=1, base_url=engine_url)
    engine = _index(engine_url).as_query_engine(llm=MockLLM(), similarity_top_k=3, node_postprocessors=[reranker])
    tool = QueryEngineTool.from_defaults(engine, name="library", description="Answers questions")
    llm = MockFunctionCallingLLM(response_generator=_scripted)
    result = await FunctionAgent(tools=[tool], llm=llm, streaming=False).run("What do I bake?")
    assert TEXTS[2] in str(result)
    assert TEXTS[1] not in str(result)
    assert [call.tool_name for call in result.tool_calls] == ["library"]
    sources = result.tool_calls[0].tool_output.raw_output.source_nodes
    assert [node.node_id for node in sources] == ["2"]
