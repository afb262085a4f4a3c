"""Stand-ins of the services on loopback: each takes its own form only, and responds in its own.

They follow the sources and the published examples of the services. A stand-in rejects fields that its service does not
have, because a service that ignores them would return other results. A text's vector is that of the text behind the
prefix of the task, so the right result is the same for every service.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jina_client.models import MODELS
from loopback import Answer, Sent, vector_of

NORM = 12.5
LONG = "long " * 9000
"""A text above every model's context."""

Respond = Callable[[Sent], Answer]


class RejectedError(Exception):
    """A request that the service rejects, with a status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class StandIn:
    """One service.

    Attributes:
        dialect: its name.
        suffix: what its ``base_url`` has behind the host.
        respond: answers a valid request, or raises RejectedError.
        error: the body of an error with a status and a message.
        options: arguments of the client besides ``base_url`` and ``dialect``.
    """

    dialect: str
    suffix: str
    respond: Callable[[Sent], Any]
    error: Callable[[int, str], Any]
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, sent: Sent) -> Answer:
        try:
            body = self.respond(sent)
        except RejectedError as error:
            if self.dialect == "sagemaker":
                return Answer(self.error(error.status, str(error)), 424, {"x-amzn-errortype": "ModelError"})
            return Answer(self.error(error.status, str(error)), error.status)
        return body if isinstance(body, Answer) else Answer(body)


def expect(condition: object, message: str, status: int = 422) -> None:
    if not condition:
        raise RejectedError(status, message)


def only(body: Mapping[str, Any], *names: str) -> None:
    expect(not set(body) - set(names), f"unknown fields: {sorted(set(body) - set(names))}")


def raw(content: str, dimensions: int = 1024) -> np.ndarray:
    """The vector that a model itself gives, whose length is not 1."""
    return vector_of(content, dimensions) * NORM


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def read_text(text: str, *, truncate: bool) -> str:
    expect(truncate or len(text) < len(LONG), "Input text exceeds the model's maximum of 8192 tokens.", 400)
    return text[:1000]


def base64_of(vector: np.ndarray) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def encoded(vector: np.ndarray, kind: str) -> Any:
    bits = np.packbits(vector > 0)
    forms: dict[str, Callable[[], Any]] = {
        "float": lambda: vector.astype(float).tolist(),
        "base64": lambda: base64_of(vector),
        "ubinary": lambda: bits.astype(float).tolist(),
        "binary": lambda: (bits.astype(float) - 128).tolist(),
    }
    return forms[kind]()


def scores(query: Any, documents: list[str], top_n: int | None) -> list[tuple[int, float]]:
    """The longer a document, the better."""
    ranked = sorted(((len(text) / 1000, index) for index, text in enumerate(documents)), reverse=True)
    return [(index, score) for score, index in ranked[: top_n or None]]


# Jina's API and its on-prem server.

_EMBED = ("model", "input", "embedding_type", "task", "dimensions", "normalized", "truncate", "late_chunking")
_RERANK = (
    "model",
    "query",
    "documents",
    "top_n",
    "return_documents",
    "truncation",
    "max_doc_length",
    "return_embeddings",
)
_CONTENT_KEYS = {"text", "image", "pdf", "video", "audio"}


def published_content(item: Any) -> str:
    """The content of an input in the published form."""
    if isinstance(item, str):
        return item
    [(key, value)] = item.items()
    if key == "content":
        return " + ".join(map(published_content, value))
    expect(key in _CONTENT_KEYS, f"unknown kind {key}")
    return str(value)


def part_content(item: Any) -> str:
    """The content of an input in the form of the on-prem server, as the published form has it."""
    if isinstance(item, str):
        return item
    if "content" in item:
        return " + ".join(map(part_content, item["content"]))
    kind = item.get("type")
    if kind == "text":
        return str(item["text"])
    values = {
        "image_url": lambda: item["image_url"]["url"],
        "video_url": lambda: item["video_url"],
        "audio_base64": lambda: item["audio_base64"],
    }
    expect(kind in values, f"Unknown content part type: '{kind or ''}'", 400)
    value = values[kind]()
    expect(kind != "audio_base64" or not value.startswith("http"), "Invalid base64 encoding", 400)
    return str(value.partition(";base64,")[2] or value)


def jina(content: Callable[[Any], str] = published_content) -> Callable[[Sent], Any]:
    on_prem = content is part_content

    def respond(sent: Sent) -> Any:
        body = sent.body
        if sent.path == "/v1/embeddings":
            return _jina_embeddings(body, content)
        if sent.path == "/v1/rerank":
            only(body, *_RERANK)
            expect(not body.get("return_documents"), "the client has the documents")
            texts = [
                item.get("text", "") if isinstance(item, dict) and on_prem else content(item)
                for item in body["documents"]
            ]
            results = [{"index": n, "relevance_score": s} for n, s in scores(body["query"], texts, body.get("top_n"))]
            response = {"model": body["model"], "object": "list", "usage": {"total_tokens": 7}, "results": results}
            return Answer(response, headers={"X-Jina-Elapsed-Ms": "1.0"} if on_prem else {})
        expect(not on_prem, "Not Found", 404)
        if sent.path == "/v1/classify":
            data = [
                {"object": "classification", "index": n, "prediction": body["labels"][0], "score": 0.5}
                for n, _ in enumerate(body["input"])
            ]
            return {"usage": {"total_tokens": 3}, "data": data}
        if sent.path == "/v1/segment":
            counts = {"num_tokens": 1, "tokenizer": "cl100k_base", "usage": {"tokens": 0}, "num_chunks": 1}
            return {**counts, "chunks": ["a"], "chunk_positions": [[0, 1]]}
        if sent.path == "/v1/models":
            return {"data": [{"id": "jina-ai/jina-embeddings-v3", "name": "v3"}]}
        if sent.path.startswith("/v1/batch"):
            return {"batch_id": "b", "status": "pending", "model": "jina-embeddings-v5-text-small", "stats": {}}
        raise RejectedError(404, "Not Found")

    return respond


def _jina_embeddings(body: Mapping[str, Any], content: Callable[[Any], str]) -> Any:
    expect(body["model"] in MODELS, f"Model '{body['model']}' not found.", 400)
    row, inputs = MODELS[body["model"]], body["input"]
    only(body, *_EMBED, "return_multivector", "input_type")
    has_pdf = isinstance(inputs, list) and any(isinstance(item, dict) and "pdf" in item for item in inputs)
    expect(not has_pdf, "A PDF must be the only input of its request")
    items = [content(item) for item in (inputs if isinstance(inputs, list) else [inputs])]
    if "sparse" in row.fields:
        return {"model": body["model"], "object": "list", "usage": {}, "data": [{"word": 0.5} for _ in items]}
    items = [read_text(item, truncate=bool(body.get("truncate"))) for item in items]
    prefix = row.prefixes.get(body.get("task") or "", "")
    texts = [prefix + item if isinstance(item, str) else item for item in items]
    if not isinstance(inputs, list) or not all(isinstance(item, str) for item in inputs):
        texts = items
    if body.get("late_chunking"):
        texts = [f"{text} of {items}" for text in texts]
    kind, usage = body.get("embedding_type", "float"), {"total_tokens": 3 * len(items)}
    if body.get("return_multivector") or body.get("input_type"):
        data: list[dict[str, Any]] = [
            {"object": "embeddings", "index": n, "embeddings": [encoded(unit(raw(text, 128)), kind)]}
            for n, text in enumerate(texts)
        ]
        return {"model": body["model"], "object": "list", "usage": usage, "data": data}
    if isinstance(inputs, dict) and "pdf" in inputs:
        texts = [f"{texts[0]} page {number}" for number in (1, 2)]
    data = []
    for index, text in enumerate(texts):
        vector = raw(text, row.dimensions)[: body.get("dimensions")]
        vector = vector if body.get("normalized") is False else unit(vector)
        data.append({"object": "embedding", "index": index, "embedding": encoded(vector, kind)})
    return {"model": body["model"], "object": "list", "usage": usage, "data": data}


def jina_error(status: int, message: str) -> Any:
    return {"detail": {"message": message, "request_id": "0" * 32, "code": "bad_request"}}


# Servers of open weights. They serve models under their names on the hub, and know no tasks.


def _dimensions_of(model: str) -> int:
    expect(model.startswith("jinaai/"), f"The model `{model}` does not exist.", 404)
    return MODELS[model.removeprefix("jinaai/")].dimensions


def _openai(data: list[np.ndarray], model: str, identifier: str) -> Any:
    items = [{"object": "embedding", "index": n, "embedding": base64_of(vector)} for n, vector in enumerate(data)]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    return {"id": identifier, "object": "list", "created": 1, "model": model, "data": items, "usage": usage}


def vllm(sent: Sent) -> Any:
    body = sent.body
    if sent.path == "/v1/embeddings":
        only(body, "model", "input", "encoding_format", "dimensions", "truncate_prompt_tokens")
        size = _dimensions_of(body["model"])
        expect(all(isinstance(text, str) for text in body["input"]), "Input should be a valid string", 400)
        truncate = body.get("truncate_prompt_tokens") == -1
        texts = [read_text(text, truncate=truncate) for text in body["input"]]
        vectors = [unit(raw(text, size)[: body.get("dimensions")]) for text in texts]
        return _openai(vectors, body["model"], f"embd-{uuid.uuid4().hex}")
    if sent.path == "/v1/rerank":
        only(body, "model", "query", "documents", "top_n", "truncate_prompt_tokens")
        results = [
            {"index": n, "document": {"text": body["documents"][n], "multi_modal": None}, "relevance_score": score}
            for n, score in scores(body["query"], body["documents"], body.get("top_n"))
        ]
        return {"id": "rerank-1", "model": body["model"], "usage": {"total_tokens": 2}, "results": results}
    expect(sent.path == "/v1/models", "Not Found", 404)
    return {"object": "list", "data": [{"id": "jinaai/jina-embeddings-v3", "object": "model", "owned_by": "vllm"}]}


def vllm_error(status: int, message: str) -> Any:
    return {"error": {"message": message, "type": "BadRequestError", "param": None, "code": status}}


def infinity(sent: Sent) -> Any:
    body = sent.body
    if sent.path == "/embeddings":
        only(body, "model", "input", "encoding_format", "dimensions", "modality", "user")
        size = _dimensions_of(body["model"])
        inputs, modality = body["input"], body.get("modality", "text")
        most = 2048 if modality == "text" else 32
        expect(len(inputs) <= most, f"List should have at most {most} items after validation, not {len(inputs)}")
        if modality != "text":
            uris = all(text.startswith(("http", f"data:{modality}/")) for text in inputs)
            expect(uris, "Input should be a valid URL or data URI")
            inputs = [text.partition(";base64,")[2] or text for text in inputs]
        texts = [read_text(text, truncate=True) for text in inputs]
        vectors = [unit(raw(text, size))[: body.get("dimensions") or None] for text in texts]
        return _openai(vectors, body["model"], f"infinity-{uuid.uuid4()}")
    if sent.path == "/rerank":
        only(body, "model", "query", "documents", "top_n", "return_documents", "raw_scores")
        results = [
            {"relevance_score": score, "index": n}
            for n, score in scores(body["query"], body["documents"], body.get("top_n"))
        ]
        return {"object": "rerank", "id": "infinity-1", "model": body["model"], "usage": {"total_tokens": 2},
                "results": results}  # fmt: skip
    expect(sent.path == "/models", "Not Found", 404)
    return {"data": [{"id": "jinaai/jina-embeddings-v3", "owned_by": "infinity", "stats": {}}]}


def infinity_error(status: int, message: str) -> Any:
    return {"error": {"message": message, "type": None, "param": None, "code": status}}


def tei(sent: Sent) -> Any:
    """Hugging Face's text-embeddings-inference 1.9 with its defaults: 32 inputs, and long texts are truncated."""
    body = sent.body
    if sent.path == "/embed":
        only(body, "inputs", "normalize", "truncate", "dimensions", "truncation_direction", "prompt_name")
        inputs = body["inputs"]
        expect(len(inputs) <= 32, f"batch size {len(inputs)} > maximum allowed batch size 32")
        texts = [read_text(text, truncate=body.get("truncate", True)) for text in inputs]
        vectors = [raw(text)[: body.get("dimensions")] for text in texts]
        vectors = [unit(vector) if body.get("normalize", True) else vector for vector in vectors]
        return Answer([vector.astype(float).tolist() for vector in vectors], headers={"x-compute-tokens": "3"})
    if sent.path == "/rerank":
        only(body, "query", "texts", "truncate", "raw_scores", "return_text", "truncation_direction")
        expect(len(body["texts"]) <= 32, f"batch size {len(body['texts'])} > maximum allowed batch size 32")
        ranked = scores(body["query"], body["texts"], None)
        return Answer([{"index": n, "score": s} for n, s in ranked], headers={"x-compute-tokens": "2"})
    raise RejectedError(404, "Not Found")


