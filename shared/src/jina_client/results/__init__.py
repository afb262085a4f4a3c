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

__all__ = [
    "BatchJob",
    "BatchOutput",
    "Classification",
    "Classifications",
    "ClassifierInfo",
    "Embeddings",
    "LabelScore",
    "ModelInfo",
    "MultiVectors",
    "RankedDocument",
    "RerankResult",
    "Segments",
    "SparseEmbeddings",
    "TrainedClassifier",
    "Usage",
]
