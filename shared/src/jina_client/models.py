"""The model catalogue: one row of facts per model id, and nothing else.

Everything that differs between models is data in this table; no other module branches on a model's name. The facts
are those of Jina's published OpenAPI description (version 2026.06.29) and model cards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Endpoint = Literal["embeddings", "multi-vector", "rerank"]
Role = Literal["query", "document"]
EmbeddingType = Literal["float", "base64", "binary", "ubinary"]

EMBEDDING_TYPES: tuple[EmbeddingType, ...] = ("float", "base64", "binary", "ubinary")

# Sources disagree on how many items one request may hold (2,048 in 2024, 512 since late 2025, "no limit" on the
# product page): 512 is accepted by all of them.
LIST_LIMIT = 512

_HUB_PREFIXES = ("jinaai/", "jina-ai/", "jina_ai/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What one model takes and gives.

    Attributes:
        id: the name on the wire, such as ``jina-embeddings-v3``.
        endpoints: where it can be called.
        dimensions: length of its full vector; 0 for a reranker, which gives scores.
        dimension_choices: the only shorter lengths it takes, where it does not take every integer.
        matryoshka: the lengths it was trained to be cut to (any other integer works too, less well).
        tasks: the values of ``task``; empty where it has none.
        query_task, document_task: the task for each role; ``None`` where the role is embedded without one.
        context: the longest input, in tokens.
        fields: optional request fields it takes; any other is refused.
        modalities: the kinds of input.
    """

    id: str
    endpoints: tuple[Endpoint, ...] = ("embeddings",)
    dimensions: int = 0
    dimension_choices: tuple[int, ...] = ()
    matryoshka: tuple[int, ...] = ()
    tasks: tuple[str, ...] = ()
    query_task: str | None = None
    document_task: str | None = None
    context: int = 8192
    fields: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset({"text"})
    list_limit: int = LIST_LIMIT
    licence: str = "CC-BY-NC-4.0"

    def task_for(self, role: Role) -> str | None:
        """The task that this model's queries, or its documents, are embedded with."""
        return self.query_task if role == "query" else self.document_task

    def allows_dimensions(self, dimensions: int) -> bool:
        """Whether a vector can be asked for in this length."""
        if self.dimension_choices:
            return dimensions in self.dimension_choices
        return 1 <= dimensions <= self.dimensions

    @property
    def allowed_dimensions(self) -> str:
        """The lengths that can be asked for, in words."""
        if self.dimension_choices:
            return " or ".join(str(choice) for choice in self.dimension_choices)
        return f"1 to {self.dimensions}"


_RETRIEVAL = ("retrieval.query", "retrieval.passage")
_V3_TASKS = (*_RETRIEVAL, "text-matching", "classification", "separation")
_V4_TASKS = (*_RETRIEVAL, "text-matching", "code.query", "code.passage")
_V5_TASKS = (*_RETRIEVAL, "text-matching", "clustering", "classification")
_CODE_TASKS = tuple(
    f"{family}.{side}"
    for family in ("nl2code", "qa", "code2code", "code2nl", "code2completion")
    for side in ("query", "passage")
)
_IMAGES = frozenset({"text", "image", "pdf"})
_OMNI = _IMAGES | {"video", "audio"}
_RERANK_FIELDS = frozenset({"top_n", "return_documents", "truncation"})


def _v2(language: str) -> Model:
    return Model(
        id=f"jina-embeddings-v2-base-{language}",
        dimensions=768,
        fields=frozenset({"normalized", "truncate"}),
        licence="Apache-2.0",
    )


def _v5(name: str, dimensions: int, context: int, modalities: frozenset[str] = frozenset({"text"})) -> Model:
    return Model(
        id=f"jina-embeddings-v5-{name}",
        dimensions=dimensions,
        matryoshka=(32, 64, 128, 256, 512, dimensions),
        tasks=_V5_TASKS,
        query_task="retrieval.query",
        document_task="retrieval.passage",
        context=context,
        fields=frozenset({"task", "dimensions", "normalized", "truncate"}),
        modalities=modalities,
    )


def _code(size: str, dimensions: int, matryoshka: tuple[int, ...]) -> Model:
    return Model(
        id=f"jina-code-embeddings-{size}",
        dimensions=dimensions,
        matryoshka=matryoshka,
        tasks=_CODE_TASKS,
        query_task="nl2code.query",
        document_task="nl2code.passage",
        context=32768,
        fields=frozenset({"task", "dimensions", "truncate"}),
    )


