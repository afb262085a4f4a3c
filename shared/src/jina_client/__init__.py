"""A client of Jina AI's search models: embeddings and reranking, synchronous and asynchronous, to numpy.

from jina_client import JinaClient

client = JinaClient()  # the key is read from JINA_API_KEY; JinaClient(base_url="local") needs none
vectors = client.embed(["a text", "another"], model="jina-embeddings-v3").vectors
"""

from .aio import AsyncJinaClient
from .client import JinaClient
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
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
)
from .results import (
    BatchJob,
    BatchOutput,
    Classification,
    Classifications,
    ClassifierInfo,
    Embeddings,
    LabelScore,
    ModelInfo,
    MultiVectors,
    RankedDocument,
    RerankResult,
    Segments,
    SparseEmbeddings,
    TrainedClassifier,
    Usage,
)
from .version import __version__

__all__ = [
    "AsyncJinaClient",
    "AuthenticationError",
    "BadRequestError",
    "BatchJob",
    "BatchOutput",
    "Classification",
    "Classifications",
    "ClassifierInfo",
    "Embeddings",
    "FieldError",
    "JinaArgumentError",
    "JinaClient",
    "JinaConnectionError",
    "JinaError",
    "JinaInputError",
    "JinaResponseError",
    "JinaStatusError",
    "JinaTimeoutError",
    "LabelScore",
    "ModelInfo",
    "MultiVectors",
    "NotFoundError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RankedDocument",
    "RateLimitError",
    "RequestTooLargeError",
    "RerankResult",
    "Segments",
    "ServerError",
    "SparseEmbeddings",
    "TrainedClassifier",
    "Usage",
    "__version__",
]
