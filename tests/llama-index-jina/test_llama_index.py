"""The LlamaIndex components, through LlamaIndex's own indexes, pipelines and events."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from jina_client import AsyncJinaClient, JinaArgumentError, JinaClient, JinaInputError
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.schema import NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from llama_index.retrievers.jinaai import JinaRetriever
from loopback import Recorder, vector_of

KEY = "jina_0123456789abcdef"
TEXTS = ["The cat sleeps on the sofa.", "Stocks fell sharply today.", "Bread needs flour, water and salt."]


def _nodes(*texts: str) -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text, id_=text)) for text in texts]


def _chunks() -> list[TextNode]:
    """Five chunks of two documents, one after the other."""
    sources = [{NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"document {number % 2}")} for number in range(5)]
    return [TextNode(text=f"chunk {number}", relationships=source) for number, source in enumerate(sources)]


@pytest.fixture
def default_loop() -> Iterator[None]:
    """The thread's event loop, which LlamaIndex uses for ``use_async=True`` and would leave open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    # A session whose owner is gone is closed by a task, which must start and finish before the loop closes.
    loop.run_until_complete(asyncio.sleep(0))
    for task in asyncio.all_tasks(loop):
        loop.run_until_complete(task)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.mark.parametrize("use_async", [False, True])
@pytest.mark.usefixtures("default_loop")
def test_an_index_and_a_reranker_answer_a_question(engine_url: str, use_async: bool) -> None:
    nodes = [TextNode(text=text, id_=str(number)) for number, text in enumerate(TEXTS)]
    index = VectorStoreIndex(nodes, embed_model=JinaEmbedding(base_url=engine_url), use_async=use_async)
    retriever = index.as_retriever(similarity_top_k=3)
    reranker = JinaRerank(top_n=1, base_url=engine_url)
    question = "What do I bake?"
    if use_async:
        results = asyncio.run(retriever.aretrieve(question))
        outcome = asyncio.run(reranker.apostprocess_nodes(results, query_str=question))
    else:
        results = retriever.retrieve(question)
        outcome = reranker.postprocess_nodes(results, query_str=question)
    assert [node.node_id for node in outcome] == ["2"]


def test_an_ingestion_pipeline_embeds_its_nodes(engine_url: str) -> None:
    pipeline = IngestionPipeline(transformations=[JinaEmbedding(base_url=engine_url, dimensions=64)])
    nodes = pipeline.run(documents=[Document(text=text) for text in TEXTS])
    assert [len(node.embedding or []) for node in nodes] == [64] * 3


def test_queries_and_documents_have_different_tasks(server: Recorder) -> None:
    embedding = JinaEmbedding(base_url=server.url)
    embedding.get_text_embedding("a")
    embedding.get_query_embedding("a")
    asyncio.run(embedding.aget_text_embedding("a"))
    asyncio.run(embedding.aget_query_embedding("a"))
    tasks = [sent.body["task"] for sent in server.sent]
    assert tasks == ["retrieval.passage", "retrieval.query"] * 2


def test_vectors_are_lists_in_input_order(server: Recorder) -> None:
    texts = [f"text {number}" for number in range(300)]
    expected = np.stack([vector_of(text) for text in texts])
    embedding = JinaEmbedding(base_url=server.url)
    assert np.array_equal(embedding.get_text_embedding_batch(texts), expected)
    assert np.array_equal(asyncio.run(embedding.aget_text_embedding_batch(texts)), expected)


def test_many_small_batches_stay_within_max_concurrency(server: Recorder) -> None:
    embedding = JinaEmbedding(base_url=server.url, embed_batch_size=1, max_concurrency=2)
    asyncio.run(embedding.aget_text_embedding_batch([str(number) for number in range(20)]))
    assert server.most_in_flight <= 2


def test_binary_vectors_are_lists_of_0_and_1(server: Recorder) -> None:
    for encoding in ("binary", "ubinary"):
        embedding = JinaEmbedding(base_url=server.url, encoding_documents=encoding)  # type: ignore[arg-type]
        assert np.array_equal(embedding.get_text_embedding("a"), vector_of("a") > 0)
        assert np.array_equal(embedding.get_query_embedding("a"), vector_of("a"))
    assert [sent.body["embedding_type"] for sent in server.sent] == ["binary", "base64", "ubinary", "base64"]


def test_late_chunking_groups_nodes_by_their_source(server: Recorder) -> None:
    for run in (lambda self, nodes: self(nodes), lambda self, nodes: asyncio.run(self.acall(nodes))):
        server.sent.clear()
        nodes = _chunks()
        run(JinaEmbedding(base_url=server.url, late_chunking=True), nodes)
        sent = sorted(sent.body["input"] for sent in server.sent)
        assert sent == [["chunk 0", "chunk 2", "chunk 4"], ["chunk 1", "chunk 3"]]
        assert all(request.body["late_chunking"] is True for request in server.sent)
        assert [np.array_equal(node.embedding, vector_of(node.text)) for node in nodes] == [True] * 5


class Events(BaseEventHandler):
    """Keeps the names of the events that are sent."""

    names: list[str] = []  # noqa: RUF012, pydantic copies it

    def handle(self, event: Any, **kwargs: Any) -> None:
        self.names.append(event.class_name())


