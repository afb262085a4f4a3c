"""``jina-jobs evaluate``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from jina_client import JinaClient
from rich.console import Console

from ..display import print_json, print_table
from ..errors import JobError, JobUsageError
from ..evaluation import EvaluationPlan, evaluate, read_collection
from ..evaluation.html import cells, html_report
from . import options as given


@given.grouped_options
def evaluate_command(
    folder: Annotated[
        Path, typer.Argument(help="A folder with corpus.jsonl, queries.jsonl and qrels/test.tsv (BEIR).")
    ],
    *,
    model: Annotated[list[str] | None, typer.Option("--model", help="An embedding model; repeat for more.")] = None,
    dimensions: Annotated[
        list[int] | None, typer.Option("--dimensions", min=1, help="A length; repeat for more (default: full).")
    ] = None,
    encoding: Annotated[
        list[str] | None,
        typer.Option("--encoding", help="float32, float16, int8 or binary; repeat for more."),
    ] = None,
    rescoring: Annotated[
        list[int] | None,
        typer.Option("--rescoring", min=0, help="Rescore N times as many candidates of int8 and binary; 0 is none."),
    ] = None,
    late_chunking: Annotated[
        int | None, typer.Option("--late-chunking", min=50, help="Also with late chunking, N characters per chunk.")
    ] = None,
    reranker: Annotated[
        list[str] | None, typer.Option("--reranker", help="Also with this reranker; repeat for more.")
    ] = None,
    rerank_depth: Annotated[int, typer.Option("--rerank-depth", min=1, help="Documents that a reranker gets.")] = 50,
    recall_at: Annotated[int, typer.Option("--recall-at", min=1, help="The rank of recall.")] = 100,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.0, max=1.0, help="The share of the best that may be lost.")
    ] = 0.01,
    split: Annotated[str, typer.Option("--split", help="The file of judgments in qrels.")] = "test",
    limit: Annotated[int | None, typer.Option("--limit", min=2, help="Use only the first N queries.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a report with plots to this file.")] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Keep vectors in this file, so that a second run pays nothing.")
    ] = None,
    connection: given.ConnectionGroup,
    requests_per_minute: given.RequestsPerMinute = None,
    tokens_per_minute: given.TokensPerMinute = None,
    price_per_million_tokens: given.Price = None,
    quiet: given.Quiet = False,
    as_json: given.Json = False,
) -> int:
    """Compare models, lengths, encodings and rerankers on your own texts, and recommend one."""
    if not model:
        raise JobUsageError("pass at least one --model")
    plan = EvaluationPlan(
        models=tuple(model),
        dimensions=tuple(dimensions or ()),
        encodings=tuple(encoding or ("float32", "int8", "binary")),
        rescoring=tuple(rescoring or (0, 4)),
        late_chunking=late_chunking,
        rerankers=tuple(reranker or ()),
        rerank_depth=rerank_depth,
        k=recall_at,
        tolerance=tolerance,
        price_per_million_tokens=price_per_million_tokens,
    )
    collection = read_collection(folder, split, limit)
    client = JinaClient(
        cache=cache,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        **connection.client(),
    )
    console = Console(stderr=True)
    with (
        client,
        console.status("reading") if console.is_terminal and not quiet else _Silence() as status,
    ):
        report = evaluate(collection, plan, client, status.update)
    if html is not None:
        try:
            html.write_text(html_report(report, shlex.join(["jina-jobs", *sys.argv[1:]])), encoding="utf-8")
        except OSError as error:
            raise JobError(f"cannot write {html}: {error.strerror}") from error
    if as_json:
        print_json(report.to_dict())
    elif not quiet:
        columns = (
            "variant",
            "nDCG@10",
            "95 %",
            f"recall@{plan.k}",
            "difference",
            "95 % ",
            "memory",
            "storage",
            "ms",
            "price",
        )
        print_table(
            f"{report.documents:,} documents, {report.queries:,} queries, truth: {report.truth}",
            columns,
            [cells(variant) for variant in report.variants],
            right=columns[1:],
        )
        print(f"Recommendation: {report.recommendation}")
    return 0


class _Silence:
    """A status line that shows nothing."""

    def __enter__(self) -> _Silence:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, step: str) -> None:
        pass
