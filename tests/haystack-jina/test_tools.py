"""The tools in an Agent of Haystack, whose chat model follows a script."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

import pytest
from haystack import Document, Pipeline, SuperComponent, component
from haystack.components.agents import Agent
from haystack.components.agents.state import merge_lists
from haystack.components.retrievers import TextEmbeddingRetriever
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.dataclasses import ChatMessage, ToolCall
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools import Tool, Toolset
from haystack.utils import Secret
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
from haystack_integrations.components.rankers.jina import JinaRanker
from haystack_integrations.tools.jina import JinaDocumentSearchTool, JinaReaderTool, JinaSearchTool
from jina_client import JinaArgumentError, JinaClient, JinaInputError
from jina_client.integration import text_tokens
from loopback import Answer, Recorder, Sent

KEY = "jina_0123456789abcdef"
PAGE = {"title": "Cats", "url": "https://cats.example/", "description": "On cats", "content": "Cats sleep. " * 5000}
TEXTS = ["Stocks fell sharply today.", "The cat sleeps on the sofa.", "Bread needs flour."]
QUESTION = "Where does the cat sleep?"


@component
class ScriptedGenerator:
    """A chat generator that calls one tool, and then repeats the tool's result."""

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self.name = name
        self.arguments = arguments

    def _reply(self, messages: list[ChatMessage]) -> dict[str, Any]:
        result = messages[-1].tool_call_result
        call = ToolCall(tool_name=self.name, arguments=self.arguments)
        text = ChatMessage.from_assistant(str(result.result)) if result else None
        return {"replies": [text or ChatMessage.from_assistant(tool_calls=[call])]}

    @component.output_types(replies=list[ChatMessage])
    def run(self, messages: list[ChatMessage], tools: Any = None) -> dict[str, Any]:
        return self._reply(messages)

    @component.output_types(replies=list[ChatMessage])
    async def run_async(self, messages: list[ChatMessage], tools: Any = None) -> dict[str, Any]:
        return self._reply(messages)


def _answer(sent: Sent) -> Answer:
    return Answer({"data": [PAGE] * 7 if "?q=" in sent.path else PAGE})


@pytest.fixture
def options(server: Recorder) -> dict[str, Any]:
    server.answer = _answer
    return {
        "api_key": Secret.from_token(KEY),
        "base_url": server.url,
        "endpoint": server.url.removesuffix("/v1"),
        "max_retries": 0,
        "max_output_tokens": 300,
    }


@pytest.fixture
def store() -> InMemoryDocumentStore:
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    documents = [Document(content=text, meta={"title": f"Note {place}"}) for place, text in enumerate(TEXTS)]
    store.write_documents(JinaDocumentEmbedder(base_url="local", progress_bar=False).run(documents)["documents"])
    return store


def _ranker(**options: Any) -> JinaRanker:
    return JinaRanker(**{"model": "jina-reranker-v2-base-multilingual", "base_url": "local", "top_k": 1, **options})


def _run(tool: Tool, arguments: dict[str, Any], way: str, **options: Any) -> dict[str, Any]:
    """Run an Agent and return its output, whose last message repeats what the tool returned."""
    agent = Agent(chat_generator=ScriptedGenerator(tool.name, arguments), tools=[tool], **options)
    messages = [ChatMessage.from_user(QUESTION)]
    if way == "sync":
        output = agent.run(messages)
        agent.close()
        return output

    async def run() -> dict[str, Any]:
        output = await agent.run_async(messages)
        await agent.close_async()
        return output

    return asyncio.run(run())


@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_agent_searches_the_web(options: dict[str, Any], way: str, server: Recorder) -> None:
    tool = JinaSearchTool(**options, outputs_to_state={"documents": {"source": "documents"}})
    output = _run(tool, {"query": "cats", "max_results": 3}, way, state_schema={"documents": {"type": list[Document]}})
    text = output["last_message"].text
    assert text.startswith("[1] Cats\nSource: https://cats.example/\nCats sleep.")
    assert text_tokens(text) <= 300
    assert [document.meta["url"] for document in output["documents"]] == ["https://cats.example/"] * 3
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_agent_reads_a_page(options: dict[str, Any], way: str) -> None:
    text = _run(JinaReaderTool(**options), {"url": "https://cats.example/", "start": 12}, way)["last_message"].text
    assert text.startswith("Title: Cats\nURL: https://cats.example/\n\nCats sleep.")
    assert "[Characters 12 to " in text
    assert text_tokens(text) <= 300


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("kind", ["keywords", "embeddings", "pipeline"])
def test_an_agent_searches_documents_with_reranking(store: InMemoryDocumentStore, kind: str, way: str) -> None:
    retriever: Any = InMemoryBM25Retriever(store)
    if kind == "embeddings":
        embedder = JinaTextEmbedder(base_url="local")
        retriever = TextEmbeddingRetriever(retriever=InMemoryEmbeddingRetriever(store), text_embedder=embedder)
    if kind == "pipeline":
        pipeline = Pipeline()
        pipeline.add_component("retriever", retriever)
        retriever = SuperComponent(pipeline=pipeline, input_mapping={"query": ["retriever.query"]})
    output = _run(JinaDocumentSearchTool(retriever, _ranker()), {"query": QUESTION}, way)
    assert output["last_message"].text == "[1] Note 1\nThe cat sleeps on the sofa."


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_failure_returns_text_with_advice(
    server: Recorder, options: dict[str, Any], store: InMemoryDocumentStore, way: str
) -> None:
    server.answer = lambda sent: Answer({"message": "It failed"}, 500)
    ranker = _ranker(api_key=Secret.from_token(KEY), base_url=server.url, max_retries=0)
    calls: list[tuple[Tool, dict[str, Any]]] = [
        (JinaSearchTool(**options), {"query": "cats"}),
        (JinaReaderTool(**options), {"url": "https://cats.example/"}),
        (JinaDocumentSearchTool(InMemoryBM25Retriever(store), ranker), {"query": "cat"}),
    ]
    for tool, arguments in calls:
        output = _run(tool, arguments, way, raise_on_tool_invocation_failure=True)
        assert output["last_message"].text.startswith("Error: It failed (HTTP 500). Try once more later")
        invalid = dict.fromkeys(arguments, " ")
        assert "Correct the argument" in _run(tool, invalid, way)["last_message"].text


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("kind", [JinaSearchTool, JinaReaderTool])
def test_a_missing_key_raises_before_the_agent_runs(kind: Any, way: str) -> None:
    with pytest.raises(JinaInputError, match="JINA_API_KEY"):
        _run(kind(), {}, way)
    with pytest.raises(JinaInputError, match="the web"):
        _run(kind(base_url="local"), {}, way)


