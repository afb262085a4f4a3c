"""JinaToolSpec in a FunctionAgent, whose chat model follows a script."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from jina_client import JinaArgumentError, JinaInputError, PaymentRequiredError
from jina_client.integration import text_tokens
from llama_index.core import VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.schema import TextNode
from llama_index.core.tools import FunctionTool, ToolMetadata, ToolOutput
from llama_index.core.tools.tool_spec.base import BaseToolSpec
from llama_index.core.workflow import Context
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from llama_index.tools.jina import JinaToolSpec
from loopback import Answer, Recorder, Sent

KEY = "jina_0123456789abcdef"
PAGE = {"title": "Cats", "url": "https://cats.example/", "description": "On cats", "content": "Cats sleep. " * 5000}
TEXTS = ["Stocks fell sharply today.", "The cat sleeps on the sofa.", "Bread needs flour."]


def _answer(sent: Sent) -> Answer:
    return Answer({"data": [PAGE] * 7 if "?q=" in sent.path else PAGE})


@pytest.fixture
def options(server: Recorder) -> dict[str, Any]:
    server.answer = _answer
    root = server.url.removesuffix("/v1")
    connection = {"api_key": KEY, "base_url": server.url, "max_retries": 0}
    return {**connection, "search_endpoint": root, "reader_endpoint": root, "max_output_tokens": 300}


@pytest.fixture
def spec(options: dict[str, Any]) -> JinaToolSpec:
    nodes = [TextNode(text=text, metadata={"title": f"Note {place}"}) for place, text in enumerate(TEXTS)]
    index = VectorStoreIndex(nodes, embed_model=JinaEmbedding(base_url="local"))
    reranker = JinaRerank(top_n=1, model="jina-reranker-v2-base-multilingual", base_url="local")
    return JinaToolSpec(**options, retriever=index.as_retriever(similarity_top_k=3), reranker=reranker)


def _tool(spec: JinaToolSpec, name: str) -> FunctionTool:
    (tool,) = spec.to_tool_list([name])
    return tool


def _run(spec: JinaToolSpec, name: str, arguments: dict[str, Any]) -> ToolOutput:
    """Run an agent and return the output of its tool."""

    def script(messages: list[ChatMessage], **_: Any) -> ChatMessage:
        if messages[-1].role == "tool":
            return ChatMessage(role="assistant", content=messages[-1].content)
        call = ToolCallBlock(tool_call_id="1", tool_name=name, tool_kwargs=arguments)
        return ChatMessage(role="assistant", blocks=[call])

    async def run() -> ToolOutput:
        llm = MockFunctionCallingLLM(response_generator=script)
        agent = FunctionAgent(tools=spec.to_tool_list(), llm=llm, streaming=False)
        context = Context(agent)
        try:
            response = await agent.run("Where does the cat sleep?", ctx=context)
        finally:
            await spec.aclose()
        # What a program saves of a conversation.
        assert KEY not in json.dumps(context.to_dict())
        (call,) = response.tool_calls
        assert str(response) == call.tool_output.content.strip()
        return call.tool_output

    return asyncio.run(run())


def test_an_agent_searches_the_web(spec: JinaToolSpec, server: Recorder) -> None:
    output = _run(spec, "jina_search", {"query": "What is C# used for?", "max_results": 3})
    assert output.content.startswith("[1] Cats\nSource: https://cats.example/\nCats sleep.")
    assert text_tokens(output.content) <= 300
    assert [document.metadata["url"] for document in output.raw_output] == ["https://cats.example/"] * 3
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"
    assert parse_qs(urlsplit(server.sent[0].path).query)["q"] == ["What is C# used for?"]


def test_an_agent_reads_a_page(spec: JinaToolSpec) -> None:
    output = _run(spec, "jina_read", {"url": "https://cats.example/", "start": 12})
    assert output.content.startswith("Title: Cats\nURL: https://cats.example/\n\nCats sleep.")
    assert "[Characters 12 to " in output.content
    assert text_tokens(output.content) <= 300


def test_an_agent_searches_documents_with_reranking(spec: JinaToolSpec) -> None:
    output = _run(spec, "search_documents", {"query": "Where does the cat sleep?"})
    assert output.content == "[1] Note 1\nThe cat sleeps on the sofa."
    assert [scored.node.text for scored in output.raw_output] == [TEXTS[1]]


def test_both_forms_of_a_tool_return_the_same(spec: JinaToolSpec) -> None:
    for name, arguments in (
        ("jina_search", {"query": "cats"}),
        ("jina_read", {"url": "https://cats.example/"}),
        ("search_documents", {"query": "Where does the cat sleep?"}),
    ):
        output = _tool(spec, name).call(**arguments)
        assert output.content == _run(spec, name, arguments).content
        assert output.raw_input["kwargs"] == arguments
        assert not output.is_error
    spec.close()


def test_a_failure_returns_text_with_advice(server: Recorder, options: dict[str, Any], spec: JinaToolSpec) -> None:
    server.answer = lambda sent: Answer({"message": "It failed"}, 500)
    spec.reranker = JinaRerank(api_key=KEY, base_url=server.url, max_retries=0)
    calls: dict[str, dict[str, Any]] = {
        "jina_search": {"query": "cats"},
        "jina_read": {"url": "https://cats.example/"},
        "search_documents": {"query": "cats"},
    }
    for name, arguments in calls.items():
        for output in (_run(spec, name, arguments), _tool(spec, name).call(**arguments)):
            assert output.is_error
            assert output.content.startswith("Error: It failed (HTTP 500). Try once more later")
    for name, arguments in {**calls, "jina_read": {"url": "file:///etc"}, "jina_search": {"query": ""}}.items():
        if name != "search_documents":
            assert "Correct the argument" in _run(spec, name, arguments).content
    assert "query is empty" in _tool(spec, "search_documents").call(query=" ").content
    spec.close()
    spec.reranker.close()


def test_the_methods_return_documents_and_raise(server: Recorder, options: dict[str, Any]) -> None:
    spec = JinaToolSpec(**options)
    results = spec.jina_search("cats")
    assert len(results) == 5
    assert results[0].text == PAGE["content"]
    assert results[0].metadata == {"url": PAGE["url"], "title": "Cats", "description": "On cats"}
    assert spec.jina_read("https://cats.example/").text == PAGE["content"]
    with pytest.raises(JinaInputError, match="max_results"):
        spec.jina_search("cats", max_results=0)
    with pytest.raises(JinaInputError, match="retriever="):
        spec.search_documents("cats")
    server.answer = lambda sent: Answer({"message": "Insufficient balance"}, 402)
    with pytest.raises(PaymentRequiredError):
        spec.jina_search("cats")
    spec.close()

    async def run() -> None:
        with pytest.raises(PaymentRequiredError):
            await spec.ajina_search("cats")
        server.answer = _answer
        assert len(await spec.ajina_search("cats")) == 5
        assert (await spec.ajina_read("https://cats.example/")).metadata == results[0].metadata
        await spec.aclose()

    asyncio.run(run())


def test_tool_names_equal_those_of_llama_index_tools_jina() -> None:
    assert issubclass(JinaToolSpec, BaseToolSpec)
    assert "jina_search" in JinaToolSpec.spec_functions


def test_a_missing_key_raises_before_an_agent_runs() -> None:
    with pytest.raises(JinaInputError, match="JINA_API_KEY"):
        JinaToolSpec().to_tool_list()
    with pytest.raises(JinaInputError, match="cannot search the web"):
        JinaToolSpec(base_url="local").to_tool_list()


def test_a_tool_for_documents_alone_needs_no_key(spec: JinaToolSpec) -> None:
    alone = JinaToolSpec(retriever=spec.retriever, reranker=spec.reranker, documents_description="Notes about cats.")
    (tool,) = alone.to_tool_list(["search_documents"])
    assert tool.metadata.description == "Notes about cats."
    assert TEXTS[1] in tool.call(query="Where does the cat sleep?").content


def test_invalid_arguments_raise(spec: JinaToolSpec) -> None:
    unknown: Any = {"key": KEY}
    with pytest.raises(JinaArgumentError, match="JinaToolSpec has no argument 'key'"):
        JinaToolSpec(**unknown)
    with pytest.raises(JinaInputError, match="belong together"):
        JinaToolSpec(retriever=spec.retriever)
    with pytest.raises(JinaInputError, match="timeout"):
        JinaToolSpec(timeout=-1.0)
    with pytest.raises(JinaInputError, match="max_output_tokens"):
        JinaToolSpec(max_output_tokens=1)
    with pytest.raises(JinaInputError, match="pass retriever="):
        JinaToolSpec(api_key=KEY).to_tool_list(["search_documents"])


def test_a_model_sees_names_descriptions_types_and_limits(spec: JinaToolSpec) -> None:
    tools = {tool.metadata.get_name(): tool.metadata for tool in spec.to_tool_list()}
    assert tools.keys() == {"jina_search", "jina_read", "search_documents"}
    for metadata in tools.values():
        assert len(metadata.description) > 100
        properties = metadata.get_parameters_dict()["properties"]
        assert all(field["description"] and field["type"] for field in properties.values())
    assert tools["jina_search"].get_parameters_dict()["properties"]["max_results"]["maximum"] == 10


def test_a_program_may_replace_the_description(spec: JinaToolSpec) -> None:
    own = ToolMetadata("Find pages.", "find_pages", fn_schema=_tool(spec, "jina_search").metadata.fn_schema)
    (tool,) = spec.to_tool_list(["jina_search"], {"jina_search": own})
    assert (tool.metadata.name, tool.metadata.description) == ("find_pages", "Find pages.")


def test_a_subclass_may_add_functions(options: dict[str, Any]) -> None:
    class Spec(JinaToolSpec):
        spec_functions = ["jina_search", "clock"]  # noqa: RUF012

        def clock(self) -> str:
            """Return the time."""
            return "noon"

    search, clock = Spec(**options).to_tool_list()
    assert (search.metadata.name, clock.metadata.name) == ("jina_search", "clock")
    assert clock.call().content == "noon"


def test_a_spec_and_its_tools_can_be_pickled_and_show_no_key(options: dict[str, Any]) -> None:
    spec = JinaToolSpec(**options)
    again = pickle.loads(pickle.dumps(spec))
    (tool,) = pickle.loads(pickle.dumps(spec.to_tool_list(["jina_read"])))
    assert tool.call(url="https://cats.example/").content == _tool(again, "jina_read").call(url=PAGE["url"]).content
    for each in (spec, tool, tool.metadata, tool.call(url=PAGE["url"])):
        assert KEY not in repr(each)
    again.close()
