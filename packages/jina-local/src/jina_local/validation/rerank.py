"""Validate requests to ``/v1/rerank``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jina_client.integration import MODELS, Model

from ..errors import FieldProblem, InvalidFieldsError
from .inputs import InputItem, read_documents, read_query
from .options import Catalog, as_object, modalities_at, read_model, read_options

DEFAULT_DOC_LENGTH = 2048
"""Tokens after which a listwise reranker truncates a document by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankBody:
    """A valid rerank request, with defaults filled in.

    Attributes:
        model: The requested model.
        query: The query.
        documents: The documents, in order.
        echo: The documents as the response repeats them.
        top_n: Maximum number of results; ``None`` for all.
        return_documents: Whether the response repeats the documents.
        truncation: Whether long documents are truncated; ``None`` if the request does not say.
        max_doc_length: Tokens after which a document is truncated; ``None`` for the default, and for models without
            this field.
        return_embeddings: Whether the response includes the documents' vectors.
    """

    model: Model
    query: InputItem
    documents: tuple[InputItem, ...]
    echo: list[str | Mapping[str, str]]
    top_n: int | None = None
    return_documents: bool = True
    truncation: bool | None = None
    max_doc_length: int | None = None
    return_embeddings: bool = False


def read_rerank_body(body: Any, served: Catalog = MODELS) -> RerankBody:
    """Validate the body of ``POST /v1/rerank``.

    Args:
        body: The body, decoded from JSON.
        served: The models that are served.

    Raises:
        InvalidFieldsError: A field is missing, unknown or invalid (422).
        RejectedRequestError: The model is not a reranker that is served (400).
    """
    model, fields = read_model(as_object(body), "rerank", ("query", "documents"), served)
    kinds = modalities_at(model, "rerank")
    problems: list[FieldProblem] = []
    query = read_query(fields.pop("query", ...), kinds, problems)
    values = fields.pop("documents", ...)
    documents = read_documents(values, model, kinds, problems)
    options = read_options(model, "rerank", fields, problems)
    if problems:
        raise InvalidFieldsError(problems)
    echo = [_echo(item, value, model) for item, value in zip(documents, values, strict=True)]
    return RerankBody(model=model, query=query, documents=documents, echo=echo, **options)


def _echo(item: InputItem, value: Any, model: Model) -> str | Mapping[str, str]:
    """Return a document as it was sent, with the caller's own fields; a listwise model returns the text only."""
    if model.listwise:
        return {"text": item.value}
    if item.kind == "image" and isinstance(value, dict):
        # The response calls the field "image", even if the request used an older name.
        return {**{name: value[name] for name in value if value[name] is not item.value}, "image": item.value}
    return value  # type: ignore[no-any-return]
