"""The default models, and a warning if a newer model is recommended."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Hashable

# The defaults of the integrations that this project replaces, with what the documentation recommends for the same.
_RECOMMENDED = {
    "jina-embeddings-v2-base-en": "jina-embeddings-v5-text-small",
    "jina-embeddings-v3": "jina-embeddings-v5-text-small",
    "jina-clip-v2": "jina-embeddings-v4",
    "jina-reranker-v1-base-en": "jina-reranker-v3",
    "jina-reranker-v2-base-multilingual": "jina-reranker-v3",
}

_LIBRARIES = {
    "asyncio",
    "haystack",
    "haystack_integrations",
    "jina_client",
    "langchain_core",
    "langchain_jina",
    "llama_index",
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
        stacklevel=_frames_to_caller(),
    )


def _frames_to_caller() -> int:
    """Return the ``stacklevel`` of the first frame that belongs to the program and not to a library."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _LIBRARIES:
        level, frame = level + 1, frame.f_back
    return level
