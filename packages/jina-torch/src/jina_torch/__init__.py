"""Jina AI's open weights as a backend of jina-local, computed with transformers' own classes.

Once this package is installed, ``jina-local serve --model PATH_OR_ID`` and ``jina_local.Engine(model=…)`` use it. It
never runs code that comes with a model (``trust_remote_code``). Options that the loaded weights do not support raise an
error: the model's row in the catalog is narrowed to the loaded weights, and requests are validated against that row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jina_local.backend import BackendFactory

__version__ = "0.1.0"
__all__ = ["__version__", "make_factory"]


def make_factory(
    model: str, *, model_id: str | None = None, threads: int | None = None, allow_fetch: bool = False
) -> BackendFactory:
    """Make the factory of a model's backend. Loads nothing.

    Args:
        model: Folder of the model, or its id on the hub. A model on the hub is downloaded when it is loaded, unless
            ``HF_HUB_OFFLINE=1`` is set.
        model_id: Id of the served model, such as ``jina-embeddings-v3``; defaults to the id that ``model`` contains.
        threads: Threads that compute; at most, and by default, one per core.
        allow_fetch: Whether images may be fetched from public addresses.

    Returns:
        A factory for ``jina_local.Engine(backend=…)``.

    Raises:
        ModelNotFoundError: ``model`` is not one of Jina's models, or cannot be computed with transformers' classes.
    """
    from .factory import OpenModelFactory

    return OpenModelFactory(model, model_id, threads, allow_fetch)
