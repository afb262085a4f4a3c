"""What the Jina components of Haystack have in common."""

from .component import JinaComponent
from .connection import DEFAULT_API_KEY, JinaConnection, unless
from .documents import DocumentInputs, as_query, text_of, with_embedding
from .images import DocumentImages

__all__ = [
    "DEFAULT_API_KEY",
    "DocumentImages",
    "DocumentInputs",
    "JinaComponent",
    "JinaConnection",
    "as_query",
    "text_of",
    "unless",
    "with_embedding",
]
