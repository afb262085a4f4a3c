"""What the Jina components of Haystack have in common."""

from .component import JinaComponent
from .connection import DEFAULT_API_KEY, JinaConnection

__all__ = ["DEFAULT_API_KEY", "JinaComponent", "JinaConnection"]
