"""A LlamaIndex program with every kind of argument; mypy --strict and pyright check it without plugins."""

from __future__ import annotations

from jina_client import JinaClient
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank

embedding: BaseEmbedding = JinaEmbedding(
    model="jina-embeddings-v3", base_url="local", dimensions=256, query_task="retrieval.query", timeout=5.0
)
old_order = JinaEmbedding("jina-embeddings-v3", 64, "jina_key", encoding_queries="binary")
with_client = JinaEmbedding(model="jina-embeddings-v3", client=JinaClient(base_url="local"))
vector: list[float] = with_client.get_query_embedding("Where does the cat sleep?")

reranker = JinaRerank(1, "jina-reranker-v3", base_url="local", api_key="jina_key", max_doc_length=100, timeout=5.0)
nodes: list[NodeWithScore] = reranker.postprocess_nodes([NodeWithScore(node=TextNode(text="a"))], query_str="q")


async def ask() -> list[float]:
    return await with_client.aget_query_embedding("a")


JinaEmbedding(modle="jina-embeddings-v3")  # wrong
JinaEmbedding(dimensions="256")  # wrong
JinaRerank(top_k=1)  # wrong
