"""Requests judged as the hosted service judges them, with its messages.

Which optional fields a model takes, and which values, stand in the client's catalogue: each of its rows becomes one
pydantic model per endpoint, so the messages and types are pydantic's own, as on the hosted service. The inputs are
read by hand, because pydantic reports every branch of a union that did not match where the service reports one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Optional

from jina_client.models import EMBEDDING_TYPES, Model, find_model, models_for
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from .errors import FieldProblem, InvalidRequest, RefusedRequest, problem

Route = Literal["embeddings", "rerank"]

# Other names that the hosted service takes for a field.
_ALIASES: dict[str, tuple[str, ...]] = {
    "input": ("content", "texts"),
    "task": ("task_type",),
    "dimensions": ("output_dimensionality", "output_dimension"),
    "truncate": ("truncation",),
    "embedding_type": ("encoding_type", "encoding_format", "embedding_types"),
    "top_n": ("top_k",),
    "max_doc_length": ("max_tokens_per_doc",),
    "truncation": ("truncate",),
}
_MEDIA = ("image", "pdf", "video", "audio", "content", "url", "bytes")
_INPUTS: dict[Route, tuple[str, ...]] = {"embeddings": ("input",), "rerank": ("query", "documents")}
_NOT_YET = {
    "return_multivector": "This engine does not give multi-vector embeddings yet",
    "return_tokenized_input": "This engine does not give the tokenized input yet",
    "return_embeddings": "This engine does not give the embeddings of ranked documents yet",
}
DEFAULT_DOC_LENGTH = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    """A valid request for embeddings: the fields of the wire, defaults filled in."""

    model: Model
    texts: list[str]
    embedding_type: str = "float"
    dimensions: int | None = None
    late_chunking: bool = False
    normalized: bool = True
    truncate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest:
    """A valid request for reranking.

    Attributes:
        echo: the documents as an answer repeats them.
        truncation: ``None`` where the caller does not say.
        max_doc_length: tokens after which a document is cut; ``None`` for a model that has no such field.
    """

    model: Model
    query: str
    documents: list[str]
    echo: list[str | dict[str, str]]
    top_n: int | None = None
    return_documents: bool = True
    truncation: bool | None = None
    max_doc_length: int | None = None


def read_embedding_request(body: Any) -> EmbeddingRequest:
    """Read the body of ``POST /v1/embeddings``, decoded from JSON.

    Raises:
        InvalidRequest: a field is missing, unknown or wrong (422).
        RefusedRequest: the model is not one that is served here (400).
    """
    model, fields = _known_model(body, "embeddings")
    problems: list[FieldProblem] = []
    texts = _inputs(fields.pop("input", ...), model, problems)
    options = _options(model, "embeddings", fields, problems)
    if problems:
        raise InvalidRequest(problems)
    return EmbeddingRequest(model=model, texts=texts, **options)


def read_rerank_request(body: Any) -> RerankRequest:
    """Read the body of ``POST /v1/rerank``, decoded from JSON; raises as :func:`read_embedding_request` does."""
    model, fields = _known_model(body, "rerank")
    problems: list[FieldProblem] = []
    query = _query(fields.pop("query", ...), model, problems)
    sent = fields.pop("documents", ...)
    documents = _documents(sent, model, problems)
    options = _options(model, "rerank", fields, problems)
    if problems:
        raise InvalidRequest(problems)
    listwise = model.listwise
    echo: list[str | dict[str, str]] = [
        {"text": text} if listwise or isinstance(item, dict) else text
        for item, text in zip(sent, documents, strict=True)
    ]
    return RerankRequest(model=model, query=query, documents=documents, echo=echo, **options)


def request_schema(route: Route) -> dict[str, Any]:
    """The JSON schema of an endpoint's body: one alternative for each model, from the catalogue."""
    return {"oneOf": [_model_schema(model, route) for model in models_for(route)]}


