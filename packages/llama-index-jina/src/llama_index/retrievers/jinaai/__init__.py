"""Retrievers for LlamaIndex on an index inside the process. They need the package ``jina-index``."""

try:
    import jina_index as _jina_index  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "jina_index":
        raise
    raise ImportError(
        "the retrievers of llama-index-jina need jina-index, which is not installed: pip install jina-index, "
        "or in a checkout pip install ./shared ./packages/jina-index"
    ) from error

from .late_interaction import JinaLateInteractionRetriever
from .two_stage import JinaRetriever

__all__ = ["JinaLateInteractionRetriever", "JinaRetriever"]
