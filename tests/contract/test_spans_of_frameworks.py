"""The spans of the client are below those that the frameworks' own instrumentations make, in threads and tasks too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from exported import Exported, exporting, is_ours
from haystack import Document as HaystackDocument
from haystack import Pipeline, tracing
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder
from haystack_integrations.tracing.opentelemetry import OpenTelemetryTracer
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_jina import JinaEmbeddings
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from loopback import Recorder
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from opentelemetry.instrumentation.langchain import LangchainInstrumentor

TEXTS = ["words that nobody reads", "others that nobody reads"]
MODEL = "jina-embeddings-v3"
OURS = [f"embeddings {MODEL}", "POST"]


@pytest.fixture
def exported() -> Iterator[Exported]:
    with exporting() as running:
        yield running
        ours = [span.to_json() for span in running.spans if is_ours(span)]
        assert ours
        assert not any("nobody" in span for span in ours)


def below(exported: Exported, count: int) -> list[list[str]]:
    """Return for each HTTP exchange the spans of the framework that it is in."""
    paths = [exported.path(exchange) for exchange in exported.exchanges]
    assert len(paths) == count
    assert all(path[-2:] == OURS for path in paths)
    return [path[:-2] for path in paths]


async def test_langchain(server: Recorder, exported: Exported) -> None:
    store = InMemoryVectorStore(JinaEmbeddings(model=MODEL, base_url=server.url, batch_size=1))
    store.add_texts(TEXTS)
    retriever = store.as_retriever()
    chain = retriever | len
    exported.exporter.clear()
    instrumentor = LangchainInstrumentor(disable_trace_context_propagation=True)  # does not import OpenAI
    instrumentor.instrument(tracer_provider=exported.tracer_provider, meter_provider=exported.meter_provider)
    try:
        assert chain.invoke("nobody reads") == await chain.ainvoke("nobody reads") == 2
    finally:
        instrumentor.uninstrument()
    # Older instrumentations have no span for the retriever between the two.
    assert [path[0] for path in below(exported, 2)] == ["RunnableSequence.workflow"] * 2


async def test_llama_index(server: Recorder, exported: Exported) -> None:
    instrumentor = LlamaIndexInstrumentor()
    instrumentor.instrument(tracer_provider=exported.tracer_provider)
    try:
        embedding = JinaEmbedding(model=MODEL, base_url=server.url, embed_batch_size=1)
        embedding.get_text_embedding_batch(TEXTS)
        await embedding.aget_text_embedding_batch(TEXTS)
        reranker = JinaRerank(model="jina-reranker-v2-base-multilingual", base_url=server.url)
        reranker.postprocess_nodes([NodeWithScore(node=TextNode(text=text)) for text in TEXTS], query_str=TEXTS[0])
    finally:
        instrumentor.uninstrument()
    *embeddings, reranking = [exported.path(exchange) for exchange in exported.exchanges]
    assert len(embeddings) == 4
    assert all(path[0].startswith("JinaEmbedding.") and path[-2:] == OURS for path in embeddings)
    assert reranking == ["JinaRerank._postprocess_nodes", "rerank jina-reranker-v2-base-multilingual", "POST"]


def test_haystack(server: Recorder, exported: Exported) -> None:
    pipeline = Pipeline()
    pipeline.add_component("embedder", JinaDocumentEmbedder(model=MODEL, base_url=server.url, batch_size=1))
    tracing.enable_tracing(OpenTelemetryTracer(exported.tracer_provider.get_tracer("program")))
    try:
        pipeline.run({"embedder": {"documents": [HaystackDocument(content=text) for text in TEXTS]}})
    finally:
        tracing.disable_tracing()
    assert below(exported, 2) == [["haystack.pipeline.run", "haystack.component.run"]] * 2