def tei_error(status: int, message: str) -> Any:
    return {"error": message, "error_type": "Validation"}


# LiteLLM's proxy (1.106) in front of Jina's API.


def litellm(sent: Sent) -> Any:
    expect(sent.headers.get("authorization") == "Bearer sk-proxy", "Authentication Error, No api key passed in.", 401)
    if sent.path == "/v1/models":
        return {"data": [{"id": "jina-embeddings-v3", "object": "model", "created": 1, "owned_by": "openai"}]}
    if sent.path == "/v1/embeddings":
        inputs = sent.body["input"]
        return jina()(replace(sent, body={**sent.body, "input": inputs if isinstance(inputs, list) else [inputs]}))
    expect(sent.path == "/v1/rerank", "Not Found", 404)
    body = jina()(sent).body
    usage = {"billed_units": {"total_tokens": 7}, "tokens": {"total_tokens": 7}}
    return {"id": str(uuid.uuid4()), "results": body["results"], "meta": usage}


def litellm_error(status: int, message: str) -> Any:
    if status == 404:
        return {"detail": message}
    inner = json.dumps(jina_error(status, message))
    text = f"litellm.BadRequestError: Jina_aiException - {inner} LiteLLM: model group 'm' failed with the error above."
    return {"error": {"message": text, "type": None, "param": None, "code": str(status)}}


