"""Programs written for jina-haystack 2.0.1: attributes, private hooks, subclasses."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

import pytest
from haystack import Document, component
from haystack.utils import Secret
from haystack_integrations.components.connectors.jina import JinaReaderConnector
from haystack_integrations.components.embedders.jina import (
    JinaDocumentEmbedder,
    JinaDocumentImageEmbedder,
    JinaTextEmbedder,
)
from haystack_integrations.components.rankers.jina import JinaRanker
from jina_client import JinaArgumentError, JinaClient, JinaInputError
from loopback import Recorder

HOST = "https://api.jina.ai/v1"
KINDS = [JinaTextEmbedder, JinaDocumentEmbedder, JinaDocumentImageEmbedder, JinaRanker]
DOCUMENTS = [Document(content="a"), Document(content="bb")]


@pytest.mark.parametrize("kind", KINDS)
def test_the_address_can_be_read_and_set(kind: Any, server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = "rerank" if kind is JinaRanker else "embeddings"
    module = importlib.import_module(kind.__module__)
    assert kind().base_url == module.JINA_API_URL == f"{HOST}/{endpoint}"
    instance = kind(base_url=f"{HOST}/{endpoint}")
    assert instance.base_url == f"{HOST}/{endpoint}"
    instance.base_url = server.url
    assert instance.base_url == instance.to_dict()["init_parameters"]["base_url"] == server.url
    monkeypatch.setenv("JINA_BASE_URL", "local")
    assert kind().base_url == "local"
    assert kind(client=JinaClient(base_url=server.url)).base_url == server.url


def test_an_address_set_after_a_run_takes_effect(server: Recorder) -> None:
    embedder = JinaTextEmbedder(base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(RuntimeError):
        embedder.run("a")
    embedder.base_url = f"{server.url}/embeddings"
    embedder.api_key = Secret.from_token("jina_other")
    embedder.run("a")
    asyncio.run(embedder.run_async("a"))
    assert [sent.headers["authorization"] for sent in server.sent] == ["Bearer jina_other"] * 2


def test_every_argument_is_a_saved_attribute() -> None:
    embedder: Any = JinaTextEmbedder(base_url="local", timeout=5.0)
    changes = {"model": "jina-embeddings-v4", "timeout": 7.0, "max_retries": 1, "dimensions": 64, "prefix": "q: "}
    assert (embedder.timeout, embedder.max_retries, embedder.cache) == (5.0, None, None)
    for name, value in changes.items():
        setattr(embedder, name, value)
        assert getattr(embedder, name) == value
    saved = embedder.to_dict()["init_parameters"]
    assert {name: saved[name] for name in changes} == changes
    copy = JinaTextEmbedder.from_dict(embedder.to_dict())
    assert copy.to_dict() == embedder.to_dict()
    with pytest.raises(JinaArgumentError, match="api_key must be a Secret"):
        embedder.api_key = "jina_key"
    assert JinaReaderConnector(mode="read").base_url is None


def test_removed_private_names_name_their_replacement() -> None:
    embedder: Any = JinaDocumentEmbedder(base_url="local")
    with pytest.raises(AttributeError, match="'_headers': pass client="):
        embedder._headers["X-Own"] = "1"
    with pytest.raises(AttributeError, match="'_headers': pass client="):
        embedder._headers = {}
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        embedder.nothing()
    with pytest.raises(
        JinaArgumentError, match="OwnTransfer overrides _embed_batch, which this version does not call: override run"
    ):

        class OwnTransfer(JinaDocumentEmbedder):
            def _embed_batch(self, *args: Any) -> Any: ...


def test_a_subclass_may_replace_the_text_preparation(server: Recorder) -> None:
    @component
    class Upper(JinaDocumentEmbedder):
        def _prepare_texts_to_embed(self, documents: list[Document]) -> list[str]:
            return [(document.content or "").upper() for document in documents]

    embedder = Upper(base_url=server.url, progress_bar=False)
    embedder.run(documents=DOCUMENTS)
    asyncio.run(embedder.run_async(documents=DOCUMENTS))
    assert [sent.body["input"] for sent in server.sent] == [["A", "BB"]] * 2
    assert JinaDocumentEmbedder()._prepare_texts_to_embed(DOCUMENTS) == ["a", "bb"]


def test_an_overridden_run_is_used_by_async_pipelines(server: Recorder) -> None:
    @component
    class Own(JinaTextEmbedder):
        @component.output_types(embedding=list[float], meta=dict[str, Any])
        def run(self, text: str) -> dict[str, Any]:
            return {"embedding": [1.0], "meta": {}}

    assert asyncio.run(Own(base_url=server.url).run_async("a"))["embedding"] == [1.0]
    assert server.sent == []


@pytest.mark.parametrize(
    "run",
    [
        lambda embedder: embedder.run(documents=DOCUMENTS),
        lambda embedder: asyncio.run(embedder.run_async(documents=DOCUMENTS)),
    ],
    ids=["run", "run_async"],
)
def test_late_chunking_without_a_document_id_warns_of_the_callers_line(
    server: Recorder, run: Callable[[Any], Any]
) -> None:
    embedder = JinaDocumentEmbedder(base_url=server.url, late_chunking=True, progress_bar=False)
    message = r"2 of 2 Documents have no meta\['source_id'\].*late_chunking_field="
    with pytest.warns(UserWarning, match=message) as caught:
        run(embedder)
    assert [warning.filename for warning in caught if "source_id" in str(warning.message)] == [__file__]


def test_the_error_for_a_document_without_text_names_raise_on_failure(server: Recorder) -> None:
    with pytest.raises(JinaInputError, match="with raise_on_failure=False such Documents come back"):
        JinaDocumentEmbedder(base_url=server.url).run(documents=[Document(content=None)])
