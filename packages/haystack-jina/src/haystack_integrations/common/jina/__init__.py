"""Common parts of the Jina components of Haystack."""

from .component import JinaComponent
from .connection import CLASSES, DEFAULT_API_KEY, ComponentConnection
from .documents import DocumentInputs, as_query, meta_fields, meta_of, text_of, with_embedding
from .images import DocumentImages, TextOrImage, checked_size

__all__ = [
    "CLASSES",
    "DEFAULT_API_KEY",
    "ComponentConnection",
    "DocumentImages",
    "DocumentInputs",
    "JinaComponent",
    "TextOrImage",
    "as_query",
    "checked_size",
    "meta_fields",
    "meta_of",
    "text_of",
    "with_embedding",
]
