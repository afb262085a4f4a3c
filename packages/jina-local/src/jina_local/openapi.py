"""The engine's own OpenAPI description, made from the very models that judge its requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jina_client.models import MODELS, Modality, Model
from jina_client.protocol.batch import MAX_INLINE
from jina_client.protocol.classification import MAX_EXAMPLES, MAX_GROUP_LABELS, MAX_GROUPS, MAX_LABELS

from . import __version__
from .reading.fields import PATHS, Catalogue, Path, models_at, options_model, takes
from .reading.services import PICTURES, SegmentRequest
from .routes import ROUTES, Route

Schema = dict[str, Any]

_STRING: Schema = {"type": "string"}
_ITERATIONS: Schema = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10}
_BEFORE = {"embeddings": "/v1/embeddings", "batch": "/v1/batch/embeddings"}
_DESCRIPTION = (
    "Jina AI's wire protocol, answered by a stand-in: all-MiniLM-L6-v2, a small English model. "
    "The vectors and scores say nothing about the quality of Jina's own models."
)
_ERRORS = {
    "400": "A well-formed request that cannot be served",
    "401": "The key is missing or wrong",
    "403": "A resource limit is reached",
    "404": "There is no such thing",
    "409": "It is being worked on",
    "413": "Too large",
    "422": "Fields that are missing, unknown or wrong",
    "429": "A limit that this server was told to play is exceeded",
    "503": "The server is stopping, or has no model",
}
_EXAMPLES: Mapping[str, Schema] = {
    "/v1/embeddings": {
        "retrieval": {
            "summary": "Two passages, to be searched",
            "value": {
                "model": "jina-embeddings-v3",
                "task": "retrieval.passage",
                "input": ["The Eiffel Tower is in Paris.", "Bread is made of flour, water, salt and yeast."],
            },
        },
        "late chunking": {
            "summary": "The chunks of one document",
            "value": {
                "model": "jina-embeddings-v3",
                "task": "retrieval.passage",
                "late_chunking": True,
                "input": ["Berlin is the capital of Germany.", " It has 3.8 million inhabitants."],
            },
        },
        "bits": {
            "summary": "One bit for each dimension",
            "value": {"model": "jina-embeddings-v3", "embedding_type": "ubinary", "input": "A short text"},
        },
        "late interaction": {
            "summary": "One vector for each token",
            "value": {"model": "jina-colbert-v2", "input_type": "query", "dimensions": 64, "input": ["Who baked it?"]},
        },
    },
    "/v1/rerank": {
        "text": {
            "summary": "The best two of three documents",
            "value": {
                "model": "jina-reranker-v2-base-multilingual",
                "query": "What is the capital of France?",
                "documents": ["Berlin is in Germany.", "Paris is the capital of France.", "Cats sleep a lot."],
                "top_n": 2,
            },
        }
    },
    "/v1/classify": {
        "labels": {
            "summary": "The best of three labels",
            "value": {
                "model": "jina-embeddings-v3",
                "input": ["The match ended with a late goal."],
                "labels": ["sports", "politics", "science"],
            },
        }
    },
    "/v1/segment": {
        "chunks": {
            "summary": "Chunks of at most 40 characters",
            "value": {
                "content": "Bread is made of flour. It rises.\n\nThen it is baked.",
                "return_chunks": True,
                "max_chunk_length": 40,
            },
        }
    },
}


def openapi_document(served: Catalogue = MODELS) -> Schema:
    """The description as OpenAPI 3.1.

    Args:
        served: the models that are answered for; by default all.
    """
    paths: Schema = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, served)
    return {
        "openapi": "3.1.0",
        "info": {"title": "jina-local", "version": __version__, "description": _DESCRIPTION},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(route: Route, served: Catalogue) -> Schema:
    parameters: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": _STRING}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    operation: Schema = {
        "summary": route.summary,
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "responses": _responses(route),
        "security": [] if route.keyless else [{"key": []}, {}],
    }
    if route.method == "GET" and route.path == "/v1/segment":
        schema = SegmentRequest.model_json_schema()
        parameters += [
            {"name": name, "in": "query", "required": name in schema["required"], "schema": _not_null(field)}
            for name, field in schema["properties"].items()
        ]
    if route.path == "/v1/batches":
        limit = {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
        parameters.append({"name": "limit", "in": "query", "required": False, "schema": limit})
    if parameters:
        operation["parameters"] = parameters
    if route.metered and route.method == "POST":
        content: Schema = {"schema": _body(route.path, served)}
        examples = _EXAMPLES.get(route.path, {})
        if shown := {name: each for name, each in examples.items() if each["value"].get("model", "") in {"", *served}}:
            content["examples"] = shown
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    return operation


def _responses(route: Route) -> Schema:
    kind = "application/jsonl" if route.lines else "application/json"
    done = {"200": {"description": "Done", "content": {kind: {"schema": {}}}}}
    fails = {status: {"description": text, "content": {"application/json": {}}} for status, text in _ERRORS.items()}
    return done | fails


def _body(path: str, served: Catalogue) -> Schema:
    if path == "/v1/segment":
        return SegmentRequest.model_json_schema()
    found = next(each for each in PATHS if path in (f"/v1/{each}", _BEFORE.get(each)))
    return {"oneOf": [*(_of_model(model, found) for model in models_at(found, served)), *_without_model(found)] or [{}]}


def _of_model(model: Model, path: Path) -> Schema:
    kinds = takes(model, path)
    texts = _list(_items(kinds - {"pdf"}), model.list_limit)
    inputs: Schema
    required: list[str]
    if path == "rerank":
        query = _STRING if kinds == {"text"} else {"anyOf": _items(kinds)}
        inputs, required = {"query": query, "documents": texts}, ["query", "documents"]
    elif path == "classify":
        inputs = {"input": {"anyOf": [*_items(kinds - {"pdf"}), texts]}, "labels": _labels()}
        required = ["input", "labels"]
    elif path == "train":
        inputs, required = {"input": _examples(kinds, 2)}, ["input"]
    elif path == "batch":
        line = _object({"custom_id": _STRING, "body": _object({"input": {}}, ["input"])}, ["custom_id", "body"])
        inputs, required = {"input": _list([line], MAX_INLINE), "input_url": _STRING}, []
    else:
        inputs, required = {"input": {"anyOf": [*_items(kinds), texts]}}, ["input"]
    options = options_model(model, path).model_json_schema().get("properties", {})
    name = {"const": model.id, "type": "string"}
    return {"title": model.id, **_object({"model": name, **inputs, **options}, ["model", *required])}


def _without_model(path: Path) -> list[Schema]:
    """The requests that name a trained classifier instead of a model."""
    items = _items(PICTURES)
    if path == "classify":
        fields: Schema = {"classifier_id": _STRING, "input": {"anyOf": [*items, _list(items, MAX_EXAMPLES)]}}
    elif path == "train":
        fields = {"classifier_id": _STRING, "input": _examples(PICTURES, 1), "num_iters": _ITERATIONS}
    else:
        return []
    return [{"title": "a trained classifier", **_object(fields, ["classifier_id", "input"])}]


def _items(kinds: frozenset[Modality]) -> list[Schema]:
    """The forms of one input: a string, and an object for each kind."""
    media = sorted(kinds - {"text", "video", "audio"})
    forms = [_STRING, *(_object({kind: _STRING}, [kind]) for kind in ("text", *media))]
    if "audio" in kinds:
        forms.append(_object({"content": _list(_items(kinds - {"pdf", "video", "audio"}))}, ["content"]))
    return forms


def _examples(kinds: frozenset[Modality], least: int) -> Schema:
    media = sorted(kinds & PICTURES)
    forms = [_object({kind: _STRING, "label": _STRING}, [kind, "label"]) for kind in media]
    return _list(forms, MAX_EXAMPLES, least)


def _labels() -> Schema:
    groups = {"type": "object", "minProperties": 1, "maxProperties": MAX_GROUPS}
    return {
        "anyOf": [
            _list([_STRING], MAX_LABELS),
            {**groups, "additionalProperties": _list([_STRING], MAX_GROUP_LABELS)},
        ]
    }


def _list(forms: list[Schema], most: int | None = None, least: int = 1) -> Schema:
    items = forms[0] if len(forms) == 1 else {"anyOf": forms}
    return {"type": "array", "items": items, "minItems": least, **({} if most is None else {"maxItems": most})}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _not_null(schema: Schema) -> Schema:
    """A field's schema where it comes as text and so cannot be null."""
    kinds = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
    return kinds[0] if kinds else schema
