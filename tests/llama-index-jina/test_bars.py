"""The progress bar of a call that LlamaIndex divides into batches."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.embeddings.jinaai import JinaEmbedding
from loopback import Recorder
from terminal import Terminal

MODEL = "jina-embeddings-v3"
TEXTS = [f"text {number}" for number in range(7)]


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_one_bar_serves_all_batches(server: Recorder, kind: str, workers: int | None) -> None:
    embedding = JinaEmbedding(base_url=server.url, model=MODEL, embed_batch_size=3, num_workers=workers)
    with Terminal() as terminal:
        if kind == "sync":
            embedding.get_text_embedding_batch(TEXTS, show_progress=True)
        else:
            asyncio.run(embedding.aget_text_embedding_batch(TEXTS, show_progress=True))
    assert {bar.split("/")[1].split(" ")[0] for bar in terminal.bars} == {"7"}
    assert "7/7" in terminal.bars[-1]


def test_texts_embedded_by_a_subclass_are_counted(server: Recorder) -> None:
    class Own(JinaEmbedding):
        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return [[1.0] for _ in texts]

    with Terminal() as terminal:
        Own(base_url=server.url, model=MODEL, embed_batch_size=3).get_text_embedding_batch(TEXTS, show_progress=True)
    assert "7/7" in terminal.bars[-1]
    assert server.sent == []
