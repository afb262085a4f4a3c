"""Jina's models as AWS SageMaker endpoints, deployed from the AWS Marketplace; ``base_url="sagemaker://ENDPOINT"``.

The requests follow the examples that Jina publishes for these packages. They were not tried on a real endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ..errors import JinaInputError, JinaResponseError
from ..media import Media
from ..models import Model, find_model
from ..protocol import Call
from .base import ByEndpoint, Dialect, as_list, without_defaults

# The fields of "parameters", by the beginning of the model's id.
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
# Packages whose published responses hold vectors of other lengths than 1.
_RAW = ("jina-embeddings-v2", "jina-clip")
# Packages that expect texts as strings. The others expect objects.
_PLAIN_TEXTS = ("jina-embeddings-v5-text", "jina-code-embeddings")
# The package that expects a list around its request.
_ONE_ITEM_LIST = "jina-reranker-m0"


class SageMaker(Dialect):
    """The protocol of Jina's packages on the AWS Marketplace: ``{"data": …, "parameters": …}``."""

    name = "sagemaker"
    title = "SageMaker"
    fields: ClassVar[ByEndpoint] = {
        "embeddings": frozenset({"model", "input", "embedding_type", "normalized"}).union(*_PARAMETERS.values()),
        "rerank": frozenset({"model", "query", "documents", "top_n"}),
    }
    packs_bits = False
    normalizes = False

    @classmethod
    def made(cls, call: Call, response: Any, headers: Mapping[str, str]) -> bool:
        """Recognize the keys ``data`` and ``parameters``."""
        return isinstance(response, dict) and {"data", "parameters"} <= response.keys()

    def translate(self, endpoint: str, call: Call) -> Call:
        """Translate a call to the form of the model's package."""
        payload = without_defaults(call.payload or {})
        row = find_model(payload.pop("model"))
        return self._rerank(call, payload, row) if endpoint == "rerank" else self._embeddings(call, payload, row)

    def decode(self, call: Call, response: Any, headers: Mapping[str, str]) -> Any:
        """Return the items with their indices, and the sum of their usage."""
        if not isinstance(response, dict) or not isinstance(response.get("data"), list):
            raise JinaResponseError("expected an object with a list in 'data'")
        items: list[Any] = response["data"]
        if not all(isinstance(item, dict) for item in items):
            raise JinaResponseError("expected a list of objects in 'data'")
        if call.path == "rerank":
            if len(items) != 1:
                raise JinaResponseError(f"expected one list of results, got {len(items)}")
            tokens = sum(_tokens(items[0].get(name)) for name in ("docs_usage", "query_usage"))
            return {"results": items[0].get("results"), "usage": {"total_tokens": tokens}}
        # Older packages send no indices: their items are in the order of the inputs, each with its own usage.
        numbered = [{"index": index, **item} for index, item in enumerate(items)]
        usage = response.get("usage")
        if not isinstance(usage, dict):
            usage = {"total_tokens": sum(_tokens(item.get("usage")) for item in items)}
        return {**response, "data": numbered, "usage": usage}

    def _embeddings(self, call: Call, payload: dict[str, Any], row: Model | None) -> Call:
        name = row.id if row else ""
        inputs = payload.pop("input")
        payload.pop("embedding_type", None)
        fields = next((fields for prefix, fields in _PARAMETERS.items() if name.startswith(prefix)), None)
        if name.startswith(_RAW):
            # The client normalizes, unless this is False.
            payload.pop("normalized", None)
        for field, value in payload.items():
            if fields is not None and field not in fields:
                raise JinaInputError(f"{name} on SageMaker does not accept {field}={value!r}; leave {field} out")
        if isinstance(inputs, Media):
            return replace(call, payload={"data": inputs.wire(), "parameters": payload})
        plain = name.startswith(_PLAIN_TEXTS)
        data = [item if plain and isinstance(item, str) else _form(item, name) for item in as_list(inputs)]
        return replace(call, payload={"data": data, "parameters": payload})

    def _rerank(self, call: Call, payload: dict[str, Any], row: Model | None) -> Call:
        name = row.id if row else ""
        data = {
            "documents": [_form(document, name) for document in payload.pop("documents")],
            "query": payload.pop("query"),
        }
        if not isinstance(data["query"], str):
            raise JinaInputError("query must be a text: rerankers on SageMaker accept no other queries")
        if "top_n" in payload:
            data["top_n"] = payload.pop("top_n")
        return replace(call, payload={"data": [data] if name == _ONE_ITEM_LIST else data})


def _form(item: Any, model: str) -> Any:
    """Return the JSON object of an input. This reads files."""
    if isinstance(item, str):
        return {"text": item}
    if isinstance(item, Media) and item.url is None and model.startswith((_ONE_ITEM_LIST, "jina-clip")):
        return {"bytes": item.base64()}
    if isinstance(item, Media) and model.startswith("jina-clip"):
        return {"url": item.url}
    return item.wire()


def _tokens(usage: Any) -> int:
    tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
    return tokens if isinstance(tokens, int) else 0
