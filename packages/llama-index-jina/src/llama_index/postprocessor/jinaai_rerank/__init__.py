"""Jina AI's rerankers for LlamaIndex."""

from .base import JinaRerank

__all__ = ["JinaRerank"]
