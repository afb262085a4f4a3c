"""Jina AI's embedding models for LlamaIndex."""

from .base import JinaEmbedding

__all__ = ["JinaEmbedding"]
