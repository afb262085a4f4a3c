"""Jina AI's embeddings, rerankers, retrievers and agent tools for LangChain.

All names but :class:`JinaEmbeddings` load when they are first used: LangChain's runnables take about a second to
import, and the retrievers need the package ``jina-index``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_MODULES = {
    "JinaDocumentSearch": "tools",
    "JinaLateInteractionRetriever": "retrievers",
    "JinaReader": "tools",
    "JinaRerank": "rerank",
    "JinaRetriever": "retrievers",
    "JinaSearch": "search",
    "JinaSearchAPIWrapper": "search",
    "RerankInput": "rerank",
    "aadd_chunks": "late_chunking",
    "add_chunks": "late_chunking",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
