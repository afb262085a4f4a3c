"""The model of a request and its optional fields.

Which optional fields a model takes, and which values, stand in the client's catalogue: each of its rows becomes one
pydantic model per endpoint, so the messages and types are pydantic's own, as on the hosted service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Optional

from jina_client.models import BATCH_TASKS, EMBEDDING_TYPES, MODELS, Endpoint, Modality, Model, canonical_id
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from ..errors import FieldProblem, InvalidRequest, RefusedRequest, problem

Path = Literal["embeddings", "multi-vector", "rerank", "classify", "train", "batch"]
PATHS: tuple[Path, ...] = ("embeddings", "multi-vector", "rerank", "classify", "train", "batch")

# What the catalogue has apart is asked for at one path.
_ENDPOINTS: dict[Path, tuple[Endpoint, ...]] = {"embeddings": ("embeddings", "multi-vector", "sparse")}

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
# More would only serve to keep the engine busy: a head is trained to its optimum long before.
_MAX_ITERATIONS = 1000

Options = dict[str, Any]

Catalogue = Mapping[str, Model]
"""The models that are answered for, by id. A row differs from the client's where loaded weights do."""


def endpoints_of(path: Path) -> tuple[Endpoint, ...]:
    """The catalogue's endpoints that a path serves."""
    return _ENDPOINTS.get(path, (path,))


def models_at(path: Path, served: Catalogue = MODELS) -> tuple[Model, ...]:
    """The models that can be asked for at a path, in the catalogue's order.

    Args:
        path: where requests are sent.
        served: the models that are answered for; by default all.
    """
    rows = (row for row in served.values() if any(endpoint in row.fields for endpoint in endpoints_of(path)))
    # The path for vectors of tokens is older than the models that give one vector as well.
    return tuple(row for row in rows if path != "multi-vector" or "embeddings" not in row.fields)


def takes(model: Model, path: Path) -> frozenset[Modality]:
    """The kinds of input that a model takes at a path."""
    at = (model.modalities_at(endpoint) for endpoint in endpoints_of(path) if endpoint in model.fields)
    return frozenset[Modality]().union(*at)


def as_object(body: Any) -> dict[str, Any]:
    """A request's body, which must be an object; a copy."""
    if not isinstance(body, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise InvalidRequest([problem((), message, "model_attributes_type", body)])
    return dict(body)


def known_model(
    body: dict[str, Any], path: Path, inputs: Sequence[str], served: Catalogue = MODELS
) -> tuple[Model, dict[str, Any]]:
    """The model that a request names, and its other fields under their canonical names.

    Args:
        body: the request.
        path: where it was sent.
        inputs: the fields that hold what is to be computed.
        served: the models that are answered for.

    Raises:
        InvalidRequest: no model is named (422).
        RefusedRequest: it is not one that is served at this path (400).
    """
    name = body.get("model", ...)
    if name is ...:
        raise InvalidRequest([problem(("model",), "Field required", "missing")])
    if not isinstance(name, str):
        raise InvalidRequest([problem(("model",), "Input should be a valid string", "string_type", name)])
    model = served.get(canonical_id(name))
    if model is None or model not in models_at(path, served):
        available = (
            ", ".join(row.id for row in models_at(path, served)) or f"none at this endpoint ({', '.join(served)})"
        )
        raise RefusedRequest(f"Model '{name}' not found. Available models: {available}", "INPUT_MODEL_NOT_FOUND")
    fields = {key: value for key, value in body.items() if key != "model"}
    return model, canonical(fields, (*inputs, *options_model(model, path).model_fields))


def canonical(fields: dict[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """Fields under their canonical names, where they came under another that is taken too."""
    for field in known:
        for alias in _ALIASES.get(field, ()):
            if field not in fields and alias in fields and alias not in known:
                fields[field] = fields.pop(alias)
    return fields


def read_options(model: Model, path: Path, sent: dict[str, Any], problems: list[FieldProblem]) -> Options:
    """The optional fields, those that are null left out so that defaults stand; what is wrong is added to problems."""
    kinds = sent.get("embedding_type")
    if isinstance(kinds, list):
        sent["embedding_type"] = kinds[0] if len(kinds) == 1 else None
        if len(kinds) != 1:
            message = f"Exactly one embedding type can be asked for in one request, not {len(kinds)}"
            problems.append(problem(("embedding_type",), message, "too_long" if kinds else "too_short"))
    options = validated(options_model(model, path), sent, problems)
    problems.extend(_incompatible(options))
    return options


def validated(schema: type[BaseModel], sent: Mapping[str, Any], problems: list[FieldProblem]) -> Options:
    """Fields read by a pydantic model, those that are null left out; what is wrong is added to problems."""
    try:
        return schema.model_validate(sent).model_dump(exclude_none=True)
    except ValidationError as error:
        problems.extend(
            problem(item["loc"], item["msg"], item["type"], item["input"])
            for item in error.errors(include_url=False, include_context=False)
        )
        return {}


def _incompatible(options: Mapping[str, Any]) -> list[FieldProblem]:
    multivector = options.get("return_multivector")
    if multivector and "dimensions" in options:
        message = (
            "Incompatible options: 'dimensions' cannot be set when 'return_multivector' is True. "
            "Multi-vector embeddings use the full dimension size."
        )
        return [problem((), message, "value_error")]
    if multivector and options.get("late_chunking"):
        message = (
            "Incompatible options: 'late_chunking' gives one vector for each chunk, "
            "'return_multivector' one for each token."
        )
        return [problem((), message, "value_error")]
    if options.get("return_tokenized_input") and not multivector:
        message = "Incompatible options: 'return_tokenized_input' requires 'return_multivector' to be True."
        return [problem((), message, "value_error")]
    return []


def _dimensions(model: Model) -> Any:
    if model.dimension_choices:
        return Literal[model.dimension_choices]
    return Annotated[int, Field(gt=0, le=model.dimensions)]


# What the value of each optional field may be, given the model.
_TYPES: dict[str, Callable[[Model], Any]] = {
    "dimensions": _dimensions,
    "late_chunking": lambda _: bool,
    "normalized": lambda _: bool,
    "truncate": lambda _: bool,
    "embedding_type": lambda _: Literal[EMBEDDING_TYPES],
    "input_type": lambda _: Literal["query", "document"],
    "return_multivector": lambda _: bool,
    "return_tokenized_input": lambda _: bool,
    "top_n": lambda _: Annotated[int, Field(ge=1)],
    "return_documents": lambda _: bool,
    "truncation": lambda _: bool,
    "max_doc_length": lambda _: Annotated[int, Field(ge=1, le=8192)],
    "return_embeddings": lambda _: bool,
    "access": lambda _: Literal["public", "private"],
    "num_iters": lambda _: Annotated[int, Field(ge=1, le=_MAX_ITERATIONS)],
    "webhook_url": lambda _: str,
}


@cache
def options_model(model: Model, path: Path) -> type[BaseModel]:
    """The optional fields of one model at one path; any other is refused, and each may be null."""
    types: dict[str, Any] = {}
    for endpoint in endpoints_of(path):
        for name in model.fields.get(endpoint, ()):
            if name == "task":
                types[name] = Literal[BATCH_TASKS if path == "batch" else model.tasks]
            else:
                types[name] = _TYPES[name](model)
    fields: dict[str, Any] = {name: (Optional[kind], None) for name, kind in types.items()}  # noqa: UP045
    return create_model(f"{model.id} {path}", __config__=ConfigDict(extra="forbid"), **fields)
