"""Jina AI's embeddings and rerankers for LangChain."""

from .embeddings import JinaEmbeddings
from .rerank import JinaRerank

__all__ = ["JinaEmbeddings", "JinaRerank"]
