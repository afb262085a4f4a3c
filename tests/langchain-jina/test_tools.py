"""The tools in an agent of LangGraph, whose chat model follows a script."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from jina_client import AuthenticationError, JinaArgumentError, JinaInputError
from jina_client.integration import text_tokens
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_jina import JinaDocumentSearch, JinaEmbeddings, JinaReader, JinaRerank, JinaSearch, JinaSearchAPIWrapper
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from loopback import Answer, Recorder, Sent

KEY = "jina_0123456789abcdef"
PAGE = {"title": "Cats", "url": "https://cats.example/", "content": "Cats sleep. " * 5000}
TEXTS = ["Stocks fell sharply today.", "The cat sleeps on the sofa.", "Bread needs flour."]


class ScriptedModel(BaseChatModel):
    """A chat model that calls one tool, and then repeats the tool's result."""

    tool: str
    arguments: dict[str, Any]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **options: Any) -> ChatResult:
        call = {"name": self.tool, "args": self.arguments, "id": "1"}
        last = messages[-1]
        message = AIMessage(last.text) if isinstance(last, ToolMessage) else AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=message)])


class FixedRetriever(BaseRetriever):
    """A retriever that always returns the same documents."""

    documents: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return self.documents


def _answer(sent: Sent) -> Answer:
    return Answer({"data": [PAGE] if "?q=" in sent.path else PAGE})


@pytest.fixture
def options(server: Recorder) -> dict[str, Any]:
    server.answer = _answer
    return {
        "api_key": KEY,
        "base_url": server.url,
        "endpoint": server.url.removesuffix("/v1"),
        "max_retries": 0,
    }


@pytest.fixture
def documents() -> JinaDocumentSearch:
    store = InMemoryVectorStore(JinaEmbeddings(model="jina-embeddings-v3", base_url="local"))
    store.add_texts(TEXTS, [{"title": f"Note {number}", "source": f"{number}.md"} for number in range(3)])
    reranker = JinaRerank(model="jina-reranker-v2-base-multilingual", base_url="local", top_n=1)
    return JinaDocumentSearch(retriever=store.as_retriever(), reranker=reranker)


class EachTool:
    """LangChain's own tests, for each of the tools."""

    @pytest.fixture(params=[JinaSearch, JinaReader, JinaDocumentSearch], autouse=True)
    def make(self, request: pytest.FixtureRequest, options: dict[str, Any], documents: JinaDocumentSearch) -> None:
        tools = [JinaSearch(search_wrapper=JinaSearchAPIWrapper(**options)), JinaReader(**options), documents]
        (self.made,) = (tool for tool in tools if type(tool) is request.param)

    @property
    def tool_constructor(self) -> BaseTool:
        return self.made

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        reads = isinstance(self.made, JinaReader)
        return {"url": "https://cats.example/"} if reads else {"query": "Where does the cat sleep?"}


class TestUnit(EachTool, ToolsUnitTests):
    pass


class TestIntegration(EachTool, ToolsIntegrationTests):
    pass


def _run(tool: BaseTool, arguments: dict[str, Any], way: str, **config: Any) -> ToolMessage:
    """Run an agent and return the message of its tool."""
    agent: Any = create_agent(ScriptedModel(tool=tool.name, arguments=arguments), [tool])
    state = {"messages": [("user", "Where does the cat sleep?")]}

    async def run_async() -> Any:
        try:
            return await agent.ainvoke(state, config)
        finally:
            for owner in (tool, getattr(tool, "search_wrapper", None), getattr(tool, "reranker", None)):
                if hasattr(owner, "aclose"):
                    await owner.aclose()

    messages = (agent.invoke(state, config) if way == "sync" else asyncio.run(run_async()))["messages"]
    (message,) = (message for message in messages if isinstance(message, ToolMessage))
    assert messages[-1].content == message.content
    return message


@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_agent_searches_the_web(options: dict[str, Any], way: str) -> None:
    tool = JinaSearch(search_wrapper=JinaSearchAPIWrapper(**options), max_output_tokens=300)
    message = _run(tool, {"query": "cats", "max_results": 3}, way)
    assert '"link": "https://cats.example/"' in message.text
    assert text_tokens(message.text) <= 300
    assert message.status == "success"


@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_agent_reads_a_page(options: dict[str, Any], way: str) -> None:
    message = _run(JinaReader(**options, max_output_tokens=300), {"url": "https://cats.example/"}, way)
    assert message.text.startswith("Title: Cats\nURL: https://cats.example/\n\nCats sleep.")
    assert "call this tool again with start=" in message.text
    assert text_tokens(message.text) <= 300


