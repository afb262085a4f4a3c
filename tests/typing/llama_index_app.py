"""A LlamaIndex program with every kind of argument; mypy --strict and pyright check it without plugins."""

from __future__ import annotations

from jina_client import JinaClient
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from llama_index.retrievers.jinaai import JinaLateInteractionRetriever, JinaRetriever
from llama_index.tools.jina import JinaToolSpec

embedding: BaseEmbedding = JinaEmbedding(
    model="jina-embeddings-v3", base_url="local", dimensions=256, query_task="retrieval.query", timeout=5.0
)
old_order = JinaEmbedding("jina-embeddings-v3", 64, "jina_key", encoding_queries="binary")
with_client = JinaEmbedding(model="jina-embeddings-v3", client=JinaClient(base_url="local"))
vector: list[float] = with_client.get_query_embedding("Where does the cat sleep?")

reranker = JinaRerank(1, "jina-reranker-v3", base_url="local", api_key="jina_key", max_doc_length=100, timeout=5.0)
nodes: list[NodeWithScore] = reranker.postprocess_nodes([NodeWithScore(node=TextNode(text="a"))], query_str="q")
retriever = JinaRetriever(embedding, path="index", similarity_top_k=2)
token_retriever = JinaLateInteractionRetriever("jina-colbert-v2", "jina_key", base_url="local", similarity_top_k=1)
tools: list[FunctionTool] = JinaToolSpec(
    "jina_key", retriever=retriever, reranker=reranker, max_output_tokens=1000, timeout=5.0
).to_tool_list()


async def ask() -> list[float]:
    return await with_client.aget_query_embedding("a")


JinaEmbedding(modle="jina-embeddings-v3")  # wrong
JinaEmbedding(dimensions="256")  # wrong
JinaRerank(top_k=1)  # wrong
JinaRetriever(top_k=1)  # wrong
JinaLateInteractionRetriever(top_k=1)  # wrong
JinaToolSpec(max_tokens=100)  # wrong
