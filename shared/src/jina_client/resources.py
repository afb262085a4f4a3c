"""The resources of clients: ``client.batches``, ``client.classifiers``, ``client.models`` and ``client.web``.

A client makes them itself. Their classes are here for type annotations.
"""

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
