"""Functions on datasets: each adds columns with results and a column with errors to every row."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from inspect import signature
from os import PathLike
from typing import Any, Unpack, get_type_hints

import pyarrow as pa
from jina_client.integration import LIMITS, check_number, check_whole, unknown_argument
from ray.data import ActorPoolStrategy, Dataset

from ..errors import JobUsageError
from ..operators import (
    Operation,
    TableClassifyOptions,
    TableEmbedOptions,
    TableMultiVectorOptions,
    TableOptions,
    TableRerankOptions,
    table_operator,
)
from ..tables import TableOperator
from .batches import OperatorBatches
from .limits import SharedLimits, without_limits
from .nodes import check_nodes
from .resuming import without_finished

Concurrency = int | tuple[int, int]

# Rows of one call of an actor: what a killed actor has paid for in vain. Their results fit well into one block.
_ROWS: Mapping[Operation, int] = {"embed": 4096, "embed_multi_vector": 256, "rerank": 1024, "classify": 4096}
# Calls that an actor runs together, so that its connections stay busy at the end of a block.
_CALLS = 2


class ActorOptions(TableOptions, total=False):
    """Options of every function on datasets."""

    concurrency: Concurrency
    """The number of actors, by default 2, or the smallest and the largest."""
    num_cpus: float
    """CPUs that Ray reserves for each actor, by default 0.1: actors wait for the network most of the time."""
    rows_per_task: int
    """Rows that an actor takes at a time, by default 4,096; 256 for multi-vectors and 1,024 for reranking. If an actor
    dies, the rows that it had are sent again."""
    runtime_env: Mapping[str, Any] | None
    """Ray's runtime environment of the actors, such as ``{"pip": ["jina-jobs[ray]"]}``."""
    limits: SharedLimits | None
    """The limits of the account, to share them with other datasets and to read the totals. By default this dataset gets
    limits of its own, those in ``client``."""
    resume: str | PathLike[str] | None
    """The folder that the result is written to as Parquet, such as ``vectors`` or ``s3://bucket/vectors``: rows that an
    earlier run has written there are left out, those with an error too. It need not exist. Needs ``id_column``."""
    id_column: str | None
    """The column with a unique id for each row, with ``resume``."""


class ActorEmbedOptions(ActorOptions, TableEmbedOptions, total=False):
    """Options of :func:`embed`."""

    order_column: str | None
    """The column with the place of a row in its document, with ``group_column``."""
    partitions: int | None
    """Parts that the documents are divided into, with ``group_column``; by default Ray's own number, 200."""


class ActorMultiVectorOptions(ActorOptions, TableMultiVectorOptions, total=False):
    """Options of :func:`embed_multi_vector`."""


class ActorRerankOptions(ActorOptions, TableRerankOptions, total=False):
    """Options of :func:`rerank`."""


class ActorClassifyOptions(ActorOptions, TableClassifyOptions, total=False):
    """Options of :func:`classify`."""


def embed(dataset: Dataset, *, model: str, **options: Unpack[ActorEmbedOptions]) -> Dataset:
    """Add one vector per row, in the column ``embedding``, and why a row failed, in the column ``error``.

    As everything in Ray Data this runs when the result is used. The checks run at once.

    With ``group_column`` (late chunking) Ray brings the rows of each document together, and ``order_column`` puts them
    in order.

    Args:
        dataset: the rows.
        model: the model's id.
        **options: see :class:`ActorEmbedOptions` and :class:`jina_jobs.operators.TableEmbedOptions`.

    Returns:
        The rows with their columns and the new ones, in another order.

    Raises:
        JobUsageError: an option or a column that cannot work, or limits that the actors cannot keep.
        JobError: a node of the cluster without this package.
        JinaInputError: a model or a value that cannot work, or a missing key.
    """
    return _apply("embed", dataset, {"model": model, **options})


def embed_multi_vector(dataset: Dataset, *, model: str, **options: Unpack[ActorMultiVectorOptions]) -> Dataset:
    """Add one vector per token of each row, in the column ``embedding``, and the column ``error``; see :func:`embed`.

    Args:
        dataset: the rows.
        model: the model's id.
        **options: see :class:`ActorOptions` and :class:`jina_jobs.operators.TableMultiVectorOptions`.
    """
    return _apply("embed_multi_vector", dataset, {"model": model, **options})