def _known_model(body: Any, route: Route) -> tuple[Model, dict[str, Any]]:
    if not isinstance(body, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise InvalidRequest([problem((), message, "model_attributes_type", body)])
    name = body.get("model", ...)
    if name is ...:
        raise InvalidRequest([problem(("model",), "Field required", "missing")])
    if not isinstance(name, str):
        raise InvalidRequest([problem(("model",), "Input should be a valid string", "string_type", name)])
    model = find_model(name)
    if model is None or route not in model.fields:
        available = ", ".join(row.id for row in models_for(route))
        raise RefusedRequest(f"Model '{name}' not found. Available models: {available}", "INPUT_MODEL_NOT_FOUND")
    known = (*_INPUTS[route], *_options_model(model, route).model_fields)
    fields = {key: value for key, value in body.items() if key != "model"}
    for field in known:
        for alias in _ALIASES.get(field, ()):
            if field not in fields and alias in fields and alias not in known:
                fields[field] = fields.pop(alias)
    return model, fields


def _inputs(value: Any, model: Model, problems: list[FieldProblem]) -> list[str]:
    if not isinstance(value, list):
        return [_text(value, ("input",), problems)]
    if not value:
        message = "Input list cannot be empty. Provide at least one item."
        problems.append(problem(("input",), message, "value_error"))
    return _texts(value, "input", model, problems)


def _documents(value: Any, model: Model, problems: list[FieldProblem]) -> list[str]:
    if value is ...:
        problems.append(problem(("documents",), "Field required", "missing"))
        return []
    if not isinstance(value, list):
        problems.append(problem(("documents",), "Input should be a valid list", "list_type", value))
        return []
    if not value:
        message = "List should have at least 1 item after validation, not 0"
        problems.append(problem(("documents",), message, "too_short"))
    return _texts(value, "documents", model, problems)


def _texts(values: list[Any], field: str, model: Model, problems: list[FieldProblem]) -> list[str]:
    if len(values) > model.list_limit:
        message = f"Each input list can contain at most {model.list_limit} items."
        problems.append(problem((field,), message, "too_long"))
        return []
    return [_text(item, (field, index), problems) for index, item in enumerate(values)]


def _query(value: Any, model: Model, problems: list[FieldProblem]) -> str:
    if isinstance(value, dict) and "image" not in model.modalities:
        problems.append(problem(("query",), "Input should be a valid string", "string_type"))
        return ""
    return _text(value, ("query",), problems)


def _text(value: Any, field: Sequence[str | int], problems: list[FieldProblem]) -> str:
    """The text of a string or of ``{"text": …}``; anything else is a problem."""
    if isinstance(value, str):
        return value
    if value is ...:
        problems.append(problem(field, "Field required", "missing"))
    elif not isinstance(value, dict):
        problems.append(problem(field, "Input should be a valid string", "string_type", value))
    elif "text" in value:
        if isinstance(value["text"], str):
            return value["text"]
        message = "Input should be a valid string"
        problems.append(problem((*field, "text"), message, "string_type", value["text"]))
    elif kind := next((kind for kind in _MEDIA if kind in value), None):
        message = f"This engine takes text only for now: an item with '{kind}' cannot be read"
        problems.append(problem(field, message, "unsupported_modality"))
    else:
        problems.append(problem((*field, "text"), "Field required", "missing"))
    return ""


def _options(model: Model, route: Route, sent: dict[str, Any], problems: list[FieldProblem]) -> dict[str, Any]:
    """The optional fields that the engine acts on, ``None`` left out so that its defaults stand."""
    kinds = sent.get("embedding_type")
    if isinstance(kinds, list) and route == "embeddings":
        sent["embedding_type"] = kinds[0] if len(kinds) == 1 else None
        if len(kinds) != 1:
            message = f"Exactly one embedding type can be asked for in one request, not {len(kinds)}"
            problems.append(problem(("embedding_type",), message, "too_long" if kinds else "too_short"))
    try:
        options = _options_model(model, route).model_validate(sent).model_dump(exclude_none=True)
    except ValidationError as error:
        problems.extend(
            problem(item["loc"], item["msg"], item["type"], item["input"])
            for item in error.errors(include_url=False, include_context=False)
        )
        return {}
    problems.extend(_incompatible(options))
    # The stand-in has one set of weights: a task is checked, and then changes nothing.
    return {name: value for name, value in options.items() if name not in _NOT_YET and name != "task"}


def _incompatible(options: Mapping[str, Any]) -> list[FieldProblem]:
    multivector = options.get("return_multivector")
    if multivector and "dimensions" in options:
        message = (
            "Incompatible options: 'dimensions' cannot be set when 'return_multivector' is True. "
            "Multi-vector embeddings use the full dimension size."
        )
        return [problem((), message, "value_error")]
    if options.get("return_tokenized_input") and not multivector:
        message = "Incompatible options: 'return_tokenized_input' requires 'return_multivector' to be True."
        return [problem((), message, "value_error")]
    return [problem((name,), text, "unsupported_option", True) for name, text in _NOT_YET.items() if options.get(name)]


def _dimensions(model: Model) -> Any:
    if model.dimension_choices:
        return Literal[model.dimension_choices]
    return Annotated[int, Field(gt=0, le=model.dimensions)]


# What the value of each optional field may be, given the model. A field's place is the endpoint that takes it.
_FIELD_TYPES: dict[Route, dict[str, Callable[[Model], Any]]] = {
    "embeddings": {
        "task": lambda model: Literal[model.tasks],
        "dimensions": _dimensions,
        "late_chunking": lambda _: bool,
        "normalized": lambda _: bool,
        "truncate": lambda _: bool,
        "embedding_type": lambda _: Literal[EMBEDDING_TYPES],
        "return_multivector": lambda _: bool,
        "return_tokenized_input": lambda _: bool,
    },
    "rerank": {
        "top_n": lambda _: Annotated[int, Field(ge=1)],
        "return_documents": lambda _: bool,
        "truncation": lambda _: bool,
        "max_doc_length": lambda _: Annotated[int, Field(ge=1, le=8192)],
        "return_embeddings": lambda _: bool,
    },
}


@cache
def _options_model(model: Model, route: Route) -> type[BaseModel]:
    """The optional fields of one model at one endpoint; any other is refused, and each may be null."""
    types = {name: kind(model) for name, kind in _FIELD_TYPES[route].items() if name in model.fields[route]}
    fields: dict[str, Any] = {name: (Optional[kind], None) for name, kind in types.items()}  # noqa: UP045
    return create_model(f"{model.id} {route}", __config__=ConfigDict(extra="forbid"), **fields)


def _model_schema(model: Model, route: Route) -> dict[str, Any]:
    string = {"type": "string"}
    text = [string, {"type": "object", "properties": {"text": string}, "required": ["text"]}]
    texts = {"type": "array", "items": {"anyOf": text}, "minItems": 1, "maxItems": model.list_limit}
    inputs: dict[str, Any] = {"query": string, "documents": texts}
    if route == "embeddings":
        inputs = {"input": {"anyOf": [*text, texts]}}
    options = _options_model(model, route).model_json_schema()["properties"]
    return {
        "title": model.id,
        "type": "object",
        "properties": {"model": {"const": model.id, "type": "string"}, **inputs, **options},
        "required": ["model", *inputs],
        "additionalProperties": False,
    }
