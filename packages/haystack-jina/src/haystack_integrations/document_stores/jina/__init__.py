"""A document store for Haystack on an index inside the process."""

from .document_store import JinaDocumentStore

__all__ = ["JinaDocumentStore"]
