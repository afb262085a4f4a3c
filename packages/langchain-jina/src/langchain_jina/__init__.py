"""Jina AI's embeddings, rerankers and retrievers for LangChain."""

from .embeddings import JinaEmbeddings
from .late_chunking import aadd_chunks, add_chunks
from .rerank import JinaRerank, RerankInput
from .retrievers import JinaLateInteractionRetriever, JinaRetriever

__all__ = [
    "JinaEmbeddings",
    "JinaLateInteractionRetriever",
    "JinaRerank",
    "JinaRetriever",
    "RerankInput",
    "aadd_chunks",
    "add_chunks",
]
