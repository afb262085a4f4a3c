"""Retrievers for LlamaIndex on an index in the process."""

from .base import JinaLateInteractionRetriever, JinaRetriever

__all__ = ["JinaLateInteractionRetriever", "JinaRetriever"]
