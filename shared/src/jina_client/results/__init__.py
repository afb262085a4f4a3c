"""What the client gives back."""

from .judgements import (
    Classification,
    Classifications,
    ClassifierInfo,
    LabelScore,
    RankedDocument,
    RerankResult,
    TrainedClassifier,
)
from .service import BatchJob, BatchOutput, ModelInfo, Segments
from .usage import Usage
from .vectors import Embeddings, MultiVectors, SparseEmbeddings
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
