"""Jina's open models, computed with transformers and torch on weights that are on this machine.

Needs the extra: ``pip install "jina-local[torch]"``. What loaded weights cannot do is refused, never left out of
account: a model's row in the catalogue is narrowed to what was loaded, and requests are judged by that row.
"""

from __future__ import annotations

from ..backend import Backend
from ..errors import ModelNotFoundError

INSTALL = 'serving a model needs {name}, which is not installed: pip install "jina-local[torch]"'


def load(
    name: str,
    *,
    model_id: str | None = None,
    trust_remote_code: bool = False,
    threads: int | None = None,
    allow_fetch: bool = False,
) -> Backend:
    """Load one of Jina's open models.

    Args:
        name: its folder, or its id on the hub, from where it is then downloaded (not with ``HF_HUB_OFFLINE=1``).
        model_id: the id that it answers under; by default the one that its name contains.
        trust_remote_code: whether code that comes with it may be run.
        threads: how many threads compute; at most, and by default, one for each core.
        allow_fetch: whether images may be fetched from public addresses.

    Raises:
        ModelNotFoundError: it is not one of Jina's models, is not there, cannot be loaded, needs code of its own that
            is not trusted, or the extra is not installed.
    """
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        raise ModelNotFoundError(INSTALL.format(name=error.name)) from None
    from ..runtime import cores
    from .loading import load_backend

    torch.set_num_threads(max(1, min(threads or cores(), cores())))
    return load_backend(name, model_id, trust_remote_code, allow_fetch)
