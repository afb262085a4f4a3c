"""Requests for vectors and rankings: what is valid, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jina_client.models import MODELS, Model

from ..errors import FieldProblem, InvalidRequest, problem
from .fields import Catalogue, Path, as_object, known_model, read_options, takes
from .items import Item, read_documents, read_inputs, read_query

DEFAULT_DOC_LENGTH = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    """A valid request for embeddings: the fields of the wire, defaults filled in.

    Attributes:
        task: as it was sent. The stand-in, which has one set of weights, computes the same for all of them.
        multi_vector: whether each token has a vector.
        input_type: of a ColBERT model: ``query`` or ``document``.
        truncate: ``None`` where the model has no such field and cuts by itself.
    """

    model: Model
    inputs: tuple[Item, ...]
    task: str | None = None
    embedding_type: str = "float"
    dimensions: int | None = None
    late_chunking: bool = False
    normalized: bool = True
    truncate: bool | None = None
    multi_vector: bool = False
    input_type: str = "document"
    return_tokenized_input: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest:
    """A valid request for reranking.

    Attributes:
        echo: the documents as an answer repeats them.
        truncation: ``None`` where the caller does not say.
        max_doc_length: tokens after which a document is cut; ``None`` for a model that has no such field.
    """

    model: Model
    query: Item
    documents: tuple[Item, ...]
    echo: list[str | Mapping[str, str]]
    top_n: int | None = None
    return_documents: bool = True
    truncation: bool | None = None
    max_doc_length: int | None = None
    return_embeddings: bool = False


def read_embedding_request(body: Any, path: Path = "embeddings", served: Catalogue = MODELS) -> EmbeddingRequest:
    """Read the body of ``POST /v1/embeddings`` or ``/v1/multi-vector``, decoded from JSON.

    Args:
        body: what was sent.
        path: where it was sent.
        served: the models that are answered for.

    Raises:
        InvalidRequest: a field is missing, unknown or wrong (422).
        RefusedRequest: the model is not one that is served here (400).
    """
    model, fields = known_model(as_object(body), path, ("input",), served)
    problems: list[FieldProblem] = []
    inputs = read_inputs(fields.pop("input", ...), model, takes(model, path), problems)
    options = read_options(model, path, fields, problems)
    if options.get("late_chunking") and any(item.kind != "text" for item in inputs):
        message = "Late chunking reads the chunks of one text: images and PDFs have none"
        problems.append(problem(("late_chunking",), message, "value_error"))
    if problems:
        raise InvalidRequest(problems)
    asked = options.pop("return_multivector", False)
    if "truncate" in model.fields.get("embeddings", ()):
        options.setdefault("truncate", False)
    always = "multi-vector" in model.fields and "embeddings" not in model.fields
    return EmbeddingRequest(model=model, inputs=inputs, multi_vector=always or asked, **options)


def read_rerank_request(body: Any, served: Catalogue = MODELS) -> RerankRequest:
    """Read the body of ``POST /v1/rerank``, decoded from JSON; raises as :func:`read_embedding_request` does."""
    model, fields = known_model(as_object(body), "rerank", ("query", "documents"), served)
    kinds = takes(model, "rerank")
    problems: list[FieldProblem] = []
    query = read_query(fields.pop("query", ...), kinds, problems)
    sent = fields.pop("documents", ...)
    documents = read_documents(sent, model, kinds, problems)
    options = read_options(model, "rerank", fields, problems)
    if problems:
        raise InvalidRequest(problems)
    echo = [_echo(item, as_sent, model) for item, as_sent in zip(documents, sent, strict=True)]
    return RerankRequest(model=model, query=query, documents=documents, echo=echo, **options)


def _echo(item: Item, sent: Any, model: Model) -> str | Mapping[str, str]:
    """A document as an answer repeats it: as it was sent, but always an object by a listwise model."""
    if item.kind != "text":
        return {"image": item.value}
    return {"text": item.value} if model.listwise or isinstance(sent, dict) else item.value
