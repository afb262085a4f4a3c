"""``jina-jobs embed``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..display import print_summary
from ..embedding import EmbedTask
from ..inputs import open_source
from ..job import Summary, run
from ..outputs import open_output
from ..tasks import Task
from . import options as given
from .options import Running


def embed(
    input: given.Input,
    output: given.OutputAddress,
    *,
    text_column: given.TextColumn = None,
    image_column: given.ImageColumn = None,
    id_column: given.IdColumn = None,
    group_column: Annotated[
        str | None, typer.Option("--group-column", help="The column with the document, for late chunking.")
    ] = None,
    keep: given.Keep = None,
    model: given.Model = "jina-embeddings-v3",
    task: Annotated[str | None, typer.Option("--task", help="The adapter, such as retrieval.query.")] = None,
    dimensions: Annotated[int | None, typer.Option("--dimensions", min=1, help="The length of the vectors.")] = None,
    encoding: Annotated[given.Encodings, typer.Option("--encoding", help="How vectors are stored.")] = "float32",
    base_url: given.BaseUrl = None,
    dialect: given.DialectName = None,
    batch_size: given.BatchSize = None,
    requests_per_minute: given.RequestsPerMinute = None,
    tokens_per_minute: given.TokensPerMinute = None,
    max_concurrency: given.MaxConcurrency = None,
    on_error: given.OnErrorOption = "skip",
    errors: given.Errors = None,
    resume: given.Resume = False,
    overwrite: given.Overwrite = False,
    limit: given.Limit = None,
    price_per_million_tokens: given.Price = None,
    quiet: given.Quiet = False,
    as_json: given.Json = False,
) -> int:
    """Embed every row of INPUT, and write the vectors to OUTPUT.

    After an interruption or a crash, the same command with --resume goes on. It pays for no finished row again.
    """
    running = Running(
        base_url=base_url,
        dialect=dialect,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        max_concurrency=max_concurrency,
        on_error=on_error,
        errors=errors,
        resume=resume,
        overwrite=overwrite,
        price=price_per_million_tokens,
        quiet=quiet,
        as_json=as_json,
    )
    job = EmbedTask(
        model=model,
        text_column=given.default_text_column(text_column, image_column),
        image_column=image_column,
        id_column=id_column,
        group_column=group_column,
        keep=tuple(keep or ()),
        task=task,
        dimensions=dimensions,
        encoding=encoding,
        batch_size=batch_size,
        concurrency=max_concurrency or 8,
    )
    return run_job(job, input, output, limit, running)


def run_job(task: Task, input: str, output: str, limit: int | None, running: Running) -> int:
    """Run a job with its progress and summary, and return the exit code."""
    target = open_output(output)
    source = open_source(input, task.columns, limit)
    with running.progress() as progress:
        summary: Summary = run(task, source, target, running.job(progress))
    print_summary(summary, as_json=running.as_json, quiet=running.quiet)
    return 3 if summary.failed else 0
