"""Jina AI's web search and reader, and search with reranking, as tools of LlamaIndex agents."""

from .base import JinaToolSpec

__all__ = ["JinaToolSpec"]
