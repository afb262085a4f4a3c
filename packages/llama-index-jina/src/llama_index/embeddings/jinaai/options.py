"""The arguments of the embedding that are not fields of pydantic's, and their defaults."""

from __future__ import annotations

from typing import Any

from jina_client import JinaArgumentError
from jina_client.integration import RoleOptions, find_model

from .connection import LlamaIndexOptions

DEFAULT_MODEL = "jina-embeddings-v3"


class JinaEmbeddingOptions(RoleOptions, LlamaIndexOptions, total=False):
    """The further arguments of :class:`JinaEmbedding`."""

    model_name: str | None
    """A label in events; by default the model's id."""
    num_workers: int | None
    """Batches that LlamaIndex's asynchronous methods embed concurrently."""
    embeddings_cache: Any
    """LlamaIndex's store of vectors."""
    rate_limiter: Any
    """LlamaIndex's rate limiter."""


def label(model: str, model_name: str | None) -> str:
    """Return the model's name in events: its id, also if a saved object has LlamaIndex's own default."""
    if model_name is None or model_name == "unknown":
        # What is not a string is an error of ``model``.
        return model if isinstance(model, str) else "unknown"
    if model == DEFAULT_MODEL != model_name and find_model(model_name):
        raise JinaArgumentError(
            f"model_name= only labels events, and the model would be {model}: pass model={model_name!r}"
        )
    return model_name
