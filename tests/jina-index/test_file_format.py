"""Indexes of versions 1 and 2 of the file format still open."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jina_index import BinaryIndex, MultiVectorIndex

DATA = Path(__file__).parent / "data"
EXPECTED: dict[str, Any] = json.loads((DATA / "expected.json").read_text())
BINARY = ("clustered", "removed", "version-2")
KINDS: dict[str, type[BinaryIndex] | type[MultiVectorIndex]] = {
    name: BinaryIndex if name in BINARY else MultiVectorIndex for name in EXPECTED
}


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the index that the parameter names."""
    return Path(shutil.copytree(DATA / request.param, tmp_path / request.param))


every_index = pytest.mark.parametrize(("folder", "name"), [(name, name) for name in EXPECTED], indirect=["folder"])


def check_hits(hits: Any, expected: Any) -> None:
    assert [[hit.id, hit.payload] for hit in hits] == [[id, payload] for id, _, payload in expected]
    assert [hit.score for hit in hits] == pytest.approx([score for _, score, _ in expected], abs=2e-6)


@every_index
@pytest.mark.parametrize("read_only", [False, True])
def test_an_older_index_opens_and_gives_the_same_results(folder: Path, name: str, read_only: bool) -> None:
    expected = EXPECTED[name]
    k = len(expected["all"])
    with KINDS[name].load(folder, verify=True, read_only=read_only) as index:
        assert len(index) == expected["length"]
        assert list(index.ids()) == expected["ids"]
        check_hits(index.search(np.float32(expected["query"]), k, 2), expected["all"])
        if isinstance(index, BinaryIndex) and "probed" in expected:
            assert index.nlist == 4
            check_hits(index.search(np.float32(expected["query"]), k, 1, nprobe=1), expected["probed"])


@pytest.mark.parametrize(
    ("folder", "settings"),
    [
        ("clustered", ("int16", "jina-embeddings-v3")),
        ("removed", ("int8", "")),
        ("version-2", ("int16", "jina-embeddings-v3")),
        ("multi-vector-float", ("int8", "jina-colbert-v2")),
        ("multi-vector-bits", ("int16", "jina-colbert-v2")),
    ],
    indirect=["folder"],
)
def test_an_older_index_keeps_its_settings(folder: Path, settings: tuple[str, str]) -> None:
    with KINDS[folder.name].load(folder) as index:
        assert (index.stored, index.model) == settings


@every_index
def test_an_older_index_can_be_changed_clustered_and_saved(folder: Path, name: str) -> None:
    expected = EXPECTED[name]
    with KINDS[name].load(folder) as index:
        query = np.float32(expected["query"])
        vector = query if isinstance(index, BinaryIndex) else query[None]
        index.add(["new"], vector[None] if vector.ndim == 1 else vector, ["new payload"])
        assert index.search(query, 1, 50)[0].payload == "new payload"
        index.remove(expected["ids"][:1])
        if isinstance(index, BinaryIndex):
            index.cluster(3)
            assert index.nlist == 3
            assert index.search(query, 1, nprobe=1)[0].id == "new"
    with KINDS[name].load(folder, verify=True) as index:
        assert len(index) == expected["length"]
        assert index.search(query, 1, 50)[0].id == "new"
        index.save()
    with KINDS[name].load(folder, verify=True) as index:
        assert list(index.ids()) == [*expected["ids"][1:], "new"]
        assert index.search(query, 1, 50)[0].id == "new"


@pytest.mark.parametrize("kind", [BinaryIndex, MultiVectorIndex])
def test_a_new_index_differs_from_an_older_one_in_the_number_of_removed_rows(kind: Any, tmp_path: Path) -> None:
    def content(path: Path) -> tuple[Any, ...]:
        database = sqlite3.connect(path / "index.sqlite3")
        schema = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY sql").fetchall()
        names = database.execute("SELECT name FROM settings ORDER BY name").fetchall()
        version = database.execute("PRAGMA user_version").fetchone()
        database.close()
        return schema, names, version

    kind(8, tmp_path / "new").close()
    schema, names, _ = content(DATA / ("removed" if kind is BinaryIndex else "multi-vector-float"))
    assert content(tmp_path / "new") == (schema, [*names, ("removed",)], (3,))
