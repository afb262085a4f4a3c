"""Write the pages about models and the protocol: ``uv run tools/make_pages.py``. A test fails if they are outdated."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from jina_client import AsyncJinaClient, JinaClient
from jina_client.models import BATCH_TASKS, MODELS, Endpoint, Model

FOLDER = Path(__file__).resolve().parent.parent / "docs"


@dataclass(frozen=True, slots=True)
class Part:
    """One endpoint of the catalogue.

    Attributes:
        path: method and path on the wire.
        method: of the client.
        inputs: the fields that carry what is to be computed, with the client's argument for each.
        arguments: for fields that another name stands for, or none, what the client has instead.
    """

    path: str
    method: str
    inputs: Mapping[str, str]
    arguments: Mapping[str, str]


PARTS: Mapping[Endpoint, Part] = {
    "embeddings": Part(
        "POST /v1/embeddings", "embed", {"input": "inputs"}, {"late_chunking": "`late_chunking`, or `embed_chunked`"}
    ),
    "multi-vector": Part(
        "POST /v1/embeddings, or /v1/multi-vector with `endpoint`",
        "embed_multi_vector",
        {"input": "inputs"},
        {"return_multivector": "always true"},
    ),
    "sparse": Part("POST /v1/embeddings", "embed_sparse", {"input": "inputs"}, {}),
    "rerank": Part(
        "POST /v1/rerank",
        "rerank",
        {"query": "query", "documents": "documents"},
        {"return_documents": "`return_documents` (always false on the wire: the client has the documents)"},
    ),
    "classify": Part("POST /v1/classify", "classify", {"input": "inputs", "labels": "labels"}, {}),
    "train": Part("POST /v1/train", "classifiers.train", {"input": "examples"}, {}),
    "batch": Part(
        "POST /v1/batch/embeddings",
        "batches.create",
        {"input": "inputs, ids", "input_url": "input_url"},
        {"task": f"`task`: {', '.join(f'`{task}`' for task in BATCH_TASKS)}"},
    ),
}
OTHERS: Sequence[tuple[str, str, str]] = (
    ("POST /v1/classify with `classifier_id`", "classify(classifier_id=…)", "`input` is `inputs`"),
    ("POST /v1/train with `classifier_id`", "classifiers.train(classifier_id=…)", "`input` is `examples`, `num_iters`"),
    ("GET /v1/classifiers", "classifiers.list", ""),
    ("DELETE /v1/classifiers/{id}", "classifiers.delete", ""),
    (
        "POST /v1/segment",
        "segment",
        "`content` is `text`; `tokenizer`, `max_chunk_length`, `return_chunks`, `return_tokens`, `head`, `tail`",
    ),
    ("GET /v1/models", "models.list", ""),
    ("GET /v1/models/{id}", "models.get", ""),
    ("GET /v1/batch/{id}", "batches.get, batches.wait", ""),
    ("DELETE /v1/batch/{id}", "batches.cancel", ""),
    ("GET /v1/batch/{id}/output", "batches.output", ""),
    ("GET /v1/batch/{id}/errors", "batches.errors", ""),
    ("GET /v1/batches", "batches.list", "`limit`"),
)
_INTRODUCTION = """\
# The protocol, and where each part of it is in the client

This page is generated from the catalog, `jina_client.models.MODELS`, by `tools/make_pages.py`. The facts are those of
Jina's published OpenAPI description of June 2026 and of its model cards; nothing was run against the hosted service.

In each table a model's row has the fields that it takes, with the value that the service assumes where a field is left
out (`–` where it takes none such). The line under the names says which argument of the client each field is. A field
that a model does not take is refused by the client before anything is sent; `normalized` and `return_documents` are
always said, because descriptions of their defaults contradict each other, and `embedding_type` is `base64` on the wire
wherever floats are asked for. For an id that is not in the catalogue, fields are sent as they are given.
"""
_CHOOSING = """\
# Choosing a model

| for | take | because |
|---|---|---|
| text, many languages | `jina-embeddings-v5-text-small`, or the smaller `-nano` | the newest; Matryoshka |
| chunks that need their document | `jina-embeddings-v3` | it and v4 have late chunking |
| code | `jina-code-embeddings-0.5b` or `-1.5b` | tasks for five kinds of search, such as `nl2code` |
| pictures and PDF pages | `jina-embeddings-v4`, `jina-clip-v2` | one space for both; v4 gives one vector a token too |
| pictures, sound, film | `jina-embeddings-v5-omni-small`, or `-nano` | one space for all; parts fused into one vector |
| late interaction | `jina-colbert-v2` | one vector of 64, 96 or 128 numbers for each token |
| reranking | `jina-reranker-v3` | reads documents together; `-v2-base-multilingual` is smaller, `-m0` reads pictures |

