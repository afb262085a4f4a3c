"""``jina-jobs estimate``: what a job will need, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Annotated, Any

import typer
from jina_client import JinaClient, JinaInputError, estimate_storage
from jina_client.integration import find_model, text_tokens

from ..display import duration, print_json, print_table
from ..embedding import ENCODINGS, MULTI_VECTOR_ENCODINGS, EmbedTask
from ..inputs import Record, open_source
from ..rows import Row
from ..tasks import reason
from . import options as given

_BATCH = 128
# The client's own bound for one request.
_REQUEST_TOKENS = 50_000


def estimate(
    input: given.Input,
    *,
    text_column: given.TextColumn = None,
    image_column: given.ImageColumn = None,
    model: given.Model = "jina-embeddings-v3",
    dimensions: Annotated[int | None, typer.Option("--dimensions", min=1, help="The length of the vectors.")] = None,
    batch_size: given.BatchSize = None,
    requests_per_minute: given.RequestsPerMinute = None,
    tokens_per_minute: given.TokensPerMinute = None,
    price_per_million_tokens: given.Price = None,
    limit: given.Limit = None,
    as_json: given.Json = False,
) -> int:
    """Estimate the tokens, requests, minutes, price and storage of embedding INPUT. Nothing is sent."""
    task = EmbedTask(
        model=model,
        text_column="text" if text_column is None and image_column is None else text_column,
        image_column=image_column,
        dimensions=dimensions,
    )
    known = find_model(model)
    source = open_source(input, task.columns, limit)
    rows = failed = tokens = requests = uncounted = 0
    cause = ""
    with JinaClient(base_url="local") as client:
        for batch, broken in _batches(task, source.records(), batch_size or _BATCH):
            rows, failed = rows + len(batch), failed + broken
            own, causes = _tokens(client, batch, model)
            tokens, uncounted = tokens + own, uncounted + len(causes)
            cause = cause or next(iter(causes), "")
            requests += max(bool(batch), -(-own // _REQUEST_TOKENS))
    minutes = max(
        requests / requests_per_minute if requests_per_minute else 0,
        tokens / tokens_per_minute if tokens_per_minute else 0,
    )
    width = dimensions or (known.dimensions if known else 0)
    vectors, encodings = (tokens, MULTI_VECTOR_ENCODINGS) if task.gives_multi_vectors else (rows, ENCODINGS)
    result: dict[str, Any] = {
        "rows": rows,
        "broken_rows": failed,
        "tokens": tokens,
        "uncounted_rows": uncounted,
        "uncounted_reason": cause or None,
        "requests": requests,
        "minutes": minutes if requests_per_minute or tokens_per_minute else None,
        "price": None if price_per_million_tokens is None else tokens * price_per_million_tokens / 1_000_000,
        "dimensions": width or None,
        "storage_bytes": {name: estimate_storage(vectors, width, name).bytes for name in encodings} if width else {},
    }
    if as_json:
        print_json(result)
    else:
        _print(result)
    return 0


def _batches(task: EmbedTask, records: Iterator[Record], size: int) -> Iterator[tuple[list[Row], int]]:
    while batch := [task.row(record) for record in islice(records, size)]:
        rows = [row for row in batch if not row.error]
        yield rows, len(batch) - len(rows)


def _tokens(client: JinaClient, rows: Sequence[Row], model: str) -> tuple[int, list[str]]:
    """Return the estimated tokens of rows, and for each row that has no estimate the reason."""
    values = [row.value for row in rows]
    try:
        if values and find_model(model):
            return client.estimate_tokens(values, model=model), []
        if all(isinstance(value, str) for value in values):
            return sum(map(text_tokens, values)), []
        raise JinaInputError(f"the catalog has no model {model!r}, so that only the tokens of texts are estimated")
    except JinaInputError as error:
        if len(rows) == 1:
            return 0, [reason(error).replace("inputs[0]", rows[0].place)]
    counts, causes = zip(*(_tokens(client, [row], model) for row in rows), strict=True)
    return sum(counts), list(chain(*causes))


def _print(result: dict[str, Any]) -> None:
    lines = [
        ("rows", f"{result['rows']:,}"),
        ("broken rows", f"{result['broken_rows']:,}"),
        ("tokens (estimated)", f"{result['tokens']:,}"),
        ("requests", f"{result['requests']:,}"),
        ("time under the limits", "no limits given" if result["minutes"] is None else duration(60 * result["minutes"])),
        ("price", "no price given" if result["price"] is None else f"{result['price']:,.4f}"),
    ]
    for name, size in result["storage_bytes"].items():
        lines.append((f"storage as {name}, {result['dimensions']} dimensions", f"{size / 1e6:,.2f} MB"))
    print_table("", ("", "value"), lines, right=("value",))
    if result["uncounted_rows"]:
        left_out = f"{result['uncounted_rows']:,} of {result['rows']:,} rows"
        print(f"Tokens, time and price leave out {left_out}: {result['uncounted_reason']}")