# Jina's packages on the AWS Marketplace. An endpoint has one model, and the request does not name it.

ENDPOINT = "/endpoints/my-endpoint/invocations"


def sagemaker(sent: Sent) -> Any:
    expect(sent.path == ENDPOINT, "no such endpoint", 404)
    data, options = sent.body["data"], sent.body.get("parameters", {})
    [query] = data if isinstance(data, list) and "query" in data[0] else [data]
    if "query" in query:
        texts = [str(next(iter(document.values()))) for document in query["documents"]]
        expect(all(document.keys() <= {"text", "image", "bytes"} for document in query["documents"]), "unknown form")
        results = [
            {"id": "x", "index": n, "relevance_score": score, "document": query["documents"][n], "usage": {}}
            for n, score in scores(query["query"], texts, query.get("top_n"))
        ]
        usage = {"query_usage": {"total_tokens": 2}, "docs_usage": {"id": "y", "total_tokens": 5}}
        return {"data": [{"id": "z", "results": results, **usage}], "parameters": {}}
    only(options, "task", "dimensions", "late_chunking", "return_multivector", "input_type", "normalized", "truncate")
    if isinstance(data, dict):
        pages = [unit(raw(f"{data['pdf']} {number}", 2048)) for number in (1, 2)]
        return {
            "data": [{"object": "embedding", "index": n, "embedding": page.tolist()} for n, page in enumerate(pages)]
        }
    prefix = MODELS["jina-embeddings-v3"].prefixes.get(options.get("task") or "", "")
    items = [item if isinstance(item, str) else item.get("text") or str(next(iter(item.values()))) for item in data]
    texts = [prefix + read_text(item, truncate=False) for item in items]
    if options.get("late_chunking"):
        texts = [f"{text} of {texts}" for text in texts]
    if "return_multivector" in options or "input_type" in options:
        return {
            "data": [{"embeddings": [unit(raw(text, 128)).tolist()], "usage": {"total_tokens": 1}} for text in texts],
            "parameters": options,
        }
    # The published responses of the v2 and CLIP packages are not normalized.
    is_clip = any(isinstance(item, dict) and item.keys() & {"url", "bytes"} for item in data)
    vectors = [raw(text)[: options.get("dimensions")] for text in texts]
    vectors = vectors if is_clip else [unit(vector) for vector in vectors]
    return {
        "data": [{"id": "x", "embedding": each.tolist(), "usage": {"id": "y", "total_tokens": 3}} for each in vectors],
        "parameters": options,
    }


def sagemaker_error(status: int, message: str) -> Any:
    return {"Message": "Received client error", "OriginalStatusCode": status,
            "OriginalMessage": json.dumps(jina_error(status, message))}  # fmt: skip


STAND_INS: dict[str, StandIn] = {
    "jina": StandIn("jina", "/v1", jina(), jina_error),
    "on-prem": StandIn("on-prem", "/v1", jina(part_content), jina_error),
    "vllm": StandIn("vllm", "/v1", vllm, vllm_error),
    "infinity": StandIn("infinity", "", infinity, infinity_error),
    "tei": StandIn("tei", "", tei, tei_error),
    "sagemaker": StandIn("sagemaker", "", sagemaker, sagemaker_error),
    "litellm": StandIn("jina", "/v1", litellm, litellm_error, {"api_key": "sk-proxy"}),
}
