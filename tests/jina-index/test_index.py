"""Both indexes: search results, changes, crashes, damaged files and threads."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm
from jina_client import JinaInputError
from jina_client.late_interaction import maxsim
from jina_index import BinaryIndex, IndexFileError, IndexFolder, MultiVectorIndex
from jina_index.threads import faiss

DIMENSIONS = 40


def unit(count: int, dimensions: int = DIMENSIONS, seed: int = 0) -> Any:
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ids_of(hits: Any) -> list[Any]:
    return [hit.id for hit in hits]


@pytest.mark.parametrize("stored", ["int8", "int16"])
@pytest.mark.parametrize("dimensions", [1, 7, 8, 64, 129])
def test_with_every_vector_a_candidate_the_search_is_exact(stored: Any, dimensions: int) -> None:
    vectors, queries = unit(300, dimensions), unit(5, dimensions, seed=1)
    with BinaryIndex(dimensions, stored=stored) as index:
        index.add([f"id {number}" for number in range(300)], vectors)
        results = index.search(queries, k=10, oversampling=1000)
    for query, hits in zip(queries, results, strict=True):
        exact = np.sort(vectors @ query)[::-1][:10]
        assert np.allclose([hit.score for hit in hits], exact, atol=0.01)
        assert all(abs(hit.score - vectors[int(hit.id[3:])] @ query) < 0.01 for hit in hits)


def test_the_first_stage_chooses_by_hamming_distance() -> None:
    vectors, query = unit(200), unit(1, seed=1)[0]
    with BinaryIndex(DIMENSIONS) as index:
        index.add(range(200), vectors)
        sample = set(ids_of(index.search(query, k=20, oversampling=1)))
    distances = ((vectors > 0) != (query > 0)).sum(axis=1)
    assert max(distances[list(sample)]) <= np.sort(distances)[19]


def test_many_rows_are_searched_in_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jina_index.threads.ROWS_PER_THREAD", 10)
    vectors = unit(100)
    with BinaryIndex(DIMENSIONS) as index:
        index.add(range(100), vectors)
        assert [hits[0].id for hits in index.search(vectors, k=1, oversampling=3)] == list(range(100))


def test_ids_are_strings_or_numbers_and_payloads_come_back(tmp_path: Path) -> None:
    vectors = unit(4)
    payloads = [{"text": "Käse", "tags": [1, None]}, "a", None, 2.5]
    with BinaryIndex(DIMENSIONS, tmp_path) as index:
        index.add(["1", 1, -(2**63), "../x"], vectors, payloads)
    with BinaryIndex.load(tmp_path) as index:
        hits = [index.search(vector, k=1)[0] for vector in vectors]
        assert ids_of(hits) == ["1", 1, -(2**63), "../x"] == list(index.ids())
        assert [hit.payload for hit in hits] == payloads
        assert index.get([1, "no"]) == ["a", None]
        assert 1 in index
        assert 2 not in index


@pytest.mark.parametrize("payload", [None, ["a"]])
@pytest.mark.parametrize("more", [[], ["a\0b", "\0"]])
def test_ids_of_every_kind_are_stored_as_they_are(payload: Any, more: list[str], tmp_path: Path) -> None:
    ids = ["", "1", 1, 0, -1, 2**63 - 1, -(2**63), str(2**63), "1.0", "null", '"', "\\u0000", "é", "\U0001f600", *more]
    with BinaryIndex(DIMENSIONS, tmp_path) as index:
        index.add(ids, unit(len(ids)), [payload] * len(ids))
    with BinaryIndex.load(tmp_path, verify=True) as index:
        assert list(map(repr, index.ids())) == list(map(repr, ids))
        assert index.get(ids[::-1]) == [payload] * len(ids)
        assert index.remove(ids[1:]) == len(ids) - 1


def test_random_changes_leave_the_expected_content(tmp_path: Path) -> None:
    """After random additions, removals, openings and saves, the index holds what a dictionary holds."""
    chance = random.Random(0)
    vectors = unit(400)
    expected: dict[int, Any] = {}
    index = BinaryIndex(DIMENSIONS, tmp_path / "index")
    for _ in range(60):
        step = chance.choice(["add", "replace", "remove", "open", "save", "copy"])
        if step == "add":
            new = chance.sample([number for number in range(400) if number not in expected], 9)
            index.add(new, vectors[new], [{"number": number} for number in new])
            expected |= {number: vectors[number] for number in new}
        elif step == "replace":
            again = chance.sample(range(400), 5)
            index.add(again, vectors[again], [{"number": number} for number in again], replace=True)
            expected |= {number: vectors[number] for number in again}
        elif step == "remove":
            gone = chance.sample(range(400), 30)
            assert index.remove(gone) == len(expected.keys() & set(gone))
            expected = {number: vector for number, vector in expected.items() if number not in gone}
        elif step == "open":
            index.close()
            index = BinaryIndex.load(tmp_path / "index")
        elif step == "save":
            index.save()
        else:
            index.save(tmp_path / "copy")
            index.close()
            shutil.rmtree(tmp_path / "index")
            (tmp_path / "copy").rename(tmp_path / "index")
            index = BinaryIndex.load(tmp_path / "index")
        assert len(index) == len(expected)
        assert set(index.ids()) == expected.keys()
        for number, vector in list(expected.items())[:20]:
            (hit,) = index.search(vector, k=1)
            assert (hit.id, hit.payload) == (number, {"number": number})
    index.close()


def test_an_index_without_a_path_can_be_saved(tmp_path: Path) -> None:
    index = BinaryIndex(DIMENSIONS)
    index.add([1], unit(1))
    temporary = index.path
    index.save(tmp_path / "kept")
    index.close()
    assert not temporary.exists()
    with BinaryIndex.load(tmp_path / "kept") as copy:
        assert ids_of(copy.search(unit(1)[0])) == [1]


def test_saving_replaces_an_index_that_is_not_open(tmp_path: Path) -> None:
    with BinaryIndex(DIMENSIONS, tmp_path / "a") as first, BinaryIndex(DIMENSIONS, tmp_path / "b") as second:
        first.add(["first"], unit(1))
        with pytest.raises(IndexFileError, match="open elsewhere"):
            first.save(tmp_path / "b")
        second.add(["second"], unit(1))
        second.close()
        first.save(tmp_path / "b")
    with BinaryIndex.load(tmp_path / "b") as replaced:
        assert list(replaced.ids()) == ["first"]
    assert len(list((tmp_path / "b").glob("*.bin"))) == 2


def test_saving_frees_the_disk_space_of_removed_vectors(tmp_path: Path) -> None:
    with BinaryIndex(DIMENSIONS, tmp_path) as index:
        index.add(range(1000), unit(1000))
        index.remove(range(10, 1000))
        index.save()
        assert sum(path.stat().st_size for path in tmp_path.glob("*.bin")) < 10 * (5 + 84) + 100
        assert len(index) == 10


def test_several_readers_or_one_writer_can_open_an_index(tmp_path: Path) -> None:
    with BinaryIndex(DIMENSIONS, tmp_path) as index:
        index.add([1], unit(1))
        for read_only in (True, False):
            with pytest.raises(IndexFileError, match="open elsewhere"):
                BinaryIndex.load(tmp_path, read_only=read_only)
    with BinaryIndex.load(tmp_path, read_only=True) as one, BinaryIndex.load(tmp_path, read_only=True) as other:
        assert ids_of(one.search(unit(1)[0])) == ids_of(other.search(unit(1)[0])) == [1]
        for change in (lambda: one.add([2], unit(1)), lambda: one.remove([1]), lambda: one.save()):
            with pytest.raises(JinaInputError, match="read-only"):
                change()


def test_threads_search_while_another_adds_and_removes() -> None:
    vectors = unit(2000)
    with BinaryIndex(DIMENSIONS) as index:
        index.add(range(1000), vectors[:1000])
        stop, wrong = threading.Event(), []

        def search() -> None:
            while not stop.is_set():
                for number in (3, 500, 999):
                    hit = index.search(vectors[number], k=1)[0]
                    if hit.id != number:
                        wrong.append(hit)

        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        for start in range(1000, 2000, 100):
            index.add(range(start, start + 100), vectors[start : start + 100])
            index.remove(range(start, start + 50))
        stop.set()
        for thread in threads:
            thread.join(30)
        assert not wrong
        assert len(index) == 1500


CHILD = """
import sys
import numpy as np
from jina_index import BinaryIndex
index = BinaryIndex.load(sys.argv[1])
vectors = np.random.default_rng(0).standard_normal((100_000, 40)).astype(np.float32)
start = len(index)
for first in range(start, 100_000, 25):
    numbers = range(first, first + 25)
    index.add(list(numbers), vectors[first : first + 25], [{"number": number} for number in numbers])
    print(first + 25, flush=True)
