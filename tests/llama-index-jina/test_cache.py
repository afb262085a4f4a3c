"""LlamaIndex's ``embeddings_cache``: nothing is found in it that another call would not have got."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.jinaai import JinaEmbedding
from loopback import Answer, Recorder, Sent, vector_of


@pytest.fixture
def told_apart(server: Recorder) -> Recorder:
    """A server whose vectors depend on all of the request."""

    def answer(sent: Sent) -> Answer:
        options = json.dumps({**sent.body, "input": None, "embedding_type": "float"}, sort_keys=True)
        vectors = [vector_of(options + text, sent.body.get("dimensions") or 1024) for text in sent.body["input"]]
        data = [{"index": index, "embedding": vector.tolist()} for index, vector in enumerate(vectors)]
        return Answer({"model": sent.body["model"], "object": "list", "usage": {"total_tokens": 1}, "data": data})

    server.answer = answer
    return server


def _query(embedding: BaseEmbedding) -> Any:
    return embedding.get_query_embedding("a")


def _aquery(embedding: BaseEmbedding) -> Any:
    return asyncio.run(embedding.aget_query_embedding("a"))


def _text(embedding: BaseEmbedding) -> Any:
    return embedding.get_text_embedding("a")


def _atext(embedding: BaseEmbedding) -> Any:
    return asyncio.run(embedding.aget_text_embedding("a"))


def _batch(embedding: BaseEmbedding) -> Any:
    return embedding.get_text_embedding_batch(["a"])[0]


def _abatch(embedding: BaseEmbedding) -> Any:
    return asyncio.run(embedding.aget_text_embedding_batch(["a"]))[0]


WAYS = [_query, _aquery, _text, _atext, _batch, _abatch]


def test_a_query_never_gets_the_cached_document_vector(told_apart: Recorder) -> None:
    plain = JinaEmbedding(base_url=told_apart.url)
    expected = [way(plain) for way in WAYS]
    for first in range(len(WAYS)):
        told_apart.sent.clear()
        embedding = JinaEmbedding(base_url=told_apart.url, embeddings_cache=SimpleKVStore())
        order = [*range(first, len(WAYS)), *range(first)]
        vectors_by_way = {number: WAYS[number](embedding) for number in order}
        assert [vectors_by_way[number] for number in range(len(WAYS))] == expected
        # One for the query and one for the document, however they are asked for.
        assert len(told_apart.sent) == 2


OPTIONS: list[dict[str, Any]] = [
    {},
    {"model": "jina-clip-v2"},
    {"dimensions": 64},
    {"task": "text-matching"},
    {"query_task": "separation", "document_task": "separation"},
    {"normalized": False},
    {"truncate": True},
]


def test_the_cache_key_includes_model_and_options(told_apart: Recorder) -> None:
    store = SimpleKVStore()
    for options in [*OPTIONS, *OPTIONS]:
        plain = JinaEmbedding(base_url=told_apart.url, **options)
        cached = JinaEmbedding(base_url=told_apart.url, embeddings_cache=store, **options)
        for way in WAYS:
            assert way(cached) == way(plain)
    other_service = told_apart.url.replace("127.0.0.1", "localhost")
    told_apart.sent.clear()
    JinaEmbedding(base_url=other_service, embeddings_cache=store).get_text_embedding("a")
    assert len(told_apart.sent) == 1


def test_the_cache_key_includes_the_encoding(server: Recorder) -> None:
    store = SimpleKVStore()
    for encoding in ("float", "binary", "ubinary", "float"):
        embedding = JinaEmbedding(base_url=server.url, encoding_documents=encoding, embeddings_cache=store)  # type: ignore[arg-type]
        vector = embedding.get_text_embedding("a")
        assert (set(vector) == {0, 1}) == (encoding != "float")
    assert len(server.sent) == 3


def test_only_missing_texts_are_sent(told_apart: Recorder) -> None:
    embedding = JinaEmbedding(base_url=told_apart.url, embeddings_cache=SimpleKVStore())
    embedding.get_text_embedding_batch(["a", "b"])
    asyncio.run(embedding.aget_text_embedding_batch(["c", "a", "d", "b"]))
    assert [sent.body["input"] for sent in told_apart.sent] == [["a", "b"], ["c", "d"]]
    # Over one connection of each kind.
    assert len(told_apart.connections) <= 2


def test_the_cache_store_contains_no_text(told_apart: Recorder, tmp_path: Path) -> None:
    store = SimpleKVStore()
    embedding = JinaEmbedding(base_url=told_apart.url)
    embedding.embeddings_cache = store
    vector = embedding.get_text_embedding("a secret text")
    assert embedding.embeddings_cache is store
    path = tmp_path / "vectors.json"
    store.persist(str(path))
    assert "secret" not in path.read_text()
    again = JinaEmbedding(base_url=told_apart.url, embeddings_cache=SimpleKVStore.from_persist_path(str(path)))
    assert again.get_text_embedding("a secret text") == vector
    assert len(told_apart.sent) == 1


def test_a_changed_option_changes_the_cache_key(told_apart: Recorder) -> None:
    embedding = JinaEmbedding(base_url=told_apart.url, embeddings_cache=SimpleKVStore())
    embedding.get_text_embedding("a")
    embedding.dimensions = 64
    assert len(embedding.get_text_embedding("a")) == 64


@pytest.mark.parametrize("store", [None, SimpleKVStore()])
def test_each_call_is_one_span(told_apart: Recorder, store: Any) -> None:
    handler = SimpleSpanHandler()
    get_dispatcher().add_span_handler(handler)
    try:
        embedding = JinaEmbedding(base_url=told_apart.url, embeddings_cache=store)
        for way in WAYS:
            way(embedding)
    finally:
        get_dispatcher().span_handlers.remove(handler)
    names = [span.id_.partition("-")[0].partition(".")[2] for span in handler.completed_spans]
    public = [name for name in names if not name.startswith("_")]
    kinds = ("query_embedding", "text_embedding", "text_embedding_batch")
    assert sorted(public) == sorted([f"{start}_{kind}" for kind in kinds for start in ("get", "aget")])
