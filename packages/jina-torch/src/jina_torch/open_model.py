"""The common part of all open models: the row that they serve, truncation, and errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jina_client.integration import Model
from jina_local.backend import (
    DEFAULT_DOC_LENGTH,
    Catalog,
    Charge,
    EmbeddingBody,
    EmbeddingOutput,
    InputItem,
    Piece,
    RejectedRequestError,
    RerankBody,
    RerankOutput,
    Vectors,
    input_too_long,
)

from .model_tokenizer import ModelTokenizer

DECIMALS = 8
"""Decimals of a score, like the hosted service's."""


class OpenModel:
    """Base of the :class:`jina_local.backend.Backend` classes: it computes nothing itself.

    Args:
        row: The catalog's row, narrowed to the loaded weights.
        name: Folder or hub id as the user wrote it.
        tokenizer: The model's tokenizer.
    """

    def __init__(self, row: Model, name: str, tokenizer: ModelTokenizer) -> None:
        self.row = row
        self.served: Catalog = {row.id: row}
        self.name = f"{row.id} from {name}"
        self.tokenizer = tokenizer

    def embed(self, body: EmbeddingBody, charge: Charge) -> EmbeddingOutput:
        """Embed the inputs of a request."""
        raise self.unsupported("embeddings")

    def rerank(self, body: RerankBody, charge: Charge) -> RerankOutput:
        """Score the documents of a request."""
        raise self.unsupported("reranking")

    def unit_vectors(self, model: Model, items: Sequence[InputItem], charge: Charge) -> tuple[int, Vectors]:
        """Embed inputs for classification."""
        raise self.unsupported("classification")

    def pieces(self, text: str) -> tuple[str, list[Piece]]:
        """Tokenize a text for segmentation."""
        return f"{self.row.id} (its own)", self.tokenizer.pieces(text)

    def close(self) -> None:
        """Stop computing."""

    def unsupported(self, option: str, reason: str = "") -> RejectedRequestError:
        """Return the 400 for an option that these weights do not support."""
        message = f"'{option}' is not supported by {self.name}" + (f": {reason}" if reason else "")
        return RejectedRequestError(message, "INPUT_UNSUPPORTED")

    def task_or_default(self, task: str | None) -> str | None:
        """Return the task of a request, or the model's default task.

        Raises:
            RejectedRequestError: These weights do not support the default task (400).
        """
        task = task or self.row.fields.get("embeddings", {}).get("task")
        if task is not None and task not in self.row.tasks:
            raise self.unsupported(f"task: {task}", f"name one of {', '.join(self.row.tasks)}")
        return task

    def classification_task(self) -> str | None:
        """Return the task for embedding inputs and labels of a classification."""
        return "classification" if "classification" in self.row.tasks else self.task_or_default(None)

    def prefix(self, task: str | None) -> str:
        """Return the text before each input of a task."""
        return self.row.prefixes.get(task or "", "")

    def truncate_inputs(self, contents: Sequence[list[int]], truncate: bool | None) -> list[list[int]]:
        """Truncate token ids to the context.

        Raises:
            RejectedRequestError: ``truncate`` is False and an input is too long (400).
        """
        limit = self.row.context
        if truncate is False and any(len(ids) > limit for ids in contents):
            raise input_too_long(limit, "truncate")
        return [ids[:limit] for ids in contents]

    def truncate_documents(self, contents: Sequence[list[int]], body: RerankBody, limit: int) -> list[list[int]]:
        """Truncate a reranker's documents.

        Args:
            contents: Token ids of each document.
            body: The request.
            limit: Maximum tokens of a document.

        Raises:
            RejectedRequestError: The request forbids truncation and a document is too long (400).
        """
        if self.row.listwise:
            limit = min(limit, body.max_doc_length or DEFAULT_DOC_LENGTH)
        elif body.truncation is False and any(len(ids) > limit for ids in contents):
            raise input_too_long(limit, "truncation")
        return [ids[:limit] for ids in contents]


def texts_of(items: Sequence[InputItem], model: OpenModel) -> list[str]:
    """Return the texts of items.

    Raises:
        RejectedRequestError: An item is a medium (400).
    """
    for item in items:
        if item.kind != "text":
            raise model.unsupported(item.kind, "it reads texts only")
    return [item.value for item in items]


def narrow_row(
    row: Model,
    *,
    dimensions: int,
    context: int,
    tasks: Sequence[str] | None = None,
    without: Sequence[str] = (),
    **changes: Any,
) -> Model:
    """Narrow a row of the catalog to loaded weights.

    Args:
        row: The catalog's row.
        dimensions: Length of a vector.
        context: Longest input in tokens, without special tokens.
        tasks: Tasks that the weights support; defaults to the row's.
        without: Fields that the weights do not support.
        changes: Other attributes of the row.
    """
    tasks = row.tasks if tasks is None else tuple(tasks)
    dropped = {*without, *(() if tasks else ("task",))}
    fields = {
        endpoint: {name: value for name, value in options.items() if name not in dropped}
        for endpoint, options in row.fields.items()
    }
    return replace(
        row,
        fields=fields,
        dimensions=dimensions,
        matryoshka=tuple(size for size in row.matryoshka if size <= dimensions),
        tasks=tasks,
        context=min(row.context, context),
        **changes,
    )
