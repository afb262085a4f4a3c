"""Plans cover every input exactly once, in order; the catalogue agrees with itself."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jina_client import JinaInputError
from jina_client.components import Connection, Embedder
from jina_client.models import MODELS
from jina_client.planning import LARGEST_BODY, group, split
from loopback import Recorder, vector_of


@given(st.integers(1, 3000), st.none() | st.integers(1, 512))
def test_batches_cover_all_inputs_in_order(count: int, batch_size: int | None) -> None:
    batches = split([1] * count, batch_size)
    assert [index for batch in batches for index in batch] == list(range(count))
    assert all(1 <= len(batch) <= (batch_size or 128) for batch in batches)


@given(st.lists(st.integers(0, LARGEST_BODY * 2), min_size=1, max_size=50))
def test_a_request_is_no_larger_than_it_must_be(sizes: list[int]) -> None:
    batches = split(sizes, None)
    assert [index for batch in batches for index in batch] == list(range(len(sizes)))
    assert all(len(batch) == 1 or sum(sizes[index] for index in batch) <= LARGEST_BODY for batch in batches)


@given(st.lists(st.integers(1, 512), min_size=1))
def test_a_document_is_one_batch(lengths: list[int]) -> None:
    batches = group(lengths)
    assert [len(batch) for batch in batches] == lengths
    assert [index for batch in batches for index in batch] == list(range(sum(lengths)))


def test_a_document_of_too_many_chunks_is_refused() -> None:
    with pytest.raises(JinaInputError, match="document 1 has 513 chunks"):
        group([1, 513])


@pytest.mark.parametrize("run", ["embed_chunks", "aembed_chunks"])
def test_interleaved_chunks_are_grouped_and_come_back_in_their_order(server: Recorder, run: str) -> None:
    embedder = Embedder(Connection(base_url=server.url), "jina-embeddings-v3")
    chunks = ["a1", "b1", "alone", "a2", "b2", "also alone"]
    result: Any = getattr(embedder, run)(chunks, ["a", "b", None, "a", "b", None])
    result = asyncio.run(result) if run.startswith("a") else result
    assert np.array_equal(result.vectors, np.stack([vector_of(chunk) for chunk in chunks]))
    assert sorted(sent.body["input"] for sent in server.sent) == [["a1", "a2"], ["alone"], ["also alone"], ["b1", "b2"]]


@pytest.mark.parametrize("row", MODELS.values(), ids=lambda row: row.id)
def test_each_row_of_the_catalogue_agrees_with_itself(row: Any) -> None:
    takes = {name for fields in row.fields.values() for name in fields}
    assert ("task" in takes) == bool(row.tasks)
    assert {row.query_task, row.document_task} - {None} <= set(row.tasks)
    assert set(row.prefixes) <= set(row.tasks)
    assert all(row.allows_dimensions(size) for size in row.matryoshka)
    assert ("dimensions" in takes) == bool(row.matryoshka)
    assert (row.dimensions > 0) == bool({"embeddings", "multi-vector"} & set(row.endpoints))
    assert all(row.modalities_at(endpoint) <= row.modalities for endpoint in row.endpoints)
