"""Asked through the client or through any framework, the same gives the same: vectors, order, usage and errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from haystack import Document as HaystackDocument
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
from haystack_integrations.components.rankers.jina import JinaRanker
from jina_client import AsyncJinaClient, BadRequestError, JinaClient, JinaError, JinaInputError
from jina_client.components import CONNECTION_OPTIONS
from langchain_core.documents import Document as LangChainDocument
from langchain_jina import JinaEmbeddings
from langchain_jina import JinaRerank as LangChainRerank
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank as LlamaIndexRerank
from loopback import Answer, Recorder, Sent, vector_of

EMBEDDER, RERANKER = "jina-embeddings-v3", "jina-reranker-v2-base-multilingual"
PASSAGE = "Represent the document for retrieval: "
QUERY = "What does the cat do?"
TEXTS = ["Stocks fell sharply today.", "The cat sleeps on the sofa.", "", "Köln, 東京 and 🐈", "A cat. " * 300]

Ways = dict[str, Callable[..., Any]]


def _haystack_documents(texts: list[str]) -> list[HaystackDocument]:
    return [HaystackDocument(content=text, id=str(number)) for number, text in enumerate(texts)]


def _nodes(texts: list[str]) -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text, id_=str(number))) for number, text in enumerate(texts)]


def _haystack_embedder(**options: Any) -> JinaDocumentEmbedder:
    return JinaDocumentEmbedder(progress_bar=False, **options)


DOCUMENT_VECTORS: Ways = {
    "client": lambda texts, model, **options: JinaClient(**options).embed(texts, model=model).tolist(),
    "async client": lambda texts, model, **options: asyncio.run(
        AsyncJinaClient(**options).embed(texts, model=model)
    ).tolist(),
    "langchain": lambda texts, **options: JinaEmbeddings(**options).embed_documents(texts),
    "async langchain": lambda texts, **options: asyncio.run(JinaEmbeddings(**options).aembed_documents(texts)),
    "llama-index": lambda texts, **options: JinaEmbedding(**options).get_text_embedding_batch(texts),
    "async llama-index": lambda texts, **options: asyncio.run(
        JinaEmbedding(**options).aget_text_embedding_batch(texts)
    ),
    "haystack": lambda texts, **options: [
        document.embedding for document in _haystack_embedder(**options).run(_haystack_documents(texts))["documents"]
    ],
    "async haystack": lambda texts, **options: [
        document.embedding
        for document in asyncio.run(_haystack_embedder(**options).run_async(_haystack_documents(texts)))["documents"]
    ],
}

QUERY_VECTORS: Ways = {
    "langchain": lambda text, **options: JinaEmbeddings(**options).embed_query(text),
    "async langchain": lambda text, **options: asyncio.run(JinaEmbeddings(**options).aembed_query(text)),
    "llama-index": lambda text, **options: JinaEmbedding(**options).get_query_embedding(text),
    "async llama-index": lambda text, **options: asyncio.run(JinaEmbedding(**options).aget_query_embedding(text)),
    "haystack": lambda text, **options: JinaTextEmbedder(**options).run(text)["embedding"],
    "async haystack": lambda text, **options: asyncio.run(JinaTextEmbedder(**options).run_async(text))["embedding"],
}

RANKINGS: Ways = {
    "langchain": lambda query, texts, top_n, **options: [
        (int(found.id), found.metadata["relevance_score"])
        for found in LangChainRerank(top_n=top_n, **options).compress_documents(
            [LangChainDocument(text, id=str(number)) for number, text in enumerate(texts)], query
        )
    ],
    "async langchain": lambda query, texts, top_n, **options: [
        (int(found.id), found.metadata["relevance_score"])
        for found in asyncio.run(
            LangChainRerank(top_n=top_n, **options).acompress_documents(
                [LangChainDocument(text, id=str(number)) for number, text in enumerate(texts)], query
            )
        )
    ],
    "llama-index": lambda query, texts, top_n, **options: [
        (int(found.node_id), found.score)
        for found in LlamaIndexRerank(top_n=top_n, **options).postprocess_nodes(_nodes(texts), query_str=query)
    ],
    "async llama-index": lambda query, texts, top_n, **options: [
        (int(found.node_id), found.score)
        for found in asyncio.run(
            LlamaIndexRerank(top_n=top_n, **options).apostprocess_nodes(_nodes(texts), query_str=query)
        )
    ],
    "haystack": lambda query, texts, top_n, **options: [
        (int(found.id), found.score)
        for found in JinaRanker(top_k=top_n, **options).run(query, _haystack_documents(texts))["documents"]
    ],
}


@pytest.mark.parametrize("way", DOCUMENT_VECTORS)
def test_documents_have_the_same_vectors_to_the_last_bit(engine_url: str, way: str) -> None:
    expected = JinaClient(base_url="local").embed(TEXTS, model=EMBEDDER).vectors
    found = DOCUMENT_VECTORS[way](TEXTS, model=EMBEDDER, base_url=engine_url)
    assert np.array_equal(np.asarray(found, dtype=np.float32), expected)


@pytest.mark.parametrize("way", QUERY_VECTORS)
def test_queries_have_the_same_vectors_to_the_last_bit(engine_url: str, way: str) -> None:
    client = JinaClient(base_url="local")
    expected = client.embed([QUERY], model=EMBEDDER, task="retrieval.query").vectors[0]
    found = QUERY_VECTORS[way](QUERY, model=EMBEDDER, base_url=engine_url)
    assert np.array_equal(np.asarray(found, dtype=np.float32), expected)


@pytest.mark.parametrize("way", RANKINGS)
def test_rankings_have_the_same_order_and_scores(engine_url: str, way: str) -> None:
    expected = JinaClient(base_url="local").rerank(QUERY, TEXTS, model=RERANKER, top_n=3)
    found = RANKINGS[way](QUERY, TEXTS, 3, model=RERANKER, base_url=engine_url)
    assert found == [(ranked.index, ranked.relevance_score) for ranked in expected]


MISTAKES: dict[str, tuple[dict[str, Any], type[JinaError], str]] = {
    "no key": ({}, JinaInputError, "JINA_API_KEY"),
    "a task the model lacks": ({"task": "translation", "base_url": "local"}, JinaInputError, "it has: retrieval.query"),
    "dimensions out of range": ({"dimensions": 4096, "base_url": "local"}, JinaInputError, "1 to 1024"),
    "a reranker": ({"model": "jina-reranker-v3", "base_url": "local"}, JinaInputError, "use one of: jina-embeddings"),
    "an unknown model": ({"model": "jina-embeddings-v99", "base_url": "local"}, BadRequestError, "Available models:"),
    "an unknown argument": ({"dimensoins": 64}, JinaInputError, "did you mean 'dimensions'"),
    "a dialect that is none": ({"dialect": "klingon", "base_url": "local"}, JinaInputError, "infinity"),
    "a base_url that is none": ({"base_url": "localhost"}, JinaInputError, "base_url must be 'local' or a URL"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("way", QUERY_VECTORS)
def test_the_same_mistake_gets_the_same_error(way: str, mistake: str) -> None:
    options, kind, message = MISTAKES[mistake]
    with pytest.raises(kind, match=message):
        QUERY_VECTORS[way](QUERY, **{"model": EMBEDDER, **options})


def test_usage_is_the_same_everywhere(engine_url: str) -> None:
    def used(run: Callable[[JinaClient], Any]) -> int:
        with JinaClient(base_url=engine_url) as client:
            run(client)
            return client.usage.total_tokens

    counts = {
        used(lambda client: client.embed(TEXTS, model=EMBEDDER)),
        used(lambda client: JinaEmbeddings(model=EMBEDDER, client=client).embed_documents(TEXTS)),
        used(lambda client: JinaEmbedding(EMBEDDER, client=client).get_text_embedding_batch(TEXTS)),
        used(lambda client: _haystack_embedder(model=EMBEDDER, client=client).run(_haystack_documents(TEXTS))),
    }
    reported = _haystack_embedder(model=EMBEDDER, base_url=engine_url).run(_haystack_documents(TEXTS))["meta"]["usage"]
    assert counts == {reported["total_tokens"]}


@pytest.mark.parametrize("dialect", ["vllm", "infinity", "tei"])
@pytest.mark.parametrize("way", DOCUMENT_VECTORS)
def test_every_way_speaks_every_dialect(server: Recorder, way: str, dialect: str) -> None:
    def answer(sent: Sent) -> Answer:
        texts = sent.body["input"]
        data = [{"index": index, "embedding": vector_of(text).tolist()} for index, text in enumerate(texts)]
        return Answer({"object": "list", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}})

    server.answer = answer
    found = DOCUMENT_VECTORS[way](["one", "two"], model=EMBEDDER, base_url=server.url, dialect=dialect)
    assert [sent.body["input"] for sent in server.sent] == [[PASSAGE + "one", PASSAGE + "two"]]
    np.testing.assert_allclose(found, [vector_of(PASSAGE + text) for text in ("one", "two")], rtol=1e-6)


@pytest.mark.parametrize("way", RANKINGS)
def test_every_reranker_speaks_a_dialect(server: Recorder, way: str) -> None:
    server.answer = lambda sent: Answer([{"index": 1, "score": 0.9}, {"index": 0, "score": -0.5}])
    found = RANKINGS[way](QUERY, ["one", "two"], 1, model=RERANKER, base_url=server.url, dialect="tei")
    assert found == [(1, 0.9)]
    assert [(sent.path, sent.body["texts"]) for sent in server.sent] == [("/rerank", ["one", "two"])]


OPTIONS: dict[str, Any] = {
    "base_url": "local",
    "timeout": 12.5,
    "max_retries": 1,
    "retry_timeout": 77.0,
    "max_concurrency": 3,
    "requests_per_minute": 90,
    "tokens_per_minute": 90_000,
    "dialect": "jina",
}


@pytest.mark.parametrize("kind", [JinaEmbeddings, LangChainRerank, JinaEmbedding, LlamaIndexRerank])
def test_every_option_of_the_client_reaches_it_through_pydantic_frameworks(kind: Any, tmp_path: Path) -> None:
    options = {**OPTIONS, "cache": str(tmp_path / "vectors")}
    assert set(options) == set(CONNECTION_OPTIONS)
    settings = kind(**options)._connection().client.settings
    assert {name: getattr(settings, name) for name in OPTIONS} == OPTIONS
    assert settings.cache.path == options["cache"]


@pytest.mark.parametrize("kind", [JinaTextEmbedder, JinaDocumentEmbedder, JinaRanker])
def test_every_option_of_the_client_reaches_it_through_haystack_and_is_saved(kind: Any, tmp_path: Path) -> None:
    options = {**OPTIONS, "cache": str(tmp_path / "vectors")}
    saved = kind(**options).to_dict()
    assert {name: saved["init_parameters"][name] for name in options} == options
    loaded = kind.from_dict(saved)
    settings = loaded._connection.open().client.settings
    assert {name: getattr(settings, name) for name in OPTIONS} == OPTIONS
    assert "timeout" not in kind().to_dict()["init_parameters"]


@pytest.mark.parametrize("way", QUERY_VECTORS)
def test_a_cache_saves_the_second_time(server: Recorder, way: str, tmp_path: Path) -> None:
    options = {"model": EMBEDDER, "base_url": server.url, "cache": str(tmp_path / "vectors")}
    first = DOCUMENT_VECTORS[way](["one", "two"], **options)
    assert DOCUMENT_VECTORS[way](["two", "one"], **options) == first[::-1]
    assert len(server.sent) == 1
    # A query is not a document.
    QUERY_VECTORS[way]("one", **options)
    assert len(server.sent) == 2
