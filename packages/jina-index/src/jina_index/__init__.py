"""Vector indexes that run inside your process, and the retriever that framework integrations build on.

:class:`BinaryIndex` keeps one bit per dimension in memory and the vectors on disk. :class:`MultiVectorIndex` does the
same for late-interaction models, which return one vector per token. Neither is a database: a search has no filters, and
only one process at a time can write. ``docs/binary-search.md`` reports speed, memory and recall.
"""

from .binary_index import BinaryIndex
from .embedders import embedder_model, require_float_embedder
from .encoders import LateInteractionEncoder, VectorEncoder
from .errors import IndexFileError, fixed_setting
from .folder import IndexFolder
from .hits import Hit
from .items import Id
from .multi_vector_index import MultiVectorIndex
from .retriever import IndexRetriever
from .settings import OVERSAMPLING, FirstStage, StoredPrecision

__all__ = [
    "OVERSAMPLING",
    "BinaryIndex",
    "FirstStage",
    "Hit",
    "Id",
    "IndexFileError",
    "IndexFolder",
    "IndexRetriever",
    "LateInteractionEncoder",
    "MultiVectorIndex",
    "StoredPrecision",
    "VectorEncoder",
    "embedder_model",
    "fixed_setting",
    "require_float_embedder",
]
