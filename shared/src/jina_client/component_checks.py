"""Checks of a component's arguments when it is constructed. What depends on the service is found at first use."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from . import protocol
from .addresses import has_catalog_models
from .checks import check_flag, check_whole
from .errors import JinaInputError
from .models import LIST_LIMIT, Endpoint, Role, find_model, models_for, similar_model, task_by_role
from .protocol.model_options import known_model
from .settings import check_settings

_COMPONENTS: Mapping[Endpoint, Mapping[str, str]] = {
    "embeddings": {
        "multi-vector": "gives one vector per token: use the late-interaction classes, such as {retriever}",
        "rerank": "is a reranker: use the class for reranking, such as {ranker}",
    },
    "rerank": {"embeddings": "is an embedding model: use the class for embeddings, such as {embedder}"},
    "multi-vector": {
        "embeddings": "gives one vector per text: use the class for embeddings, such as {embedder}",
        "rerank": "is a reranker: use the class for reranking, such as {ranker}",
    },
}
"""For each endpoint, what to say of a model that can only be called at another one."""


def check_connection(options: Mapping[str, Any]) -> None:
    """Raise JinaInputError for a connection option that cannot work; the key may still be missing."""
    check_settings({name: value for name, value in options.items() if value is not None})


def check_model(model: Any, endpoint: Endpoint, service: str | None, classes: Mapping[str, str]) -> None:
    """Raise unless a model can be called at an endpoint.

    Jina's own hosts and the embedded engine have the models of the catalog; other services have models of their own.

    Args:
        model: the model's id.
        endpoint: where the component calls it.
        service: the API's root; ``None`` if it is not known.
        classes: the framework's classes: ``embedder``, ``ranker`` and ``retriever``.
    """
    if not isinstance(model, str) or not model.strip():
        known_model(model, endpoint)
    row = find_model(model)
    if row is not None and endpoint not in row.fields:
        for other, advice in _COMPONENTS.get(endpoint, {}).items():
            if other in row.fields:
                raise JinaInputError(f"model={row.id!r} {advice.format(**classes)}")
    known_model(model, endpoint)
    if row is None and service is not None and has_catalog_models(service):
        rows = models_for(endpoint)
        similar = similar_model(model, rows)
        hint = f"did you mean {similar!r}? " if similar else ""
        raise JinaInputError(
            f"model={model!r} is not a model of {service}: {hint}"
            f"It has: {', '.join(row.id for row in rows)}. "
            "A model that is newer than this version of jina-client needs an update of it"
        )


def check_embedder(
    model: str,
    service: str | None,
    classes: Mapping[str, str],
    *,
    query_task: str | None = None,
    document_task: str | None = None,
    late_chunking: bool = False,
    **options: Any,
) -> None:
    """Raise JinaInputError for a model or an option of an embedder that cannot work; ``None`` is a default."""
    check_model(model, "embeddings", service, classes)
    options = _without_list_options(options)
    tasks = task_by_role(model, options.pop("task", None), query_task, document_task)
    for role in ("query", "document"):
        task = tasks[role]
        late = late_chunking and role == "document"
        protocol.EmbedRequest.build(model, {**options, "task": task}, late_chunking=late)


def check_multi_vector_embedder(
    model: str, service: str | None, classes: Mapping[str, str], *, input_type: Role = "document", **options: Any
) -> None:
    """Raise JinaInputError for a model or an option of a multi-vector embedder that cannot work."""
    check_model(model, "multi-vector", service, classes)
    protocol.MultiVectorRequest.build(model, _without_list_options(options), input_type=input_type)


def check_reranker(model: str, service: str | None, classes: Mapping[str, str], **options: Any) -> None:
    """Raise JinaInputError for a model or an option of a reranker that cannot work; ``None`` is a default."""
    check_model(model, "rerank", service, classes)
    protocol.RerankRequest.build(model, _without_list_options(options))


def check_classifier(
    model: str,
    service: str | None,
    classes: Mapping[str, str],
    *,
    labels: protocol.Labels | None = None,
    classifier_id: str | None = None,
    **options: Any,
) -> None:
    """Raise JinaInputError for a model, labels or a classifier that cannot work; ``None`` is a default."""
    if classifier_id is None:
        check_model(model, "classify", service, classes)
    _without_list_options(options)
    protocol.ClassifyRequest.build(model=model, labels=labels, classifier_id=classifier_id)


def check_image_side(value: Any) -> None:
    """Raise unless images can be made smaller to this many pixels."""
    check_whole("max_image_side", value, unit="pixels")
    if value is not None and find_spec("PIL") is None:
        raise JinaInputError(
            "max_image_side= needs Pillow, the extra 'images' of jina-client: run pip install pillow, or leave it out"
        )


def _without_list_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a request checks, and check the others."""
    remaining = {name: value for name, value in options.items() if value is not None}
    check_whole("batch_size", remaining.pop("batch_size", None), 1, LIST_LIMIT)
    check_image_side(remaining.pop("max_image_side", None))
    check_flag("show_progress", remaining.pop("show_progress", None))
    return remaining
