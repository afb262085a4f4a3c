"""Write the pages about models and the protocol: ``uv run tools/make_pages.py``. A test fails if they are outdated."""

from __future__ import annotations

import argparse
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
    """One endpoint of the catalog.

    Attributes:
        path: the method and path of requests.
        method: the client's method.
        inputs: the required fields, with the client's argument for each.
        arguments: the client's argument for fields that it calls otherwise, or sets itself.
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
        {"return_documents": "`return_documents` (always sent as false: the client has the documents)"},
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
# The protocol

Every endpoint of Jina's API, its fields, and the argument of the client for each field. This page is generated from
the catalog, `jina_client.models.MODELS`, by `tools/make_pages.py`. The facts come from Jina's published OpenAPI
description of June 2026 and from the model cards; nothing was run against the hosted service.

In each table, the first row has the client's arguments. The rows below have the default of each model on the server,
or `–` if the model does not have the field; the client rejects such fields before it sends anything. The client
always sends `normalized` and `return_documents`, because descriptions of their defaults contradict each other. It
sends `embedding_type: "base64"` whenever you ask for floats. For models outside the catalog it sends all fields
unchanged.
"""
_CHOOSING = """\
# Choosing a model

| purpose | model | why |
|---|---|---|
| text in many languages | `jina-embeddings-v5-text-small`, or the smaller `-nano` | the newest; Matryoshka |
| chunks that need their document | `jina-embeddings-v3` or `-v4` | late chunking |
| code | `jina-code-embeddings-0.5b` or `-1.5b` | tasks for five kinds of code search |
| images and PDF pages | `jina-embeddings-v4`, `jina-clip-v2` | texts and images in one vector space |
| images, audio and video | `jina-embeddings-v5-omni-small` or `-nano` | all media in one vector space |
| late interaction | `jina-colbert-v2` | one vector of 64, 96 or 128 dimensions per token |
| reranking | `jina-reranker-v3` | reads documents together |
| reranking with a smaller model | `jina-reranker-v2-base-multilingual` | reads each document alone |
| reranking images | `jina-reranker-m0` | reads texts and images |

**Licenses.** Most open weights are licensed for non-commercial use (CC-BY-NC): see the column *license*. Jina's
hosted API has its own terms.

**Quality.** The table follows the model cards. We had no key and measured no quality.

**Defaults.** The client embeds with `jina-embeddings-v3` and reranks with `jina-reranker-v2-base-multilingual`. The
integrations keep the defaults of the packages that they replace, because their users have stored vectors:
`jina-embeddings-v2-base-en` in LangChain, `jina-embeddings-v3` in LlamaIndex and Haystack, and
`jina-reranker-v1-base-en` for reranking. These v2 and v1 models read English only. Pass `model=` to choose another.

**Tasks.** `task` tells a model whether a text is a query or a document. The integrations set it. Vectors of different
models, or of tasks that do not belong together, cannot be compared.

**Dimensions.** Fewer dimensions need less memory and time, and cost a little quality. The Matryoshka lengths are
those that a model was trained for.
"""


def pages() -> dict[str, str]:
    """Return each page by the name of its file."""
    endpoints = (_endpoint(name, part) for name, part in PARTS.items())
    return {"models.md": f"{_CHOOSING}\n{_models()}", "protocol.md": "\n".join([_INTRODUCTION, *endpoints, _others()])}


def _models() -> str:
    facts = [
        (
            f"`{model.id}`",
            model.license,
            _billing(model),
            str(model.dimensions or "–"),
            f"{model.context:,}",
            ", ".join(kind for kind in ("text", "image", "pdf", "video", "audio") if kind in model.modalities),
            ", ".join(model.endpoints),
        )
        for model in MODELS.values()
    ]
    tasks = [
        (
            f"`{model.id}`",
            f"`{model.query_task}`" if model.query_task else "–",
            f"`{model.document_task}`" if model.document_task else "–",
            ", ".join(map(str, model.matryoshka)) or "–",
        )
        for model in MODELS.values()
        if model.tasks or model.matryoshka
    ]
    return "\n".join(
        (
            "## All models\n",
            "The license is that of the open weights. `billed by` is how Jina's hosted API counts. The price of a",
            "token depends on your plan; the service sends it as `client.models.get(id).details['pricing']`. A",
            "reranker counts the query and all documents. `dimensions` is the length of the full vector, and",
            "`context` the longest input in tokens. One request holds at most 512 inputs; the client splits longer",
            "lists.\n",
            *_table(("model", "license", "billed by", "dimensions", "context", "inputs", "endpoints"), facts),
            "",
            "## Tasks and Matryoshka lengths\n",
            "Models with Matryoshka lengths accept every number of dimensions up to the full length, except ColBERT,",
            "which accepts 64, 96 or 128.\n",
            *_table(("model", "task of queries", "task of documents", "Matryoshka lengths"), tasks),
            "",
        )
    )


def _billing(model: Model) -> str:
    """Return how the hosted API bills a model."""
    if model.image_tile is None:
        return "token"
    side, tokens = model.image_tile
    return f"token; image: {tokens:,} per {side} × {side} pixels"


def _endpoint(name: Endpoint, part: Part) -> str:
    models = [model for model in MODELS.values() if name in model.fields]
    fields = list(dict.fromkeys(field for model in models for field in model.fields[name]))
    required = [
        (f"`{field}`", ", ".join(f"`{argument}`" for argument in names.split(", ")))
        for field, names in part.inputs.items()
    ]
    inputs = "; ".join(f"{field} is {argument}" for field, argument in (("`model`", "`model`"), *required))
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
    return "\n".join(("## Endpoints without a model\n", *_table(("request", "client", "fields"), rows), ""))


def _default(model: Model, endpoint: Endpoint, field: str) -> str:
    if field not in model.fields[endpoint]:
        return "–"
    value: Any = model.fields[endpoint][field]
    if value is None:
        return "full length" if field == "dimensions" else "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (names, ["---"] * len(names), *rows)]


def method_of(client: JinaClient | AsyncJinaClient, name: str) -> Callable[..., Any]:
    """Return a method of a client, or of one of its resources, such as ``batches.create``."""
    method: Callable[..., Any] = attrgetter(name)(client)
    return method


def arguments_of(name: str) -> set[str]:
    """Return the arguments of a method of the client."""
    return set(inspect.signature(method_of(JinaClient(base_url="local"), name)).parameters)


def main() -> None:
    """Write every page that has changed."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for name, text in pages().items():
        path = FOLDER / name
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(FOLDER.parent)}")


if __name__ == "__main__":
    main()
