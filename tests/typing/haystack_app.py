"""A Haystack program with every kind of argument; mypy --strict and pyright check it without plugins."""

from __future__ import annotations

from typing import Any

from haystack import Document
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools.tool import Tool
from haystack.utils import Secret
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
from haystack_integrations.components.rankers.jina import JinaRanker
from haystack_integrations.components.retrievers.jina import JinaEmbeddingRetriever, JinaLateInteractionRetriever
from haystack_integrations.document_stores.jina import JinaDocumentStore
from haystack_integrations.tools.jina import JinaDocumentSearchTool, JinaReaderTool, JinaSearchTool
from jina_client import JinaClient

embedder = JinaTextEmbedder(
    model="jina-embeddings-v3", base_url="local", dimensions=256, task="retrieval.query", timeout=5.0
)
output: dict[str, Any] = embedder.run(text="Where does the cat sleep?")
address: str | list[str] | None = embedder.base_url
embedder.timeout = 10.0
document_embedder = JinaDocumentEmbedder(
    api_key=Secret.from_token("jina_key"), model="jina-embeddings-v3", client=JinaClient(base_url="local")
)
ranker = JinaRanker(model="jina-reranker-v3", base_url="local", top_k=1, max_doc_length=100)
ranked: dict[str, Any] = ranker.run(query="q", documents=[Document(content="a")])
retriever = JinaEmbeddingRetriever(JinaDocumentStore("index"), top_k=2, oversampling=8.0)
token_retriever = JinaLateInteractionRetriever("index", model="jina-colbert-v2", base_url="local", top_k=1)
tools: list[Tool] = [
    JinaSearchTool(Secret.from_token("jina_key"), max_output_tokens=1000, timeout=5.0),
    JinaReaderTool(max_retries=1),
    JinaDocumentSearchTool(InMemoryBM25Retriever(InMemoryDocumentStore()), ranker, description="Search the notes."),
]


async def ask() -> dict[str, Any]:
    return await embedder.run_async(text="a")


JinaTextEmbedder(modle="jina-embeddings-v3")  # wrong
JinaTextEmbedder(dimensions="256")  # wrong
JinaRanker(top_n=1)  # wrong
JinaLateInteractionRetriever("index", similarity_top_k=1)  # wrong
JinaSearchTool(max_tokens=100)  # wrong