def rerank(dataset: Dataset, *, model: str, **options: Unpack[ActorRerankOptions]) -> Dataset:
    """Sort the candidates of each row: the columns ``results`` and ``error``; see :func:`embed`.

    Args:
        dataset: the rows, with a query and its candidates each.
        model: the reranker's id.
        **options: see :class:`ActorOptions` and :class:`jina_jobs.operators.TableRerankOptions`.
    """
    return _apply("rerank", dataset, {"model": model, **options})


def classify(dataset: Dataset, *, model: str | None = None, **options: Unpack[ActorClassifyOptions]) -> Dataset:
    """Add one label per row: the columns ``prediction``, ``prediction_score`` and ``error``; see :func:`embed`.

    Args:
        dataset: the rows.
        model: the embedding model, for labels.
        **options: see :class:`ActorOptions` and :class:`jina_jobs.operators.TableClassifyOptions`.
    """
    return _apply("classify", dataset, {"model": model, **options})


_OPTIONS: Mapping[Operation, type] = {
    "embed": ActorEmbedOptions,
    "embed_multi_vector": ActorMultiVectorOptions,
    "rerank": ActorRerankOptions,
    "classify": ActorClassifyOptions,
}


def _apply(operation: Operation, dataset: Dataset, options: dict[str, Any]) -> Dataset:
    if not isinstance(dataset, Dataset):
        raise JobUsageError(
            f"dataset must be a dataset of Ray Data, got {type(dataset).__name__}: ray.data.from_pandas, from_arrow or "
            "read_parquet makes one"
        )
    names = ("model", *get_type_hints(_OPTIONS[operation]))
    for name in options:
        if name not in names:
            raise unknown_argument(operation, name, names)
    actors = _actors(options.pop("concurrency", 2))
    num_cpus = options.pop("num_cpus", 0.1)
    check_number("num_cpus", num_cpus, zero=True)
    rows = options.pop("rows_per_task", _ROWS[operation])
    check_whole("rows_per_task", rows, required=True)
    runtime_env = options.pop("runtime_env", None)
    resume, id_column = options.pop("resume", None), options.pop("id_column", None)
    if (resume is None) != (id_column is None):
        raise JobUsageError("resume= and id_column= belong together: the ids say which rows the output has")
    order_column, partitions = _order_of_documents(options)
    limits = options.pop("limits", None)
    own_limits, options["client"] = without_limits(options.get("client"))
    operator = table_operator(operation, options)
    schema = _input_schema(dataset, *operator.columns, order_column, id_column)
    output_schema = None if schema is None else operator.output_schema(schema)
    limits = _shared_limits(operator, limits, own_limits, actors[1])
    check_nodes(runtime_env)
    if resume is not None:
        dataset = without_finished(dataset, resume, id_column)
    result = _mapped(
        _divided(dataset, operator, rows, partitions),
        (operator, limits, order_column, schema),
        actors,
        num_cpus=num_cpus,
        runtime_env=None if runtime_env is None else dict(runtime_env),
    )
    if output_schema is not None:
        _schemas[result] = output_schema
    return result


def _divided(dataset: Dataset, operator: TableOperator, rows: int, partitions: int | None) -> Dataset:
    """Return a dataset whose blocks are the tasks of the actors."""
    group_column = getattr(operator.task, "group_column", None)
    if group_column is None:
        return dataset.repartition(target_num_rows_per_block=rows, strict=True)
    # As GroupedData.map_groups does it: a block has whole documents.
    number = partitions or dataset.context.default_hash_shuffle_parallelism
    return dataset.repartition(number, keys=[group_column], sort=True)


def _mapped(dataset: Dataset, arguments: tuple[Any, ...], actors: tuple[int, int], **options: Any) -> Dataset:
    # Newer versions of Ray have renamed the option.
    renamed = "max_concurrent_calls_per_actor" in signature(ActorPoolStrategy).parameters
    of_strategy: dict[str, Any] = {"max_concurrent_calls_per_actor": _CALLS} if renamed else {}
    of_actor: dict[str, Any] = {} if renamed else {"max_concurrency": _CALLS}
    least, most = actors
    return dataset.map_batches(
        OperatorBatches,
        fn_constructor_args=arguments,
        batch_size=None,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(min_size=least, max_size=most, enable_true_multi_threading=True, **of_strategy),
        udf_modifying_row_count=False,
        **options,
        **of_actor,
    )


