"""Many inputs to few requests, and the answers back into the order of the inputs. It sends nothing."""

from .embedding import ChunksJob, DocumentsJob, EmbedJob
from .job import Job, OneCall, handing_over
from .lists import ListJob, SegmentJob
from .ranking import RerankJob
from .splitting import LARGEST_BODY, REQUEST_TOKENS, Filling, Window, documents_of, split, windows

__all__ = [
    "LARGEST_BODY",
    "REQUEST_TOKENS",
    "ChunksJob",
    "DocumentsJob",
    "EmbedJob",
    "Filling",
    "Job",
    "ListJob",
    "OneCall",
    "RerankJob",
    "SegmentJob",
    "Window",
    "documents_of",
    "handing_over",
    "split",
    "windows",
]
