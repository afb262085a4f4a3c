"""Jobs over files of any size: embed, rerank and classify every row, in bounded memory, and go on after a crash.

The command ``jina-jobs`` is the usual way in. A program runs the same jobs:

Example:
    >>> from jina_jobs import EmbedTask, JobOptions, open_output, open_source, run
    >>> task = EmbedTask(model="jina-embeddings-v3", text_column="text")
    >>> source = open_source("texts.jsonl", task.columns)
    >>> summary = run(task, source, open_output("vectors.parquet"), JobOptions(client={"base_url": "local"}))
"""

from .classification import ClassifyTask
from .embedding import EmbedTask
from .errors import JobError, JobStoppedError, JobUsageError
from .inputs import Record, Source, TableSource, open_source
from .job import JobOptions, OnError, Summary, Watcher, arun, run
from .outputs import Encoding, Output, open_output
from .reranking import RerankTask
from .rows import Outcome, Row
from .tasks import Task
from .version import __version__

__all__ = [
    "ClassifyTask",
    "EmbedTask",
    "Encoding",
    "JobError",
    "JobOptions",
    "JobStoppedError",
    "JobUsageError",
    "OnError",
    "Outcome",
    "Output",
    "Record",
    "RerankTask",
    "Row",
    "Source",
    "Summary",
    "TableSource",
    "Task",
    "Watcher",
    "__version__",
    "arun",
    "open_output",
    "open_source",
    "run",
]
