"""The texts of LlamaIndex's nodes, and their embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.schema import BaseNode, MetadataMode


def contents(nodes: Sequence[BaseNode]) -> list[str]:
    """Return the text of each node, with the metadata that is embedded."""
    return [node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]


def give(nodes: Sequence[BaseNode], embeddings: Sequence[Sequence[float]]) -> None:
    """Set the embedding of each node."""
    for node, embedding in zip(nodes, embeddings, strict=True):
        node.embedding = list(embedding)
