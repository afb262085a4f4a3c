"""The model catalog: one row of facts per model id.

All differences between models are data in this table; no other module branches on a model's name. The facts come from
Jina's published OpenAPI description (version 2026.06.29) and from the model cards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Literal

Endpoint = Literal["embeddings", "multi-vector", "sparse", "rerank", "classify", "train", "batch"]
Role = Literal["query", "document"]
Modality = Literal["text", "image", "pdf", "video", "audio"]
EmbeddingType = Literal["float", "base64", "binary", "ubinary"]

EMBEDDING_TYPES: tuple[EmbeddingType, ...] = ("float", "base64", "binary", "ubinary")

# Sources disagree on how many items one request may hold (2,048 in 2024, 512 since late 2025, "no limit" on the
# product page): 512 is accepted by all of them.
LIST_LIMIT = 512

# The default models.
EMBEDDING_MODEL = "jina-embeddings-v3"
MULTI_VECTOR_MODEL = "jina-colbert-v2"
SPARSE_MODEL = "elser-v2"
RERANKER_MODEL = "jina-reranker-v2-base-multilingual"
CLASSIFIER_MODEL = "jina-embeddings-v3"
BATCH_MODEL = "jina-embeddings-v5-text-small"

_HUB_PREFIXES = ("jinaai/", "jina-ai/", "jina_ai/")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """The facts of one model.

    Attributes:
        id: the model's id in requests, such as ``jina-embeddings-v3``.
        fields: for each endpoint that offers the model, the optional fields and their defaults on the server (``None``:
            unset, or the full length). The client rejects all other fields.
        dimensions: the length of the full vector; 0 for rerankers and sparse models.
        dimension_choices: the only lengths that the model supports; empty if it supports every integer.
        matryoshka: the lengths that the model was trained for. Other lengths are possible but less accurate.
        tasks: the values of ``task``; empty if the model has none.
        query_task, document_task: the task of each role; ``None`` if the role has no task.
        prefixes: the prefix that the model's own code puts before a text, by task. For services without ``task``.
        context: the longest input, in tokens.
        modalities: the kinds of input.
        narrowed: the kinds of input at endpoints that accept fewer.
        image_tile: the side of an image tile in pixels and its price in tokens, if Jina publishes the formula.
        listwise: whether a reranker scores all documents of a request together, so that each score depends on the
            other documents.
        list_limit: the most inputs in one request.
        license: the license of the open weights.
    """

    id: str
    fields: Mapping[Endpoint, Mapping[str, Any]]
    dimensions: int = 0
    dimension_choices: tuple[int, ...] = ()
    matryoshka: tuple[int, ...] = ()
    tasks: tuple[str, ...] = ()
    query_task: str | None = None
    document_task: str | None = None
    prefixes: Mapping[str, str] = field(default_factory=dict)
    context: int = 8192
    modalities: frozenset[Modality] = frozenset({"text"})
    narrowed: Mapping[Endpoint, frozenset[Modality]] = field(default_factory=dict)
    image_tile: tuple[int, int] | None = None
    listwise: bool = False
    list_limit: int = LIST_LIMIT
    license: str = "CC-BY-NC-4.0"

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints that offer the model."""
        return tuple(self.fields)

    def modalities_at(self, endpoint: Endpoint) -> frozenset[Modality]:
        """Return the kinds of input that the model accepts at an endpoint."""
        return self.narrowed.get(endpoint, self.modalities)

    def task_for(self, role: Role) -> str | None:
        """Return the task for embedding queries or documents."""
        return self.query_task if role == "query" else self.document_task

    def allows_dimensions(self, dimensions: int) -> bool:
        """Return whether the model supports vectors of this length."""
        if self.dimension_choices:
            return dimensions in self.dimension_choices
        return 1 <= dimensions <= self.dimensions

    @property
    def allowed_dimensions(self) -> str:
        """The supported lengths in words, for messages."""
        if self.dimension_choices:
            return " or ".join(str(choice) for choice in self.dimension_choices)
        return f"1 to {self.dimensions}"


_RETRIEVAL = ("retrieval.query", "retrieval.passage")
_V3_TASKS = (*_RETRIEVAL, "text-matching", "classification", "separation")
_V4_TASKS = (*_RETRIEVAL, "text-matching", "code.query", "code.passage")
_V5_TASKS = (*_RETRIEVAL, "text-matching", "clustering", "classification")
BATCH_TASKS = ("retrieval", "text-matching", "clustering", "classification")
"""The tasks of a batch job, which differ from those of a request."""

_TEXT: frozenset[Modality] = frozenset({"text"})
_PICTURES: frozenset[Modality] = frozenset({"text", "image"})
_IMAGES: frozenset[Modality] = _PICTURES | {"pdf"}
_OMNI: frozenset[Modality] = _IMAGES | {"video", "audio"}

