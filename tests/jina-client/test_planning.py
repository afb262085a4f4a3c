"""Plans cover every input exactly once, in order; the catalog agrees with itself."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jina_client import AsyncJinaClient, JinaClient, PartialFailureError
from jina_client.batching.batcher import MAX_REQUEST_BYTES, Window, split, windows
from jina_client.inputs import tokens_of
from jina_client.integration import AsyncEmbedder, Connection, Embedder
from jina_client.models import MODELS
from loopback import Answer, Recorder, Sent, right_answer, vector_of


@given(
    st.lists(st.sampled_from(["a", "word " * 700, "汉字" * 300]), min_size=1, max_size=700),
    st.none() | st.integers(1, 512),
)
def test_batches_are_full_and_in_order(texts: list[str], batch_size: int | None) -> None:
    batches = split(texts, batch_size, request_tokens=10_000)
    assert [index for batch in batches for index in batch] == list(range(len(texts)))
    most = batch_size or 128

    def tokens(batch: range) -> int:
        return sum(tokens_of(texts[index]) for index in batch)

    assert all(1 <= len(batch) <= most and tokens(batch) <= 10_000 for batch in batches)
    for batch, following in pairwise(batches):
        assert len(batch) == most or tokens(batch) + tokens_of(texts[following.start]) > 10_000


def test_a_request_stays_below_the_byte_limit() -> None:
    megabyte = "x" * 2**20
    batches = split([megabyte] * 20, None, request_tokens=math.inf)
    assert [len(batch) for batch in batches] == [MAX_REQUEST_BYTES // 2**20] * 2 + [4]
    assert split([megabyte * 20, "a"], None, request_tokens=10) == [range(1), range(1, 2)]


def test_a_document_that_fits_is_one_window() -> None:
    assert windows(["chunk"] * 512, 8192, 512) == [Window(range(512), 0)]


@given(st.lists(st.integers(1, 900), min_size=1, max_size=300), st.integers(1000, 3000), st.integers(2, 64))
def test_windows_overlap_and_assign_each_chunk_once(lengths: list[int], context: int, limit: int) -> None:
    chunks = ["word" * length for length in lengths]
    parts = windows(chunks, context, limit)
    kept_chunks = [index for window in parts for index in range(window.first, window.read.stop)]
    assert kept_chunks == list(range(len(chunks)))
    for window in parts:
        size = sum(tokens_of(chunks[index]) for index in window.read)
        assert len(window.read) <= limit
        assert size <= 0.9 * context or len(window.read) == 1
    for earlier, later in pairwise(parts):
        before = tokens_of(chunks[later.first - 1])
        room = 0.9 * context
        if before <= min(room / 2, room - tokens_of(chunks[later.first])):
            assert later.read.start < earlier.read.stop


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_document_longer_than_the_context_is_split_into_windows(server: Recorder, kind: str) -> None:
    chunks = [f"chunk {number} " + "word " * 500 for number in range(40)]
    documents = [["short", "document"], chunks]
    if kind == "sync":
        vectors = JinaClient(base_url=server.url).embed_chunked(documents)
    else:
        vectors = asyncio.run(AsyncJinaClient(base_url=server.url).embed_chunked(documents))
    assert [result.windows for result in vectors] == [1, len(server.sent) - 1]
    assert len(server.sent) > 3
    for texts, result in zip(documents, vectors, strict=True):
        assert np.array_equal(result.vectors, np.stack([vector_of(text) for text in texts]))
    repeated = [text for sent in server.sent for text in sent.body["input"]]
    assert len(repeated) > 42
    assert all(sent.body["late_chunking"] for sent in server.sent)


def test_a_document_rejected_as_too_long_is_split(server: Recorder) -> None:
    def answer(sent: Sent) -> Answer:
        if len(sent.body["input"]) > 5:
            return Answer({"detail": {"message": "Input text exceeds", "code": "INPUT_TOKEN_LIMIT_EXCEEDED"}}, 400)
        return right_answer(sent)

    server.answer = answer
    chunks = [f"chunk {number}" for number in range(18)]
    with JinaClient(base_url=server.url) as client:
        [result] = client.embed_chunked([chunks])
        whole = client.embed(chunks, late_chunking=True)
    assert result.windows == whole.windows == 4
    assert np.array_equal(result.vectors, np.stack([vector_of(chunk) for chunk in chunks]))
    assert np.array_equal(result.vectors, whole.vectors)


def test_a_failed_window_names_its_chunks_and_keeps_the_others(server: Recorder) -> None:
    chunks = [f"chunk {number} " + "word " * 500 for number in range(30)]

    def answer(sent: Sent) -> Answer:
        return Answer({"detail": "no"}, 403) if chunks[-1] in sent.body["input"] else right_answer(sent)

    server.answer = answer
    with JinaClient(base_url=server.url, max_concurrency=1) as client:
        with pytest.raises(PartialFailureError) as caught:
            client.embed(chunks, late_chunking=True)
        done, failed = caught.value.completed, caught.value.failed
        assert done.keys() | failed.keys() == set(range(30))
        assert not done.keys() & failed.keys()
        assert all(np.array_equal(vector, vector_of(chunks[index])) for index, vector in done.items())
        rest = client.embed(chunks, late_chunking=True, on_error="return")
        assert (rest.failed.keys(), len(rest)) == (failed.keys(), len(done))
        with pytest.raises(PartialFailureError) as by_document:
            client.embed_chunked([["a"], chunks])
        assert (list(by_document.value.completed), list(by_document.value.failed)) == ([0], [1])


def test_a_failed_document_does_not_affect_others(server: Recorder) -> None:
    def answer(sent: Sent) -> Answer:
        return Answer({"detail": "no"}, 400) if "bad" in sent.body["input"] else right_answer(sent)

    server.answer = answer
    with JinaClient(base_url=server.url) as client, pytest.raises(PartialFailureError) as caught:
        client.embed_chunked([["a", "b"], ["bad", "c"], ["d"]])
    assert list(caught.value.failed) == [1]
    assert {number: len(result) for number, result in caught.value.completed.items()} == {0: 2, 2: 1}
    # Chunks of one document are not tried apart.
    assert len(server.sent) == 3


@pytest.mark.parametrize("kind", [Embedder, AsyncEmbedder])
def test_interleaved_chunks_are_grouped_and_returned_in_order(server: Recorder, kind: Any) -> None:
    embedder = kind(Connection(base_url=server.url), "jina-embeddings-v3")
    chunks = ["a1", "b1", "alone", "a2", "b2", "also alone"]
    result: Any = embedder.embed_chunks(chunks, ["a", "b", None, "a", "b", None])
    result = asyncio.run(result) if kind is AsyncEmbedder else result
    assert np.array_equal(result.vectors, np.stack([vector_of(chunk) for chunk in chunks]))
    assert sorted(sent.body["input"] for sent in server.sent) == [["a1", "a2"], ["alone"], ["also alone"], ["b1", "b2"]]


@pytest.mark.parametrize("row", MODELS.values(), ids=lambda row: row.id)
def test_each_catalog_row_is_consistent(row: Any) -> None:
    takes = {name for fields in row.fields.values() for name in fields}
    assert ("task" in takes) == bool(row.tasks)
    assert {row.query_task, row.document_task} - {None} <= set(row.tasks)
    assert set(row.prefixes) <= set(row.tasks)
    assert all(row.allows_dimensions(size) for size in row.matryoshka)
    assert ("dimensions" in takes) == bool(row.matryoshka)
    assert (row.dimensions > 0) == bool({"embeddings", "multi-vector"} & set(row.endpoints))
    assert all(row.modalities_at(endpoint) <= row.modalities for endpoint in row.endpoints)
