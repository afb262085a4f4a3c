"""Subclasses written for ``langchain_community``: what they replace holds for every way to call them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from jina_client import JinaInputError
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_jina import JinaEmbeddings, JinaRerank, add_chunks
from loopback import Recorder

DOCUMENTS = [Document(text, metadata={"source": "1"}) for text in ("short", "a longer text")]


class OwnTransfer(JinaEmbeddings):
    """Replaces the method that sends, as most public subclasses do."""

    def _embed(self, input: Any) -> list[list[float]]:
        return [[float(len(str(each))), 1.0] for each in input]


class OwnMethods(JinaEmbeddings):
    """Replaces both public methods."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(len(text))] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class Prefixing(JinaEmbeddings):
    """Changes the inputs and leaves the sending to the base class."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return super().embed_documents([f"passage: {text}" for text in texts])


def test_an_overridden_embed_serves_all_calls(server: Recorder) -> None:
    model = OwnTransfer(base_url=server.url)
    assert model.embed_documents(["abc"]) == asyncio.run(model.aembed_documents(["abc"])) == [[3.0, 1.0]]
    assert model.embed_query("abc") == asyncio.run(model.aembed_query("abc")) == [3.0, 1.0]
    assert model.embed_images(["cat.png"]) == asyncio.run(model.aembed_images(["cat.png"]))
    assert model.embed_image_query("cat.png") == asyncio.run(model.aembed_image_query("cat.png"))
    assert server.sent == []


def test_overridden_methods_serve_async_calls(server: Recorder) -> None:
    model = OwnMethods(base_url=server.url)
    assert asyncio.run(model.aembed_documents(["abc"])) == [[3.0]]
    assert asyncio.run(model.aembed_query("abcd")) == [4.0]
    store = asyncio.run(InMemoryVectorStore.afrom_texts(["abc"], model))
    assert asyncio.run(store.asimilarity_search("x"))[0].page_content == "abc"
    assert server.sent == []


def test_async_calls_use_an_overridden_preparation(server: Recorder) -> None:
    model = Prefixing(model="jina-embeddings-v3", base_url=server.url)
    assert model.embed_documents(["a"]) == asyncio.run(model.aembed_documents(["a"]))
    assert [sent.body["input"] for sent in server.sent] == [["passage: a"]] * 2


def test_a_subclass_may_override_sync_and_async(server: Recorder) -> None:
    class Both(OwnMethods):
        async def aembed_query(self, text: str) -> list[float]:
            return [-1.0]

    assert asyncio.run(Both(base_url=server.url).aembed_query("a")) == [-1.0]
    assert asyncio.run(Both(base_url=server.url).aembed_documents(["a"])) == [[1.0]]


@pytest.mark.parametrize("kind", [OwnTransfer, OwnMethods])
def test_late_chunking_does_not_bypass_overrides(server: Recorder, kind: type[JinaEmbeddings]) -> None:
    model = kind(model="jina-embeddings-v3", base_url=server.url)
    with pytest.raises(JinaInputError, match=rf"{kind.__name__} overrides .*: override embed_chunks as well"):
        add_chunks(InMemoryVectorStore(model), DOCUMENTS)
    with pytest.raises(JinaInputError, match="override aembed_chunked as well"):
        asyncio.run(model.aembed_chunked([["a"]]))
    assert server.sent == []


class OwnRerank(JinaRerank):
    def rerank(self, documents: Sequence[Any], query: str, **options: Any) -> list[dict[str, Any]]:
        return [{"index": 1, "relevance_score": 0.5}]


class OwnCompressor(JinaRerank):
    def compress_documents(self, documents: Sequence[Document], query: str, callbacks: Any = None) -> list[Document]:
        return [documents[1]]


@pytest.mark.parametrize("kind", [OwnRerank, OwnCompressor])
def test_an_overridden_rerank_or_compressor_serves_all_calls(server: Recorder, kind: type[JinaRerank]) -> None:
    reranker = kind(base_url=server.url)
    chain_input: Any = {"query": "q", "documents": DOCUMENTS}
    results = [
        reranker.compress_documents(DOCUMENTS, "q"),
        asyncio.run(reranker.acompress_documents(DOCUMENTS, "q")),
        reranker.invoke(chain_input),
        asyncio.run(reranker.ainvoke(chain_input)),
    ]
    assert [[document.page_content for document in result] for result in results] == [["a longer text"]] * 4
    assert server.sent == []


def test_an_overridden_rerank_receives_bound_options() -> None:
    class Recording(OwnRerank):
        def rerank(self, documents: Sequence[Any], query: str, **options: Any) -> list[dict[str, Any]]:
            calls.append(options)
            return []

    calls: list[dict[str, Any]] = []
    chain_input: Any = {"query": "q", "documents": DOCUMENTS}
    Recording(base_url="local").bind(top_n=1).invoke(chain_input)
    asyncio.run(Recording(base_url="local").bind(model="m").ainvoke(chain_input))
    assert calls == [{"top_n": 1}, {"model": "m"}]
    with pytest.raises(JinaInputError, match="set them as attributes"):
        OwnCompressor(base_url="local").bind(top_n=1).invoke(chain_input)


@pytest.mark.parametrize("kind", [JinaEmbeddings, JinaRerank])
def test_the_session_of_old_subclasses_names_its_replacement(kind: Any) -> None:
    with pytest.raises(AttributeError, match=r"has no attribute session: .* pass client="):
        kind(base_url="local").session  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kind(base_url="local").nothing  # noqa: B018

    class WithSession(kind):  # type: ignore[misc]
        session: Any = None

    assert WithSession(base_url="local", session="own").session == "own"
