"""Generate the engine's OpenAPI description from the models that validate its requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jina_client.integration import (
    MAX_EXAMPLES,
    MAX_GROUP_LABELS,
    MAX_GROUPS,
    MAX_INLINE,
    MAX_LABELS,
    MODELS,
    Modality,
    Model,
)

from . import __version__
from .routes import ROUTES, Route
from .validation.inputs import TEXT_AND_IMAGE
from .validation.options import PATHS, Catalog, Path, modalities_at, models_at, options_model
from .validation.segment import SegmentBody

Schema = dict[str, Any]

_STRING: Schema = {"type": "string"}
_ITERATIONS: Schema = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10}
_URL_PATHS: Mapping[str, str] = {"batch": "/v1/batch/embeddings"}
_STAND_IN = (
    "Jina AI's wire protocol, served by a stand-in: all-MiniLM-L6-v2, a small English model. "
    "The vectors and scores say nothing about the quality of Jina's own models."
)
_OPEN_WEIGHTS = "Jina AI's wire protocol, served with the open weights of the model."
_ERRORS = {
    "400": "A well-formed request that cannot be served",
    "401": "The key is missing or wrong",
    "403": "A resource limit is reached",
    "404": "The resource does not exist",
    "409": "The resource is being modified",
    "413": "The request or the response is too large",
    "422": "Fields are missing, unknown or invalid",
    "429": "A simulated rate limit is exceeded",
    "503": "The server is stopping, or has no model",
}
_EXAMPLES: Mapping[str, Schema] = {
    "/v1/embeddings": {
        "retrieval": {
            "summary": "Two passages for a search index",
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
            "summary": "One bit per dimension",
            "value": {"model": "jina-embeddings-v3", "embedding_type": "ubinary", "input": "A short text"},
        },
        "late interaction": {
            "summary": "One vector per token",
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


def openapi_document(served: Catalog = MODELS, *, stand_in: bool = True) -> Schema:
    """Return the description as OpenAPI 3.1.

    Args:
        served: The models that are served; defaults to the whole catalog.
        stand_in: Whether another model computes the responses.
    """
    description = _STAND_IN if stand_in else _OPEN_WEIGHTS
    paths: Schema = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, served)
    return {
        "openapi": "3.1.0",
        "info": {"title": "jina-local", "version": __version__, "description": description},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(route: Route, served: Catalog) -> Schema:
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
        schema = SegmentBody.model_json_schema()
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
        if usable := {name: each for name, each in examples.items() if each["value"].get("model", "") in {"", *served}}:
            content["examples"] = usable
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    return operation


def _responses(route: Route) -> Schema:
    content_type = "application/jsonl" if route.lines else "application/json"
    success = {"200": {"description": "Done", "content": {content_type: {"schema": {}}}}}
    errors = {status: {"description": text, "content": {"application/json": {}}} for status, text in _ERRORS.items()}
    return success | errors


def _body(path: str, served: Catalog) -> Schema:
    if path == "/v1/segment":
        return SegmentBody.model_json_schema()
    endpoint = next(each for each in PATHS if path == _URL_PATHS.get(each, f"/v1/{each}"))
    bodies = [_body_of_model(model, endpoint) for model in models_at(endpoint, served)]
    return {"oneOf": [*bodies, *_bodies_of_classifier(endpoint)] or [{}]}


def _body_of_model(model: Model, path: Path) -> Schema:
    kinds = modalities_at(model, path)
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


def _bodies_of_classifier(path: Path) -> list[Schema]:
    """Describe the requests that name a trained classifier and no model."""
    items = _items(TEXT_AND_IMAGE)
    if path == "classify":
        fields: Schema = {"classifier_id": _STRING, "input": {"anyOf": [*items, _list(items, MAX_EXAMPLES)]}}
    elif path == "train":
        fields = {"classifier_id": _STRING, "input": _examples(TEXT_AND_IMAGE, 1), "num_iters": _ITERATIONS}
    else:
        return []
    return [{"title": "a trained classifier", **_object(fields, ["classifier_id", "input"])}]


def _items(kinds: frozenset[Modality]) -> list[Schema]:
    """Describe the forms of one input: a string, and an object for each kind."""
    media = sorted(kinds - {"text", "video", "audio"})
    forms = [_STRING, *(_object({kind: _STRING}, [kind]) for kind in ("text", *media))]
    if "audio" in kinds:
        # A group holds objects only.
        parts = _items(kinds - {"pdf", "video", "audio"})[1:]
        forms.append(_object({"content": _list(parts)}, ["content"]))
    return forms


def _examples(kinds: frozenset[Modality], least: int) -> Schema:
    media = sorted(kinds & TEXT_AND_IMAGE)
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
    """Return the schema of a field without null, which a query parameter cannot be."""
    kinds = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
    return kinds[0] if kinds else schema
