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


def _is_young(lists: list[list[float]]) -> bool:
    """Return whether the next collection of young objects looks at lists."""
    return any(each is lists[0] for generation in (0, 1) for each in gc.get_objects(generation))


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


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """Undo that the tests freeze what they import."""
    gc.unfreeze()
    yield
    gc.freeze()


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("unfrozen")
def test_new_lists_are_old_and_young_garbage_is_collected() -> None:
    garbage = weakref.ref(_Cycle())
    assert not _is_young(_embeddings(LARGE).tolist())
    assert garbage() is None
    assert gc.isenabled()


def test_objects_that_a_program_has_frozen_stay_so() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    _embeddings(LARGE).tolist()
    assert frozen / 2 < gc.get_freeze_count() <= frozen


def test_collections_that_a_program_has_turned_off_stay_so() -> None:
    gc.disable()
    try:
        _embeddings(LARGE).tolist()
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.usefixtures("unfrozen")
def test_full_collections_are_not_put_off_for_ever() -> None:
    result = _embeddings(np.ones((1024, 4096), np.uint8))
    for _ in range(2**26 // result.vectors.size):
        result.tolist()
    assert _is_young(result.tolist())
    gc.collect()
    assert not _is_young(result.tolist())
