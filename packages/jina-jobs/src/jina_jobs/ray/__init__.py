"""Jina's models in Ray Data: vectors, scores and labels for datasets of any size, on a cluster.

Needs Ray: ``pip install "jina-jobs[ray]"``, on every node.

Example:
    >>> import ray
    >>> from jina_jobs.ray import embed
    >>> dataset = ray.data.read_parquet("texts.parquet")
    >>> dataset = embed(dataset, column="text", model="jina-embeddings-v3", concurrency=4)
    >>> dataset.write_parquet("vectors")
"""

try:
    import ray.data  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"jina_jobs.ray needs Ray Data, and {error.name or 'a part of it'} is not installed: run "
        "pip install 'jina-jobs[ray]', on every node of the cluster"
    ) from error

from .batches import ClassifyBatches, EmbedBatches, MultiVectorBatches, RerankBatches
from .datasets import classify, embed, embed_multi_vector, rerank
from .limits import SharedLimits

__all__ = [
    "ClassifyBatches",
    "EmbedBatches",
    "MultiVectorBatches",
    "RerankBatches",
    "SharedLimits",
    "classify",
    "embed",
    "embed_multi_vector",
    "rerank",
]
