"""Jina AI's embedding models for Haystack."""

from .document_embedder import JinaDocumentEmbedder
from .text_embedder import JinaTextEmbedder

__all__ = ["JinaDocumentEmbedder", "JinaTextEmbedder"]