@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_agent_searches_documents_with_reranking(documents: JinaDocumentSearch, way: str) -> None:
    message = _run(documents, {"query": "Where does the cat sleep?"}, way)
    assert message.text == "[1] Note 1\nSource: 1.md\nThe cat sleeps on the sofa."
    (document,) = message.artifact
    assert document.metadata["relevance_score"] > 0


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_failure_returns_text_with_the_status_error(server: Recorder, options: dict[str, Any], way: str) -> None:
    server.answer = lambda sent: Answer({"message": "It failed"}, 500)
    endpoint = options.pop("endpoint")
    reranked = JinaDocumentSearch(
        retriever=FixedRetriever(documents=[Document(text) for text in TEXTS]), reranker=JinaRerank(**options)
    )
    reader = JinaReader(**options, endpoint=endpoint)
    search = JinaSearch(search_wrapper=JinaSearchAPIWrapper(**options, endpoint=endpoint))
    for tool, arguments in (
        (search, {"query": "cats"}),
        (reader, {"url": "https://cats.example/"}),
        (reranked, {"query": "cats"}),
    ):
        message = _run(tool, arguments, way)
        assert message.status == "error"
        assert message.text.startswith("Error: It failed (HTTP 500). Try once more later")


def test_invalid_arguments_are_reported_to_the_model(options: dict[str, Any], server: Recorder) -> None:
    message = _run(JinaReader(**options), {"url": "file:///etc/passwd"}, "sync")
    assert "url is not a web address" in message.text
    too_many = _run(
        JinaSearch(search_wrapper=JinaSearchAPIWrapper(**options)), {"query": "a", "max_results": 99}, "sync"
    )
    assert "less than or equal to 10" in too_many.text
    assert server.sent == []


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_programming_error_ends_the_agent(server: Recorder, options: dict[str, Any], way: str) -> None:
    with pytest.raises(JinaInputError, match="JINA_API_KEY"):
        _run(JinaReader(), {"url": "https://cats.example/"}, way)
    server.answer = lambda sent: Answer({"message": "Invalid key"}, 401)
    with pytest.raises(AuthenticationError, match="Invalid key"):
        _run(JinaReader(**options), {"url": "https://cats.example/"}, way)


def test_tool_arguments_are_checked(documents: JinaDocumentSearch) -> None:
    unknown: Any = {"key": KEY}
    with pytest.raises(JinaArgumentError, match="JinaReader has no argument 'key'"):
        JinaReader(**unknown)
    with pytest.raises(JinaArgumentError, match="JinaDocumentSearch has no argument 'key'"):
        JinaDocumentSearch(retriever=documents.retriever, reranker=documents.reranker, **unknown)
    small: Any = {"max_output_tokens": 10}
    for make in (JinaReader, JinaSearch, lambda **some: documents.__class__(**{**dict(documents), **some})):
        with pytest.raises(JinaInputError, match="max_output_tokens must be a whole number of 100 or more"):
            make(**small)


def test_a_model_sees_names_descriptions_types_and_limits(documents: JinaDocumentSearch) -> None:
    tools = {each.name: convert_to_openai_tool(each)["function"] for each in (JinaSearch(), JinaReader(), documents)}
    assert tools.keys() == {"jina_search", "jina_read", "search_documents"}
    for function in tools.values():
        assert len(function["description"]) > 100
        assert all(field["description"] and field["type"] for field in function["parameters"]["properties"].values())
    assert tools["jina_search"]["parameters"]["properties"]["max_results"]["maximum"] == 10
    assert tools["jina_search"]["parameters"]["required"] == ["query"]


def test_the_key_is_neither_in_traces_nor_in_saved_forms(options: dict[str, Any]) -> None:
    seen = []

    class Tracer(BaseCallbackHandler):
        def on_tool_start(self, serialized: Any, input_str: str, **details: Any) -> None:
            seen.append(f"{serialized} {input_str} {details}")

    tools = [JinaReader(**options), JinaSearch(search_wrapper=JinaSearchAPIWrapper(**options))]
    tools[0].invoke({"url": "https://cats.example/"}, {"callbacks": [Tracer()]})
    assert "jina_read" in seen[0]
    for text in (*seen, *map(repr, tools), *map(dumps, tools)):
        assert KEY not in text


def test_a_tool_can_be_pickled(options: dict[str, Any]) -> None:
    reader = pickle.loads(pickle.dumps(JinaReader(**options)))
    assert "Cats sleep." in reader.invoke({"url": "https://cats.example/"})
    search = pickle.loads(pickle.dumps(JinaSearch(search_wrapper=JinaSearchAPIWrapper(**options))))
    assert "Cats sleep." in search.invoke("cats")
