"""The values that client methods return."""

from .batches import BatchJob, BatchOutput
from .classification import Classification, Classifications, ClassifierInfo, LabelScore, TrainedClassifier
from .embeddings import Embeddings, MultiVectors, SparseEmbeddings
from .model_info import ModelInfo
from .rerank import RankedDocument, RerankResult
from .segmentation import Segments
from .usage import Usage
from .web import Grounding, Page, SearchResults

__all__ = [
    "BatchJob",
    "BatchOutput",
    "Classification",
    "Classifications",
    "ClassifierInfo",
    "Embeddings",
    "Grounding",
    "LabelScore",
    "ModelInfo",
    "MultiVectors",
    "Page",
    "RankedDocument",
    "RerankResult",
    "SearchResults",
    "Segments",
    "SparseEmbeddings",
    "TrainedClassifier",
    "Usage",
]
