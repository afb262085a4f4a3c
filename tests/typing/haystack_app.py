"""A Haystack program with every kind of argument; mypy --strict and pyright check it without plugins."""

from __future__ import annotations

from typing import Any

from haystack import Document
from haystack.utils import Secret
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
from haystack_integrations.components.rankers.jina import JinaRanker
from jina_client import JinaClient

embedder = JinaTextEmbedder(
    model="jina-embeddings-v3", base_url="local", dimensions=256, task="retrieval.query", timeout=5.0
)
output: dict[str, Any] = embedder.run(text="Where does the cat sleep?")
address: str | None = embedder.base_url
embedder.timeout = 10.0
document_embedder = JinaDocumentEmbedder(
    api_key=Secret.from_token("jina_key"), model="jina-embeddings-v3", client=JinaClient(base_url="local")
)
ranker = JinaRanker(model="jina-reranker-v3", base_url="local", top_k=1, max_doc_length=100)
ranked: dict[str, Any] = ranker.run(query="q", documents=[Document(content="a")])


async def ask() -> dict[str, Any]:
    return await embedder.run_async(text="a")


JinaTextEmbedder(modle="jina-embeddings-v3")  # wrong
JinaTextEmbedder(dimensions="256")  # wrong
JinaRanker(top_n=1)  # wrong
