"""Retrievers for Haystack on an index inside the process."""

from .embedding_retriever import JinaEmbeddingRetriever
from .late_interaction_retriever import JinaLateInteractionRetriever

__all__ = ["JinaEmbeddingRetriever", "JinaLateInteractionRetriever"]
