"""``jina-jobs models``: the catalog."""

from __future__ import annotations

from typing import Annotated

import typer
from jina_client.integration import MODELS, Endpoint, Modality, Model

from ..display import print_json, print_table
from . import options as given


def models(
    name: Annotated[str, typer.Argument(help="Part of the model's id.")] = "",
    *,
    endpoint: Annotated[Endpoint | None, typer.Option("--endpoint", help="Models of this endpoint.")] = None,
    modality: Annotated[Modality | None, typer.Option("--modality", help="Models that take this.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Models with this task.")] = None,
    as_json: given.Json = False,
) -> int:
    """List the models that the client knows, with their facts."""
    rows = [
        row
        for row in MODELS.values()
        if name.lower() in row.id
        and (endpoint is None or endpoint in row.fields)
        and (modality is None or modality in row.modalities)
        and (task is None or task in row.tasks)
    ]
    if as_json:
        print_json([_facts(row) for row in rows])
        return 0
    lines = [
        (
            row.id,
            ", ".join(row.endpoints),
            str(row.dimensions or ""),
            ", ".join(map(str, row.matryoshka)),
            f"{row.context:,}",
            ", ".join(sorted(row.modalities)),
            ", ".join(row.tasks),
            row.license,
        )
        for row in rows
    ]
    columns = ("model", "endpoints", "dimensions", "Matryoshka", "context", "inputs", "tasks", "license")
    print_table(f"{len(rows)} models", columns, lines, right=("dimensions", "context"))
    return 0


def _facts(row: Model) -> dict[str, object]:
    return {
        "id": row.id,
        "endpoints": row.endpoints,
        "dimensions": row.dimensions,
        "matryoshka": row.matryoshka,
        "context": row.context,
        "modalities": sorted(row.modalities),
        "tasks": row.tasks,
        "license": row.license,
    }
