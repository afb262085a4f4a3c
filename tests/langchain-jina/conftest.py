"""The vector stores that tests of LangChain share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture
def qdrant() -> Iterator[Callable[..., Any]]:
    """Make LangChain's store for Qdrant, in memory: ``qdrant(embeddings, size=1024, distance="Cosine")``."""
    # Imported here, because it takes a second, and every process of the tests imports this file.
    from langchain_qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient
    from qdrant_client.models import Distance, VectorParams

    client = QdrantClient(":memory:")

    def make(embeddings: Any, size: int, distance: str = "Cosine") -> QdrantVectorStore:
        client.create_collection("all", vectors_config=VectorParams(size=size, distance=Distance(distance)))
        return QdrantVectorStore(client, "all", embeddings, distance=Distance(distance))

    yield make
    client.close()
