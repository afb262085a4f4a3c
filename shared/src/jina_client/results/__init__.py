"""The values that client methods return."""

from typing import TYPE_CHECKING

from ..lazy import load_on_use

if TYPE_CHECKING:
    from .batches import BatchJob, BatchOutput
    from .classification import Classification, Classifications, ClassifierInfo, LabelScore, TrainedClassifier
    from .embeddings import Embeddings
    from .model_info import ModelInfo
    from .multi_vectors import MultiVectors
    from .rerank import RankedDocument, RerankResult
    from .segmentation import Segments
    from .sparse import SparseEmbeddings
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

load_on_use(
    __name__,
    {
        ".batches": "BatchJob BatchOutput",
        ".classification": "Classification Classifications ClassifierInfo LabelScore TrainedClassifier",
        ".embeddings": "Embeddings",
        ".model_info": "ModelInfo",
        ".multi_vectors": "MultiVectors",
        ".rerank": "RankedDocument RerankResult",
        ".segmentation": "Segments",
        ".sparse": "SparseEmbeddings",
        ".usage": "Usage",
        ".web": "Grounding Page SearchResults",
    },
)
