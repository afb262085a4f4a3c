"""Servers of open weights whose embeddings endpoint has OpenAI's form: vLLM, Infinity, text-embeddings-inference.

None of them has a ``task`` field: the task is said by the prefix that the model's own code puts before a text. Binary
vectors are made here, out of floats. Nothing here was tried on the real servers; it follows their documentation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import JinaInputError, JinaResponseError
from ..inputs import kind_of
from ..models import find_model
from ..protocol import Call
from .base import Dialect


class _OpenAIForm(Dialect):
    """Embeddings in OpenAI's form, rankings in Jina's."""

    packs_bits = False
    one_kind = True
    kinds: frozenset[str] = frozenset({"text"})
    """The kinds of input that it takes."""
    takes: Mapping[str, frozenset[str]]
    """For each path the fields of Jina's that can be said."""

    def encode(self, call: Call) -> Call:
        path = call.path.partition("/")[0]
        if path not in self.takes:
            raise JinaInputError(f"dialect {self.name!r} has no {path}: the service offers {', '.join(self.takes)}")
        if call.payload is None:
            return call
        payload = dict(call.payload)
        self._drop_defaults(payload)
        for name in payload:
            if name not in self.takes[path]:
                raise JinaInputError(f"dialect {self.name!r} cannot say {name}={payload[name]!r}: leave {name} out")
        return self.embeddings(call, payload) if path == "embeddings" else self.rerank(call, payload)

    def embeddings(self, call: Call, payload: dict[str, Any]) -> Call:
        """The embeddings call as the service takes it."""
        inputs = payload["input"]
        listed: Sequence[Any] = inputs if isinstance(inputs, list) else [inputs]
        body = {
            "model": self.model_id(payload["model"]),
            "input": _prefixed(listed, payload["model"], payload.get("task")),
            "encoding_format": "base64",
        }
        if "dimensions" in payload:
            body["dimensions"] = payload["dimensions"]
        return replace(call, payload=body)

    def rerank(self, call: Call, payload: dict[str, Any]) -> Call:
        """The rerank call as the service takes it."""
        payload["model"] = self.model_id(payload["model"])
        return replace(call, payload=payload)

    def model_id(self, model: str) -> str:
        """A catalogued model as the hub calls it, and so do such servers; any other as the caller wrote it."""
        return f"jinaai/{model}" if find_model(model) else model

    def check(self, items: Sequence[Any]) -> None:
        for index, item in enumerate(items):
            kind = kind_of(item)
            if kind not in self.kinds:
                raise JinaInputError(
                    f"dialect {self.name!r} takes {' and '.join(sorted(self.kinds))} only, "
                    f"and input {index} is of kind {kind}"
                )

    @staticmethod
    def _drop_defaults(payload: dict[str, Any]) -> None:
        """What these services do anyway need not be said."""
        for name, usual in (("normalized", True), ("truncate", False), ("return_documents", False)):
            if payload.get(name) is usual:
                del payload[name]
        payload.pop("embedding_type", None)


class Vllm(_OpenAIForm):
    """``vllm serve jinaai/…``; ``base_url`` ends with ``/v1``. Text only."""

    name = "vllm"
    takes: Mapping[str, frozenset[str]] = {
        "embeddings": frozenset({"model", "input", "task", "dimensions", "truncate"}),
        "rerank": frozenset({"model", "query", "documents", "top_n", "truncation"}),
        "models": frozenset(),
    }

    def embeddings(self, call: Call, payload: dict[str, Any]) -> Call:
        said = super().embeddings(call, payload)
        return _with(said, truncate_prompt_tokens=-1) if payload.get("truncate") else said

    def rerank(self, call: Call, payload: dict[str, Any]) -> Call:
        cut = payload.pop("truncation", None)
        said = super().rerank(call, payload)
        return _with(said, truncate_prompt_tokens=-1) if cut else said


class Infinity(_OpenAIForm):
    """michaelfeil/infinity; ``base_url`` is the server's root. Texts and images."""

    name = "infinity"
    kinds = frozenset({"text", "image", "audio"})
    takes: Mapping[str, frozenset[str]] = {
        "embeddings": frozenset({"model", "input", "task", "dimensions"}),
        "rerank": frozenset({"model", "query", "documents", "top_n"}),
        "models": frozenset(),
    }

    def embeddings(self, call: Call, payload: dict[str, Any]) -> Call:
        said = super().embeddings(call, payload)
        assert said.payload is not None
        first = said.payload["input"][0]
        return _with(said, modality="text" if isinstance(first, str) else first.kind)

    def rerank(self, call: Call, payload: dict[str, Any]) -> Call:
        return _with(super().rerank(call, payload), return_documents=False)

    def item(self, item: Any) -> Any:
        return item.url if item.url is not None else item.data_uri()


class TextEmbeddingsInference(_OpenAIForm):
    """huggingface/text-embeddings-inference; ``base_url`` is the server's root, with or without ``/v1``. Text only."""

    name = "tei"
    takes: Mapping[str, frozenset[str]] = {
        "embeddings": frozenset({"model", "input", "task", "dimensions", "normalized", "truncate"}),
        "rerank": frozenset({"model", "query", "documents", "top_n", "truncation"}),
    }

    def embeddings(self, call: Call, payload: dict[str, Any]) -> Call:
        if "normalized" not in payload and "truncate" not in payload:
            return replace(super().embeddings(call, payload), path="/v1/embeddings")
        # Only its own endpoint has these two; it answers with bare lists of numbers.
        body = {
            "inputs": _prefixed(payload["input"], payload["model"], payload.get("task")),
            "normalize": payload.get("normalized", True),
            "truncate": payload.get("truncate", False),
        }
        if "dimensions" in payload:
            body["dimensions"] = payload["dimensions"]
        return replace(call, path="/embed", payload=body)

    def rerank(self, call: Call, payload: dict[str, Any]) -> Call:
        body = {"query": payload["query"], "texts": payload["documents"], "raw_scores": False, "return_text": False}
        return replace(call, path="/rerank", payload={**body, "truncate": payload.get("truncation") or False})

    def decode(self, call: Call, answer: Any) -> Any:
        assert call.payload is not None
        if call.path == "embeddings" and isinstance(answer, list):
            return {"data": [{"index": index, "embedding": vector} for index, vector in enumerate(answer)]}
        if call.path != "rerank":
            return answer
        if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
            raise JinaResponseError("expected a list of scores")
        results = [{"index": item.get("index"), "relevance_score": item.get("score")} for item in answer]
        if len(results) != len(call.payload["documents"]):
            raise JinaResponseError(f"expected {len(call.payload['documents'])} scores, got {len(results)}")
        results.sort(key=lambda item: -item["relevance_score"] if isinstance(item["relevance_score"], float) else 0)
        return {"results": results[: call.payload.get("top_n")]}


def _with(call: Call, **fields: Any) -> Call:
    return replace(call, payload={**(call.payload or {}), **fields})


def _prefixed(inputs: Sequence[Any], model: str, task: str | None) -> list[Any]:
    row = find_model(model)
    prefix = row.prefixes.get(task or "", "") if row else ""
    return [prefix + item if prefix and isinstance(item, str) else item for item in inputs]
