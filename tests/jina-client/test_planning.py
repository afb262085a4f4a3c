"""Plans cover every input exactly once, in order; the catalogue agrees with itself."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jina_client import JinaInputError
from jina_client.components import Connection, Embedder
from jina_client.inputs import tokens_of
from jina_client.models import MODELS
from jina_client.planning import LARGEST_BODY, group, split
from loopback import Recorder, vector_of


@given(
    st.lists(st.sampled_from(["a", "word " * 700, "汉字" * 300]), min_size=1, max_size=700),
    st.none() | st.integers(1, 512),
)
def test_batches_cover_all_inputs_in_order_and_are_filled(texts: list[str], batch_size: int | None) -> None:
    batches = split(texts, batch_size, request_tokens=10_000)
    assert [index for batch in batches for index in batch] == list(range(len(texts)))
    most = batch_size or 128

    def tokens(batch: range) -> int:
        return sum(tokens_of(texts[index]) for index in batch)

    assert all(1 <= len(batch) <= most and tokens(batch) <= 10_000 for batch in batches)
    for batch, following in pairwise(batches):
        assert len(batch) == most or tokens(batch) + tokens_of(texts[following.start]) > 10_000


def test_a_request_is_no_larger_than_it_must_be() -> None:
    megabyte = "x" * 2**20
    batches = split([megabyte] * 40, None, request_tokens=math.inf)
    assert [len(batch) for batch in batches] == [LARGEST_BODY // 2**20] * 2 + [8]
    assert split([megabyte * 20, "a"], None, request_tokens=10) == [range(1), range(1, 2)]


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
