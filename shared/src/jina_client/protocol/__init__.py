"""The wire protocol without any I/O: validated requests to JSON objects, JSON objects to numbers.

Fields follow Jina's published OpenAPI description. Every request here has that form; a service that speaks another one
is served by a dialect (:mod:`jina_client.dialects`), which translates from and to it.
"""

from .answers import parse, usage_of
from .batch import BatchRequest
from .call import Call
from .classification import ClassifyRequest, TrainRequest
from .embedding import EmbedRequest, MultiVectorRequest, SparseRequest
from .reader import ReaderRequest
from .rerank import RerankRequest
from .segmentation import SegmentRequest

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
