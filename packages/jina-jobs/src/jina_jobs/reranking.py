"""The rerank task: the candidates of each row, sorted by their relevance to its query."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
from jina_client import AsyncJinaClient, JinaError
from jina_client.integration import check_reranker

from .errors import JobUsageError
from .inputs import Record
from .rows import Outcome, Row
from .tasks import (
    CALLS,
    METHODS,
    FailureCount,
    check_kept,
    distinct_columns,
    facts_of,
    in_order,
    new_row,
    reason,
    singly,
    text_error,
    tokens_of,
)

RESULTS = "results"
_TYPE = pa.list_(pa.struct([("index", pa.int32()), ("score", pa.float64())]))


@dataclass(frozen=True, kw_only=True)
class RerankTask:
    """Sort the candidates of each row.

    The column ``results`` has, best first, the ``index`` of each candidate and its ``score``.

    Args:
        model: the reranker's id.
        query_column: the column with the query.
        documents_column: the column with the candidates: a list of texts, or a text with a JSON list.
        id_column: the column with ids; by default the number of the row.
        keep: columns to copy to the output.
        top_n: results per row; by default all.
        truncation: cut documents longer than the model's context.
        max_doc_length: tokens per document that the model reads (``jina-reranker-v3`` and later).
        batch_size: candidates per request.
        concurrency: the most rows in flight.
    """

    model: str
    query_column: str = "query"
    documents_column: str = "documents"
    id_column: str | None = None
    keep: tuple[str, ...] = ()
    top_n: int | None = None
    truncation: bool | None = None
    max_doc_length: int | None = None
    batch_size: int | None = None
    concurrency: int = CALLS
    name = "rerank"

    def __post_init__(self) -> None:
        check_kept(self.keep, RESULTS)
        if self.query_column == self.documents_column:
            raise JobUsageError(f"--query-column and --documents-column are both {self.query_column!r}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the job reads."""
        return distinct_columns(self.query_column, self.documents_column, self.id_column, *self.keep)

    def facts(self) -> dict[str, Any]:
        """Return what the results depend on."""
        return facts_of(self)

    def check(self, service: str | None) -> None:
        """Raise JinaInputError for a model or an option that cannot work; ``service`` is the API's root."""
        check_reranker(self.model, service, METHODS, **self._options)

    @property
    def result_types(self) -> dict[str, pa.DataType]:
        """The result column and its type."""
        return {RESULTS: _TYPE}

    def row(self, record: Record) -> Row:
        """Return a record as a row."""
        row = new_row(record, self.id_column, self.keep)
        if not row.error:
            query, documents = record.values.get(self.query_column), record.values.get(self.documents_column)
            row.error = text_error(query, self.query_column)
            if not row.error:
                documents, row.error = self._documents(documents)
            row.value = (query, documents)
        return row

    async def outcomes(self, client: AsyncJinaClient, rows: AsyncIterator[Row]) -> AsyncIterator[Outcome]:
        """Rerank each row with a call of its own."""
        counted, options = FailureCount(), self._options

        async def call(unit: list[Row]) -> Outcome:
            (row,) = unit
            if row.error:
                return Outcome(unit)
            query, documents = row.value
            try:
                result = await client.rerank(query, documents, model=self.model, return_documents=False, **options)
            except JinaError as error:
                counted.check(error)
                row.error = reason(error, self.documents_column)
                return Outcome(unit, tokens=tokens_of(error))
            counted.succeeded()
            ranked = [{"index": each.index, "score": each.relevance_score} for each in result]
            return Outcome(unit, {RESULTS: pa.array([ranked], _TYPE)}, None, result.usage.total_tokens)

        async for outcome in in_order(singly(rows), call, self.concurrency):
            yield outcome

    @property
    def _options(self) -> dict[str, Any]:
        names = ("top_n", "truncation", "max_doc_length", "batch_size")
        return {name: getattr(self, name) for name in names}

    def _documents(self, value: Any) -> tuple[list[str], str]:
        name = self.documents_column
        if isinstance(value, str):
            try:
                value = orjson.loads(value)
            except ValueError:
                return [], f"{name} must be a list of texts, or a text with a JSON list"
        if not isinstance(value, list) or not value:
            kind = "an empty list" if value == [] else type(value).__name__
            return [], f"{name} must be a list of texts with at least one, got {kind}"
        for number, document in enumerate(value):
            if error := text_error(document, f"{name}[{number}]"):
                return [], error
        return value, ""
