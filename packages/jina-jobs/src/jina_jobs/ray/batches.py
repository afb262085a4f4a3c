"""Callable classes for ``Dataset.map_batches``. Ray Data makes one object of the class in each actor."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import pyarrow as pa

from ..errors import JobUsageError
from ..operators import (
    Operation,
    TableClassifyOptions,
    TableEmbedOptions,
    TableMultiVectorOptions,
    TableRerankOptions,
    table_operator,
)
from ..tables import TableOperator
from .limits import SharedLimits, without_limits


class OperatorBatches:
    """Applies an operator to batches, with one client for each actor.

    Args:
        operator: the operator.
        limits: the account's limits, which all actors share; ``None`` for the limits of the operator's own client.
        order_column: the column by which the rows of a batch are sorted, after the documents that they belong to.
        schema: of the dataset, if it is known: a batch whose values of a column are all null does not say their type.
    """

    def __init__(
        self,
        operator: TableOperator,
        limits: SharedLimits | None = None,
        order_column: str | None = None,
        schema: pa.Schema | None = None,
    ) -> None:
        self._operator = operator if limits is None else operator.with_client(limiter=limits.limiter())
        self._order_column = order_column
        self._types = {} if schema is None else dict(zip(schema.names, schema.types, strict=True))

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return a batch with the columns of results and errors."""
        if not isinstance(table, pa.Table):
            raise JobUsageError(
                f"pass batch_format='pyarrow' to map_batches: batches must be tables, got {type(table)}"
            )
        table = self._with_types(table)
        if self._order_column is not None:
            group = self._operator.task.group_column  # type: ignore[attr-defined]
            table = table.sort_by([(group, "ascending"), (self._order_column, "ascending")])
        return self._operator(table)

    def _with_types(self, table: pa.Table) -> pa.Table:
        for place, field in enumerate(table.schema):
            if field.name in self._operator.columns and pa.types.is_null(field.type):
                kind = self._types.get(field.name, pa.string())
                table = table.set_column(place, field.name, table.column(place).cast(kind))
        return table

    def __del__(self) -> None:
        # Ray Data drops the object when its actor ends.
        if operator := getattr(self, "_operator", None):
            operator.close()


class _NamedBatches(OperatorBatches):
    _operation: ClassVar[Operation]

    def __init__(self, *, limits: SharedLimits | None = None, **options: Any) -> None:
        own, client = without_limits(options.get("client"))
        if limits is not None:
            if own:
                raise JobUsageError(f"limits= has the limits: leave {', '.join(own)} out of client=")
            options["client"] = client
        super().__init__(table_operator(self._operation, options), limits)


class EmbedBatches(_NamedBatches):
    """Adds one vector per row.

    Example:
        >>> limits = SharedLimits(tokens_per_minute=1_000_000)
        >>> dataset.map_batches(
        ...     EmbedBatches,
        ...     fn_constructor_kwargs={"column": "text", "model": "jina-embeddings-v3", "limits": limits},
        ...     batch_format="pyarrow",
        ...     compute=ray.data.ActorPoolStrategy(size=4),
        ... )

    Args:
        model: the model's id.
        limits: the account's limits, which all actors share. Without it each actor keeps those in ``client`` alone.
        **options: see :class:`jina_jobs.operators.TableEmbedOptions`. With ``group_column``, the rows of one document
            must follow each other in one batch: :func:`jina_jobs.ray.embed` sees to it.
    """

    _operation = "embed"

    def __init__(self, *, model: str, limits: SharedLimits | None = None, **options: Unpack[TableEmbedOptions]) -> None:
        super().__init__(model=model, limits=limits, **options)


class MultiVectorBatches(_NamedBatches):
    """Adds one vector per token of each row; used as :class:`EmbedBatches`.

    Args:
        model: the model's id.
        limits: the account's limits, which all actors share.
        **options: see :class:`jina_jobs.operators.TableMultiVectorOptions`.
    """

    _operation = "embed_multi_vector"

    def __init__(
        self, *, model: str, limits: SharedLimits | None = None, **options: Unpack[TableMultiVectorOptions]
    ) -> None:
        super().__init__(model=model, limits=limits, **options)


class RerankBatches(_NamedBatches):
    """Sorts the candidates of each row; used as :class:`EmbedBatches`.

    Args:
        model: the reranker's id.
        limits: the account's limits, which all actors share.
        **options: see :class:`jina_jobs.operators.TableRerankOptions`.
    """

    _operation = "rerank"

    def __init__(
        self, *, model: str, limits: SharedLimits | None = None, **options: Unpack[TableRerankOptions]
    ) -> None:
        super().__init__(model=model, limits=limits, **options)


class ClassifyBatches(_NamedBatches):
    """Adds one label per row; used as :class:`EmbedBatches`.

    Args:
        model: the embedding model, for labels.
        limits: the account's limits, which all actors share.
        **options: see :class:`jina_jobs.operators.TableClassifyOptions`.
    """

    _operation = "classify"

    def __init__(
        self, *, model: str | None = None, limits: SharedLimits | None = None, **options: Unpack[TableClassifyOptions]
    ) -> None:
        super().__init__(model=model, limits=limits, **options)
