"""The default models, and a warning if a newer model is recommended."""

from __future__ import annotations

import warnings
from collections.abc import Hashable

from .callers import frames_to_caller

# The defaults of the integrations that this project replaces, with what the documentation recommends for the same.
_RECOMMENDED = {
    "jina-embeddings-v2-base-en": "jina-embeddings-v5-text-small",
    "jina-embeddings-v3": "jina-embeddings-v5-text-small",
    "jina-clip-v2": "jina-embeddings-v4",
    "jina-reranker-v1-base-en": "jina-reranker-v3",
    "jina-reranker-v2-base-multilingual": "jina-reranker-v3",
}

_warned: set[tuple[Hashable, str]] = set()


class JinaDefaultModelWarning(UserWarning):
    """``model=`` was left out. The default stays the same because of stored vectors; a newer model is recommended."""


def warn_of_default_model(owner: type, model: str, method: str = "") -> None:
    """Warn, once per class and model and process, if the default model is not the recommended one.

    Args:
        owner: the class whose ``model=`` was left out.
        model: its default.
        method: the method whose ``model=`` was left out, if it is not the constructor's.
    """
    recommended = _RECOMMENDED.get(model)
    if recommended is None or (owner, model) in _warned:
        return
    _warned.add((owner, model))
    name = f"{owner.__name__}.{method}" if method else owner.__name__
    warnings.warn(
        f"{name} uses {model!r} because model= was left out; {recommended!r} is recommended for new "
        f"programs. Vectors and scores of different models cannot be compared: to keep yours, pass model={model!r}",
        JinaDefaultModelWarning,
        stacklevel=frames_to_caller(),
    )
