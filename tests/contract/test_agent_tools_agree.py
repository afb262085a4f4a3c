"""The tools of agents are the same in every framework: what a model is told, and what it is returned."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from haystack import Document as HaystackDocument
from haystack import component
from haystack.tools.errors import ToolInvocationError
from haystack.utils import Secret
from haystack_integrations.components.rankers.jina import JinaRanker
from haystack_integrations.tools.jina import JinaDocumentSearchTool, JinaReaderTool, JinaSearchTool
from jina_client import AuthenticationError
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_jina import JinaDocumentSearch, JinaReader, JinaRerank, JinaSearch, JinaSearchAPIWrapper
from llama_index.core.base.base_retriever import BaseRetriever as LlamaIndexRetriever
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.postprocessor.jinaai_rerank import JinaRerank as LlamaIndexRerank
from llama_index.tools.jina import JinaToolSpec
from loopback import Answer, Recorder, Sent, ranking

KEY = "jina_0123456789abcdef"
MODEL = "jina-reranker-v2-base-multilingual"
PAGE = {"title": "Cats", "url": "https://cats.example/", "description": "On cats", "content": "Cats sleep. " * 5000}
TEXTS = ["Bread needs flour.", "The cat sleeps on the sofa."]
METADATA = {"title": "Notes", "source": "notes.md"}


class LangChainDocuments(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(text, metadata=METADATA) for text in TEXTS]


class LlamaIndexDocuments(LlamaIndexRetriever):
    def _retrieve(self, query_bundle: Any) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text=text, metadata=METADATA)) for text in TEXTS]


@component
class HaystackDocuments:
    @component.output_types(documents=list[HaystackDocument])
    def run(self, query: str, filters: Any = None, top_k: Any = None) -> dict[str, Any]:
        return {"documents": [HaystackDocument(content=text, meta=METADATA) for text in TEXTS]}


Tools = dict[str, tuple[dict[str, Any], Callable[..., str]]]
"""By framework: what a model is told of a tool, and the tool as a function."""


@pytest.fixture
def tools(server: Recorder) -> dict[str, Tools]:
    def answer(sent: Sent) -> Answer:
        if sent.path.endswith("/rerank"):
            return Answer(ranking(sent))
        return Answer({"data": [PAGE] * 7 if "?q=" in sent.path else PAGE})

    server.answer = answer
    root = server.url.removesuffix("/v1")
    options: dict[str, Any] = {"api_key": KEY, "base_url": server.url, "max_retries": 0}
    hidden = {**options, "api_key": Secret.from_token(KEY)}
    limit: dict[str, Any] = {"max_output_tokens": 300}

    langchain = [
        JinaSearch(search_wrapper=JinaSearchAPIWrapper(**options, endpoint=root), **limit),
        JinaReader(**options, endpoint=root, **limit),
        JinaDocumentSearch(
            retriever=LangChainDocuments(), reranker=JinaRerank(**options, model=MODEL, top_n=1), **limit
        ),
    ]
    spec = JinaToolSpec(
        **options,
        **limit,
        search_endpoint=root,
        reader_endpoint=root,
        retriever=LlamaIndexDocuments(),
        reranker=LlamaIndexRerank(**options, model=MODEL, top_n=1),
    )
    haystack = [
        JinaSearchTool(**hidden, endpoint=root, **limit),
        JinaReaderTool(**hidden, endpoint=root, **limit),
        JinaDocumentSearchTool(HaystackDocuments(), JinaRanker(**hidden, model=MODEL, top_k=1), **limit),
    ]
    langchain_functions = [convert_to_openai_tool(tool)["function"] for tool in langchain]
    tools_by_framework: dict[str, Tools] = {"langchain": {}, "llama_index": {}, "haystack": {}}
    for tool, function in zip(langchain, langchain_functions, strict=True):
        tools_by_framework["langchain"][tool.name] = (function, lambda tool=tool, **some: tool.invoke(some))
    for each in spec.to_tool_list():
        function = each.metadata.to_openai_tool(skip_length_check=True)["function"]
        tools_by_framework["llama_index"][function["name"]] = (
            function,
            lambda each=each, **some: each.call(**some).content,
        )
    for one in haystack:
        tools_by_framework["haystack"][one.name] = (one.tool_spec, lambda one=one, **some: one.invoke(**some)["text"])
    return tools_by_framework


def _fields(function: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments without the titles that pydantic adds."""
    parameters = function["parameters"]
    fields = {
        name: {key: value for key, value in field.items() if key != "title"}
        for name, field in parameters["properties"].items()
    }
    return {"fields": fields, "required": parameters["required"]}


def test_agents_see_the_same_tools(tools: dict[str, Tools]) -> None:
    descriptions = [
        {name: (function["description"], _fields(function)) for name, (function, _) in tools_by_name.items()}
        for tools_by_name in tools.values()
    ]
    assert descriptions[0].keys() == {"jina_search", "jina_read", "search_documents"}
    assert descriptions[0] == descriptions[1] == descriptions[2]


def test_agents_get_the_same_results(tools: dict[str, Tools], server: Recorder) -> None:
    def results(name: str, **arguments: Any) -> dict[str, str]:
        return {framework: tools_by_name[name][1](**arguments) for framework, tools_by_name in tools.items()}

    for name, arguments in {
        "jina_read": {"url": "https://cats.example/", "start": 24},
        "search_documents": {"query": "Where does the cat sleep?"},
    }.items():
        assert len(set(results(name, **arguments).values())) == 1
    assert results("search_documents", query="cat")["haystack"] == "[1] Notes\nSource: notes.md\n" + TEXTS[1]
    outcome = results("jina_search", query="cats")
    assert outcome["llama_index"] == outcome["haystack"]
    # LangChain's earlier tool returned JSON, and programs read it.
    assert [page["link"] for page in json.loads(outcome["langchain"])] == ["https://cats.example/"] * 5
    server.answer = lambda sent: Answer({"message": "Slow down"}, 429, {"Retry-After": "7"})
    for name, arguments in (("jina_search", {"query": "cats"}), ("search_documents", {"query": "cats"})):
        (text,) = set(results(name, **arguments).values())
        assert "Wait 7 seconds" in text


def test_a_wrong_key_raises_in_every_framework(tools: dict[str, Tools], server: Recorder) -> None:
    server.answer = lambda sent: Answer({"message": "Invalid key"}, 401)
    for tools_by_name in tools.values():
        for name, arguments in {
            "jina_search": {"query": "cats"},
            "jina_read": {"url": "https://cats.example/"},
            "search_documents": {"query": "cats"},
        }.items():
            with pytest.raises((AuthenticationError, ToolInvocationError), match="Invalid key") as caught:
                tools_by_name[name][1](**arguments)
            # Haystack wraps the exceptions of tools.
            assert isinstance(caught.value.__cause__ or caught.value, AuthenticationError)
            assert KEY not in str(caught.value)
