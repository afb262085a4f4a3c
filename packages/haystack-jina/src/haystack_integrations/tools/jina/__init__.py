"""Jina AI's web search and reader, and search with reranking, as tools of Haystack Agents."""

from .documents import JinaDocumentSearchTool
from .web import JinaReaderTool, JinaSearchTool

__all__ = ["JinaDocumentSearchTool", "JinaReaderTool", "JinaSearchTool"]
