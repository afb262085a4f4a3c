"""What the client sends is what Jina's published OpenAPI description allows, for every model and all its options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jina_client.models import EMBEDDING_TYPES, Model, models_for
from jina_client.protocol import EmbedRequest, RerankRequest

SCHEMA = Path(__file__).resolve().parents[2].parent / "shared" / "jina-openapi.json"
pytestmark = pytest.mark.skipif(not SCHEMA.exists(), reason="the published schema does not lie beside this checkout")

TEXTS = st.lists(st.text(max_size=20), min_size=1, max_size=3)
# Newer than the stored description, and described as a drop-in for v3.
UNPUBLISHED = {"jina-reranker-v3.5": "jina-reranker-v3"}


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    return json.loads(SCHEMA.read_text())


def _validate(published: dict[str, Any], path: str, body: dict[str, Any]) -> None:
    schema = published["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    body = {**body, "model": UNPUBLISHED.get(body["model"], body["model"])}
    reference = schema["discriminator"]["mapping"][body["model"]]
    known = published["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
    assert set(body) <= set(known), f"{set(body) - set(known)} is no field of {body['model']}"
    jsonschema.validate(body, {"$ref": reference, "components": published["components"]})


def _embedding_options(row: Model) -> st.SearchStrategy[dict[str, Any]]:
    flags = {
        name: st.none() | st.booleans() if name in row.fields else st.none() for name in ("normalized", "truncate")
    }
    sizes = st.none() | st.integers(1, row.dimensions) if "dimensions" in row.fields else st.none()
    return st.fixed_dictionaries(
        {
            "task": st.none() | st.sampled_from(row.tasks) if row.tasks else st.none(),
            "dimensions": sizes,
            "late_chunking": st.booleans() if "late_chunking" in row.fields else st.just(False),
            "embedding_type": st.sampled_from(EMBEDDING_TYPES),
            **flags,
        }
    )


@pytest.mark.parametrize("row", models_for("embeddings"), ids=lambda row: row.id)
@given(data=st.data())
def test_every_embedding_request_is_valid(published: dict[str, Any], row: Model, data: st.DataObject) -> None:
    request = EmbedRequest.build(model=row.id, **data.draw(_embedding_options(row)))
    _validate(published, "/v1/embeddings", json.loads(request.encode(data.draw(TEXTS))))


@pytest.mark.parametrize("row", models_for("rerank"), ids=lambda row: row.id)
@given(data=st.data())
def test_every_rerank_request_is_valid(published: dict[str, Any], row: Model, data: st.DataObject) -> None:
    lengths = st.none() | st.integers(1, 8192) if "max_doc_length" in row.fields else st.none()
    request = RerankRequest.build(
        model=row.id,
        query=data.draw(st.text(max_size=20)),
        top_n=data.draw(st.none() | st.integers(1, 10)),
        truncation=data.draw(st.none() | st.booleans()),
        max_doc_length=data.draw(lengths),
    )
    _validate(published, "/v1/rerank", json.loads(request.encode(data.draw(TEXTS))))


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/rerank"])
def test_the_catalogue_knows_every_published_model(published: dict[str, Any], path: str) -> None:
    schema = published["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    endpoint = path.rpartition("/")[2]
    known = {row.id for row in models_for(endpoint)} | {row.id for row in models_for("multi-vector")}  # type: ignore[arg-type]
    # elser gives sparse vectors, which this client does not read.
    assert set(schema["discriminator"]["mapping"]) - known <= {"elser-v2"}
