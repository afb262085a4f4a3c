"""Results of embedders in the forms that frameworks need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..models import Role
from ..quantization import unpack
from ..results import Embeddings, Usage


def is_empty(items: Any) -> bool:
    """Return whether a list is empty, as frameworks pass on routinely. The client rejects anything else."""
    return isinstance(items, (list, tuple)) and not items


def no_embeddings(model: str) -> Embeddings:
    """Return the result for an empty list."""
    return Embeddings(np.empty((0, 0), np.float32), Usage(), model)


def to_lists(embeddings: Embeddings, dimensions: int | None) -> list[list[float]]:
    """Return vectors as lists of floats; bits as a 0.0 or 1.0 for each dimension.

    Args:
        embeddings: the vectors.
        dimensions: how many dimensions bits stand for, if the number is not a multiple of 8.
    """
    vectors = embeddings.vectors
    if vectors.dtype.kind == "f":
        return embeddings.tolist()
    bits: list[list[float]] = unpack(vectors, dimensions).astype(np.float32).tolist()
    return bits


def embedding_identity(base_url: str, model: str, role: Role, options: Mapping[str, Any]) -> str:
    """Return a name that consists of the service, the model, the role, and every option that vectors depend on."""
    fields = {"url": base_url, "role": role, "model": model, "embedding_type": "float", **options}
    fields.pop("show_progress", None)
    return json.dumps(fields, sort_keys=True)