This is what the models are made for by their cards; no quality was measured here, since no key was at hand. The v2
models and v1 rerankers are English (v2 also German, Spanish, Chinese and code, one model each) and under the Apache
license. They are the defaults of older integrations, which keep them because people have stored their vectors.

**Tasks.** A model is told whether a text is a query or a document by `task`. The integrations do it by themselves: the
table below says which task each role gets. Vectors of different models, or of tasks that do not belong together, cannot
be compared.

**Dimensions.** Fewer numbers save memory and time, and cost a little quality. The Matryoshka lengths are those that a
model was trained for.
"""


def pages() -> dict[str, str]:
    """Each page by its file's name."""
    endpoints = (_endpoint(name, part) for name, part in PARTS.items())
    return {"models.md": f"{_CHOOSING}\n{_models()}", "protocol.md": "\n".join([_INTRODUCTION, *endpoints, _others()])}


def _models() -> str:
    rows = [
        (
            f"`{model.id}`",
            ", ".join(model.endpoints),
            str(model.dimensions or "–"),
            _listed(model.matryoshka),
            f"`{model.query_task}` / `{model.document_task}`".replace("`None`", "–") if model.tasks else "–",
            f"{model.context:,}",
            ", ".join(kind for kind in ("text", "image", "pdf", "video", "audio") if kind in model.modalities),
            model.license,
        )
        for model in MODELS.values()
    ]
    names = (
        "model",
        "endpoints",
        "dimensions",
        "Matryoshka lengths",
        "task of queries / documents",
        "context",
        "inputs",
        "license",
    )
    return "\n".join(
        (
            "## All models\n",
            *_table(names, rows),
            "",
            "Dimensions are those of the full vector. Every whole number up to it may be asked for where a model takes",
            "`dimensions` (of ColBERT 64, 96 or 128); the Matryoshka lengths are those that it was trained for. The",
            "context is in tokens. The license is that of the open weights. One request holds at most 512 inputs: the",
            "client splits longer lists.",
            "",
        )
    )


def _endpoint(name: Endpoint, part: Part) -> str:
    models = [model for model in MODELS.values() if name in model.fields]
    fields = list(dict.fromkeys(field for model in models for field in model.fields[name]))
    required = [
        (f"`{field}`", ", ".join(f"`{each}`" for each in said.split(", "))) for field, said in part.inputs.items()
    ]
    inputs = "; ".join(f"{field} is {said}" for field, said in (("`model`", "`model`"), *required))
    arguments = ["", *(part.arguments.get(field, f"`{field}`") for field in fields)]
    rows = [arguments] if fields else []
    rows += [[f"`{model.id}`", *(_default(model, name, field) for field in fields)] for model in models]
    return "\n".join(
        (
            f"## {name}\n",
            f"{part.path}: `{part.method}`. {inputs}.\n",
            *_table((f"model ({name})", *(f"`{field}`" for field in fields)), rows),
            "",
        )
    )


def _others() -> str:
    rows = [
        (f"{path}", ", ".join(f"`{method}`" for method in methods.split(", ")), fields or "–")
        for path, methods, fields in OTHERS
    ]
    return "\n".join(("## Without a model\n", *_table(("on the wire", "client", "fields"), rows), ""))


def _default(model: Model, endpoint: Endpoint, field: str) -> str:
    if field not in model.fields[endpoint]:
        return "–"
    value: Any = model.fields[endpoint][field]
    if value is None:
        return "full length" if field == "dimensions" else "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values)) or "–"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (names, ["---"] * len(names), *rows)]


def method_of(client: JinaClient | AsyncJinaClient, name: str) -> Callable[..., Any]:
    """Return a method of a client, or of one of its resources, such as ``batches.create``."""
    method: Callable[..., Any] = attrgetter(name)(client)
    return method


def arguments_of(name: str) -> set[str]:
    """Return the arguments of a method of the client."""
    return set(inspect.signature(method_of(JinaClient(base_url="local"), name)).parameters)


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
