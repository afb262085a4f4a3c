"""``jina-jobs embed``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..embedding import EmbedTask
from ..outputs import open_output
from ..tasks import CALLS
from . import options as given
from .running import run_job


@given.grouped_options
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
    batch_size: given.BatchSize = None,
    running: given.Running,
) -> int:
    """Embed every row of INPUT, and write the vectors to OUTPUT.

    After an interruption or a crash, the same command with --resume goes on. It pays for no finished row again.
    """
    target = open_output(output)
    job = EmbedTask(
        model=model,
        text_column="text" if text_column is None and image_column is None else text_column,
        image_column=image_column,
        id_column=id_column,
        group_column=group_column,
        keep=tuple(keep or ()),
        task=task,
        dimensions=dimensions,
        encoding=target.accept(encoding),
        batch_size=batch_size,
        concurrency=running.max_concurrency or CALLS,
    )
    return run_job(job, input, target, running)
