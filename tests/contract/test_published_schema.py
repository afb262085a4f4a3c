"""Requests of the client are valid, for every model and all its options.

They are validated against the project's own schema and against the facts of Jina's published API description
(``tools/api_facts.py``).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jina_client.dialects import Dialect
from jina_client.inputs import ContentGroup
from jina_client.media import Media
from jina_client.models import BATCH_TASKS, EMBEDDING_TYPES, Endpoint, Model, models_for
from jina_client.protocol import (
    BatchRequest,
    Call,
    ClassifyRequest,
    EmbedRequest,
    MultiVectorRequest,
    RerankRequest,
    SegmentRequest,
    SparseRequest,
    TrainRequest,
)
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "tests" / "data" / "published_api.json"
OWN = ROOT / "docs" / "protocol.schema.json"

# Newer than the stored description, and described as a drop-in for v3.
UNPUBLISHED = {"jina-reranker-v3.5": "jina-reranker-v3"}
SET_BY_THE_CLIENT = {"input_type", "return_documents", "return_multivector"}
WORDS = st.text(min_size=1, max_size=20)
TEXTS = st.lists(st.text(max_size=20), min_size=1, max_size=3)


# Not a fixture: Hypothesis prints all arguments of a test that fails.
@cache
def _description(path: Path) -> dict[str, Any]:
    description: dict[str, Any] = json.loads(path.read_bytes())
    return description


def _media(kind: Any) -> Media:
    return Media(f"https://example.com/a.{kind}", kind, "inputs[0]")


def _inputs(row: Model, endpoint: Endpoint) -> st.SearchStrategy[list[Any]]:
    kinds = row.modalities_at(endpoint) - {"text", "pdf"}
    one = st.text(max_size=20) | st.sampled_from([_media(kind) for kind in kinds]) if kinds else st.text(max_size=20)
    if "audio" in kinds:
        one |= st.lists(one, min_size=1, max_size=3).map(ContentGroup)
    lists = st.lists(one, min_size=1, max_size=3)
    return (
        lists | st.just([_media("pdf")]) if "pdf" in row.modalities_at(endpoint) and endpoint == "embeddings" else lists
    )


def _options(row: Model, endpoint: Endpoint, values: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    fields = row.fields[endpoint]
    assert set(fields) <= values.keys() | SET_BY_THE_CLIENT, f"{row.id}: values to draw are missing for an option"
    return st.fixed_dictionaries({}, optional={name: value for name, value in values.items() if name in fields})


def _sizes(row: Model) -> st.SearchStrategy[int]:
    return st.sampled_from(row.dimension_choices) if row.dimension_choices else st.integers(1, row.dimensions or 1)


def _embed_call(row: Model, options: dict[str, Any], inputs: Any) -> Call:
    late_chunking = options.pop("late_chunking", False)
    return EmbedRequest.build(row.id, options, late_chunking=late_chunking).encode(inputs)


def _multi_vector_call(row: Model, options: dict[str, Any], role: Any, inputs: Any) -> Call:
    tokenized = options.pop("return_tokenized_input", False)
    request = MultiVectorRequest.build(row.id, options, input_type=role, return_tokenized_input=tokenized)
    return request.encode(inputs)


def _embed(row: Model) -> st.SearchStrategy[Call]:
    options = _options(
        row,
        "embeddings",
        {
            "task": st.none() | st.sampled_from(row.tasks or ("",)),
            "dimensions": _sizes(row),
            "late_chunking": st.booleans(),
            "embedding_type": st.sampled_from(EMBEDDING_TYPES),
            "normalized": st.booleans(),
            "truncate": st.booleans(),
        },
    )
    return st.builds(
        lambda arguments, inputs: _embed_call(row, arguments, inputs),
        options,
        _inputs(row, "embeddings"),
    )


def _multi_vector(row: Model) -> st.SearchStrategy[Call]:
    options = _options(
        row,
        "multi-vector",
        {
            "task": st.none() | st.sampled_from(row.tasks or ("",)),
            "dimensions": _sizes(row),
            "embedding_type": st.sampled_from(EMBEDDING_TYPES),
            "truncate": st.booleans(),
            "return_tokenized_input": st.booleans(),
        },
    )
    return st.builds(
        lambda arguments, role, inputs: _multi_vector_call(row, arguments, role, inputs),
        options,
        st.sampled_from(["query", "document"]),
        _inputs(row, "multi-vector"),
    )


def _sparse(row: Model) -> st.SearchStrategy[Call]:
    tasks = st.none() | st.sampled_from(row.tasks)
    return st.builds(lambda task, texts: SparseRequest.build(row.id, task=task).encode(texts), tasks, TEXTS)


def _rerank(row: Model) -> st.SearchStrategy[Call]:
    options = _options(
        row,
        "rerank",
        {
            "top_n": st.none() | st.integers(1, 10),
            "truncation": st.booleans(),
            "max_doc_length": st.integers(1, 8192),
            "return_embeddings": st.booleans(),
        },
    )
    queries = st.text(max_size=20)
    if "image" in row.modalities:
        queries |= st.just(_media("image"))  # type: ignore[arg-type]
    return st.builds(
        lambda arguments, query, documents: RerankRequest.build(row.id, arguments, query=query).encode(documents),
        options,
        queries,
        _inputs(row, "rerank"),
    )


def _classify(row: Model) -> st.SearchStrategy[Call]:
    labels = st.lists(WORDS.filter(str.strip), min_size=1, max_size=4, unique=True)
    groups = st.dictionaries(WORDS, labels, min_size=1, max_size=8)
    return st.builds(
        lambda label_list, inputs: ClassifyRequest.build(model=row.id, labels=label_list).encode(inputs),
        labels | groups,
        _inputs(row, "classify"),
    )


def _train(row: Model) -> st.SearchStrategy[Call]:
    examples = st.lists(st.tuples(WORDS, WORDS), min_size=2, max_size=5, unique_by=lambda pair: pair[1])
    options = st.fixed_dictionaries(
        {
            "classifier_id": st.none() | st.just("an-id"),
            "access": st.sampled_from(["private", "public"]),
            "num_iters": st.integers(1, 50),
            "max_image_side": st.none(),
        }
    )
    return st.builds(
        lambda pairs, arguments: TrainRequest.build(pairs, model=row.id, **arguments).encode(), examples, options
    )


def _batch(row: Model) -> st.SearchStrategy[Call]:
    options = _options(
        row,
        "batch",
        {
            "task": st.none() | st.sampled_from(BATCH_TASKS),
            "dimensions": _sizes(row),
            "normalized": st.booleans(),
            "webhook_url": st.just("https://example.com/done"),
        },
    )
    by_url = options.map(
        lambda arguments: BatchRequest.build(None, input_url="s3://a/b", model=row.id, **arguments).encode()
    )
    return by_url | st.builds(
        lambda texts, arguments: BatchRequest.build(texts, model=row.id, **arguments).encode(), TEXTS, options
    )


MAKERS: dict[Endpoint, Any] = {
    "embeddings": _embed,
    "multi-vector": _multi_vector,
    "sparse": _sparse,
    "rerank": _rerank,
    "classify": _classify,
    "train": _train,
    "batch": _batch,
}
PAIRS = [pytest.param(row, endpoint, id=f"{endpoint} {row.id}") for endpoint in MAKERS for row in models_for(endpoint)]


def _check(path: Path, call: Call) -> None:
    """A call's body is valid, and holds no field that the description at a path does not have for its model."""
    description = _description(path)
    body = json.loads(Dialect().dumps(call.payload))
    schema = description["paths"][f"/v1/{call.path}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    if "model" in body and path == PUBLISHED:
        body["model"] = UNPUBLISHED.get(body["model"], body["model"])
    schema = _alternative(schema, body)
    reference = schema["$ref"]
    known = description["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
    assert set(body) <= set(known), f"{path.name}: {set(body) - set(known)} is not a field of {reference}"
    _validator(path, reference).validate(body)


@cache
def _validator(path: Path, reference: str) -> Draft202012Validator:
    """Return a validator, made once: checking a whole description takes longer than validating with it."""
    return Draft202012Validator({"$ref": reference, "components": _description(path)["components"]})


def _alternative(schema: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The schema of a body, out of those that an endpoint has for its models."""
    if "$ref" in schema:
        return schema
    mapping = schema.get("discriminator", {}).get("mapping", {})
    if body.get("model") in mapping:
        return {"$ref": mapping[body["model"]]}
    assert not mapping or "model" not in body, f"{body['model']} is not among the models of the description"
    branches = schema.get("oneOf") or schema["anyOf"]
    if "model" in body:
        return _alternative(next(branch for branch in branches if "discriminator" in branch), body)
    return next(branch for branch in branches if "$ref" in branch)


@cache
def _calls(endpoint: Endpoint, model: str) -> st.SearchStrategy[Call]:
    """Return the calls of a model. Hypothesis checks each new strategy, which takes longer than to draw from it."""
    (row,) = (row for row in models_for(endpoint) if row.id == model)
    return MAKERS[endpoint](row)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("row", "endpoint"), PAIRS)
@settings(max_examples=20)  # For each of some fifty pairs, which share most of their code.
@given(data=st.data())
def test_every_request_matches_both_schemas(row: Model, endpoint: Endpoint, data: st.DataObject) -> None:
    call = data.draw(_calls(endpoint, row.id))
    _check(PUBLISHED, call)
    _check(OWN, call)


@given(
    st.text(min_size=1, max_size=50),
    st.fixed_dictionaries(
        {"return_chunks": st.booleans(), "return_tokens": st.booleans(), "max_chunk_length": st.integers(1, 5000)},
        optional={"head": st.integers(1, 10)},
    ),
)
def test_every_segmentation_request_matches_our_schema(text: str, options: dict[str, Any]) -> None:
    _check(OWN, SegmentRequest.build(**options).encode(text))


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/rerank"])
def test_the_catalog_has_every_published_model(path: str) -> None:
    schema = _description(PUBLISHED)["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    endpoints: tuple[Endpoint, ...] = ("rerank",) if path == "/v1/rerank" else ("embeddings", "multi-vector", "sparse")
    known = {row.id for endpoint in endpoints for row in models_for(endpoint)}
    published = set(schema["discriminator"]["mapping"])
    assert published == known - set(UNPUBLISHED), "a model that Jina's description lacks belongs in UNPUBLISHED"


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/train"])
def test_the_catalog_has_every_published_classifier(path: str) -> None:
    schema = _description(PUBLISHED)["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    branches = [branch for branch in schema["anyOf"] if "discriminator" in branch]
    endpoint: Endpoint = "classify" if path == "/v1/classify" else "train"
    known = {row.id for row in models_for(endpoint)}
    published = set(branches[0]["discriminator"]["mapping"])
    assert published == known - set(UNPUBLISHED), "a model that Jina's description lacks belongs in UNPUBLISHED"