def test_reranking_and_late_chunking_send_events(server: Recorder) -> None:
    handler, debug = Events(), LlamaDebugHandler(print_trace_on_end=False)
    get_dispatcher().add_event_handler(handler)
    callbacks = CallbackManager([debug])
    try:
        JinaRerank(base_url=server.url, callback_manager=callbacks).postprocess_nodes(_nodes("a", "b"), query_str="q")
        JinaEmbedding(base_url=server.url, late_chunking=True, callback_manager=callbacks)(_chunks())
    finally:
        get_dispatcher().event_handlers.remove(handler)
    assert handler.names == ["ReRankStartEvent", "ReRankEndEvent", "EmbeddingStartEvent", "EmbeddingEndEvent"]
    assert len(debug.get_event_pairs(CBEventType.RERANKING)) == 1
    assert len(debug.get_event_pairs(CBEventType.EMBEDDING)) == 1


def test_a_reranker_keeps_all_nodes_if_top_n_is_larger(server: Recorder) -> None:
    results = JinaRerank(top_n=10, base_url=server.url).postprocess_nodes(_nodes("a", "bbb", "cc"), query_str="q")
    assert [(node.node_id, node.score) for node in results] == [("bbb", 0.003), ("cc", 0.002), ("a", 0.001)]


def test_empty_input_sends_no_request(server: Recorder) -> None:
    assert JinaRerank(base_url=server.url).postprocess_nodes([], query_str="q") == []
    assert JinaEmbedding(base_url=server.url).get_text_embedding_batch([]) == []
    assert JinaEmbedding(base_url=server.url, late_chunking=True)([]) == []
    assert server.sent == []


def test_a_reranker_without_a_query_raises(server: Recorder) -> None:
    with pytest.raises(JinaInputError, match="query_str"):
        JinaRerank(base_url=server.url).postprocess_nodes(_nodes("a"))


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: JinaEmbedding(base_url="local")("a text"), "nodes must be a list, got str"),
        (lambda: JinaEmbedding(base_url="local")(["a text"]), r"nodes\[0\] must be a node, got str"),
        (lambda: JinaEmbedding(base_url="local").get_text_embedding_batch("a text"), "texts must be a list, got a str"),
        (lambda: JinaEmbedding(base_url="local").get_text_embedding_batch(None), "texts must be a list, got None"),
        (
            lambda: JinaRerank(base_url="local").postprocess_nodes([TextNode(text="a")], query_str="q"),
            r"nodes\[0\] must be a NodeWithScore, got TextNode",
        ),
        (lambda: JinaRetriever("jina-embeddings-v3"), "embed_model must be an embedding, got str"),
    ],
)
def test_an_error_names_the_mistake(run: Any, message: str) -> None:
    with pytest.raises(JinaInputError, match=message):
        run()


def test_the_key_is_sent_and_never_shown(server: Recorder) -> None:
    embedding, reranker = JinaEmbedding(base_url=server.url, api_key=KEY), JinaRerank(base_url=server.url, api_key=KEY)
    for component in (embedding, reranker):
        assert KEY not in f"{component!r} {component} {component.to_dict()} {component.to_json()}"
    assert KEY not in str(embedding.to_payload())
    embedding.get_query_embedding("a")
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_dict_round_trip_keeps_every_option_but_the_key(server: Recorder) -> None:
    embedding = JinaEmbedding(
        "jina-embeddings-v4", 64, KEY, None, "ubinary", "binary", "code.query", 256, True, base_url=server.url
    )
    again = JinaEmbedding.from_dict(embedding.to_dict())
    assert again.to_dict() == embedding.to_dict()
    assert again.api_key is None
    reranker = JinaRerank(5, "jina-reranker-v3", server.url, KEY, max_doc_length=100)
    assert JinaRerank.from_dict(reranker.to_dict()).to_dict() == reranker.to_dict()


def test_a_pickle_keeps_every_option_and_the_key(server: Recorder) -> None:
    embedding = JinaEmbedding(base_url=server.url, api_key=KEY, dimensions=64, task="separation")
    again = pickle.loads(pickle.dumps(embedding))
    again.get_text_embedding("a")
    assert (server.sent[0].body["dimensions"], server.sent[0].body["task"]) == (64, "separation")
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"
    assert pickle.loads(pickle.dumps(JinaRerank(7, base_url=server.url, api_key=KEY))).top_n == 7


@pytest.mark.parametrize("kind", [JinaEmbedding, JinaRerank])
def test_an_unknown_argument_raises(kind: type) -> None:
    with pytest.raises(JinaArgumentError, match="did you mean 'base_url'"):
        kind(base_uri="local")


@pytest.mark.parametrize(
    "make",
    [
        lambda: JinaEmbedding(encoding_documents="int8"),  # type: ignore[arg-type]
        lambda: JinaEmbedding(embed_batch_size=0),
        lambda: JinaRerank(top_n=0),
    ],
)
def test_a_bad_value_raises(make: Any) -> None:
    with pytest.raises(JinaInputError):
        make()


def test_a_missing_key_raises_at_first_use() -> None:
    with pytest.raises(JinaInputError, match="JINA_API_KEY"):
        JinaEmbedding().get_query_embedding("a")
    with pytest.raises(JinaInputError, match="JINA_API_KEY"):
        JinaRerank().postprocess_nodes(_nodes("a"), query_str="q")


def test_a_ready_client_serves_sync_and_async_calls(server: Recorder) -> None:
    for client in (JinaClient(base_url=server.url), AsyncJinaClient(base_url=server.url)):
        embedding = JinaEmbedding(client=client)
        assert embedding.get_query_embedding("a") == asyncio.run(embedding.aget_query_embedding("a"))
    assert len(server.sent) == 4
