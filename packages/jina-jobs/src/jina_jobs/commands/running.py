"""Running a job for a command."""

from __future__ import annotations

from ..display import print_summary
from ..inputs import open_source
from ..job import run
from ..outputs import Output
from ..tasks import Task
from .options import Running

FAILED_ROWS = 3


def run_job(task: Task, input: str, output: Output, running: Running) -> int:
    """Run a job with its progress and summary, and return the exit code."""
    source = open_source(input, task.columns, running.limit)
    with running.progress() as progress:
        summary = run(task, source, output, running.job(progress))
    print_summary(summary, as_json=running.json, quiet=running.quiet)
    return FAILED_ROWS if summary.failed else 0
