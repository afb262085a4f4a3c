"""The operators on tables and their options. This is their one declaration: every engine takes them from here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, get_type_hints

from jina_client.integration import Role, unknown_argument

from .classification import ClassifyTask
from .embedding import EmbedTask
from .errors import JobUsageError
from .outputs.choice import Encoding
from .reranking import RerankTask
from .tables import TableOperator, TableTask
from .tasks import CALLS

Operation = Literal["embed", "embed_multi_vector", "rerank", "classify"]


class TableOptions(TypedDict, total=False):
    """Options of every operator."""

    batch_size: int | None
    """Rows per request; for reranking candidates per request."""
    output_column: str
    """The name of the first result column; a second one is ``<output_column>_<name>``. By default ``embedding``,
    ``results`` or ``prediction``."""
    error_column: str
    """The name of the column with errors, by default ``error``: null for a row that succeeded."""
    client: Mapping[str, Any] | None
    """Arguments of the client, such as ``base_url``, ``timeout`` and ``tokens_per_minute``."""


class TableInputOptions(TableOptions, total=False):
    """Options of the operators that add vectors."""

    column: str | None
    """The column with texts."""
    image_column: str | None
    """The column with images: paths, URLs, data URIs or bytes. A row has a text or an image."""
    task: str | None
    """The adapter, such as ``retrieval.query``; by default the model's own for documents."""
    dimensions: int | None
    """The length of the vectors; by default the model's full length."""
    truncate: bool | None
    """Cut texts longer than the model's context; by default the service rejects them."""
    encoding: Encoding
    """``float32``, ``float16``, ``int8`` (to be multiplied by the column ``<output_column>_scale``) or ``binary`` (one
    bit per dimension in bytes). Multi-vectors: ``float32`` or ``float16``."""


class TableEmbedOptions(TableInputOptions, total=False):
    """Options of ``embed``."""

    group_column: str | None
    """The column that says which document a row belongs to, for late chunking. The rows of one document must follow
    each other."""


class TableMultiVectorOptions(TableInputOptions, total=False):
    """Options of ``embed_multi_vector``."""

    input_type: Role
    """``query`` or ``document``; ``task`` takes precedence."""


class TableRerankOptions(TableOptions, total=False):
    """Options of ``rerank``."""

    query_column: str
    """The column with the query, by default ``query``."""
    documents_column: str
    """The column with the candidates, by default ``documents``: lists of texts, or texts with JSON lists."""
    top_n: int | None
    """Results per row; by default all."""
    truncation: bool | None
    """Cut documents longer than the model's context."""
    max_doc_length: int | None
    """Tokens per document that the model reads (``jina-reranker-v3`` and later)."""


class TableClassifyOptions(TableOptions, total=False):
    """Options of ``classify``."""

    column: str | None
    """The column with texts."""
    image_column: str | None
    """The column with images, for CLIP models. A row has a text or an image."""
    labels: Sequence[str]
    """The labels to choose from."""
    classifier_id: str | None
    """A trained classifier instead of a model and labels."""


_OPTIONS: Mapping[Operation, type] = {
    "embed": TableEmbedOptions,
    "embed_multi_vector": TableMultiVectorOptions,
    "rerank": TableRerankOptions,
    "classify": TableClassifyOptions,
}
_OF_TABLES = ("output_column", "error_column", "client")
# The arguments here that the commands spell differently.
_ARGUMENTS = {"text-column": "column", "label": "labels"}


def table_operator(name: Operation, options: Mapping[str, Any]) -> TableOperator:
    """Return an operator.

    Args:
        name: ``embed`` adds one vector per row, ``embed_multi_vector`` one per token, ``rerank`` the candidates of each
            row by relevance, and ``classify`` one label per row.
        options: ``model``, and those of the operator's class in this module.

    Raises:
        JobUsageError: an option that cannot work. The message names it as an argument.
        JinaInputError: an unknown option, a model or a value that cannot work, or a missing key.
    """
    known = ("model", *get_type_hints(_OPTIONS[name]))
    for option in options:
        if option not in known:
            raise unknown_argument(name, option, known)
    if options.get("model") is None and options.get("classifier_id") is None:
        raise JobUsageError(f"{name}() needs model=, a model's id")
    of_table = {option: value for option, value in options.items() if option in _OF_TABLES}
    of_task = {option: value for option, value in options.items() if option not in (*_OF_TABLES, "model")}
    try:
        return TableOperator(
            _task(name, {**of_task, "model": options.get("model") or ""}, _calls(options.get("client"))), **of_table
        )
    except JobUsageError as error:
        raise JobUsageError(re.sub(r"--([a-z-]+)", _argument, str(error))) from None


def _task(name: Operation, options: dict[str, Any], calls: int) -> TableTask:
    options["concurrency"] = calls
    if name == "rerank":
        return RerankTask(**options)
    options["text_column"] = options.pop("column", None)
    if name == "classify":
        labels = options.get("labels", ())
        if isinstance(labels, str):
            raise JobUsageError(f"labels must be a list of labels, got the text {labels!r}")
        if options["text_column"] is None and options.get("image_column") is None:
            raise JobUsageError("pass column=, image_column= or both")
        return ClassifyTask(**{**options, "labels": tuple(labels)})
    task = EmbedTask(**options, multi_vectors=name == "embed_multi_vector")
    if name == "embed" and task.gives_multi_vectors:
        raise JobUsageError(f"model={task.model!r} gives one vector per token: call embed_multi_vector()")
    return task


def _argument(match: re.Match[str]) -> str:
    return _ARGUMENTS.get(match[1], match[1].replace("-", "_")) + "="


def _calls(client: Any) -> int:
    most = client.get("max_concurrency") if isinstance(client, Mapping) else None
    return most if isinstance(most, int) and most > 0 else CALLS
