"""Jina's models as AWS SageMaker endpoints, deployed from the AWS Marketplace; ``base_url="sagemaker://ENDPOINT"``.

The bodies follow the examples that Jina publishes for these packages. Nothing here was tried on a real endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import JinaInputError, JinaResponseError
from ..media import Media
from ..models import Model, find_model
from ..protocol import Call
from .base import Dialect

# What a package takes in "parameters", by the beginning of its model's id.
_PARAMETERS: Mapping[str, frozenset[str]] = {
    "jina-embeddings-v2": frozenset(),
    "jina-embeddings-v3": frozenset({"task", "dimensions", "late_chunking"}),
    "jina-embeddings-v4": frozenset({"task", "dimensions", "late_chunking", "return_multivector"}),
    "jina-embeddings-v5-text": frozenset({"task", "dimensions", "normalized", "truncate"}),
    "jina-embeddings-v5-omni": frozenset({"task", "dimensions"}),
    "jina-code-embeddings": frozenset({"task", "dimensions"}),
    "jina-clip-v1": frozenset(),
    "jina-clip-v2": frozenset({"task", "dimensions"}),
    "jina-colbert": frozenset({"input_type"}),
}
_PLAIN_TEXTS = ("jina-embeddings-v5-text", "jina-code-embeddings")
"""The packages whose texts are strings; the others' are objects."""
_ONE_ITEM_LIST = "jina-reranker-m0"


class SageMaker(Dialect):
    """``{"data": …, "parameters": …}``, as Jina's packages on the AWS Marketplace have it."""

    name = "sagemaker"
    packs_bits = False

    def encode(self, call: Call) -> Call:
        if call.path not in ("embeddings", "rerank") or call.payload is None:
            raise JinaInputError(
                f"dialect {self.name!r} has no {call.path.partition('/')[0]}: SageMaker endpoints embed or rerank"
            )
        payload = dict(call.payload)
        row = find_model(payload.pop("model"))
        for name, usual in (("normalized", True), ("truncate", False), ("return_documents", False)):
            if payload.get(name) is usual:
                del payload[name]
        return self._rerank(call, payload, row) if call.path == "rerank" else self._embeddings(call, payload, row)

    def decode(self, call: Call, answer: Any) -> Any:
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
            raise JinaResponseError("expected an object with a list in 'data'")
        items: list[Any] = answer["data"]
        if not all(isinstance(item, dict) for item in items):
            raise JinaResponseError("expected a list of objects in 'data'")
        if call.path == "rerank":
            if len(items) != 1:
                raise JinaResponseError(f"expected one ranking, got {len(items)}")
            return {"results": items[0].get("results"), "usage": _summed(items[0], ("docs_usage", "query_usage"))}
        # Older packages number nothing: their items come in the order of the inputs, each with its own usage.
        numbered = [{"index": index, **item} for index, item in enumerate(items)]
        usage = answer.get("usage")
        if not isinstance(usage, dict):
            usage = {"total_tokens": sum(_tokens(item.get("usage")) for item in items)}
        return {**answer, "data": numbered, "usage": usage}

    def _embeddings(self, call: Call, payload: dict[str, Any], row: Model | None) -> Call:
        name = row.id if row else ""
        inputs = payload.pop("input")
        payload.pop("embedding_type", None)
        known = next((fields for prefix, fields in _PARAMETERS.items() if name.startswith(prefix)), None)
        for field, value in payload.items():
            if known is not None and field not in known:
                raise JinaInputError(f"{name} on SageMaker takes no {field}={value!r}: leave {field} out")
        if isinstance(inputs, Media):
            return replace(call, payload={"data": inputs.wire(), "parameters": payload})
        plain = name.startswith(_PLAIN_TEXTS)
        data = [each if plain and isinstance(each, str) else _form(each, name) for each in inputs]
        return replace(call, payload={"data": data, "parameters": payload})

    def _rerank(self, call: Call, payload: dict[str, Any], row: Model | None) -> Call:
        name = row.id if row else ""
        data = {
            "documents": [_form(each, name) for each in payload.pop("documents")],
            "query": payload.pop("query"),
        }
        if not isinstance(data["query"], str):
            raise JinaInputError("a reranker on SageMaker takes a text as its query")
        if "top_n" in payload:
            data["top_n"] = payload.pop("top_n")
        for field, value in payload.items():
            raise JinaInputError(f"a reranker on SageMaker takes no {field}={value!r}: leave {field} out")
        return replace(call, payload={"data": [data] if name == _ONE_ITEM_LIST else data})


def _form(item: Any, model: str) -> Any:
    """An input as an object; files are read here."""
    if isinstance(item, str):
        return {"text": item}
    if isinstance(item, Media) and item.url is None and model.startswith((_ONE_ITEM_LIST, "jina-clip")):
        return {"bytes": item.base64()}
    if isinstance(item, Media) and model.startswith("jina-clip"):
        return {"url": item.url}
    return item.wire()


def _summed(item: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, int]:
    return {"total_tokens": sum(_tokens(item.get(name)) for name in names)}


def _tokens(usage: Any) -> int:
    found = usage.get("total_tokens") if isinstance(usage, dict) else None
    return found if isinstance(found, int) else 0
