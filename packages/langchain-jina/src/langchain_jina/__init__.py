"""Jina AI's embeddings, rerankers, retrievers and agent tools for LangChain.

All names but :class:`JinaEmbeddings` load when they are first used: LangChain's runnables take about a second to
import, and the retrievers need the package ``jina-index``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jina_client.integration import load_on_use

from .embeddings import JinaEmbeddings

if TYPE_CHECKING:
    from .late_chunking import aadd_chunks, add_chunks
    from .rerank import JinaRerank, RerankInput
    from .retrievers import JinaLateInteractionRetriever, JinaRetriever
    from .search import JinaSearch, JinaSearchAPIWrapper
    from .tools import JinaDocumentSearch, JinaReader

__all__ = [
    "JinaDocumentSearch",
    "JinaEmbeddings",
    "JinaLateInteractionRetriever",
    "JinaReader",
    "JinaRerank",
    "JinaRetriever",
    "JinaSearch",
    "JinaSearchAPIWrapper",
    "RerankInput",
    "aadd_chunks",
    "add_chunks",
]

load_on_use(
    __name__,
    {
        ".late_chunking": "aadd_chunks add_chunks",
        ".rerank": "JinaRerank RerankInput",
        ".retrievers": "JinaLateInteractionRetriever JinaRetriever",
        ".search": "JinaSearch JinaSearchAPIWrapper",
        ".tools": "JinaDocumentSearch JinaReader",
    },
)
