"""Jina AI's embeddings, rerankers, retrievers and search for LangChain."""

from .embeddings import JinaEmbeddings
from .late_chunking import aadd_chunks, add_chunks
from .rerank import JinaRerank, RerankInput
from .retrievers import JinaLateInteractionRetriever, JinaRetriever
from .search import JinaSearch, JinaSearchAPIWrapper

__all__ = [
    "JinaEmbeddings",
    "JinaLateInteractionRetriever",
    "JinaRerank",
    "JinaRetriever",
    "JinaSearch",
    "JinaSearchAPIWrapper",
    "RerankInput",
    "aadd_chunks",
    "add_chunks",
]
