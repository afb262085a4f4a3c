"""Faults of the earlier LlamaIndex packages for Jina that this integration does not have."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import certifi
import numpy as np
import pytest
from jina_client import (
    BadRequestError,
    JinaArgumentError,
    JinaInputError,
    JinaResponseError,
    JinaTimeoutError,
    RateLimitError,
    ServerError,
)
from llama_index.core.ingestion.pipeline import get_transformation_hash
from llama_index.core.schema import NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from loopback import Answer, Recorder, Sent, embeddings, right_answer, vector_of
from PIL import Image

KEY = "jina_0123456789abcdef"
Calls = dict[str, Callable[[JinaEmbedding], Any]]

TEXT_CALLS: Calls = {
    "query": lambda embedding: embedding.get_query_embedding("a"),
    "async query": lambda embedding: asyncio.run(embedding.aget_query_embedding("a")),
    "text": lambda embedding: embedding.get_text_embedding("a"),
    "async text": lambda embedding: asyncio.run(embedding.aget_text_embedding("a")),
    "texts": lambda embedding: embedding.get_text_embedding_batch(["a", "b"]),
    "async texts": lambda embedding: asyncio.run(embedding.aget_text_embedding_batch(["a", "b"])),
}


def _nodes(*texts: str) -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text, id_=text)) for text in texts]


def _chunks(*sources: str) -> list[TextNode]:
    return [
        TextNode(text=f"chunk {number}", relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)})
        for number, source in enumerate(sources)
    ]


@pytest.mark.parametrize("call", TEXT_CALLS)
@pytest.mark.parametrize("variable", ["JINAAI_API_KEY", "JINA_API_KEY"])
def test_a_key_from_the_environment_is_sent(
    server: Recorder, monkeypatch: pytest.MonkeyPatch, call: str, variable: str
) -> None:
    monkeypatch.setenv(variable, KEY)
    TEXT_CALLS[call](JinaEmbedding(base_url=server.url))
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"


def test_base_url_is_used_for_texts(server: Recorder) -> None:
    for url in (server.url, f"{server.url}/embeddings"):
        JinaEmbedding(base_url=url).get_text_embedding("a")
    for url in (server.url, f"{server.url}/rerank"):
        JinaRerank(base_url=url).postprocess_nodes(_nodes("a"), query_str="q")
    assert [sent.path for sent in server.sent] == ["/v1/embeddings"] * 2 + ["/v1/rerank"] * 2


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("call", TEXT_CALLS)
def test_transient_errors_are_retried(server: Recorder, call: str, status: int) -> None:
    def answer(sent: Sent) -> Answer:
        return right_answer(sent) if len(server.sent) > 1 else Answer({}, status, {"Retry-After": "0"})

    server.answer = answer
    TEXT_CALLS[call](JinaEmbedding(base_url=server.url))
    assert len(server.sent) == 2


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (Answer(b"<html><h1>502 Bad Gateway</h1></html>", 502), ServerError, "502 Bad Gateway"),
        (Answer({"message": "too fast"}, 429), RateLimitError, "too fast"),
        (Answer({"detail": {"message": "nested"}}, 400), BadRequestError, "nested"),
        (Answer({"detail": "plain", "request_id": "r-1"}, 422), BadRequestError, "plain .*r-1"),
    ],
)
def test_errors_are_typed_for_every_body(server: Recorder, answer: Answer, kind: type, message: str) -> None:
    server.answer = lambda sent: answer
    embedding = JinaEmbedding(base_url=server.url, max_retries=0)
    for call in TEXT_CALLS.values():
        with pytest.raises(kind, match=message) as caught:
            call(embedding)
        assert isinstance(caught.value, RuntimeError)
    with pytest.raises(kind, match=message):
        JinaRerank(base_url=server.url, max_retries=0).postprocess_nodes(_nodes("a"), query_str="q")


def test_requests_have_a_timeout(server: Recorder) -> None:
    def answer(sent: Sent) -> Answer:
        time.sleep(0.5)
        return right_answer(sent)

    server.answer = answer
    options: dict[str, Any] = {"base_url": server.url, "timeout": 0.1, "max_retries": 0}
    with pytest.raises(JinaTimeoutError):
        JinaEmbedding(**options).get_text_embedding("a")
    with pytest.raises(JinaTimeoutError):
        asyncio.run(JinaRerank(**options).apostprocess_nodes(_nodes("a"), query_str="q"))


def test_a_long_list_is_split_into_requests_of_512(server: Recorder) -> None:
    server.answer = lambda sent: Answer(embeddings(sent, 2048))
    embedding = JinaEmbedding("jina-embeddings-v4", base_url=server.url, embed_batch_size=2048)
    assert len(embedding.get_text_embedding_batch([str(number) for number in range(600)])) == 600
    assert max(len(sent.body["input"]) for sent in server.sent) <= 512


EVERYTHING: dict[str, Any] = {
    "model": "jina-embeddings-v3",
    "embed_batch_size": 64,
    "encoding_queries": "ubinary",
    "encoding_documents": "binary",
    "task": "text-matching",
    "query_task": "classification",
    "document_task": "separation",
    "dimensions": 256,
    "late_chunking": True,
    "normalized": False,
    "truncate": True,
    "max_image_side": 512,
    "num_workers": 3,
    "model_name": "a label",
    "base_url": "http://127.0.0.1:1/v1",
    "timeout": 7.5,
    "max_retries": 1,
    "retry_timeout": 77.0,
    "max_concurrency": 3,
    "requests_per_minute": 90,
    "tokens_per_minute": 90_000,
    "dialect": "jina",
    "cache": "vectors.cache",
    "headers": {"X-Team": "search"},
    "key_header": "api-key",
    "ca_bundle": certifi.where(),
}
RERANKING: dict[str, Any] = {
    "top_n": 5,
    "model": "jina-reranker-v3",
    "truncation": True,
    "max_doc_length": 100,
    "max_image_side": 512,
    **{name: EVERYTHING[name] for name in list(EVERYTHING)[list(EVERYTHING).index("base_url") :]},
}
COMPONENTS: list[tuple[Any, dict[str, Any]]] = [(JinaEmbedding, EVERYTHING), (JinaRerank, RERANKING)]


@pytest.mark.parametrize(("kind", "options"), COMPONENTS)
def test_a_dict_keeps_every_option_but_the_key(kind: Any, options: dict[str, Any]) -> None:
    component = kind(**options, api_key=KEY)
    saved = component.to_dict()
    assert {name: saved[name] for name in options} == options
    for again in (kind.from_dict(saved), kind.from_json(component.to_json())):
        assert again.to_dict() == saved
        assert again.api_key is None
    output = f"{component!r} {component} {saved} {component.to_json()} {component.model_dump()} {component.dict()}"
    assert KEY not in output
    assert "api_key" not in output


@pytest.mark.parametrize(("kind", "options"), COMPONENTS)
def test_a_pickle_keeps_every_option_and_the_key(kind: Any, options: dict[str, Any]) -> None:
    component = kind(**options, api_key=KEY)
    again = pickle.loads(pickle.dumps(component))
    assert again.to_dict() == component.to_dict()
    assert again.api_key.get_secret_value() == KEY


def test_hashes_and_events_do_not_contain_the_key() -> None:
    nodes = [TextNode(text="a")]
    plain, keyed = JinaEmbedding(base_url="local"), JinaEmbedding(base_url="local", api_key=KEY)
    assert get_transformation_hash(nodes, plain) == get_transformation_hash(nodes, keyed)
    assert get_transformation_hash(nodes, plain) != get_transformation_hash(
        nodes, JinaEmbedding(base_url="local", dimensions=64)
    )
    assert keyed.to_payload() == plain.to_payload()


def test_empty_lists_and_none_send_no_request(server: Recorder) -> None:
    embedding, reranker = JinaEmbedding(base_url=server.url), JinaRerank(base_url=server.url)
    assert embedding.get_text_embedding_batch([]) == asyncio.run(embedding.aget_text_embedding_batch([])) == []
    assert reranker.postprocess_nodes([], query_str="q") == []
    assert asyncio.run(reranker.apostprocess_nodes([], query_str="q")) == []
    with pytest.raises(JinaInputError, match=r"inputs\[0\] must be a string, got None"):
        embedding.get_query_embedding(None)  # type: ignore[arg-type]
    assert server.sent == []


@pytest.mark.parametrize("use_async", [False, True])
def test_chunks_of_two_documents_never_share_a_request(server: Recorder, use_async: bool) -> None:
    nodes = _chunks(*("ab" * 700))
    embedding = JinaEmbedding(base_url=server.url, late_chunking=True, embed_batch_size=2, dimensions=8)
    done = asyncio.run(embedding.acall(nodes)) if use_async else embedding(nodes)
    source = {node.text: node.ref_doc_id for node in nodes}
    assert all(len({source[text] for text in sent.body["input"]}) == 1 for sent in server.sent)
    assert len(server.sent) < 10
    for sent in server.sent:
        numbers = [int(text.split()[1]) for text in sent.body["input"]]
        assert numbers == sorted(numbers)
    assert all(np.array_equal(node.embedding, vector_of(node.text, 8)) for node in done)  # type: ignore[attr-defined]


def test_texts_without_a_document_are_not_chunked_late(server: Recorder) -> None:
    embedding = JinaEmbedding(base_url=server.url, late_chunking=True)
    with pytest.warns(UserWarning, match="among the transformations"):
        embedding.get_text_embedding_batch(["a", "b"])
    assert "late_chunking" not in server.sent[0].body


def test_async_requests_are_concurrent_and_bounded(server: Recorder) -> None:
    three = threading.Barrier(3)

    def answer(sent: Sent) -> Answer:
        # Nobody goes on before there are three.
        three.wait(30)
        return right_answer(sent)

    server.answer = answer
    embedding = JinaEmbedding(base_url=server.url, embed_batch_size=1, max_concurrency=3)
    asyncio.run(embedding.aget_text_embedding_batch([str(number) for number in range(30)]))
    assert server.most_in_flight == 3


@pytest.mark.parametrize("call", TEXT_CALLS)
def test_a_missing_vector_raises(server: Recorder, call: str) -> None:
    def answer(sent: Sent) -> Answer:
        body = embeddings(sent)
        body["data"].pop()
        return Answer(body)

    server.answer = answer
    with pytest.raises(JinaResponseError):
        TEXT_CALLS[call](JinaEmbedding(base_url=server.url))


def test_vectors_and_scores_are_placed_by_their_index(server: Recorder) -> None:
    def answer(sent: Sent) -> Answer:
        body = right_answer(sent).body
        return Answer({**body, **{name: body[name][::-1] for name in ("data", "results") if name in body}})

    server.answer = answer
    vectors = JinaEmbedding(base_url=server.url).get_text_embedding_batch(["a", "b"])
    assert np.array_equal(vectors, [vector_of("a"), vector_of("b")])
    results = JinaRerank(base_url=server.url).postprocess_nodes(_nodes("a", "bb", "ccc"), query_str="q")
    assert [node.node_id for node in results] == ["ccc", "bb"]


def _image_answer(sent: Sent) -> Answer:
    items = [item if isinstance(item, str) else json.dumps(item) for item in sent.body["input"]]
    return Answer(embeddings(Sent(sent.path, sent.headers, {**sent.body, "input": items})))


def test_images_of_every_shape_have_the_same_vector(server: Recorder, tmp_path: Path) -> None:
    server.answer = _image_answer
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(path)
    embedding = JinaEmbedding("jina-clip-v2", base_url=server.url, dimensions=64, task="retrieval.query")
    vector = asyncio.run(embedding.aget_image_embedding(str(path)))
    assert len(vector) == len(embedding.get_text_embedding("a")) == 64
    assert list(server.sent[0].body["input"][0]) == ["image"]
    assert [(sent.body["dimensions"], sent.body["task"]) for sent in server.sent] == [(64, "retrieval.query")] * 2
    shapes: list[Any] = [path, path.as_uri(), path.read_bytes(), BytesIO(path.read_bytes())]
    assert embedding.get_image_embedding_batch(shapes) == [vector] * 4
    with pytest.raises(JinaInputError, match="no file of this name"):
        embedding.get_image_embedding(str(tmp_path / "missing.png"))


def test_vectors_are_base64_and_documents_are_not_returned(server: Recorder) -> None:
    JinaEmbedding(base_url=server.url).get_text_embedding("a")
    JinaRerank(base_url=server.url).postprocess_nodes(_nodes("a"), query_str="q")
    assert server.sent[0].body["embedding_type"] == "base64"
    assert server.sent[1].body["return_documents"] is False


def test_connections_are_reused(server: Recorder) -> None:
    embedding, reranker = JinaEmbedding(base_url=server.url), JinaRerank(base_url=server.url)

    async def run() -> None:
        for _ in range(5):
            await embedding.aget_query_embedding("a")
            await reranker.apostprocess_nodes(_nodes("a"), query_str="q")
        await embedding.aclose()
        await reranker.aclose()

    asyncio.run(run())
    assert len(server.connections) == 2


def test_model_name_alone_is_rejected() -> None:
    with pytest.raises(JinaArgumentError, match="pass model='jina-embeddings-v4'"):
        JinaEmbedding(model_name="jina-embeddings-v4")
    assert JinaEmbedding("jina-embeddings-v4", model_name="ours").to_payload()["model_name"] == "ours"


def test_a_rate_limiter_is_called_before_every_batch(server: Recorder) -> None:
    class Limiter:
        asked = 0

        def acquire(self) -> None:
            self.asked += 1

        async def async_acquire(self) -> None:
            self.asked += 1

    server.answer = _image_answer
    limiter = Limiter()
    embedding = JinaEmbedding("jina-clip-v2", base_url=server.url, rate_limiter=limiter)
    url = "https://example.com/a.png"
    embedding.get_text_embedding("a")
    embedding.get_image_embedding(url)
    asyncio.run(embedding.aget_image_embedding(url))
    late = JinaEmbedding(base_url=server.url, rate_limiter=limiter, late_chunking=True)
    late(_chunks("a"))
    asyncio.run(late.acall(_chunks("a")))
    assert limiter.asked == 5
