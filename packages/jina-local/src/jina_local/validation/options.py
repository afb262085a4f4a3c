"""Validate the model of a request and its optional fields.

The client's catalog says which optional fields a model accepts, and with which values. Each row of it becomes one
pydantic model per endpoint, so error messages and types are pydantic's own, as on the hosted service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Optional

from jina_client.integration import BATCH_TASKS, EMBEDDING_TYPES, MODELS, Endpoint, Modality, Model, canonical_id
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from ..errors import FieldProblem, InvalidFieldsError, RejectedRequestError, problem, shorten

Path = Literal["embeddings", "multi-vector", "rerank", "classify", "train", "batch"]
PATHS: tuple[Path, ...] = ("embeddings", "multi-vector", "rerank", "classify", "train", "batch")

_REQUIRED: dict[Path, tuple[str, ...]] = {
    "embeddings": ("input",),
    "multi-vector": ("input",),
    "rerank": ("query", "documents"),
    "classify": ("input", "labels", "classifier_id"),
    "train": ("input", "classifier_id"),
    "batch": ("input", "input_url"),
}

# The catalog separates endpoints that share a path.
_ENDPOINTS: dict[Path, tuple[Endpoint, ...]] = {"embeddings": ("embeddings", "multi-vector", "sparse")}

# Other names that the hosted service accepts for a field.
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
# More iterations would only keep the engine busy: training converges long before.
_MAX_ITERATIONS = 1000

Options = dict[str, Any]

Catalog = Mapping[str, Model]
"""The models that are served, by id. A row differs from the client's catalog if the loaded weights do."""


def endpoints_of(path: Path) -> tuple[Endpoint, ...]:
    """Return the catalog's endpoints that share a path."""
    return _ENDPOINTS.get(path, (path,))


def models_at(path: Path, served: Catalog = MODELS) -> tuple[Model, ...]:
    """Return the models that a path accepts, in the catalog's order.

    Args:
        path: Path of the request.
        served: The models that are served; defaults to the whole catalog.
    """
    rows = (row for row in served.values() if any(endpoint in row.fields for endpoint in endpoints_of(path)))
    # The multi-vector path is older than the models that also return single vectors, and does not accept them.
    return tuple(row for row in rows if path != "multi-vector" or "embeddings" not in row.fields)


# More than any request has. Each unknown field would be reported by itself.
_MAX_FIELDS = 100


def modalities_at(model: Model, path: Path) -> frozenset[Modality]:
    """Return the kinds of input that a model accepts at a path."""
    modalities = (model.modalities_at(endpoint) for endpoint in endpoints_of(path) if endpoint in model.fields)
    return frozenset[Modality]().union(*modalities)


