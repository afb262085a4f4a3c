"""Vectors as lists of Python numbers, and what they mean to the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jina_client import Embeddings, Usage
from jina_client.integration import AsyncEmbedder, Connection, Embedder
from loopback import Answer, Recorder, Sent, right_answer

TEXTS = [f"text number {number}" for number in range(70)]
LARGE = np.ones((300, 1024), np.float32)


def _embeddings(vectors: Any) -> Embeddings:
    return Embeddings(vectors, Usage(), "model")


def _is_among(value: object, objects: list[Any]) -> bool:
    return any(each is value for each in objects)


@pytest.fixture(params=["sync", "async"])
def embed(request: pytest.FixtureRequest, server: Recorder) -> Any:
    """Embeds texts with lists, with an embedder of either kind."""

    def run(texts: list[str], *, on_error: Any = "raise", **options: Any) -> Embeddings:
        connection = Connection(base_url=server.url, api_key="key", max_concurrency=1, cache=options.pop("cache", None))
        model = "jina-embeddings-v3"
        if request.param == "sync":
            with connection.client:
                return Embedder(connection, model, **options).embed(texts, "document", on_error=on_error, lists=True)

        async def embed_async() -> Embeddings:
            async with connection.async_client:
                embedder = AsyncEmbedder(connection, model, **options)
                return await embedder.embed(texts, "document", on_error=on_error, lists=True)

        return asyncio.run(embed_async())

    return run


def test_lists_equal_the_vectors_each_time(embed: Any) -> None:
    result = embed(TEXTS, batch_size=32)
    first, second = result.tolist(), result.tolist()
    assert first == second == result.vectors.tolist()
    assert first[0] is not second[0]


def test_lists_equal_the_vectors_if_an_input_fails(embed: Any, server: Recorder) -> None:
    def rejecting(sent: Sent) -> Answer:
        return Answer({"detail": "bad input"}, 422) if "bad" in sent.body["input"] else right_answer(sent)

    server.answer = rejecting
    result = embed([*TEXTS[:3], "bad", *TEXTS[3:]], batch_size=32, on_error="return")
    assert list(result.failed) == [3]
    assert result.tolist() == result.vectors.tolist()


def test_lists_equal_the_vectors_from_a_cache(embed: Any, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    embed(TEXTS[10:20], cache=cache)
    result = embed(TEXTS, batch_size=32, cache=cache)
    assert result.tolist() == result.vectors.tolist()


def test_bits_are_listed_as_bytes(embed: Any) -> None:
    result = embed(TEXTS, embedding_type="ubinary")
    assert result.tolist() == result.vectors.tolist()
    assert isinstance(result.tolist()[0][0], int)


def test_lists_are_made_before_the_next_request_is_sent(embed: Any, server: Recorder) -> None:
    numbers_before: list[int] = []

    def counting(sent: Sent) -> Answer:
        lists = (each for each in gc.get_objects() if type(each) is list and len(each) == 1024)
        numbers_before.append(sum(type(each[0]) is float for each in lists))
        return right_answer(sent)

    server.answer = counting
    embed(TEXTS[:64], batch_size=32)
    assert numbers_before[1] - numbers_before[0] == 32


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_new_lists_are_old_and_young_garbage_is_collected() -> None:
    garbage = weakref.ref(_Cycle())
    rows = _embeddings(LARGE).tolist()
    assert _is_among(rows[0], gc.get_objects(2))
    assert garbage() is None
    assert gc.isenabled()


@pytest.fixture
def frozen() -> Iterator[int]:
    """The number of objects that the program has frozen."""
    gc.freeze()
    try:
        yield gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_objects_that_a_program_has_frozen_stay_so(frozen: int) -> None:
    _embeddings(LARGE).tolist()
    assert frozen / 2 < gc.get_freeze_count() <= frozen


def test_collections_that_a_program_has_turned_off_stay_so() -> None:
    gc.disable()
    try:
        _embeddings(LARGE).tolist()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_full_collections_are_not_put_off_for_ever() -> None:
    gc.collect()
    result = _embeddings(np.ones((1024, 4096), np.uint8))
    for _ in range(2**26 // result.vectors.size):
        result.tolist()
    rows = result.tolist()
    assert not _is_among(rows[0], gc.get_objects(2))
    gc.collect()
    rows = result.tolist()
    assert _is_among(rows[0], gc.get_objects(2))
