"""The classify task: one label per row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from jina_client import AsyncJinaClient, Classification, JinaError, PartialFailureError
from jina_client.integration import check_classifier

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
    in_groups,
    in_order,
    input_of,
    new_row,
    reason,
)

_GROUP = 128
_TYPES = {"prediction": pa.string(), "score": pa.float64()}


@dataclass(frozen=True, kw_only=True)
class ClassifyTask:
    """Give one label to each row: the columns ``prediction`` and ``score``.

    Args:
        model: the embedding model, for labels.
        text_column: the column with texts.
        image_column: the column with images, for CLIP models.
        labels: the labels to choose from.
        classifier_id: a trained classifier instead of labels.
        id_column: the column with ids; by default the number of the row.
        keep: columns to copy to the output.
        batch_size: rows per request.
        concurrency: the most requests in flight.

    Raises:
        JobUsageError: neither labels nor a classifier, or both.
    """

    model: str
    text_column: str | None = None
    image_column: str | None = None
    labels: tuple[str, ...] = ()
    classifier_id: str | None = None
    id_column: str | None = None
    keep: tuple[str, ...] = ()
    batch_size: int | None = None
    concurrency: int = CALLS
    name = "classify"

    def __post_init__(self) -> None:
        check_kept(self.keep, "prediction", "score")
        if bool(self.labels) == bool(self.classifier_id):
            raise JobUsageError("pass either --label (at least twice) or --classifier-id")
        if len(self.labels) == 1:
            raise JobUsageError(f"--label must be passed at least twice, got only {self.labels[0]!r}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the job reads."""
        return distinct_columns(self.text_column, self.image_column, self.id_column, *self.keep)

    def facts(self) -> dict[str, Any]:
        """Return what the results depend on."""
        return facts_of(self)

    def check(self, service: str | None) -> None:
        """Raise JinaInputError for a model or an option that cannot work; ``service`` is the API's root."""
        check_classifier(service=service, classes=METHODS, **{"model": self.model, **self._options})

    @property
    def result_types(self) -> dict[str, pa.DataType]:
        """The result columns and their types."""
        return dict(_TYPES)

    def row(self, record: Record) -> Row:
        """Return a record as a row."""
        row = new_row(record, self.id_column, self.keep)
        if not row.error:
            row.value, row.error = input_of(record, self.model, self.text_column, self.image_column)
        return row

    async def outcomes(self, client: AsyncJinaClient, rows: AsyncIterator[Row]) -> AsyncIterator[Outcome]:
        """Classify rows, as many per call as a request holds."""
        counted = FailureCount(checked=self.image_column is None)

        async def call(unit: list[Row]) -> Outcome:
            sent = [row for row in unit if not row.error]
            if not sent:
                return Outcome(unit)
            try:
                result = await client.classify([row.value for row in sent], **self._options)
            except PartialFailureError as error:
                counted.succeeded()
                for index, cause in error.failed.items():
                    sent[index].error = reason(cause)
                done = [error.completed[index] for index in sorted(error.completed)]
                return Outcome(unit, _columns(done), None, error.usage.total_tokens)
            except JinaError as error:
                counted.check(error)
                for row in sent:
                    row.error = reason(error)
                return Outcome(unit)
            counted.succeeded()
            return Outcome(unit, _columns(list(result)), None, result.usage.total_tokens)

        async for outcome in in_order(in_groups(rows, self.batch_size or _GROUP), call, self.concurrency):
            yield outcome

    @property
    def _options(self) -> dict[str, Any]:
        if self.classifier_id:
            return {"classifier_id": self.classifier_id, "batch_size": self.batch_size}
        return {"labels": list(self.labels), "model": self.model, "batch_size": self.batch_size}


def _columns(done: list[Classification]) -> dict[str, pa.Array]:
    return {name: pa.array([getattr(each, name) for each in done], kind) for name, kind in _TYPES.items()}
