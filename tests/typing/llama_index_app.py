"""A LlamaIndex program, as the type checkers see it. It is not run."""

from __future__ import annotations

from llama_index.core import VectorStoreIndex
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank


def search(question: str, texts: list[str]) -> list[NodeWithScore]:
    embedding = JinaEmbedding(model="jina-embeddings-v3", base_url="local")
    index = VectorStoreIndex([TextNode(text=text) for text in texts], embed_model=embedding)
    nearest = index.as_retriever(similarity_top_k=10).retrieve(question)
    reranker = JinaRerank(model="jina-reranker-v2-base-multilingual", base_url="local", top_n=3)
    return reranker.postprocess_nodes(nearest, query_str=question)
