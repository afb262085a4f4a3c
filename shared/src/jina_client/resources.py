"""The resources of clients: ``client.batches``, ``client.classifiers``, ``client.models`` and ``client.web``.

A client makes them itself. Their classes are here for type annotations.
"""

from typing import TYPE_CHECKING

from .lazy import load_on_use

if TYPE_CHECKING:
    from ._async.batches import AsyncBatches
    from ._async.classifiers import AsyncClassifiers
    from ._async.models import AsyncModels
    from ._async.web import AsyncWeb
    from ._sync.batches import Batches
    from ._sync.classifiers import Classifiers
    from ._sync.models import Models
    from ._sync.web import Web

__all__ = [
    "AsyncBatches",
    "AsyncClassifiers",
    "AsyncModels",
    "AsyncWeb",
    "Batches",
    "Classifiers",
    "Models",
    "Web",
]

load_on_use(
    __name__,
    {
        "._async.batches": "AsyncBatches",
        "._async.classifiers": "AsyncClassifiers",
        "._async.models": "AsyncModels",
        "._async.web": "AsyncWeb",
        "._sync.batches": "Batches",
        "._sync.classifiers": "Classifiers",
        "._sync.models": "Models",
        "._sync.web": "Web",
    },
)
