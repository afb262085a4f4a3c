"""The tools of agents without a framework: bounded text with sources, and errors that say what to try instead."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jina_client import AuthenticationError, JinaInputError
from jina_client.integration import (
    AsyncWebTools,
    Connection,
    DocumentSearchArguments,
    Passage,
    ReadPageArguments,
    ToolResult,
    WebSearchArguments,
    WebTools,
    passages_text,
    shortened,
    text_tokens,
)
from loopback import Answer, Recorder

KEY = "jina_0123456789abcdef"
CATS = {"title": "Cats", "url": "https://cats.example/", "description": "On cats", "content": "Cats sleep. " * 3000}
DOGS = {"title": "Dogs", "url": "https://dogs.example/", "description": "On dogs", "content": "Dogs bark."}
BIRDS = {"url": "https://birds.example/", "description": "On birds"}

Call = Callable[..., ToolResult]


def _connection(server: Recorder) -> Connection:
    return Connection(api_key=KEY, base_url=server.url, max_retries=0)


def _calls(server: Recorder, name: str, **options: Any) -> list[Call]:
    """Return the synchronous and the asynchronous form of a tool."""
    root = server.url.removesuffix("/v1")
    endpoints = {"search_endpoint": root, "reader_endpoint": root}

    def synchronous(*arguments: Any, **keywords: Any) -> ToolResult:
        connection = _connection(server)
        try:
            return getattr(WebTools(connection, **endpoints, **options), name)(*arguments, **keywords)
        finally:
            connection.close()

    def asynchronous(*arguments: Any, **keywords: Any) -> ToolResult:
        async def call() -> ToolResult:
            connection = _connection(server)
            try:
                tools = AsyncWebTools(connection, **endpoints, **options)
                return await getattr(tools, name)(*arguments, **keywords)
            finally:
                await connection.aclose()

        return asyncio.run(call())

    return [synchronous, asynchronous]


def test_a_search_returns_titles_and_urls(server: Recorder) -> None:
    server.answer = lambda sent: Answer({"data": [DOGS, BIRDS]})
    for search in _calls(server, "search"):
        result = search("What is C# used for?")
        assert str(result) == (
            "[1] Dogs\nSource: https://dogs.example/\nDogs bark.\n\n[2]\nSource: https://birds.example/\nOn birds"
        )
        assert not result.failed
        assert [page.url for page in result.pages] == ["https://dogs.example/", "https://birds.example/"]
    assert [parse_qs(urlsplit(sent.path).query)["q"] for sent in server.sent] == [["What is C# used for?"]] * 2


def test_a_long_search_result_is_cut_and_says_so(server: Recorder) -> None:
    server.answer = lambda sent: Answer({"data": [CATS, DOGS, CATS]})
    for search in _calls(server, "search", max_output_tokens=500):
        result = search("cats")
        assert 400 < text_tokens(result.text) <= 500
        assert result.text.count("[shortened: 35999 characters in all]") == 2
        assert "Dogs bark." in result.text
        assert len(search("cats", max_results=1).pages) == 1
        # What a short page leaves unused goes to the next one.
        assert search("cats", 1).text.count("Cats sleep") > result.text.count("Cats sleep") // 2


def test_a_search_without_results_says_so(server: Recorder) -> None:
    server.answer = lambda sent: Answer({"data": []})
    for search in _calls(server, "search"):
        assert search("xyzzy").text == "No results for 'xyzzy'. Try other or fewer words."


def test_a_long_page_is_read_in_parts(server: Recorder) -> None:
    content = "".join(f"Sentence {number} of the page. " for number in range(1000))
    server.answer = lambda sent: Answer({"data": {**CATS, "content": content}})
    for read in _calls(server, "read", max_output_tokens=1500):
        start, parts = 0, []
        while True:
            text = read("https://cats.example/", start=start).text
            assert text_tokens(text) <= 1500
            assert text.startswith("Title: Cats\nURL: https://cats.example/\n\n")
            body, _, foot = text.partition("\n\n")[2].rpartition("\n\n[")
            parts.append(body)
            if "the end of the page" in foot:
                break
            start = int(foot.rpartition("start=")[2].removesuffix(".]"))
        assert "".join(parts) == content
        assert len(parts) > 2
        beyond = read("https://cats.example/", start=len(content))
        assert beyond.failed
        assert f"the page has {len(content)} characters" in beyond.text
    assert unquote(server.sent[0].path) == "/https://cats.example/"


def test_a_short_page_is_whole(server: Recorder) -> None:
    server.answer = lambda sent: Answer({"data": DOGS})
    for read in _calls(server, "read"):
        assert read("https://dogs.example/").text == "Title: Dogs\nURL: https://dogs.example/\n\nDogs bark."


def test_a_page_without_text_does_not_raise(server: Recorder) -> None:
    server.answer = lambda sent: Answer({"data": BIRDS})
    for read in _calls(server, "read"):
        assert read("birds.example") == ToolResult(
            "The page birds.example has no text. Try another page.", read("birds.example").pages
        )


ADVICE = {
    400: "change the query or the URL",
    402: "the balance of the Jina account is used up",
    403: "Do not repeat this call",
    404: "Check the address",
    413: "Use a shorter query",
    422: "change the query or the URL",
    451: "Use another page",
    500: "Try once more later",
}


@pytest.mark.parametrize("status", ADVICE)
def test_a_failure_returns_text_with_advice(server: Recorder, status: int) -> None:
    server.answer = lambda sent: Answer({"message": f"It failed. The key was {KEY}."}, status)
    for call in (*_calls(server, "search"), *_calls(server, "read")):
        result = call("cats.example")
        assert result.failed
        assert result.text.startswith("Error: It failed.")
        assert f"HTTP {status}" in result.text
        assert ADVICE[status] in result.text
        assert KEY not in result.text
        assert "127.0.0.1" not in result.text


def test_a_rate_limit_says_how_long_to_wait(server: Recorder) -> None:
    server.answer = lambda sent: Answer({"message": "Slow down"}, 429, {"Retry-After": "7"})
    for call in _calls(server, "search"):
        assert "Wait 7 seconds" in call("cats").text


def test_an_invalid_response_returns_text(server: Recorder) -> None:
    server.answer = lambda sent: Answer(b"<html>")
    for call in _calls(server, "read"):
        assert call("cats.example").text.endswith("answer without this tool.")


def test_an_unreachable_service_returns_text_without_advice_for_programmers(caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection(base_url="http://127.0.0.1:9/v1", max_retries=0)
    result = WebTools(connection, search_endpoint="http://127.0.0.1:9").search("cats")
    assert result.failed
    assert result.text == ("Error: the service cannot be reached. Try once more later, or answer without this tool.")
    assert "127.0.0.1:9: connection refused" in caplog.text
    assert "check base_url=" in caplog.text


def test_invalid_arguments_return_text_and_send_nothing(server: Recorder) -> None:
    for search in _calls(server, "search"):
        assert "query is empty" in search(" ").text
        assert "query must be a string" in search(None).text
        assert "use at most 1000" in search("cat" * 1000).text
        assert "max_results must be a whole number from 1 to 10, got 11" in search("cats", max_results=11).text
    for read in _calls(server, "read"):
        assert "url is not a web address" in read("file:///etc/passwd").text
        assert "start must be a whole number of 0 or more" in read("cats.example", start=-1).text
    assert server.sent == []


def test_a_programming_error_raises_and_is_logged(server: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(JinaInputError, match="JINA_API_KEY"):
        WebTools(Connection()).search("cats")
    with pytest.raises(JinaInputError, match="JINA_API_KEY"):
        WebTools(Connection()).check_search()
    with pytest.raises(JinaInputError, match="cannot search the web"):
        WebTools(Connection(base_url="local")).search("cats")
    with pytest.raises(JinaInputError, match="cannot read the web"):
        WebTools(Connection(base_url="local")).check_read()
    with pytest.raises(JinaInputError, match="max_output_tokens must be a whole number of 100 or more"):
        WebTools(Connection(base_url="local"), max_output_tokens=99)
    server.answer = lambda sent: Answer({"message": "Invalid key"}, 401)
    for call in _calls(server, "search"):
        with pytest.raises(AuthenticationError, match="Invalid key"):
            call("cats")
    assert caplog.text.count("A tool cannot be used: Invalid key") == len(_calls(server, "search"))


def test_the_tools_can_be_pickled_and_their_repr_has_no_key(server: Recorder) -> None:
    tools = WebTools(Connection(api_key=KEY, base_url=server.url), search_endpoint=server.url.removesuffix("/v1"))
    server.answer = lambda sent: Answer({"data": [DOGS]})
    assert "Dogs bark." in pickle.loads(pickle.dumps(tools)).search("dogs").text
    assert KEY not in repr(tools)


def test_the_arguments_have_descriptions_and_limits() -> None:
    for model in (WebSearchArguments, ReadPageArguments, DocumentSearchArguments):
        properties = model.model_json_schema()["properties"]
        assert all(field["description"] and field["type"] for field in properties.values())
    assert WebSearchArguments.model_json_schema()["properties"]["max_results"]["maximum"] == 10


def test_a_passage_has_the_title_and_the_source_of_its_metadata() -> None:
    assert Passage.from_metadata("text", {"source": "notes.md", "title": "Notes"}) == Passage(
        "text", "Notes", "notes.md"
    )
    assert Passage.from_metadata("text", {"title": None}) == Passage("text")


texts = st.text(st.characters(codec="utf-8"), max_size=2000)
passages = st.builds(Passage, texts, texts, st.text(st.characters(codec="utf-8"), max_size=300))


@given(st.lists(passages, max_size=12), st.integers(100, 1000))
def test_passages_stay_within_the_limit(results: list[Passage], limit: int) -> None:
    assert text_tokens(passages_text("cats", results, limit)) <= limit


@given(st.lists(texts, max_size=8), st.integers(-5, 500))
def test_shortened_texts_are_prefixes_within_the_limit(originals: list[str], limit: int) -> None:
    results = shortened(originals, limit)
    assert sum(map(text_tokens, results)) <= max(limit, 0)
    for original, result in zip(originals, results, strict=True):
        assert original.startswith(result.partition(" … [shortened")[0])


def test_the_length_function_can_be_replaced() -> None:
    (short,) = shortened(['"' * 1000], 100, lambda text: len(json.dumps(text)))
    assert 80 < len(json.dumps(short)) <= 100