_TYPE = {"embedding_type": "float"}
_PLAIN = {**_TYPE, "normalized": True, "truncate": False}
_TRAIN = {"access": "public", "num_iters": 10}
_RERANK = {"top_n": None, "return_documents": True, "truncation": None}
_LISTWISE = {**_RERANK, "max_doc_length": 2048, "return_embeddings": False}

_V3_QUERY = "Represent the query for retrieving evidence documents: "
_CODE_PREFIXES = {
    "nl2code": ("Find the most relevant code snippet given the following query:\n", "Candidate code snippet:\n"),
    "qa": ("Find the most relevant answer given the following question:\n", "Candidate answer:\n"),
    "code2code": (
        "Find an equivalent code snippet given the following code snippet:\n",
        "Candidate code snippet:\n",
    ),
    "code2nl": ("Find the most relevant comment given the following code snippet:\n", "Candidate comment:\n"),
    "code2completion": (
        "Find the most relevant completion given the following start of code snippet:\n",
        "Candidate completion:\n",
    ),
}
_CODE_TASK_PREFIXES = {
    f"{family}.{side}": prefix
    for family, prefixes in _CODE_PREFIXES.items()
    for side, prefix in zip(("query", "passage"), prefixes, strict=True)
}


def _v2(language: str) -> Model:
    return Model(
        id=f"jina-embeddings-v2-base-{language}",
        fields={"embeddings": _PLAIN, "classify": {}, "train": _TRAIN},
        dimensions=768,
        license="Apache-2.0",
    )


def _v5(name: str, dimensions: int, context: int, modalities: frozenset[Modality] = _TEXT) -> Model:
    fields: dict[Endpoint, Mapping[str, Any]] = {
        "embeddings": {"task": "text-matching", "dimensions": None, **_PLAIN},
    }
    if modalities == _TEXT:
        fields["classify"] = {}
        fields["train"] = _TRAIN
        fields["batch"] = {"task": "text-matching", "dimensions": None, "normalized": True, "webhook_url": None}
    return Model(
        id=f"jina-embeddings-v5-{name}",
        fields=fields,
        dimensions=dimensions,
        matryoshka=(32, 64, 128, 256, 512, dimensions),
        tasks=_V5_TASKS,
        query_task="retrieval.query",
        document_task="retrieval.passage",
        prefixes={task: "Query: " if task == "retrieval.query" else "Document: " for task in _V5_TASKS},
        context=context,
        modalities=modalities,
    )


def _code(size: str, dimensions: int, matryoshka: tuple[int, ...]) -> Model:
    return Model(
        id=f"jina-code-embeddings-{size}",
        fields={
            "embeddings": {"task": "nl2code.query", "dimensions": None, **_TYPE, "truncate": False},
            "classify": {},
        },
        dimensions=dimensions,
        matryoshka=matryoshka,
        tasks=tuple(_CODE_TASK_PREFIXES),
        query_task="nl2code.query",
        document_task="nl2code.passage",
        prefixes=_CODE_TASK_PREFIXES,
        context=32768,
    )


def _reranker(name: str, context: int, *, license: str = "CC-BY-NC-4.0", listwise: bool = False) -> Model:
    return Model(
        id=f"jina-reranker-{name}",
        fields={"rerank": _LISTWISE if listwise else _RERANK},
        context=context,
        modalities=_PICTURES if name == "m0" else _TEXT,
        listwise=listwise,
        license=license,
    )


