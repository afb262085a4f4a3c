"""Jina AI's rerankers for Haystack."""

from .ranker import JinaRanker

__all__ = ["JinaRanker"]
