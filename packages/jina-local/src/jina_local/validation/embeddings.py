"""Validate requests to ``/v1/embeddings`` and ``/v1/multi-vector``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jina_client.integration import MODELS, Model

from ..errors import FieldProblem, InvalidFieldsError, problem
from .inputs import InputItem, read_inputs
from .options import Catalog, Path, as_object, modalities_at, read_model, read_options


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingBody:
    """A valid embedding request, with defaults filled in.

    Attributes:
        model: The requested model.
        inputs: The inputs, in order.
        task: Task as it was sent. The stand-in has one set of weights and computes the same vectors for every task.
        embedding_type: Encoding of the vectors in the response.
        dimensions: Requested length of a vector; ``None`` for the model's own.
        late_chunking: Whether the inputs are chunks of one document.
        normalized: Whether vectors are scaled to L2 norm 1.
        truncate: Whether long inputs are truncated; ``None`` if the model always truncates and lacks this field.
        multi_vector: Whether the response has one vector per token.
        input_type: ``query`` or ``document``, for ColBERT models.
        return_tokenized_input: Whether the response includes the tokens of each input.
    """

    model: Model
    inputs: tuple[InputItem, ...]
    task: str | None = None
    embedding_type: str = "float"
    dimensions: int | None = None
    late_chunking: bool = False
    normalized: bool = True
    truncate: bool | None = None
    multi_vector: bool = False
    input_type: str = "document"
    return_tokenized_input: bool = False


def read_embedding_body(body: Any, path: Path = "embeddings", served: Catalog = MODELS) -> EmbeddingBody:
    """Validate the body of ``POST /v1/embeddings`` or ``/v1/multi-vector``.

    Args:
        body: The body, decoded from JSON.
        path: Path of the request.
        served: The models that are served.

    Raises:
        InvalidFieldsError: A field is missing, unknown or invalid (422).
        RejectedRequestError: The path does not serve this model (400).
    """
    model, fields = read_model(as_object(body), path, ("input",), served)
    problems: list[FieldProblem] = []
    inputs = read_inputs(fields.pop("input", ...), model, modalities_at(model, path), problems)
    options = read_options(model, path, fields, problems)
    if options.get("late_chunking") and any(item.kind != "text" for item in inputs):
        message = "Late chunking requires text inputs, the chunks of one text: images and PDFs have none"
        problems.append(problem(("late_chunking",), message, "value_error"))
    if problems:
        raise InvalidFieldsError(problems)
    return_multivector = options.pop("return_multivector", False)
    if "truncate" in model.fields.get("embeddings", ()):
        options.setdefault("truncate", False)
    multi_vector_only = "multi-vector" in model.fields and "embeddings" not in model.fields
    return EmbeddingBody(model=model, inputs=inputs, multi_vector=multi_vector_only or return_multivector, **options)
