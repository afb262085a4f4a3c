"""The names of jina-index that components use, the error that says how to install it, and a base class for them."""

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
        fixed_setting,
    )
except ModuleNotFoundError as error:
    if error.name != "jina_index":
        raise
    raise ImportError(
        "the document store, writer and retrievers of haystack-jina need jina-index, which is not installed: "
        "pip install jina-index, or in a checkout pip install ./shared ./packages/jina-index"
    ) from error

from typing import Any

__all__ = [
    "OVERSAMPLING",
    "BinaryIndex",
    "FirstStage",
    "Hit",
    "IndexFolder",
    "IndexRetriever",
    "IndexUser",
    "LateInteractionEncoder",
    "MultiVectorIndex",
    "StoredPrecision",
]

_FIXED = frozenset({"path", "model", "model_name", "dimensions", "stored", "first_stage", "read_only"})


class IndexUser:
    """A class with an index folder, whose attributes that the index depends on cannot change."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute that the index does not depend on; the others raise an error."""
        if name in _FIXED and "_folder" in vars(self):
            raise fixed_setting(name, type(self))
        super().__setattr__(name, value)
