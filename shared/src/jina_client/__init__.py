"""A client for Jina AI's search models: embeddings and reranking, synchronous and asynchronous, with numpy results.

Example:
    >>> from jina_client import JinaClient
    >>> client = JinaClient()  # reads the key from JINA_API_KEY; JinaClient(base_url="local") needs no key
    >>> vectors = client.embed(["a text", "another"], model="jina-embeddings-v3").vectors
"""

from typing import TYPE_CHECKING

from ._sync.client import JinaClient
from .default_models import JinaDefaultModelWarning
from .errors import (
    AuthenticationError,
    BadRequestError,
    FieldError,
    JinaArgumentError,
    JinaConnectionError,
    JinaError,
    JinaInputError,
    JinaResponseError,
    JinaStatusError,
    JinaTimeoutError,
    NotFoundError,
    PartialFailureError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
)
from .lazy import load_on_use
from .observation import Attempt
from .results import Embeddings, Usage
from .version import __version__

if TYPE_CHECKING:
    from ._async.client import AsyncJinaClient
    from .cache import EmbeddingCache
    from .quantization import StorageEstimate, estimate_storage
    from .results import (
        BatchJob,
        BatchOutput,
        Classification,
        Classifications,
        ClassifierInfo,
        Grounding,
        LabelScore,
        ModelInfo,
        MultiVectors,
        Page,
        RankedDocument,
        RerankResult,
        SearchResults,
        Segments,
        SparseEmbeddings,
        TrainedClassifier,
    )

__all__ = [
    "AsyncJinaClient",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "BatchJob",
    "BatchOutput",
    "Classification",
    "Classifications",
    "ClassifierInfo",
    "EmbeddingCache",
    "Embeddings",
    "FieldError",
    "Grounding",
    "JinaArgumentError",
    "JinaClient",
    "JinaConnectionError",
    "JinaDefaultModelWarning",
    "JinaError",
    "JinaInputError",
    "JinaResponseError",
    "JinaStatusError",
    "JinaTimeoutError",
    "LabelScore",
    "ModelInfo",
    "MultiVectors",
    "NotFoundError",
    "Page",
    "PartialFailureError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RankedDocument",
    "RateLimitError",
    "RequestTooLargeError",
    "RerankResult",
    "SearchResults",
    "Segments",
    "ServerError",
    "SparseEmbeddings",
    "StorageEstimate",
    "TrainedClassifier",
    "Usage",
    "__version__",
    "estimate_storage",
]

load_on_use(
    __name__,
    {
        "._async.client": "AsyncJinaClient",
        ".cache": "EmbeddingCache",
        ".quantization": "StorageEstimate estimate_storage",
        ".results": "BatchJob BatchOutput Classification Classifications ClassifierInfo Grounding LabelScore ModelInfo "
        "MultiVectors Page RankedDocument RerankResult SearchResults Segments SparseEmbeddings TrainedClassifier",
    },
)
