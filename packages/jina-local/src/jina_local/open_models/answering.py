"""What all open models have in common: the row that they answer for, and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jina_client.models import Model

from ..backend import Embedded, Ranked, Vectors
from ..errors import RefusedRequest, token_limit_exceeded
from ..limits import Charge
from ..reading.fields import Catalogue
from ..reading.items import Item
from ..reading.requests import DEFAULT_DOC_LENGTH, EmbeddingRequest, RerankRequest
from ..text_tokens import Piece
from .tokens import Tokenizer

DECIMALS = 8
"""Of a score, as the hosted service rounds."""

_TRUNCATE = "Use '{field}: true' to automatically truncate, or split into smaller chunks."


class OpenModel:
    """A :class:`~jina_local.backend.Backend` that computes nothing yet.

    Args:
        row: what can be asked of the model.
        name: what the user called it.
        tokenizer: the model's.
    """

    is_stand_in = False

    def __init__(self, row: Model, name: str, tokenizer: Tokenizer) -> None:
        self.row = row
        self.served: Catalogue = {row.id: row}
        self.name = f"{row.id} from {name}"
        self.tokenizer = tokenizer

    def embed(self, asked: EmbeddingRequest, charge: Charge) -> Embedded:
        """The vectors of a request's inputs."""
        raise self.unsupported("embeddings")

    def rank(self, asked: RerankRequest, charge: Charge) -> Ranked:
        """The scores of a request's documents."""
        raise self.unsupported("reranking")

    def unit_vectors(self, model: Model, items: Sequence[Item], charge: Charge) -> tuple[int, Vectors]:
        """The vectors that inputs are classified by."""
        raise self.unsupported("classification")

    def pieces(self, text: str) -> tuple[str, list[Piece]]:
        """A text's tokens, and the name of the tokenizer."""
        return f"{self.row.id} (its own)", self.tokenizer.pieces(text)

    def close(self) -> None:
        """Compute nothing more."""

    def unsupported(self, option: str, because: str = "") -> RefusedRequest:
        """400 for an option that these weights cannot honour."""
        return RefusedRequest(
            f"'{option}' is not supported by {self.name}" + (f": {because}" if because else ""), "INPUT_UNSUPPORTED"
        )

    def task_of(self, asked: str | None) -> str | None:
        """The task to compute for: the one that was asked for, else the one that the model assumes.

        Raises:
            RefusedRequest: the assumed one is none that these weights were made for.
        """
        task = asked or self.row.fields.get("embeddings", {}).get("task")
        if task is not None and task not in self.row.tasks:
            raise self.unsupported(f"task: {task}", f"name one of {', '.join(self.row.tasks)}")
        return task

    def task_of_classes(self) -> str | None:
        """The task that inputs and labels are embedded with to be classified."""
        return "classification" if "classification" in self.row.tasks else self.task_of(None)

    def prefix(self, task: str | None) -> str:
        """What is put before a text for a task."""
        return self.row.prefixes.get(task or "", "")

    def within_context(self, contents: Sequence[list[int]], truncate: bool | None) -> list[list[int]]:
        """Token ids cut to the context; raises RefusedRequest (400) where they may not be cut."""
        limit = self.row.context
        if truncate is False and any(len(ids) > limit for ids in contents):
            raise token_limit_exceeded(limit, _TRUNCATE.format(field="truncate"))
        return [ids[:limit] for ids in contents]

    def within_documents(self, contents: Sequence[list[int]], asked: RerankRequest, limit: int) -> list[list[int]]:
        """A reranker's documents cut as the request says; raises RefusedRequest (400) where they may not be cut."""
        if self.row.listwise:
            limit = min(limit, asked.max_doc_length or DEFAULT_DOC_LENGTH)
        elif asked.truncation is False and any(len(ids) > limit for ids in contents):
            raise token_limit_exceeded(limit, _TRUNCATE.format(field="truncation"))
        return [ids[:limit] for ids in contents]


def texts_of(items: Sequence[Item], model: OpenModel) -> list[str]:
    """The texts of items that are nothing else; raises RefusedRequest (400) for a medium."""
    for item in items:
        if item.kind != "text":
            raise model.unsupported(item.kind, "it reads texts only")
    return [item.value for item in items]


def narrowed(
    row: Model,
    *,
    dimensions: int,
    context: int,
    tasks: Sequence[str] | None = None,
    without: Sequence[str] = (),
    **more: Any,
) -> Model:
    """A row of the catalogue, made to fit loaded weights.

    Args:
        row: the catalogue's.
        dimensions: the length of a vector.
        context: the longest input, in tokens, special ones not counted.
        tasks: those that the weights were made for; by default all of the row's.
        without: fields that cannot be honoured.
        more: further attributes.
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
        **more,
    )
