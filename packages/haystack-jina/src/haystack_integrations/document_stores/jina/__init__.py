"""A document store for Haystack on an index in the process."""

from .document_store import JinaDocumentStore

__all__ = ["JinaDocumentStore"]
