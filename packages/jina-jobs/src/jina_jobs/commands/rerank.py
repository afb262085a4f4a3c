"""``jina-jobs rerank`` and ``jina-jobs classify``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..classification import ClassifyTask
from ..outputs import open_output
from ..reranking import RerankTask
from ..tasks import CALLS
from . import options as given
from .running import run_job


@given.grouped_options
def rerank(
    input: given.Input,
    output: given.OutputAddress,
    *,
    query_column: Annotated[str, typer.Option("--query-column", help="The column with queries.")] = "query",
    documents_column: Annotated[
        str, typer.Option("--documents-column", help="The column with a list of candidates.")
    ] = "documents",
    id_column: given.IdColumn = None,
    keep: given.Keep = None,
    model: given.Model = "jina-reranker-v2-base-multilingual",
    top_n: Annotated[int | None, typer.Option("--top-n", min=1, help="Results per row (default: all).")] = None,
    batch_size: given.BatchSize = None,
    running: given.Running,
) -> int:
    """Sort the candidates of every row of INPUT by their relevance to its query."""
    job = RerankTask(
        model=model,
        query_column=query_column,
        documents_column=documents_column,
        id_column=id_column,
        keep=tuple(keep or ()),
        top_n=top_n,
        batch_size=batch_size,
        concurrency=running.max_concurrency or CALLS,
    )
    return run_job(job, input, open_output(output), running)


@given.grouped_options
def classify(
    input: given.Input,
    output: given.OutputAddress,
    *,
    text_column: given.TextColumn = None,
    image_column: given.ImageColumn = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="A label; repeat for more.")] = None,
    classifier_id: Annotated[
        str | None, typer.Option("--classifier-id", help="A trained classifier instead of labels.")
    ] = None,
    id_column: given.IdColumn = None,
    keep: given.Keep = None,
    model: given.Model = "jina-embeddings-v3",
    batch_size: given.BatchSize = None,
    running: given.Running,
) -> int:
    """Classify every row of INPUT by labels, or by a trained classifier."""
    job = ClassifyTask(
        model=model,
        text_column="text" if text_column is None and image_column is None else text_column,
        image_column=image_column,
        labels=tuple(label or ()),
        classifier_id=classifier_id,
        id_column=id_column,
        keep=tuple(keep or ()),
        batch_size=batch_size,
        concurrency=running.max_concurrency or CALLS,
    )
    return run_job(job, input, open_output(output), running)
