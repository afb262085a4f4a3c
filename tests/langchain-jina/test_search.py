"""The search tool, against a server on loopback that answers as the reader does."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from jina_client import JinaArgumentError, JinaInputError, PaymentRequiredError
from jina_client.integration import text_tokens
from langchain_core.documents import Document
from langchain_core.tools import ToolException
from langchain_jina import JinaSearch, JinaSearchAPIWrapper
from loopback import Answer, Recorder

KEY = "jina_0123456789abcdef"
PAGE = {"title": "Köln", "url": "https://cats.example/", "description": "On cats", "content": "# Cats"}


@pytest.fixture
def wrapper(server: Recorder) -> JinaSearchAPIWrapper:
    server.answer = lambda sent: Answer({"code": 200, "data": [PAGE, {"url": "https://dogs.example/"}]})
    return JinaSearchAPIWrapper(api_key=KEY, base_url=server.url, endpoint=server.url.removesuffix("/v1"))


def asked(server: Recorder) -> list[str]:
    return [parse_qs(urlsplit(sent.path).query)["q"][0] for sent in server.sent]


def test_special_characters_of_a_query_arrive_unchanged(server: Recorder, wrapper: JinaSearchAPIWrapper) -> None:
    questions = ["What is C# used for?", "100% of a/b & c?", "https://example.com/?a=b#c", "東京 🐈"]
    tool = JinaSearch(search_wrapper=wrapper)
    for question in questions:
        tool.invoke({"query": question})
    assert asked(server) == questions


def test_the_tool_returns_json(server: Recorder, wrapper: JinaSearchAPIWrapper) -> None:
    tool = JinaSearch(search_wrapper=wrapper)
    results = tool.invoke("cats")
    assert json.loads(results)[0] == {
        "title": "Köln",
        "link": "https://cats.example/",
        "snippet": "On cats",
        "content": "# Cats",
    }
    assert asyncio.run(tool.ainvoke("cats")) == results
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"
    assert (tool.name, list(tool.args)) == ("jina_search", ["query", "max_results"])


def test_download_documents_returns_documents(wrapper: JinaSearchAPIWrapper) -> None:
    results = wrapper.download_documents("cats")
    metadata = {"title": "Köln", "link": "https://cats.example/", "description": "On cats"}
    assert results[0] == Document("# Cats", metadata=metadata)
    assert results[1].page_content == ""
    assert asyncio.run(wrapper.adownload_documents("cats")) == results


def test_search_url_is_accepted() -> None:
    wrapper = JinaSearchAPIWrapper(api_key=KEY, base_url="https://s.jina.ai/")
    assert wrapper._connection().base_url == "https://s.jina.ai/v1"
    assert KEY not in f"{wrapper!r} {JinaSearch(search_wrapper=wrapper)!r}"


def test_invalid_search_arguments_are_rejected(server: Recorder, wrapper: JinaSearchAPIWrapper) -> None:
    unknown: Any = {"api_key": KEY}
    with pytest.raises(JinaArgumentError, match="JinaSearch has no argument 'api_key'"):
        JinaSearch(**unknown)
    with pytest.raises(JinaInputError, match="JINA_API_KEY"):
        JinaSearch().invoke("cats")
    with pytest.raises(JinaInputError, match="cannot search the web"):
        JinaSearch(search_wrapper=JinaSearchAPIWrapper(base_url="local")).invoke("cats")
    with pytest.raises(JinaInputError, match="query is empty"):
        wrapper.run(" ")
    assert server.sent == []


def test_an_empty_balance_raises_payment_required(server: Recorder, wrapper: JinaSearchAPIWrapper) -> None:
    server.answer = lambda sent: Answer({"code": 402, "message": "Insufficient balance"}, 402)
    with pytest.raises(PaymentRequiredError, match="balance"):
        wrapper.run("cats")
    # A model cannot act on an exception.
    assert "tell the user that the balance" in JinaSearch(search_wrapper=wrapper).invoke("cats")
    with pytest.raises(ToolException, match="balance"):
        JinaSearch(search_wrapper=wrapper, handle_tool_error=False).invoke("cats")


def test_the_tool_returns_bounded_json_and_the_wrapper_returns_all(
    server: Recorder, wrapper: JinaSearchAPIWrapper
) -> None:
    pages = [{**PAGE, "content": '# "Cats"\n' * 5000}] * 10
    server.answer = lambda sent: Answer({"code": 200, "data": pages})
    for limit in (100, 1000, 4000):
        results = JinaSearch(search_wrapper=wrapper, max_output_tokens=limit).invoke(
            {"query": "cats", "max_results": 7}
        )
        assert limit / 2 < text_tokens(results) <= limit
        assert all(page["title"] == "Köln" for page in json.loads(results))
    assert len(json.loads(results)) == 7
    assert "[shortened: 45000 characters in all]" in json.loads(results)[0]["content"]
    assert json.loads(wrapper.run("cats"))[9]["content"] == pages[0]["content"]
