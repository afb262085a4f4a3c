"""Batching: many inputs become few requests, and results return to the order of the inputs. It sends nothing."""

from typing import TYPE_CHECKING

from ..lazy import load_on_use

if TYPE_CHECKING:
    from .context import PlanningContext
    from .job import Job, SingleCall, attaching_results
    from .per_input import plan_classify, plan_multi_vector, plan_sparse
    from .plans import StreamPlan, plan_embed, plan_embed_chunked
    from .rerank import plan_rerank
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

load_on_use(
    __name__,
    {
        ".context": "PlanningContext",
        ".job": "Job SingleCall attaching_results",
        ".per_input": "plan_classify plan_multi_vector plan_sparse",
        ".plans": "StreamPlan plan_embed plan_embed_chunked",
        ".rerank": "plan_rerank",
        ".segmentation": "SegmentJob",
    },
)
