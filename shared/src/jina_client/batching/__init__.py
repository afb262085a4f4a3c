"""Batching: many inputs become few requests, and results return to the order of the inputs. It sends nothing."""

from .context import PlanningContext
from .job import Job, SingleCall, attaching_results
from .plans import (
    StreamPlan,
    plan_classify,
    plan_embed,
    plan_embed_chunked,
    plan_multi_vector,
    plan_rerank,
    plan_sparse,
)
from .segmentation import SegmentJob

__all__ = [
    "Job",
    "PlanningContext",
    "SegmentJob",
    "SingleCall",
    "StreamPlan",
    "attaching_results",
    "plan_classify",
    "plan_embed",
    "plan_embed_chunked",
    "plan_multi_vector",
    "plan_rerank",
    "plan_sparse",
]
