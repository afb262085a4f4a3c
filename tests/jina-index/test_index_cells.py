"""IVF cells: the same results with all cells, nearly the same with a few, and no lost vectors."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm
from jina_client import JinaInputError
from jina_index import BinaryIndex, IndexFileError, IndexFolder, MultiVectorIndex, store
from jina_index.cells import Clustering

DIMENSIONS = 24


def clustered(count: int, seed: int = 1, dimensions: int = 64) -> Any:
    """Vectors of unit length around twenty centers, which all seeds share."""
    generator = np.random.default_rng(seed)
    centers = np.random.default_rng(0).standard_normal((20, dimensions))
    vectors = centers[generator.integers(0, 20, count)] + 0.5 * generator.standard_normal((count, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def few_signs(count: int, seed: int = 0) -> Any:
    """Vectors of which many are equally far from each other in bits, and some are the same."""
    return np.random.default_rng(seed).integers(-1, 2, (count, DIMENSIONS)).astype(np.float32)


def results_of(index: BinaryIndex, queries: Any, *arguments: Any) -> list[list[tuple[Any, float]]]:
    return [[(hit.id, hit.score) for hit in hits] for hits in index.search(queries, *arguments)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rows_for_a_thread", [30, 50_000])
def test_with_all_cells_the_results_equal_those_without_cells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int, rows_for_a_thread: int
) -> None:
    """The order is equal too, after any additions, replacements, removals and openings."""
    monkeypatch.setattr("jina_index.threads.ROWS_PER_THREAD", rows_for_a_thread)
    monkeypatch.setattr("jina_index.nearest._ROWS_OF_FIRST_BLOCK", 8)
    monkeypatch.setattr("jina_index.nearest._DISTANCES_PER_BLOCK", 64)
    chance = random.Random(seed)
    vectors, queries = few_signs(400, seed), few_signs(4, seed + 100)
    there: set[int] = set()
    plain, sorted_ = BinaryIndex(DIMENSIONS), BinaryIndex(DIMENSIONS, tmp_path / "sorted")
    for _ in range(25):
        step = chance.choice(["add", "add", "replace", "remove", "open", "save", "cluster"])
        if step == "add":
            new = chance.sample(sorted(set(range(400)) - there), min(30, 400 - len(there)))
            there.update(new)
            for index in (plain, sorted_):
                index.add(new, vectors[new])
        elif step == "replace" and there:
            again = chance.sample(sorted(there), 5)
            for index in (plain, sorted_):
                index.add(again, vectors[again[::-1]], replace=True)
        elif step == "remove":
            gone = chance.sample(range(400), 40)
            there.difference_update(gone)
            assert plain.remove(gone) == sorted_.remove(gone)
        elif step == "open":
            sorted_.close()
            sorted_ = BinaryIndex.load(tmp_path / "sorted")
        elif step == "save":
            sorted_.save()
        elif step == "cluster":
            sorted_.cluster()
        assert list(plain.ids()) == list(sorted_.ids())
        for k, oversampling in ((1, 1), (3, 2), (10, 5)):
            expected = results_of(plain, queries, k, oversampling)
            assert results_of(sorted_, queries, k, oversampling) == expected
            # One query alone takes another path than several.
            assert [results_of(plain, query[None], k, oversampling)[0] for query in queries] == expected
            assert results_of(sorted_, queries, k, oversampling, max(1, sorted_.nlist)) == expected
            # With one cell less than all, a search takes another path; it may miss the vectors of that one cell only.
            if sorted_.nlist > 2:
                nearly = results_of(sorted_, queries, k, oversampling, sorted_.nlist - 1)
                assert [len(hits) for hits in nearly] == [len(hits) for hits in expected]
    plain.close()
    sorted_.close()


@pytest.mark.parametrize("keys_per_step", [1, 2**22])
def test_a_few_cells_contain_nearly_all_neighbors(monkeypatch: pytest.MonkeyPatch, keys_per_step: int) -> None:
    monkeypatch.setattr("jina_index.nearest._KEYS_PER_STEP", keys_per_step)
    monkeypatch.setattr("jina_index.code_table._QUERIES_PER_STEP", 20)
    vectors, queries = clustered(4000), clustered(50, seed=2)
    with BinaryIndex(64) as index:
        index.add(range(4000), vectors)
        index.cluster(20)
        assert index.nlist == 20
        exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
        shares = []
        for nprobe in (1, 3):
            results = results_of(index, queries, 10, 20, nprobe)
            own = [{id for id, _ in hits} for hits in results]
            shares.append(np.mean([len(a & set(b.tolist())) / 10 for a, b in zip(own, exact, strict=True)]))
            # A query alone finds what it finds among others.
            assert results == [results_of(index, query[None], 10, 20, nprobe)[0] for query in queries]
        assert shares[0] > 0.9
        assert shares[1] > 0.97


def test_a_search_compares_only_the_rows_of_its_cells() -> None:
    """One cell does not hold the nearest of random vectors; a search probes more if it needs more candidates."""
    vectors = np.random.default_rng(0).standard_normal((1000, 64))
    with BinaryIndex(64) as index:
        index.add(range(1000), vectors)
        index.cluster(20)
        one, all_ = results_of(index, vectors[:50], 10, 2, 1), results_of(index, vectors[:50], 10, 2)
        assert [hits[0] for hits in one] == [hits[0] for hits in all_]
        assert sum(a != b for a, b in zip(one, all_, strict=True)) > 40
        assert len({id for id, _ in results_of(index, vectors[:1], 1000, 1, 1)[0]}) == 1000  # more cells than nprobe
        assert len(results_of(index, vectors[:1], 30, 30, 1)[0]) == 30


def test_searches_see_vectors_that_were_added_removed_or_replaced_after_clustering() -> None:
    vectors = clustered(1200)
    with BinaryIndex(64) as index:
        index.add(range(1000), vectors[:1000])
        index.cluster()
        index.add(range(1000, 1200), vectors[1000:])
        for number in (0, 999, 1000, 1199):
            assert index.search(vectors[number], 1, 1, 1)[0].id == number
        index.remove([0, 1000])
        index.add([999], -vectors[999:1000], replace=True)
        for number in (0, 999, 1000):
            assert number not in {hit.id for hit in index.search(vectors[number], 5, 1, 1)}
        assert index.search(-vectors[999], 1, 1, 1)[0].id == 999
        assert len(index) == 1198
        index.cluster()
        assert index.search(-vectors[999], 1, 1, 1)[0].id == 999
        index.remove(range(1200))
        assert index.search(vectors[0], 1, 1, 1) == []
        index.add([7], vectors[:1])
        assert index.search(vectors[0], 3, 1, 1)[0].id == 7


def test_cells_are_stored_in_the_files(tmp_path: Path) -> None:
    vectors, queries = clustered(900), clustered(20, seed=3)
    with BinaryIndex(64, tmp_path / "index") as index:
        index.add(range(900), vectors)
        index.cluster()
        assert index.nlist == 30
        index.remove(range(0, 900, 7))
        index.add(range(2000, 2100), clustered(100, seed=4))
        expected = results_of(index, queries, 5, 4, 2)
        index.save(tmp_path / "copy")
        index.save()
        assert results_of(index, queries, 5, 4, 2) == expected
    for name in ("index", "copy"):
        for read_only in (False, True):
            with BinaryIndex.load(tmp_path / name, read_only=read_only) as index:
                assert index.nlist == 30
                assert results_of(index, queries, 5, 4, 2) == expected
                # A bit a dimension, four bytes a row, and the centroids.
                assert index.memory == len(index) * (8 + 4) + 30 * 64 * 4 + 31 * 8


def test_an_index_that_was_never_clustered_has_no_table_of_cells(tmp_path: Path) -> None:
    with BinaryIndex(64, tmp_path) as index:
        index.add(range(100), clustered(100))
        assert index.nlist == 0
        assert index.memory == 100 * 8
        assert results_of(index, clustered(3), 5, 2, 1) == results_of(index, clustered(3), 5, 2)
    with closing(sqlite3.connect(tmp_path / "index.sqlite3")) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert sorted(tables) == [("batches",), ("items",), ("settings",)]


CHILD = """
import sys
import numpy as np
from jina_index import BinaryIndex
index = BinaryIndex.load(sys.argv[1])
print("opened", flush=True)
while True:
    index.cluster(150)
    print("clustered", flush=True)
    index.cluster(50)
    print("clustered", flush=True)
