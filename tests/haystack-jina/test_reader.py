"""JinaReaderConnector: pages, searches and statements as Documents."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from haystack.utils import Secret
from haystack_integrations.components.connectors.jina import JinaReaderConnector, JinaReaderMode
from jina_client import JinaArgumentError, JinaClient, JinaInputError, PaymentRequiredError
from loopback import Answer, Recorder, Sent

KEY = "jina_0123456789abcdef"
PAGE = {"title": "Cats", "url": "https://cats.example/", "content": "# Cats", "usage": {"tokens": 12}}
STATEMENT = {"factuality": 1, "result": True, "reason": "It is known.", "references": [], "usage": {"tokens": 9}}


def _answer(sent: Sent) -> Answer:
    if sent.headers["accept"] == "text/plain":
        return Answer(b"Title: Cats", headers={"Content-Type": "text/plain; charset=utf-8"})
    if "?q=" in sent.path:
        return Answer({"code": 200, "data": [PAGE, PAGE]})
    return Answer({"code": 200, "data": PAGE if "https" in sent.path else STATEMENT})


@pytest.fixture
def root(server: Recorder) -> str:
    server.answer = _answer
    return server.url.removesuffix("/v1")


def _reader(root: str, mode: Any, **options: Any) -> JinaReaderConnector:
    return JinaReaderConnector(mode, api_key=Secret.from_token(KEY), base_url=root, **options)


def _runs(reader: JinaReaderConnector) -> list[Any]:
    return [reader.run, lambda query, headers=None: asyncio.run(reader.run_async(query, headers))]


def test_reading_a_page_returns_one_document(root: str) -> None:
    for run in _runs(_reader(root, "read")):
        output = run("https://cats.example/")
        assert set(output) == {"documents"}
        (document,) = output["documents"]
        assert document.content == "# Cats"
        assert document.meta == {name: value for name, value in PAGE.items() if name != "content"}


def test_a_search_returns_one_document_per_page(root: str, server: Recorder) -> None:
    query = "What is C# used for? a & b"
    for run in _runs(_reader(root, JinaReaderMode.SEARCH)):
        assert [document.meta["title"] for document in run(query)["documents"]] == ["Cats", "Cats"]
    assert [parse_qs(urlsplit(sent.path).query) for sent in server.sent] == [{"q": [query]}] * 2


def test_grounding_returns_a_document_with_the_reason(root: str, server: Recorder) -> None:
    for run in _runs(_reader(root, "ground")):
        (document,) = run("Cats sleep.")["documents"]
        assert (document.content, document.meta["factuality"]) == ("It is known.", 1)
        assert "reason" not in document.meta
    assert unquote(server.sent[0].path) == "/Cats sleep."


@pytest.mark.parametrize("mode", list(JinaReaderMode))
def test_plain_text_becomes_one_document(root: str, mode: JinaReaderMode) -> None:
    for run in _runs(_reader(root, mode, json_response=False)):
        (document,) = run("https://cats.example/")["documents"]
        assert document.content == "Title: Cats"
        assert document.meta == {"content_type": "text/plain; charset=utf-8", "query": "https://cats.example/"}


def test_the_callers_headers_are_not_changed(root: str, server: Recorder) -> None:
    headers = {"X-No-Cache": "true"}
    for run in _runs(_reader(root, "read")):
        run("https://cats.example/", headers)
    assert headers == {"X-No-Cache": "true"}
    assert {sent.headers["x-no-cache"] for sent in server.sent} == {"true"}
    assert {sent.headers["authorization"] for sent in server.sent} == {f"Bearer {KEY}"}


def test_an_empty_balance_raises(root: str, server: Recorder) -> None:
    server.answer = lambda sent: Answer({"code": 402, "message": "Account balance not enough"}, 402)
    for run in _runs(_reader(root, "read")):
        with pytest.raises(PaymentRequiredError, match="balance"):
            run("https://cats.example/")


def test_the_mode_may_be_a_name() -> None:
    assert [str(mode) for mode in JinaReaderMode] == ["read", "search", "ground"]
    assert JinaReaderMode.from_str("ground") is JinaReaderMode.GROUND
    for make in (JinaReaderMode.from_str, JinaReaderConnector):
        with pytest.raises(ValueError, match="read, search, ground") as caught:
            make("write")
        assert isinstance(caught.value, JinaInputError)
    with pytest.raises(JinaArgumentError, match="did you mean 'mode'"):
        JinaReaderConnector(mode="read", mod="x")  # type: ignore[call-arg]


def test_the_engine_cannot_read_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_BASE_URL", "local")
    with pytest.raises(JinaInputError, match=r"api\.jina\.ai"):
        JinaReaderConnector("read").run("https://cats.example/")


def test_a_client_of_another_server_cannot_read_pages(server: Recorder) -> None:
    with pytest.raises(JinaInputError, match=r"r\.jina\.ai"):
        JinaReaderConnector("read", client=JinaClient(base_url=server.url)).run("https://cats.example/")


def test_a_saved_connector_keeps_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    saved = JinaReaderConnector("search", timeout=90.0).to_dict()
    assert saved == {
        "type": "haystack_integrations.components.connectors.jina.reader.JinaReaderConnector",
        "init_parameters": {
            "api_key": {"type": "env_var", "env_vars": ["JINA_API_KEY"], "strict": True},
            "timeout": 90.0,
            "mode": "search",
            "json_response": True,
        },
    }
    assert JinaReaderConnector.from_dict(saved).to_dict() == saved
