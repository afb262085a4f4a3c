"""Jina AI's reader for Haystack."""

from .reader import JinaReaderConnector
from .reader_mode import JinaReaderMode

__all__ = ["JinaReaderConnector", "JinaReaderMode"]