_ROWS = (
    _v2("en"),
    _v2("zh"),
    _v2("de"),
    _v2("es"),
    _v2("code"),
    Model(
        id="jina-embeddings-v3",
        fields={
            "embeddings": {"task": None, "dimensions": None, "late_chunking": False, **_PLAIN},
            "classify": {},
            "train": _TRAIN,
        },
        dimensions=1024,
        matryoshka=(32, 64, 128, 256, 512, 768, 1024),
        tasks=_V3_TASKS,
        query_task="retrieval.query",
        document_task="retrieval.passage",
        prefixes={"retrieval.query": _V3_QUERY, "retrieval.passage": "Represent the document for retrieval: "},
    ),
    Model(
        id="jina-embeddings-v4",
        fields={
            "embeddings": {
                "task": "text-matching",
                "dimensions": None,
                "late_chunking": False,
                **_TYPE,
                "truncate": False,
            },
            "multi-vector": {
                "task": "text-matching",
                **_TYPE,
                "truncate": False,
                "return_multivector": False,
                "return_tokenized_input": False,
            },
            "classify": {},
            "train": _TRAIN,
        },
        dimensions=2048,
        matryoshka=(128, 256, 512, 1024, 2048),
        tasks=_V4_TASKS,
        query_task="retrieval.query",
        document_task="retrieval.passage",
        prefixes={task: "Passage: " if task.endswith(".passage") else "Query: " for task in _V4_TASKS},
        context=32768,
        modalities=_IMAGES,
        narrowed={"classify": _TEXT, "train": _PICTURES},
        image_tile=(28, 10),
        license="Qwen Research License",
    ),
    _v5("text-nano", 768, 8192),
    _v5("text-small", 1024, 32768),
    _v5("omni-nano", 768, 8192, _OMNI),
    _v5("omni-small", 1024, 32768, _OMNI),
    _code("0.5b", 896, (64, 128, 256, 512, 896)),
    _code("1.5b", 1536, (128, 256, 512, 1024, 1536)),
    Model(
        id="jina-clip-v1",
        fields={"embeddings": _PLAIN, "classify": {}, "train": _TRAIN},
        dimensions=768,
        modalities=_IMAGES,
        narrowed={"classify": _PICTURES, "train": _PICTURES},
        image_tile=(224, 1000),
        license="Apache-2.0",
    ),
    Model(
        id="jina-clip-v2",
        fields={
            "embeddings": {"task": None, "dimensions": None, **_PLAIN},
            "classify": {},
            "train": _TRAIN,
        },
        dimensions=1024,
        matryoshka=(64, 128, 256, 512, 768, 1024),
        tasks=("retrieval.query",),
        query_task="retrieval.query",
        prefixes={"retrieval.query": _V3_QUERY},
        modalities=_IMAGES,
        narrowed={"classify": _PICTURES, "train": _PICTURES},
        image_tile=(512, 4000),
    ),
    Model(
        id="jina-colbert-v1-en",
        fields={"multi-vector": {"input_type": "document", **_TYPE}, "rerank": _RERANK},
        dimensions=128,
        dimension_choices=(128,),
        license="Apache-2.0",
    ),
    Model(
        id="jina-colbert-v2",
        fields={"multi-vector": {"input_type": "document", "dimensions": 128, **_TYPE}, "rerank": _RERANK},
        dimensions=128,
        dimension_choices=(64, 96, 128),
        matryoshka=(64, 96, 128),
    ),
    Model(
        id="elser-v2",
        fields={"sparse": {"task": None}},
        tasks=_RETRIEVAL,
        query_task="retrieval.query",
        document_task="retrieval.passage",
        context=512,
        license="Elastic",
    ),
    _reranker("v1-base-en", 8192, license="Apache-2.0"),
    _reranker("v1-turbo-en", 8192, license="Apache-2.0"),
    _reranker("v1-tiny-en", 8192, license="Apache-2.0"),
    _reranker("v2-base-multilingual", 1024),
    _reranker("m0", 10240),
    _reranker("v3", 131072, listwise=True),
    _reranker("v3.5", 131072, listwise=True),
)

MODELS: Mapping[str, Model] = MappingProxyType({row.id: row for row in _ROWS})
"""Every known model by its id."""


def canonical_id(model: str) -> str:
    """Return the id that requests use, without the prefix of a model hub such as ``jinaai/``."""
    for prefix in _HUB_PREFIXES:
        if model.startswith(prefix):
            return model[len(prefix) :]
    return model


def find_model(model: str) -> Model | None:
    """Return the row of a model id, or ``None`` for an unknown model, whose requests the client sends unvalidated."""
    return MODELS.get(canonical_id(model)) if isinstance(model, str) else None


def similar_model(model: str, rows: Iterable[Model] = _ROWS) -> str | None:
    """Return the id that is most similar to that of an unknown model; ``None`` if none is similar."""
    near = get_close_matches(canonical_id(model), [row.id for row in rows], n=1)
    return near[0] if near else None


def task_by_role(
    model: str, task: str | None, query_task: str | None, document_task: str | None
) -> dict[Role, str | None]:
    """Return the task of each role: the role's own, else ``task``, else the model's default."""
    row = find_model(model)
    own: dict[Role, str | None] = {"query": query_task, "document": document_task}
    return {role: own[role] or task or (row.task_for(role) if row else None) for role in own}


def takes_images(model: str) -> bool:
    """Return whether the catalog says that a model accepts images."""
    row = find_model(model)
    return row is not None and "image" in row.modalities


def reads_files(model: Any) -> bool:
    """Return whether inputs for a model may be files: not if the catalog says that it takes texts only."""
    row = find_model(model) if isinstance(model, str) else None
    return row is None or row.modalities != {"text"}


def models_for(endpoint: Endpoint) -> tuple[Model, ...]:
    """Return the models that an endpoint offers, in the order of the table."""
    return tuple(row for row in _ROWS if endpoint in row.fields)
