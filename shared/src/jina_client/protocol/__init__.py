"""The wire protocol without I/O: a validated request becomes a JSON body, and a JSON body a result.

Fields follow Jina's published OpenAPI description. For services that spell a request differently, a dialect
(:mod:`jina_client.dialects`) translates from and to this form.
"""

from .batch import BatchRequest
from .call import Call
from .classification import ClassifyRequest, TrainRequest
from .embedding import EmbedRequest
from .multi_vector import MultiVectorRequest
from .reader import ReaderRequest
from .rerank import RerankRequest
from .responses import parse, usage_of
from .segmentation import SegmentRequest
from .sparse import SparseRequest

__all__ = [
    "BatchRequest",
    "Call",
    "ClassifyRequest",
    "EmbedRequest",
    "MultiVectorRequest",
    "ReaderRequest",
    "RerankRequest",
    "SegmentRequest",
    "SparseRequest",
    "TrainRequest",
    "parse",
    "usage_of",
]
