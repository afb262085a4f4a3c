"""The operators on tables and their options. This is their one declaration: every engine takes them from here."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jina_client.integration import Role, unknown_argument

from .classification import ClassifyTask
from .embedding import EmbedTask
from .errors import JobUsageError
from .outputs.choice import Encoding
from .reranking import RerankTask
from .tables import TableOperator
from .tasks import CALLS


def embed(
    *,
    model: str,
    column: str | None = None,
    image_column: str | None = None,
    group_column: str | None = None,
    task: str | None = None,
    dimensions: int | None = None,
    truncate: bool | None = None,
    encoding: Encoding = "float32",
    batch_size: int | None = None,
    output_column: str = "embedding",
    error_column: str = "error",
    client: Mapping[str, Any] | None = None,
) -> TableOperator:
    """Return the operator that adds one vector per row.

    Args:
        model: the model's id.
        column: the column with texts.
        image_column: the column with images: paths, URLs, data URIs or bytes. A row has a text or an image.
        group_column: the column that says which document a row belongs to, for late chunking. The rows of one document
            must follow each other.
        task: the adapter, such as ``retrieval.query``; by default the model's own for documents.
        dimensions: the length of the vectors; by default the model's full length.
        truncate: cut texts longer than the model's context; by default the service rejects them.
        encoding: ``float32``; ``float16``; ``int8``, to be multiplied by the column ``<output_column>_scale``; or
            ``binary``, one bit per dimension in bytes.
        batch_size: rows per request.
        output_column: the column for the vectors.
        error_column: the column for the errors of rows; null where a row succeeded.
        client: arguments of the client, such as ``base_url`` and ``tokens_per_minute``.
    """
    job = EmbedTask(
        model=model,
        text_column=column,
        image_column=image_column,
        group_column=group_column,
        task=task,
        dimensions=dimensions,
        truncate=truncate,
        encoding=encoding,
        batch_size=batch_size,
        concurrency=_calls(client),
    )
    if job.gives_multi_vectors:
        raise JobUsageError(f"model={model!r} gives one vector per token: call embed_multi_vector()")
    return TableOperator(job, output_column=output_column, error_column=error_column, client=client)


def embed_multi_vector(
    *,
    model: str,
    column: str | None = None,
    image_column: str | None = None,
    input_type: Role = "document",
    task: str | None = None,
    dimensions: int | None = None,
    truncate: bool | None = None,
    encoding: Encoding = "float32",
    batch_size: int | None = None,
    output_column: str = "embedding",
    error_column: str = "error",
    client: Mapping[str, Any] | None = None,
) -> TableOperator:
    """Return the operator that adds a list of vectors per row, one for each token.

    Args:
        model: the model's id.
        column: the column with texts.
        image_column: the column with images. A row has a text or an image.
        input_type: ``query`` or ``document``.
        task: the adapter, of models that have some; it takes precedence over ``input_type``.
        dimensions: the length of the vectors.
        truncate: cut texts longer than the model's context.
        encoding: ``float32`` or ``float16``.
        batch_size: rows per request.
        output_column: the column for the vectors.
        error_column: the column for the errors of rows; null where a row succeeded.
        client: arguments of the client.
    """
    job = EmbedTask(
        model=model,
        text_column=column,
        image_column=image_column,
        multi_vectors=True,
        input_type=input_type,
        task=task,
        dimensions=dimensions,
        truncate=truncate,
        encoding=encoding,
        batch_size=batch_size,
        concurrency=_calls(client),
    )
    return TableOperator(job, output_column=output_column, error_column=error_column, client=client)


def rerank(
    *,
    model: str,
    query_column: str = "query",
    documents_column: str = "documents",
    top_n: int | None = None,
    truncation: bool | None = None,
    max_doc_length: int | None = None,
    batch_size: int | None = None,
    output_column: str = "results",
    error_column: str = "error",
    client: Mapping[str, Any] | None = None,
) -> TableOperator:
    """Return the operator that sorts the candidates of each row by their relevance to its query.

    Args:
        model: the reranker's id.
        query_column: the column with the query.
        documents_column: the column with the candidates: lists of texts, or texts with JSON lists.
        top_n: results per row; by default all.
        truncation: cut documents longer than the model's context.
        max_doc_length: tokens per document that the model reads (``jina-reranker-v3`` and later).
        batch_size: candidates per request.
        output_column: the column for the results: the ``index`` of each candidate and its ``score``, best first.
        error_column: the column for the errors of rows; null where a row succeeded.
        client: arguments of the client.
    """
    job = RerankTask(
        model=model,
        query_column=query_column,
        documents_column=documents_column,
        top_n=top_n,
        truncation=truncation,
        max_doc_length=max_doc_length,
        batch_size=batch_size,
        concurrency=_calls(client),
    )
    return TableOperator(job, output_column=output_column, error_column=error_column, client=client)


def classify(
    *,
    model: str = "",
    column: str | None = None,
    image_column: str | None = None,
    labels: Sequence[str] = (),
    classifier_id: str | None = None,
    batch_size: int | None = None,
    output_column: str = "prediction",
    error_column: str = "error",
    client: Mapping[str, Any] | None = None,
) -> TableOperator:
    """Return the operator that gives one label to each row.

    Args:
        model: the embedding model, for labels.
        column: the column with texts.
        image_column: the column with images, for CLIP models. A row has a text or an image.
        labels: the labels to choose from.
        classifier_id: a trained classifier instead of a model and labels.
        batch_size: rows per request.
        output_column: the column for the labels; their scores are in ``<output_column>_score``.
        error_column: the column for the errors of rows; null where a row succeeded.
        client: arguments of the client.
    """
    if isinstance(labels, str):
        raise JobUsageError(f"labels must be a list of labels, got the text {labels!r}")
    if column is None and image_column is None:
        raise JobUsageError("pass column=, image_column= or both")
    job = ClassifyTask(
        model=model,
        text_column=column,
        image_column=image_column,
        labels=tuple(labels),
        classifier_id=classifier_id,
        batch_size=batch_size,
        concurrency=_calls(client),
    )
    return TableOperator(job, output_column=output_column, error_column=error_column, client=client)


_OPERATORS: Mapping[str, Callable[..., TableOperator]] = {
    each.__name__: each for each in (embed, embed_multi_vector, rerank, classify)
}
# The arguments here that the commands spell differently.
_ARGUMENTS = {"text-column": "column", "label": "labels"}


def table_operator(name: str, options: Mapping[str, Any]) -> TableOperator:
    """Return the operator of a function's name, such as ``embed``, with options.

    Raises:
        JobUsageError: an option that cannot work. The message names it as an argument.
        JinaInputError: an unknown option, a model or a value that cannot work, or a missing key.
    """
    make = _OPERATORS[name]
    parameters = inspect.signature(make).parameters
    for option in options:
        if option not in parameters:
            raise unknown_argument(name, option, parameters)
    try:
        inspect.signature(make).bind(**options)
    except TypeError as error:
        raise JobUsageError(f"{name}() needs model=, a model's id") from error
    try:
        return make(**options)
    except JobUsageError as error:
        raise JobUsageError(re.sub(r"--([a-z-]+)", _argument, str(error))) from None


def _argument(match: re.Match[str]) -> str:
    return _ARGUMENTS.get(match[1], match[1].replace("-", "_")) + "="


def _calls(client: Mapping[str, Any] | None) -> int:
    most = client.get("max_concurrency") if isinstance(client, Mapping) else None
    return most if isinstance(most, int) and most > 0 else CALLS
