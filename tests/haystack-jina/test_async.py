"""Warming up, running side by side, and closing."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import pytest
from haystack import Document, Pipeline
from haystack_integrations.components.connectors.jina import JinaReaderConnector
from haystack_integrations.components.embedders.jina import (
    JinaDocumentEmbedder,
    JinaDocumentImageEmbedder,
    JinaMultiVectorDocumentEmbedder,
    JinaMultiVectorTextEmbedder,
    JinaTextEmbedder,
)
from haystack_integrations.components.rankers.jina import JinaRanker
from loopback import Answer, Recorder, Sent, right_answer

KINDS: list[Any] = [
    JinaTextEmbedder,
    JinaDocumentEmbedder,
    JinaDocumentImageEmbedder,
    JinaMultiVectorTextEmbedder,
    JinaMultiVectorDocumentEmbedder,
    JinaRanker,
    JinaReaderConnector,
]


@pytest.mark.parametrize("kind", KINDS)
def test_run_and_run_async_have_the_same_parameters_and_sockets(kind: Any) -> None:
    assert inspect.signature(kind.run).parameters == inspect.signature(kind.run_async).parameters
    assert kind.run._output_types_cache == kind.run_async._output_types_cache


def test_components_of_a_pipeline_run_concurrently(server: Recorder) -> None:
    together = threading.Barrier(3, timeout=20)

    def answer(sent: Sent) -> Answer:
        together.wait()
        return right_answer(sent)

    server.answer = answer
    pipeline = Pipeline()
    pipeline.add_component("text", JinaTextEmbedder(base_url=server.url))
    pipeline.add_component("documents", JinaDocumentEmbedder(base_url=server.url, progress_bar=False))
    pipeline.add_component("ranker", JinaRanker(base_url=server.url))
    documents = [Document(content="a")]
    inputs = {
        "text": {"text": "q"},
        "documents": {"documents": documents},
        "ranker": {"query": "q", "documents": documents},
    }
    output = asyncio.run(pipeline.run_async(inputs, concurrency_limit=3))
    assert set(output) == {"text", "documents", "ranker"}


def test_batches_of_one_async_run_are_sent_concurrently(server: Recorder) -> None:
    together = threading.Barrier(4, timeout=20)

    def answer(sent: Sent) -> Answer:
        together.wait()
        return right_answer(sent)

    server.answer = answer
    embedder = JinaDocumentEmbedder(base_url=server.url, progress_bar=False, batch_size=1, max_concurrency=4)
    output = asyncio.run(embedder.run_async([Document(content=str(number)) for number in range(8)]))
    assert all(document.embedding for document in output["documents"])
    assert server.most_in_flight == 4


def test_runs_of_one_component_are_sent_concurrently(server: Recorder) -> None:
    together = threading.Barrier(5, timeout=20)

    def answer(sent: Sent) -> Answer:
        together.wait()
        return right_answer(sent)

    server.answer = answer
    embedder = JinaTextEmbedder(base_url=server.url)

    async def main() -> list[Any]:
        return await asyncio.gather(*(embedder.run_async(str(number)) for number in range(5)))

    assert len(asyncio.run(main())) == 5


def test_connections_are_reused(server: Recorder) -> None:
    embedder, ranker = JinaTextEmbedder(base_url=server.url), JinaRanker(base_url=server.url)
    for _ in range(3):
        embedder.run("q")
        ranker.run("q", [Document(content="a")])
    assert len(server.connections) == 2
    server.connections.clear()

    async def main() -> None:
        for _ in range(3):
            await embedder.run_async("q")
        await embedder.close_async()

    asyncio.run(main())
    assert len(server.connections) == 1
    embedder.close()
    ranker.close()


def test_a_closed_component_can_be_used_again(server: Recorder) -> None:
    pipeline = Pipeline()
    pipeline.add_component("text", JinaTextEmbedder(base_url=server.url))

    async def both() -> None:
        await pipeline.warm_up_async()
        await pipeline.run_async({"text": {"text": "q"}})
        await pipeline.close_async()

    for _ in range(2):
        pipeline.run({"text": {"text": "q"}})
        pipeline.close()
        asyncio.run(both())
    assert len(server.connections) == 4


def test_the_timeout_reaches_the_client(server: Recorder) -> None:
    embedder = JinaTextEmbedder(base_url=server.url, timeout=33.0)
    embedder.warm_up()
    assert embedder._connection.open().client.settings.timeout == 33.0
    assert JinaTextEmbedder(base_url=server.url)._connection.open().client.settings.timeout == 60.0


def test_late_chunking_sends_one_request_per_document(server: Recorder) -> None:
    documents = [Document(content=f"{number}", meta={"doc": number % 3}) for number in range(90)]
    embedder = JinaDocumentEmbedder(
        base_url=server.url, progress_bar=False, late_chunking=True, late_chunking_field="doc", batch_size=4
    )
    for run in (embedder.run, lambda chunks: asyncio.run(embedder.run_async(chunks))):
        server.sent.clear()
        run(documents)
        sent = sorted(sent.body["input"] for sent in server.sent)
        assert sent == sorted([str(number) for number in range(first, 90, 3)] for first in range(3))
        assert all(sent.body["late_chunking"] for sent in server.sent)
