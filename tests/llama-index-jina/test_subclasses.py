"""Subclasses written for LlamaIndex's own Jina integrations: what they replace holds for every way to call them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from loopback import Recorder


class OwnTransfer(JinaEmbedding):
    def _get_query_embedding(self, query: str) -> list[float]:
        return [1.0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return [[float(len(text))] for text in texts]

    def _get_image_embeddings(self, img_file_paths: Any) -> list[list[float]]:
        return [[3.0] for _ in img_file_paths]


@pytest.mark.parametrize("late_chunking", [False, True])
def test_overridden_hooks_serve_all_calls(server: Recorder, late_chunking: bool) -> None:
    embedding = OwnTransfer(base_url=server.url, late_chunking=late_chunking)

    async def all_asynchronous() -> list[Any]:
        return [
            await embedding.aget_query_embedding("q"),
            await embedding.aget_text_embedding("ab"),
            await embedding.aget_text_embedding_batch(["ab"]),
            await embedding.aget_image_embedding("cat.png"),
            [node.embedding for node in await embedding.acall([TextNode(text="ab")])],
        ]

    expected = [[1.0], [2.0], [[2.0]], [3.0], [[2.0]]]
    assert asyncio.run(all_asynchronous()) == expected
    assert [
        embedding.get_query_embedding("q"),
        embedding.get_text_embedding("ab"),
        embedding.get_text_embedding_batch(["ab"]),
        embedding.get_image_embedding("cat.png"),
        [node.embedding for node in embedding([TextNode(text="ab")])],
    ] == expected
    assert server.sent == []


def test_async_calls_use_an_overridden_preparation(server: Recorder) -> None:
    class Prefixing(JinaEmbedding):
        def _get_query_embedding(self, query: str) -> list[float]:
            return super()._get_query_embedding(f"query: {query}")

    embedding = Prefixing(base_url=server.url)
    assert embedding.get_query_embedding("a") == asyncio.run(embedding.aget_query_embedding("a"))
    assert [sent.body["input"] for sent in server.sent] == [["query: a"]] * 2


def test_an_overridden_postprocessor_serves_async_calls(server: Recorder) -> None:
    class Keeping(JinaRerank):
        def _postprocess_nodes(
            self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
        ) -> list[NodeWithScore]:
            return nodes[:1]

    nodes = [NodeWithScore(node=TextNode(text=text)) for text in ("a", "bb")]
    results = asyncio.run(Keeping(base_url=server.url).apostprocess_nodes(nodes, query_str="q"))
    assert [scored.text for scored in results] == ["a"]
    assert server.sent == []