def _reranker(name: str, context: int, **facts: object) -> Model:
    row: dict[str, object] = {"fields": _RERANK_FIELDS, **facts}
    return Model(id=f"jina-reranker-{name}", endpoints=("rerank",), context=context, **row)  # type: ignore[arg-type]


_LISTWISE_FIELDS = _RERANK_FIELDS | {"max_doc_length", "return_embeddings"}

_ROWS = (
    _v2("en"),
    _v2("zh"),
    _v2("de"),
    _v2("es"),
    _v2("code"),
    Model(
        id="jina-embeddings-v3",
        dimensions=1024,
        matryoshka=(32, 64, 128, 256, 512, 768, 1024),
        tasks=_V3_TASKS,
        query_task="retrieval.query",
        document_task="retrieval.passage",
        fields=frozenset({"task", "dimensions", "late_chunking", "normalized", "truncate"}),
    ),
    Model(
        id="jina-embeddings-v4",
        dimensions=2048,
        matryoshka=(128, 256, 512, 1024, 2048),
        tasks=_V4_TASKS,
        query_task="retrieval.query",
        document_task="retrieval.passage",
        context=32768,
        fields=frozenset(
            {"task", "dimensions", "late_chunking", "truncate", "return_multivector", "return_tokenized_input"}
        ),
        modalities=_IMAGES,
        licence="Qwen Research License",
    ),
    _v5("text-nano", 768, 8192),
    _v5("text-small", 1024, 32768),
    _v5("omni-nano", 768, 8192, _OMNI),
    _v5("omni-small", 1024, 32768, _OMNI),
    _code("0.5b", 896, (64, 128, 256, 512, 896)),
    _code("1.5b", 1536, (128, 256, 512, 1024, 1536)),
    Model(
        id="jina-clip-v1",
        dimensions=768,
        fields=frozenset({"normalized", "truncate"}),
        modalities=_IMAGES,
        licence="Apache-2.0",
    ),
    Model(
        id="jina-clip-v2",
        dimensions=1024,
        matryoshka=(64, 128, 256, 512, 768, 1024),
        tasks=("retrieval.query",),
        query_task="retrieval.query",
        fields=frozenset({"task", "dimensions", "normalized", "truncate"}),
        modalities=_IMAGES,
    ),
    Model(
        id="jina-colbert-v1-en",
        endpoints=("multi-vector", "rerank"),
        dimensions=128,
        dimension_choices=(128,),
        fields=_RERANK_FIELDS | {"input_type"},
        licence="Apache-2.0",
    ),
    Model(
        id="jina-colbert-v2",
        endpoints=("multi-vector", "rerank"),
        dimensions=128,
        dimension_choices=(64, 96, 128),
        matryoshka=(64, 96, 128),
        fields=_RERANK_FIELDS | {"input_type", "dimensions"},
    ),
    _reranker("v1-base-en", 8192, licence="Apache-2.0"),
    _reranker("v1-turbo-en", 8192, licence="Apache-2.0"),
    _reranker("v1-tiny-en", 8192, licence="Apache-2.0"),
    _reranker("v2-base-multilingual", 1024),
    _reranker("m0", 10240, modalities=frozenset({"text", "image"})),
    _reranker("v3", 131072, fields=_LISTWISE_FIELDS),
    _reranker("v3.5", 131072, fields=_LISTWISE_FIELDS),
)

MODELS: Mapping[str, Model] = MappingProxyType({row.id: row for row in _ROWS})
"""Every known model by its id."""


def canonical_id(model: str) -> str:
    """The id as the wire has it: ``jinaai/jina-embeddings-v3`` and ``jina-ai/…`` lose the hub's prefix."""
    for prefix in _HUB_PREFIXES:
        if model.startswith(prefix):
            return model[len(prefix) :]
    return model


def find_model(model: str) -> Model | None:
    """The row of a model id, or ``None``: a model newer than this table is passed to the service unvalidated."""
    return MODELS.get(canonical_id(model))


def models_for(endpoint: Endpoint) -> tuple[Model, ...]:
    """The rows that can be called at an endpoint, in the table's order."""
    return tuple(row for row in _ROWS if endpoint in row.endpoints)
