"""Jina AI's embeddings and rerankers for LangChain."""

from .embeddings import JinaEmbeddings
from .rerank import JinaRerank
from .retrievers import JinaLateInteractionRetriever, JinaRetriever

__all__ = ["JinaEmbeddings", "JinaLateInteractionRetriever", "JinaRerank", "JinaRetriever"]