"""


def test_a_process_that_is_killed_while_adding_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    BinaryIndex(DIMENSIONS, tmp_path).close()
    vectors = np.random.default_rng(0).standard_normal((100_000, DIMENSIONS)).astype(np.float32)
    chance = random.Random(0)
    for _ in range(4):
        child = warm.start(["-c", CHILD, tmp_path], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(chance.randint(3, 30))]
        threading.Event().wait(chance.random() / 50)
        os.kill(child.pid, signal.SIGKILL)
        lines += child.stdout.readlines()
        child.stdout.close()
        child.wait(30)
        acknowledged = int([line for line in lines if line.endswith("\n")][-1])
        with BinaryIndex.load(tmp_path) as index:
            count = len(index)
            assert count >= acknowledged
            assert count % 25 == 0
            assert list(index.ids()) == list(range(count))
            for number in {0, acknowledged - 1, count - 1}:
                (hit,) = index.search(vectors[number], k=1)
                assert (hit.id, hit.payload) == (number, {"number": number})


def test_a_batch_that_fails_leaves_the_index_as_it_was() -> None:
    vectors = unit(3)
    with BinaryIndex(DIMENSIONS) as index:
        index.add([1], vectors[:1])
        for ids, payloads in (([2, 1], None), ([2, 2], None), ([2, True], None), ([2, 3], ["a", object()])):
            with pytest.raises(JinaInputError):
                index.add(ids, vectors[1:], payloads)
        # Encoding finds these, after the first of them are in the files.
        many = np.concatenate([unit(5000), [[np.inf] * DIMENSIONS]])
        with pytest.raises(JinaInputError, match="infinity"):
            index.add(range(2, 5003), many)
        assert list(index.ids()) == [1]
        index.add([2, 3], vectors[1:])
        assert ids_of(index.search(vectors[2], k=1)) == [3]


def test_a_large_batch_has_several_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jina_index.store.ROWS_PER_BATCH", 8)
    documents = [unit(1 + number % 3, seed=number) for number in range(20)]
    with MultiVectorIndex(DIMENSIONS, tmp_path) as index:
        index.add(range(20), documents)
    with closing(sqlite3.connect(tmp_path / "index.sqlite3")) as database:
        batches = database.execute("SELECT first_row, rows, first_vector, vectors FROM batches").fetchall()
    assert batches == [(0, 8, 0, 15), (8, 8, 15, 16), (16, 4, 31, 8)]
    with MultiVectorIndex.load(tmp_path, verify=True) as index:
        assert index.search(documents[17], k=1)[0].id == 17


def _flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def _sql(statement: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        database = sqlite3.connect(folder / "index.sqlite3")
        database.execute(statement)
        database.commit()
        database.close()

    return run


def _file(pattern: str, change: Callable[[Path], Any]) -> Callable[[Path], Any]:
    return lambda folder: [change(path) for path in folder.glob(pattern)]


def _link(path: Path) -> None:
    moved = path.rename(path.parent.parent / path.name)
    path.symlink_to(moved)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_file("codes-*", lambda path: _flip(path, 30)), "damaged: rows 0 to 49 of codes"),
        (_file("vectors-*", lambda path: _flip(path, 100)), "damaged: rows 0 to 49 of vectors"),
        (_file("codes-*", lambda path: _flip(path, 0)), "the beginning of codes"),
        (_file("vectors-*", lambda path: _flip(path, 20)), "the beginning of vectors"),
        (_file("codes-*", lambda path: os.truncate(path, 100)), "cut short"),
        (_file("vectors-*", lambda path: os.truncate(path, path.stat().st_size - 1)), "cut short"),
        (_file("vectors-*", Path.unlink), "missing"),
        (_file("codes-*", _link), "is a link"),
        (_file("index.sqlite3", _link), "is a link"),
        (_file("index.sqlite3", Path.unlink), "holds no index"),
        (_file("index.sqlite3", lambda path: path.write_bytes(b"SQLite format 3\0 no")), "is not an index"),
        (_file("index.sqlite3", lambda path: path.write_text("no database at all " * 50)), "is not an index"),
        (_file("index.sqlite3", lambda path: path.write_bytes(b"")), "is not an index"),
        (_file("index.sqlite3", lambda path: os.truncate(path, 4096)), "damaged|is not an index|malformed"),
        (_sql("PRAGMA application_id = 7"), "is not an index"),
        (_sql("PRAGMA user_version = 4"), "version 4"),
        (_sql("UPDATE settings SET value = '../../etc' WHERE name = 'generation'"), "generation"),
        (_sql("UPDATE settings SET value = 0 WHERE name = 'dimensions'"), "settings"),
        (_sql("UPDATE settings SET value = 'x' WHERE name = 'dimensions'"), "settings"),
        (_sql("UPDATE settings SET value = 41 WHERE name = 'dimensions'"), "cut short|damaged"),
        (_sql("UPDATE settings SET value = 'pickle' WHERE name = 'originals'"), "settings"),
        (_sql("DELETE FROM settings WHERE name = 'kind'"), "settings"),
        (_sql("INSERT INTO settings VALUES ('more', 1)"), "settings"),
        (_sql("UPDATE batches SET rows = 9223372036854775807"), "damaged|cut short"),
        (_sql("UPDATE batches SET rows = -1"), "damaged"),
        (_sql("UPDATE batches SET rows = 'many'"), "damaged"),
        (_sql("UPDATE batches SET vectors = 1000000"), "cut short"),
        (_sql("UPDATE items SET payload = '{}' WHERE row = 3"), "row 3"),
        (_sql("UPDATE items SET payload = x'31' WHERE row = 3"), "row 3"),
        (_sql("UPDATE items SET id = 'other' WHERE row = 3"), "row 3"),
        (_sql("UPDATE items SET first_vector = 10000 WHERE row = 3"), "row 3"),
        (_sql("UPDATE items SET row = 10000 WHERE row = 3"), "damaged"),
        (_sql("DELETE FROM items WHERE row = 3"), "number of items"),
        (_sql("UPDATE settings SET value = 'x' WHERE name = 'removed'"), "removed"),
        (_sql("CREATE TRIGGER t AFTER INSERT ON items BEGIN DELETE FROM items; END"), "schema"),
    ],
)
def test_damaged_and_hostile_files_raise(tmp_path: Path, damage: Callable[[Path], Any], message: str) -> None:
    folder = tmp_path / "index"
    with BinaryIndex(DIMENSIONS, folder) as index:
        index.add([f"id {number}" for number in range(50)], unit(50), ["payload"] * 50)
    damage(folder)
    with pytest.raises(IndexFileError, match=message):
        BinaryIndex.load(folder, verify=True)


def test_without_verification_damage_raises_when_it_is_read(tmp_path: Path) -> None:
    with BinaryIndex(DIMENSIONS, tmp_path) as index:
        index.add(range(50), unit(50))
    _sql("UPDATE items SET payload = '{}' WHERE row = 3")(tmp_path)
    _sql("DELETE FROM items WHERE row = 5")(tmp_path)
    with BinaryIndex.load(tmp_path) as index:
        assert ids_of(index.search(unit(50)[4], k=1)) == [4]
        for row in (3, 5):
            with pytest.raises(IndexFileError, match=f"row {row}"):
                index.search(unit(50)[row], k=1)
        with pytest.raises(IndexFileError, match="row 3"):
            index.verify()


def test_damaged_bits_raise_once_they_were_compared(tmp_path: Path) -> None:
    with BinaryIndex(DIMENSIONS, tmp_path / "index") as index:
        index.add(range(50), unit(50))
    _file("codes-*", lambda path: _flip(path, 30))(tmp_path / "index")
    with BinaryIndex.load(tmp_path / "index") as index:
        for call in (lambda: index.save(tmp_path / "copy"), index.verify, lambda: index.search(unit(1)[0])):
            with pytest.raises(IndexFileError, match="rows 0 to 49 of codes"):
                call()
        with pytest.raises(IndexFileError, match="rows 0 to 49 of codes"):
            index.remove([3])
        assert 3 in index
    assert not list((tmp_path / "copy").iterdir())


def test_opening_deletes_the_files_of_an_interrupted_save(tmp_path: Path) -> None:
    BinaryIndex(DIMENSIONS, tmp_path).close()
    for name in ("codes-0123456789abcdef.bin", "new-0123456789abcdef.sqlite3", "notes.txt"):
        (tmp_path / name).write_text("")
    BinaryIndex.load(tmp_path).close()
    assert sum(1 for _ in tmp_path.iterdir()) == 4
    assert (tmp_path / "notes.txt").exists()


def test_an_index_does_not_overwrite_another(tmp_path: Path) -> None:
    BinaryIndex(DIMENSIONS, tmp_path).close()
    with pytest.raises(IndexFileError, match="holds an index already"):
        BinaryIndex(DIMENSIONS, tmp_path)
    with pytest.raises(IndexFileError, match="MultiVectorIndex has multi-vectors"):
        MultiVectorIndex.load(tmp_path)
    with pytest.raises(IndexFileError, match="holds no index"):
        BinaryIndex.load(tmp_path / "elsewhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexFileError, match="cannot be made a folder"):
        BinaryIndex(DIMENSIONS, tmp_path / "file")


def test_an_empty_index_returns_nothing() -> None:
    with BinaryIndex(DIMENSIONS) as index:
        index.add([], [])
        assert index.search(unit(1)[0]) == []
        assert index.search(unit(2)) == [[], []]
        assert index.remove([1]) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda index: index.add([1], unit(1, 41)), "must have the 40 dimensions of the index, got 41"),
        (lambda index: index.add([1], unit(1)[0]), "shape"),
        (lambda index: index.add([1], unit(1) * np.nan), "NaN"),
        (lambda index: index.add([1, 2], unit(1)), "2 ids, 1 vectors"),
        (lambda index: index.add("1", unit(1)), "must be a list"),
        (lambda index: index.add(None, unit(1)), "must be a list"),
        (lambda index: index.add([1], unit(1), "a"), "payloads must be a list"),
        (lambda index: index.add([1.5], unit(1)), "ids\\[0\\]"),
        (lambda index: index.add([2**63], unit(1)), "64 bits"),
        (lambda index: index.add(["\ud800"], unit(1)), "ids\\[0\\]"),
        (lambda index: index.add([5, 5], unit(2)), "5 twice"),
        (lambda index: index.add([0], unit(1)), "already"),
        (lambda index: index.add([1], unit(1), [{1, 2}]), "payloads\\[0\\] is not a JSON"),
        (lambda index: index.search(unit(1)[0], k=0), "k must be"),
        (lambda index: index.search(unit(1)[0], oversampling=0.5), "oversampling must be"),
        (lambda index: index.search("a cat"), "queries"),
        (lambda index: BinaryIndex(0), "dimensions"),
        (lambda index: BinaryIndex(8, stored="int4"), "stored"),
    ],
)
def test_invalid_arguments_raise(call: Callable[[BinaryIndex], Any], message: str) -> None:
    with BinaryIndex(DIMENSIONS) as index:
        index.add([0], unit(1))
        with pytest.raises(JinaInputError, match=message):
            call(index)


def test_a_duplicate_id_is_found_with_few_comparisons() -> None:
    comparisons = 0

    class Id(str):
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal comparisons
            comparisons += 1
            return str.__eq__(self, other)

    with BinaryIndex(2) as index, pytest.raises(JinaInputError, match="'999' twice"):
        index.remove([*map(Id, map(str, range(1000))), "999"])
    assert comparisons < 5000


def test_a_closed_index_raises() -> None:
    index = BinaryIndex(DIMENSIONS)
    index.close()
    index.close()
    with pytest.raises(JinaInputError, match="closed"):
        index.search(unit(1)[0])


@pytest.mark.parametrize("first_stage", ["bits", "float"])
def test_late_interaction_matches_maxsim_over_all_documents(tmp_path: Path, first_stage: Any) -> None:
    generator = np.random.default_rng(0)
    documents = [unit(int(length), 32, seed) for seed, length in enumerate(generator.integers(1, 20, 100))]
    query = unit(6, 32, seed=1000)
    with MultiVectorIndex(32, tmp_path, first_stage=first_stage, stored="int16") as index:
        index.add(range(60), documents[:60], [f"document {number}" for number in range(60)])
        index.add(range(60, 100), documents[60:])
        index.remove([7])
        index.save()
    with MultiVectorIndex.load(tmp_path) as index:
        exact = maxsim(query, documents)
        exact[7] = -np.inf
        hits = index.search(query, k=5, oversampling=50)
        assert ids_of(hits) == np.argsort(-exact)[:5].tolist()
        assert np.allclose([hit.score for hit in hits], np.sort(exact)[::-1][:5], atol=1e-2)
        assert index.search(documents[9], k=1, oversampling=1)[0].payload == "document 9"
        assert index.memory == 99 * (4 if first_stage == "bits" else 128)
        with pytest.raises(JinaInputError, match="vectors\\[1\\]"):
            index.add(["a", "b"], [documents[0], documents[0][:, :3]])


def test_without_faiss_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    faiss.cache_clear()
    for call in (lambda: BinaryIndex(8), lambda: BinaryIndex.load("anywhere"), lambda: IndexFolder(BinaryIndex)):
        with pytest.raises(JinaInputError, match="pip install faiss-cpu"):
            call()
