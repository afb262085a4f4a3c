"""What the Jina components of Haystack have in common."""

from .connection import JinaConnection

__all__ = ["JinaConnection"]
