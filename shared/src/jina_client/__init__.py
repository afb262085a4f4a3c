"""A client for Jina AI's search models: embeddings and reranking, synchronous and asynchronous, with numpy results.

Example:
    >>> from jina_client import JinaClient
    >>> client = JinaClient()  # reads the key from JINA_API_KEY; JinaClient(base_url="local") needs no key
    >>> vectors = client.embed(["a text", "another"], model="jina-embeddings-v3").vectors
"""

from ._async.client import AsyncJinaClient
from ._sync.client import JinaClient
from .cache import EmbeddingCache
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
from .observation import Attempt
from .quantization import StorageEstimate, estimate_storage
from .results import (
    BatchJob,
    BatchOutput,
    Classification,
    Classifications,
    ClassifierInfo,
    Embeddings,
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
    Usage,
)
from .version import __version__

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
