"""The models of programs that name none, and a warning that says which one is recommended."""

from __future__ import annotations

import warnings

# The defaults of the integrations that this project replaces, with what the documentation recommends for the same.
_RECOMMENDED = {
    "jina-embeddings-v2-base-en": "jina-embeddings-v5-text-small",
    "jina-embeddings-v3": "jina-embeddings-v5-text-small",
    "jina-clip-v2": "jina-embeddings-v4",
    "jina-reranker-v1-base-en": "jina-reranker-v3",
}

_warned: set[tuple[str, str]] = set()


class JinaDefaultModelWarning(UserWarning):
    """A program that names no model gets one that is kept for stored vectors, and a newer one is recommended."""


def warn_of_default_model(owner: str, model: str, *, stacklevel: int) -> None:
    """Warn, once per class and process, if the default model is not the recommended one.

    Args:
        owner: the class whose ``model=`` was left out.
        model: its default.
        stacklevel: as of :func:`warnings.warn`, counted from the caller of this function.
    """
    recommended = _RECOMMENDED.get(model)
    if recommended is None or (owner, model) in _warned:
        return
    _warned.add((owner, model))
    warnings.warn(
        f"{owner} uses {model!r} because model= was left out; {recommended!r} is recommended for new programs. Vectors "
        f"and scores of different models cannot be compared: to keep yours, pass model={model!r}",
        JinaDefaultModelWarning,
        stacklevel=stacklevel + 1,
    )