"""


def test_a_process_that_is_killed_while_clustering_leaves_a_whole_index(tmp_path: Path) -> None:
    vectors = clustered(3000)
    with BinaryIndex(64, tmp_path) as index:
        index.add(range(3000), vectors)
    chance = random.Random(0)
    for _ in range(5):
        child = warm.start(["-c", CHILD, tmp_path], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.readline()
        threading.Event().wait(chance.random() / 3)
        os.kill(child.pid, signal.SIGKILL)
        child.stdout.close()
        child.wait(30)
        with BinaryIndex.load(tmp_path) as index:
            assert index.nlist in (50, 150)
            assert [hits[0].id for hits in index.search(vectors[::100], 1, 1, 1)] == list(range(0, 3000, 100))


def test_clustering_that_fails_leaves_the_index_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = clustered(300)
    insert = store.insert_cells

    def fail(*arguments: Any, **options: Any) -> None:
        insert(*arguments, **options)
        raise OSError("no space left")

    with BinaryIndex(64, tmp_path) as index:
        index.add(range(300), vectors)
        for nlist in (0, 10):
            if nlist:
                index.cluster(nlist)
            expected = results_of(index, vectors[:9], 5, 2, 2)
            with monkeypatch.context() as patched:
                patched.setattr(store, "insert_cells", fail)
                with pytest.raises(IndexFileError, match="no space"):
                    index.cluster(5)
            assert index.nlist == nlist
            assert results_of(index, vectors[:9], 5, 2, 2) == expected
            index.close()
            index = BinaryIndex.load(tmp_path)
            assert index.nlist == nlist
        index.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lists SET rows = zeroblob(length(rows)) WHERE number = 3",
        "UPDATE lists SET rows = substr(rows, 9) WHERE number = 3",
        "UPDATE lists SET centroid = zeroblob(256) WHERE number = 3",
        "UPDATE lists SET centroid = zeroblob(8) WHERE number = 3",
        "UPDATE lists SET centroid = 'text' WHERE number = 3",
        "UPDATE lists SET crc = 1 WHERE number = 3",
        "UPDATE lists SET number = 99 WHERE number = 3",
        "DELETE FROM lists WHERE number = 3",
        "ALTER TABLE lists ADD COLUMN more",
    ],
)
def test_damaged_cells_raise(tmp_path: Path, statement: str) -> None:
    with BinaryIndex(64, tmp_path) as index:
        index.add(range(100), clustered(100))
        index.cluster()
    with closing(sqlite3.connect(tmp_path / "index.sqlite3")) as database, database:
        database.execute(statement)
    for verify in (True, False):
        with pytest.raises(IndexFileError, match="damaged"):
            BinaryIndex.load(tmp_path, verify=verify)


@pytest.mark.parametrize("rows", [[0, 0], [100], [-1], [2**62]])
def test_cells_of_impossible_rows_raise(tmp_path: Path, rows: list[int]) -> None:
    with BinaryIndex(64, tmp_path) as index:
        index.add(range(100), clustered(100))
        index._store.write_cells(Clustering(np.zeros((1, 64), np.float32), [np.array(rows)]))
    with pytest.raises(IndexFileError, match="lists"):
        BinaryIndex.load(tmp_path)


def test_tiny_indexes_are_clustered_too() -> None:
    vectors = clustered(3)
    with BinaryIndex(64) as index:
        index.cluster()
        assert index.nlist == 0
        index.add([0], vectors[:1])
        index.cluster()
        assert index.nlist == 1
        index.add([1, 2], vectors[1:])
        index.cluster(3)
        assert [hit.id for hit in index.search(vectors[2], 1, 1, 1)] == [2]
    with BinaryIndex(64) as index:
        index.add(range(50), np.repeat(vectors[:1], 50, axis=0))
        index.cluster(10)
        assert len(index.search(vectors[0], 50, 1, 1)) == 50
        assert index.search(np.empty((0, 64)), 5, 1, 1) == []
    with BinaryIndex(64) as index:
        index.add(range(50), np.zeros((50, 64)))
        index.cluster()
        assert [hit.id for hit in index.search(vectors[0], 2, 1)] == [0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda index: index.cluster(0), "nlist must be a whole number"),
        (lambda index: index.cluster(True), "nlist must be a whole number"),
        (lambda index: index.cluster(2.0), "nlist must be a whole number"),
        (lambda index: index.cluster(11), "at most the number of vectors, 10, got 11"),
        (lambda index: index.search(clustered(1), nprobe=0), "nprobe must be a whole number"),
        (lambda index: index.search(clustered(1), nprobe=1.5), "nprobe must be a whole number"),
        (lambda index: index.search(clustered(1), nprobe=True), "nprobe must be a whole number"),
        (lambda index: index.search(clustered(1), nprobe="all"), "nprobe must be a whole number"),
    ],
)
def test_invalid_arguments_raise(call: Any, message: str) -> None:
    with BinaryIndex(64) as index:
        index.add(range(10), clustered(10))
        with pytest.raises(JinaInputError, match=message):
            call(index)


def test_a_read_only_index_cannot_be_clustered(tmp_path: Path) -> None:
    with BinaryIndex(64, tmp_path) as index:
        index.add(range(10), clustered(10))
    with BinaryIndex.load(tmp_path, read_only=True) as index, pytest.raises(JinaInputError, match="read-only"):
        index.cluster()
    with pytest.raises(JinaInputError, match="closed"):
        index.cluster()


def test_a_multi_vector_index_has_no_cells(tmp_path: Path) -> None:
    folder = IndexFolder(MultiVectorIndex, tmp_path, model="")
    folder.add(["a"], [clustered(5)], [None])
    with pytest.raises(JinaInputError, match="has no cells"):
        folder.cluster()
    with pytest.raises(JinaInputError, match="has no cells"):
        folder.search(clustered(2), 1, nprobe=1)
    folder.close()


def test_threads_search_and_change_while_another_clusters() -> None:
    vectors = clustered(3000)
    with BinaryIndex(64) as index:
        index.add(range(1000), vectors[:1000])
        stop, wrong = threading.Event(), []

        def search() -> None:
            while not stop.is_set():
                for number in (3, 500, 999):
                    hit = index.search(vectors[number], 1, 5, 1)[0]
                    if hit.id != number:
                        wrong.append(hit)

        def cluster() -> None:
            while not stop.is_set():
                index.cluster(chance.randint(2, 60))

        chance = random.Random(0)
        threads = [threading.Thread(target=search), threading.Thread(target=search), threading.Thread(target=cluster)]
        for thread in threads:
            thread.start()
        for start in range(1000, 3000, 100):
            index.add(range(start, start + 100), vectors[start : start + 100])
            index.remove(range(start, start + 50))
            if start % 500 == 0:
                index.save()
        stop.set()
        for thread in threads:
            thread.join(60)
        assert not wrong
        assert len(index) == 2000
        live = [*range(1000), *(n for s in range(1000, 3000, 100) for n in range(s + 50, s + 100))]
        assert [hits[0].id for hits in index.search(vectors[live], 1, 3, 1)] == live