def _actors(concurrency: Any) -> tuple[int, int]:
    sizes = concurrency if isinstance(concurrency, tuple) else (concurrency, concurrency)
    for size in sizes:
        check_whole("concurrency", size, required=True)
    if len(sizes) != 2 or sizes[0] > sizes[1]:
        raise JobUsageError(
            f"concurrency must be a number of actors, or the smallest and the largest, got {concurrency!r}"
        )
    return sizes[0], sizes[1]


def _order_of_documents(options: dict[str, Any]) -> tuple[str | None, int | None]:
    order, partitions = options.pop("order_column", None), options.pop("partitions", None)
    check_whole("partitions", partitions)
    if options.get("group_column") is None and (order is not None or partitions is not None):
        raise JobUsageError("order_column= and partitions= are for late chunking: pass group_column= too")
    if options.get("group_column") is not None and order is None:
        raise JobUsageError(
            "group_column= needs order_column=, the column with the place of a row in its document: Ray does not keep "
            "the order of rows when it brings documents together"
        )
    return order, partitions


def _shared_limits(operator: TableOperator, limits: Any, own: Mapping[str, Any], actors: int) -> SharedLimits | None:
    if limits is not None and not isinstance(limits, SharedLimits):
        raise JobUsageError(f"limits must be a SharedLimits of jina_jobs.ray, got {type(limits).__name__}")
    if limits is not None and own:
        names = ", ".join(own)
        raise JobUsageError(f"limits= has limits of its own: leave {names} out of client=, or leave out limits=")
    servers = operator.client_options["base_url"]
    if not isinstance(servers, str):
        # Each client keeps limits of its own for each of them, and learns how much it takes.
        if limits is not None or own:
            raise JobUsageError(
                f"base_url has {len(servers)} servers, and the actors share the limits of one account: leave limits=, "
                f"{', '.join(LIMITS)} out, or pass one address"
            )
        return None
    most = own.get("max_concurrency") if limits is None else limits.max_concurrency
    for name in LIMITS:
        check_whole(name, own.get(name))
    if most is not None and most < actors:
        raise JobUsageError(
            f"concurrency={actors} actors cannot share max_concurrency={most}: pass concurrency={most} or less, or a "
            "larger max_concurrency"
        )
    return SharedLimits(**own) if limits is None else limits


# The schemas of datasets that the functions above have returned, for calls that follow each other.
_schemas: weakref.WeakKeyDictionary[Dataset, pa.Schema] = weakref.WeakKeyDictionary()


def _input_schema(dataset: Dataset, *columns: str | None) -> pa.Schema | None:
    """Return the schema of a dataset, which must have these columns; ``None`` if it is not known yet."""
    schema = _schemas.get(dataset) or _known_schema(dataset)
    for column in columns:
        if schema is not None and column is not None and column not in schema.names:
            raise JobUsageError(f"there is no column {column!r}; the columns are: {', '.join(schema.names) or 'none'}")
    return schema


def _known_schema(dataset: Dataset) -> pa.Schema | None:
    # An empty dataset has none, and for one whose schema would cost requests each block is checked before it is sent.
    # To read the schema, Ray may run the dataset up to its first block, and this must not send requests.
    known = dataset.schema(fetch_if_missing=OperatorBatches.__name__ not in repr(dataset))
    if known is None:
        return None
    if isinstance(known.base_schema, pa.Schema):
        return known.base_schema
    # Blocks of pandas, which does not say what objects are.
    kinds = [kind if isinstance(kind, pa.DataType) else _arrow_type(kind) for kind in known.types]
    return pa.schema(list(zip(known.names, kinds, strict=True)))


def _arrow_type(kind: Any) -> pa.DataType:
    try:
        return pa.from_numpy_dtype(kind)
    except (pa.ArrowException, TypeError, NotImplementedError):
        return pa.string()
