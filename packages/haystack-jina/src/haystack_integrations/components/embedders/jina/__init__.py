"""Jina AI's embedding models for Haystack."""

from .document_embedder import JinaDocumentEmbedder
from .document_image_embedder import JinaDocumentImageEmbedder
from .multi_vector_document_embedder import JinaMultiVectorDocumentEmbedder
from .multi_vector_text_embedder import JinaMultiVectorTextEmbedder
from .text_embedder import JinaTextEmbedder

__all__ = [
    "JinaDocumentEmbedder",
    "JinaDocumentImageEmbedder",
    "JinaMultiVectorDocumentEmbedder",
    "JinaMultiVectorTextEmbedder",
    "JinaTextEmbedder",
]
