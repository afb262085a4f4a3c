"""The wire protocol without I/O: a validated request becomes a JSON body, and a JSON body a result.

Fields follow Jina's published OpenAPI description. For services that spell a request differently, a dialect
(:mod:`jina_client.dialects`) translates from and to this form.
"""

from typing import TYPE_CHECKING

from ..lazy import load_on_use

if TYPE_CHECKING:
    from .batch import BatchRequest
    from .call import Call
    from .classification import Access, ClassifyRequest, Labels, TrainRequest
    from .embedding import EmbedRequest
    from .listings import models_call, read_models
    from .multi_vector import ColbertEndpoint, MultiVectorRequest
    from .reader import ReaderRequest, parse_reader_response
    from .rerank import RerankRequest
    from .responses import parse, parse_lines, usage_of
    from .segmentation import SegmentRequest
    from .sparse import SparseRequest

__all__ = [
    "Access",
    "BatchRequest",
    "Call",
    "ClassifyRequest",
    "ColbertEndpoint",
    "EmbedRequest",
    "Labels",
    "MultiVectorRequest",
    "ReaderRequest",
    "RerankRequest",
    "SegmentRequest",
    "SparseRequest",
    "TrainRequest",
    "models_call",
    "parse",
    "parse_lines",
    "parse_reader_response",
    "read_models",
    "usage_of",
]

load_on_use(
    __name__,
    {
        ".batch": "BatchRequest",
        ".call": "Call",
        ".classification": "Access ClassifyRequest Labels TrainRequest",
        ".embedding": "EmbedRequest",
        ".listings": "models_call read_models",
        ".multi_vector": "ColbertEndpoint MultiVectorRequest",
        ".reader": "ReaderRequest parse_reader_response",
        ".rerank": "RerankRequest",
        ".responses": "parse parse_lines usage_of",
        ".segmentation": "SegmentRequest",
        ".sparse": "SparseRequest",
    },
)
