"""The components as tools of an Agent, whose chat model follows a script."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from haystack import Document, Pipeline, component
from haystack.components.agents import Agent
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.dataclasses import ChatMessage, ToolCall
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools import ComponentTool, PipelineTool, Tool
from haystack.utils import Secret
from haystack_integrations.components.connectors.jina import JinaReaderConnector
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
from haystack_integrations.components.rankers.jina import JinaRanker
from loopback import Answer, Recorder

TEXTS = ["Stocks fell sharply today.", "The cat sleeps on the sofa.", "Bread needs flour."]


@component
class Scripted:
    """A chat generator that calls one tool, and then says what the tool said."""

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self._call = ToolCall(tool_name=name, arguments=arguments)

    def _reply(self, messages: list[ChatMessage]) -> dict[str, Any]:
        result = messages[-1].tool_call_result
        message = ChatMessage.from_assistant(str(result.result)) if result else None
        return {"replies": [message or ChatMessage.from_assistant(tool_calls=[self._call])]}

    @component.output_types(replies=list[ChatMessage])
    def run(self, messages: list[ChatMessage], tools: list[Tool] | None = None) -> dict[str, Any]:
        return self._reply(messages)

    @component.output_types(replies=list[ChatMessage])
    async def run_async(self, messages: list[ChatMessage], tools: list[Tool] | None = None) -> dict[str, Any]:
        return self._reply(messages)


def _asked(tool: Tool, arguments: dict[str, Any], way: str) -> str:
    agent = Agent(chat_generator=Scripted(tool.name, arguments), tools=[tool])
    messages = [ChatMessage.from_user("Where does the cat sleep?")]
    output = agent.run(messages) if way == "sync" else asyncio.run(agent.run_async(messages))
    return str(output["last_message"].text)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_document_search_is_a_tool(way: str) -> None:
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    documents = [Document(content=text) for text in TEXTS]
    store.write_documents(JinaDocumentEmbedder(base_url="local", progress_bar=False).run(documents)["documents"])
    search = Pipeline()
    search.add_component("embedder", JinaTextEmbedder(base_url="local"))
    search.add_component("retriever", InMemoryEmbeddingRetriever(store))
    search.add_component("ranker", JinaRanker(base_url="local", model="jina-reranker-v2-base-multilingual", top_k=1))
    search.connect("embedder.embedding", "retriever.query_embedding")
    search.connect("retriever.documents", "ranker.documents")
    tool = PipelineTool(
        pipeline=search,
        name="search",
        description="Searches the documents",
        input_mapping={"query": ["embedder.text", "ranker.query"]},
        output_mapping={"ranker.documents": "documents"},
    )
    assert TEXTS[1] in _asked(tool, {"query": "Where does the cat sleep?"}, way)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_reader_is_a_tool(server: Recorder, way: str) -> None:
    server.answer = lambda sent: Answer({"data": {"content": "# Cats", "url": "https://cats.example/"}})
    reader = JinaReaderConnector("read", api_key=Secret.from_token("key-0123456789"), base_url=server.url)
    tool = ComponentTool(reader, name="read_page")
    assert set(tool.parameters["properties"]) == {"query", "headers"}
    assert tool.parameters["properties"]["query"]["description"].startswith("The page's address")
    assert "# Cats" in _asked(tool, {"query": "https://cats.example/"}, way)
    assert len(server.sent) == 1


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_ranker_is_a_tool(way: str) -> None:
    ranker = JinaRanker(base_url="local", model="jina-reranker-v2-base-multilingual", top_k=1)
    tool = ComponentTool(ranker, name="rank", description="Sorts texts by their relevance")
    arguments = {"query": "Where does the cat sleep?", "documents": [{"content": text} for text in TEXTS]}
    reply = _asked(tool, arguments, way)
    assert TEXTS[1] in reply
    assert TEXTS[0] not in reply


def test_a_tool_can_be_saved() -> None:
    tool = ComponentTool(JinaTextEmbedder(base_url="local"), name="embed")
    assert ComponentTool.from_dict(tool.to_dict()).to_dict() == tool.to_dict()
    assert len(tool.invoke(text="a cat")["embedding"]) == 1024
