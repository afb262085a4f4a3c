"""Servers of open weights whose embeddings endpoint has OpenAI's form: vLLM, Infinity, text-embeddings-inference.

None of them has a ``task`` field. Instead, the client puts the model's own prefix for the task before each text. It
makes binary vectors from floats. The requests follow the documentation of the servers; only Infinity 0.0.77 was tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ..errors import JinaInputError, JinaResponseError
from ..inputs import kind_of
from ..models import find_model
from ..protocol import Call
from .base import Dialect, without_defaults


class _OpenAIForm(Dialect):
    """Embeddings in OpenAI's form, reranking in Jina's.

    Attributes:
        kinds: the kinds of input that the service accepts.
        fields: the fields of Jina's protocol that the service supports, by path.
    """

    packs_bits = False
    one_kind = True
    kinds: ClassVar[frozenset[str]] = frozenset({"text"})
    fields: ClassVar[Mapping[str, frozenset[str]]]

    def encode(self, call: Call) -> Call:
        path = call.path.partition("/")[0]
        if path not in self.fields:
            endpoints = ", ".join(self.fields)
            raise JinaInputError(f"dialect {self.name!r} does not support {path}; the service offers {endpoints}")
        if call.payload is None:
            return call
        payload = without_defaults(call.payload)
        payload.pop("embedding_type", None)
        for name, value in payload.items():
            if name not in self.fields[path]:
                raise JinaInputError(f"dialect {self.name!r} does not support {name}={value!r}; leave {name} out")
        return self.embeddings(call, payload) if path == "embeddings" else self.rerank(call, payload)

    def embeddings(self, call: Call, payload: dict[str, Any]) -> Call:
        """Translate an embeddings call."""
        inputs = payload["input"] if isinstance(payload["input"], list) else [payload["input"]]
        body = {
            "model": self.model_id(payload["model"]),
            "input": _prefixed(inputs, payload["model"], payload.get("task")),
            "encoding_format": "base64",
        }
        if "dimensions" in payload:
            body["dimensions"] = payload["dimensions"]
        return replace(call, payload=body)

    def rerank(self, call: Call, payload: dict[str, Any]) -> Call:
        """Translate a rerank call."""
        payload["model"] = self.model_id(payload["model"])
        return replace(call, payload=payload)

    def model_id(self, model: str) -> str:
        """Return the id of a model on the Hugging Face hub if the catalog has it, otherwise the id unchanged."""
        return f"jinaai/{model}" if find_model(model) else model

    def check(self, items: Sequence[Any]) -> None:
        for index, item in enumerate(items):
            kind = kind_of(item)
            if kind not in self.kinds:
                kinds = " and ".join(sorted(self.kinds))
                raise JinaInputError(f"dialect {self.name!r} accepts {kinds} only; input {index} is of kind {kind}")


class Vllm(_OpenAIForm):
    """vLLM (``vllm serve jinaai/…``), text only. Its ``base_url`` ends with ``/v1``."""

    name = "vllm"
    fields: ClassVar[Mapping[str, frozenset[str]]] = {
        "embeddings": frozenset({"model", "input", "task", "dimensions", "truncate"}),
        "rerank": frozenset({"model", "query", "documents", "top_n", "truncation"}),
        "models": frozenset(),
    }

    def embeddings(self, call: Call, payload: dict[str, Any]) -> Call:
        """Translate an embeddings call; vLLM truncates with ``truncate_prompt_tokens``."""
        request = super().embeddings(call, payload)
        return _with(request, truncate_prompt_tokens=-1) if payload.get("truncate") else request

    def rerank(self, call: Call, payload: dict[str, Any]) -> Call:
        """Translate a rerank call; vLLM truncates with ``truncate_prompt_tokens``."""
        truncation = payload.pop("truncation", None)
        request = super().rerank(call, payload)
        return _with(request, truncate_prompt_tokens=-1) if truncation else request


class Infinity(_OpenAIForm):
    """Infinity (michaelfeil/infinity): text, images and audio. Its ``base_url`` is the server's root."""

    name = "infinity"
    kinds = frozenset({"text", "image", "audio"})
    fields: ClassVar[Mapping[str, frozenset[str]]] = {
        "embeddings": frozenset({"model", "input", "task", "dimensions"}),
        "rerank": frozenset({"model", "query", "documents", "top_n"}),
        "models": frozenset(),
    }

    def embeddings(self, call: Call, payload: dict[str, Any]) -> Call:
        """Translate an embeddings call, and name the modality of its inputs."""
        request = super().embeddings(call, payload)
        assert request.payload is not None
        first = request.payload["input"][0]
        return _with(request, modality="text" if isinstance(first, str) else first.kind)

    def rerank(self, call: Call, payload: dict[str, Any]) -> Call:
        """Translate a rerank call, and ask for no documents back."""
        return _with(super().rerank(call, payload), return_documents=False)

    def item(self, item: Any) -> Any:
        """Return the URL of a media input, or its content as a data URI."""
        return item.url if item.url is not None else item.data_uri()


class TextEmbeddingsInference(_OpenAIForm):
    """Hugging Face's text-embeddings-inference, text only. Its ``base_url`` is the root, with or without ``/v1``."""

    name = "tei"
    fields: ClassVar[Mapping[str, frozenset[str]]] = {
        "embeddings": frozenset({"model", "input", "task", "dimensions", "normalized", "truncate"}),
        "rerank": frozenset({"model", "query", "documents", "top_n", "truncation"}),
    }

    def embeddings(self, call: Call, payload: dict[str, Any]) -> Call:
        """Translate an embeddings call to ``/v1/embeddings``, or to ``/embed`` for options that only that supports."""
        if "normalized" not in payload and "truncate" not in payload:
            return replace(super().embeddings(call, payload), path="/v1/embeddings")
        # Only the server's own endpoint has these two fields. Its response is a bare list of vectors.
        body = {
            "inputs": _prefixed(payload["input"], payload["model"], payload.get("task")),
            "normalize": payload.get("normalized", True),
            "truncate": payload.get("truncate", False),
        }
        if "dimensions" in payload:
            body["dimensions"] = payload["dimensions"]
        return replace(call, path="/embed", payload=body)

    def rerank(self, call: Call, payload: dict[str, Any]) -> Call:
        """Translate a rerank call to ``/rerank``, which has no ``top_n``."""
        body = {"query": payload["query"], "texts": payload["documents"], "raw_scores": False, "return_text": False}
        return replace(call, path="/rerank", payload={**body, "truncate": payload.get("truncation") or False})

    def decode(self, call: Call, response: Any) -> Any:
        """Translate a list of vectors or scores into Jina's form, and apply ``top_n``."""
        assert call.payload is not None
        if call.path == "embeddings" and isinstance(response, list):
            return {"data": [{"index": index, "embedding": vector} for index, vector in enumerate(response)]}
        if call.path != "rerank":
            return response
        if not isinstance(response, list) or not all(isinstance(item, dict) for item in response):
            raise JinaResponseError("expected a list of scores")
        results = [{"index": item.get("index"), "relevance_score": item.get("score")} for item in response]
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
