"""The names of jina-index that components use, and the error that says how to install it."""

try:
    from jina_index import (
        OVERSAMPLING,
        BinaryIndex,
        FirstStage,
        Hit,
        IndexFolder,
        IndexRetriever,
        LateInteractionEncoder,
        MultiVectorIndex,
        StoredPrecision,
    )
except ModuleNotFoundError as error:
    if error.name != "jina_index":
        raise
    raise ImportError(
        "the document store, writer and retrievers of haystack-jina need jina-index, which is not installed: "
        "pip install jina-index, or in a checkout pip install ./shared ./packages/jina-index"
    ) from error

__all__ = [
    "OVERSAMPLING",
    "BinaryIndex",
    "FirstStage",
    "Hit",
    "IndexFolder",
    "IndexRetriever",
    "LateInteractionEncoder",
    "MultiVectorIndex",
    "StoredPrecision",
]