def test_invalid_arguments_raise(store: InMemoryDocumentStore) -> None:
    unknown: Any = {"key": KEY}
    with pytest.raises(JinaArgumentError, match="JinaSearchTool has no argument 'key'"):
        JinaSearchTool(**unknown)
    with pytest.raises(JinaInputError, match="max_output_tokens"):
        JinaReaderTool(max_output_tokens=1)
    wrong: Any = InMemoryEmbeddingRetriever(store)
    with pytest.raises(JinaInputError, match="TextEmbeddingRetriever"):
        JinaDocumentSearchTool(wrong, _ranker())


def test_a_model_sees_names_descriptions_types_and_limits(store: InMemoryDocumentStore) -> None:
    tools = Toolset(
        [JinaSearchTool(), JinaReaderTool(), JinaDocumentSearchTool(InMemoryBM25Retriever(store), _ranker())]
    )
    specs = {tool.name: tool.tool_spec for tool in tools}
    assert specs.keys() == {"jina_search", "jina_read", "search_documents"}
    for spec in specs.values():
        assert len(spec["description"]) > 100
        assert all(field["description"] and field["type"] for field in spec["parameters"]["properties"].values())
    assert specs["jina_search"]["parameters"]["properties"]["max_results"]["maximum"] == 10


def test_a_saved_tool_has_the_documented_form() -> None:
    assert JinaSearchTool(timeout=90.0, endpoint="http://127.0.0.1:8080").to_dict() == {
        "type": "haystack_integrations.tools.jina.web.JinaSearchTool",
        "data": {
            "name": "jina_search",
            "description": JinaSearchTool().description,
            "max_output_tokens": 4000,
            "inputs_from_state": None,
            "outputs_to_state": None,
            "endpoint": "http://127.0.0.1:8080",
            "api_key": {"type": "env_var", "env_vars": ["JINA_API_KEY"], "strict": True},
            "timeout": 90.0,
        },
    }
    with pytest.raises(JinaInputError, match="cannot be saved"):
        JinaSearchTool(client=JinaClient(base_url="local")).to_dict()


def test_an_agent_with_all_tools_survives_saving(store: InMemoryDocumentStore) -> None:
    tools = [
        JinaSearchTool(name="find_pages", outputs_to_state={"documents": {"source": "documents"}}),
        JinaReaderTool(description="Read.", max_output_tokens=500, inputs_from_state={"address": "url"}),
        JinaDocumentSearchTool(InMemoryBM25Retriever(store, top_k=7), _ranker()),
    ]
    for tool in tools:
        saved = json.loads(json.dumps(tool.to_dict()))
        assert type(tool).from_dict(saved).to_dict() == tool.to_dict()
    pipeline = Pipeline()
    generator = ScriptedGenerator("find_pages", {})
    pipeline.add_component("agent", Agent(chat_generator=generator, tools=Toolset(tools[1:])))
    saved_pipeline = pipeline.to_dict()
    again = Pipeline.from_dict(saved_pipeline, allowed_modules=[f"{ScriptedGenerator.__module__}*"])
    assert again.to_dict() == saved_pipeline


def test_a_state_handler_is_saved_by_name() -> None:
    tool = JinaSearchTool(outputs_to_state={"documents": {"source": "documents", "handler": merge_lists}})
    saved = tool.to_dict()
    assert saved["data"]["outputs_to_state"]["documents"]["handler"].endswith(".merge_lists")
    assert JinaSearchTool.from_dict(saved).outputs_to_state == tool.outputs_to_state


def test_a_tool_can_be_pickled_and_shows_no_key(options: dict[str, Any]) -> None:
    tool = JinaReaderTool(**options)
    text = tool.invoke(url="https://cats.example/")["text"]
    again = pickle.loads(pickle.dumps(tool))
    assert again.invoke(url="https://cats.example/")["text"] == text
    assert KEY not in repr(tool)
    for each in (tool, again):
        each.close()