def as_object(body: Any) -> dict[str, Any]:
    """Return a copy of a request's body.

    Raises:
        InvalidFieldsError: The body is not a JSON object (422).
    """
    if not isinstance(body, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise InvalidFieldsError([problem((), message, "model_attributes_type", body)])
    return dict(body)


def without_unknown_fields(body: Any, path: Path) -> Any:
    """Return a request without the fields that no model has at its path, such as OpenAI's ``user``.

    A field that other models have stays, so that nothing that changes a result is ignored.

    Args:
        body: The request.
        path: Path of the request.
    """
    return (
        {name: value for name, value in body.items() if name in _known_fields(path)} if isinstance(body, dict) else body
    )


@cache
def _known_fields(path: Path) -> frozenset[str]:
    options = (options_model(model, path).model_fields for model in models_at(path))
    names = {"model", *_REQUIRED[path]}.union(*options)
    return frozenset(names.union(*(_ALIASES.get(name, ()) for name in names)))


def read_model(
    body: dict[str, Any], path: Path, inputs: Sequence[str], served: Catalog = MODELS
) -> tuple[Model, dict[str, Any]]:
    """Look up the model that a request names.

    Args:
        body: The request.
        path: Path of the request.
        inputs: Names of the fields that hold the inputs.
        served: The models that are served.

    Returns:
        The model's row, and the other fields under their canonical names.

    Raises:
        InvalidFieldsError: The request names no model (422).
        RejectedRequestError: The path does not serve this model (400).
    """
    name = body.get("model", ...)
    if name is ...:
        raise InvalidFieldsError([problem(("model",), "Field required", "missing")])
    if not isinstance(name, str):
        raise InvalidFieldsError([problem(("model",), "Input should be a valid string", "string_type", name)])
    model = served.get(canonical_id(name))
    if model is None or model not in models_at(path, served):
        available = (
            ", ".join(row.id for row in models_at(path, served)) or f"none at this endpoint ({', '.join(served)})"
        )
        message = f"Model '{shorten(name)}' not found. Available models: {available}"
        raise RejectedRequestError(message, "INPUT_MODEL_NOT_FOUND")
    fields = {key: value for key, value in body.items() if key != "model"}
    return model, canonical_fields(fields, (*inputs, *options_model(model, path).model_fields))


def canonical_fields(fields: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Rename fields that were sent under an alias.

    Args:
        fields: The fields of a request. Changed in place.
        names: The canonical names of the fields that the request may have.

    Returns:
        ``fields``.
    """
    for name in names:
        for alias in _ALIASES.get(name, ()):
            if name not in fields and alias in fields and alias not in names:
                fields[name] = fields.pop(alias)
    return fields


def read_options(model: Model, path: Path, fields: dict[str, Any], problems: list[FieldProblem]) -> Options:
    """Validate the optional fields of a request.

    Args:
        model: The requested model.
        path: Path of the request.
        fields: The optional fields.
        problems: Receives the invalid fields.

    Returns:
        The options. Null fields are left out, so that the defaults apply.
    """
    types = fields.get("embedding_type")
    if isinstance(types, list):
        fields["embedding_type"] = types[0] if len(types) == 1 else None
        if types == [None]:
            message = f"Input should be {', '.join(map(repr, EMBEDDING_TYPES[:-1]))} or {EMBEDDING_TYPES[-1]!r}"
            problems.append(problem(("embedding_type", 0), message, "literal_error"))
        elif len(types) != 1:
            message = f"A request can have exactly one embedding type, not {len(types)}"
            problems.append(problem(("embedding_type",), message, "too_long" if types else "too_short"))
    options = validate_fields(options_model(model, path), fields, problems)
    problems.extend(_incompatible_options(options))
    return options


def validate_fields(schema: type[BaseModel], fields: Mapping[str, Any], problems: list[FieldProblem]) -> Options:
    """Validate fields with a pydantic model.

    Args:
        schema: The pydantic model.
        fields: The fields of a request.
        problems: Receives the invalid fields.

    Returns:
        The fields, without those that are null; empty if a field is invalid.
    """
    if len(fields) > _MAX_FIELDS:
        problems.append(problem((), f"A request has at most {_MAX_FIELDS} fields, not {len(fields):,}", "too_long"))
        return {}
    try:
        return schema.model_validate(fields).model_dump(exclude_none=True)
    except ValidationError as error:
        problems.extend(
            problem(item["loc"], item["msg"], item["type"], item["input"])
            for item in error.errors(include_url=False, include_context=False)
        )
        return {}


def _incompatible_options(options: Mapping[str, Any]) -> list[FieldProblem]:
    multivector = options.get("return_multivector")
    if multivector and "dimensions" in options:
        message = (
            "Incompatible options: 'dimensions' cannot be set when 'return_multivector' is True. "
            "Multi-vector embeddings use the full dimension size."
        )
        return [problem((), message, "value_error")]
    if multivector and options.get("late_chunking"):
        message = (
            "Incompatible options: 'late_chunking' returns one vector per chunk, 'return_multivector' one per token."
        )
        return [problem((), message, "value_error")]
    if options.get("return_tokenized_input") and not multivector:
        message = "Incompatible options: 'return_tokenized_input' requires 'return_multivector' to be True."
        return [problem((), message, "value_error")]
    return []


def _dimensions(model: Model) -> Any:
    if model.dimension_choices:
        return Literal[model.dimension_choices]
    return Annotated[WholeNumber, Field(gt=0, le=model.dimensions)]


def _reject_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


WholeNumber = Annotated[int, BeforeValidator(_reject_flag)]
"""An integer as the published description has it. Pydantic alone would read ``true`` as 1."""


# The type of each optional field, which may depend on the model.
_TYPES: dict[str, Callable[[Model], Any]] = {
    "dimensions": _dimensions,
    "late_chunking": lambda _: bool,
    "normalized": lambda _: bool,
    "truncate": lambda _: bool,
    "embedding_type": lambda _: Literal[EMBEDDING_TYPES],
    "input_type": lambda _: Literal["query", "document"],
    "return_multivector": lambda _: bool,
    "return_tokenized_input": lambda _: bool,
    "top_n": lambda _: Annotated[WholeNumber, Field(ge=1)],
    "return_documents": lambda _: bool,
    "truncation": lambda _: bool,
    "max_doc_length": lambda _: Annotated[WholeNumber, Field(ge=1, le=8192)],
    "return_embeddings": lambda _: bool,
    "access": lambda _: Literal["public", "private"],
    "num_iters": lambda _: Annotated[WholeNumber, Field(ge=1, le=_MAX_ITERATIONS)],
    "webhook_url": lambda _: str,
}


@cache
def options_model(model: Model, path: Path) -> type[BaseModel]:
    """Return the pydantic model of one model's optional fields at one path.

    Every field may be null. Other fields are invalid.
    """
    types: dict[str, Any] = {}
    for endpoint in endpoints_of(path):
        for name in model.fields.get(endpoint, ()):
            if name == "task":
                types[name] = Literal[BATCH_TASKS if path == "batch" else model.tasks]
            else:
                types[name] = _TYPES[name](model)
        if endpoint == "sparse" and endpoint in model.fields:
            # Scores of terms have no other encoding, so the client has no such option.
            types["embedding_type"] = Literal["float"]
    fields: dict[str, Any] = {name: (Optional[kind], None) for name, kind in types.items()}  # noqa: UP045
    return create_model(f"{model.id} {path}", __config__=ConfigDict(extra="forbid"), **fields)
