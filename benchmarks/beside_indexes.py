"""Compare the index with exact search and databases on the same vectors: recall, time, memory, disk, build.

Two sets of vectors of 1024 dimensions: generated ones in clusters of a hundred, and real text, which is the docstrings
of Python's standard library and of the packages that are installed beside it. The embedded engine embeds them under the
id jina-embeddings-v3; its small model computes 384 dimensions, which a projection extends to 1024.

The databases are LanceDB, Qdrant Edge and usearch, which the script installs in an environment of their own. Each way
builds in one new process and searches in another. Recall is the share of the ten nearest by exact float32 search that a
way returns, over all queries. Memory is anonymous memory, without the files that the system caches: the largest amount
while building, and what the searching process takes in the end. Machines differ and are noisy, so compare the ratios.

It takes about ten minutes on two idle cores, and prints the tables of docs/binary-search.md.

    uv run benchmarks/beside_indexes.py --environment /tmp/databases --vectors /tmp   # keeps both for the next run
    uv run benchmarks/beside_indexes.py --small   # a check that it works
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import statistics
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from environments import python_with
from measuring import measure_apart, peak_memory

PACKAGES = ("lancedb", "qdrant-edge-py", "usearch", "numpy")
DIMENSIONS = 1024
K = 10
OVERSAMPLING = 20
PROBED = 16
CHARACTERS = 200
CHUNK = 50_000

Search = Callable[[Any], list[list[int]]]
"""From queries ``(q, dims)`` to the ids of the nearest vectors of each."""


def docstrings() -> Iterator[str]:
    """Yield the beginnings of the docstrings of the standard library and of all installed packages, each once."""
    seen: set[str] = set()
    for name in ("stdlib", "purelib"):
        root = Path(sysconfig.get_path(name))
        for path in sorted(root.rglob("*.py")):
            if "site-packages" in path.relative_to(root).parts:
                continue
            try:
                tree = ast.parse(path.read_bytes())
            except (SyntaxError, ValueError):
                continue
            for node in ast.walk(tree):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                    text = " ".join((ast.get_docstring(node) or "").split())[:CHARACTERS]
                    if len(text) >= 40 and text not in seen:
                        seen.add(text)
                        yield text


def real_vectors(count: int, queries: int) -> tuple[Any, Any]:
    """Return the vectors of texts, and of other texts from all over the collection as queries."""
    from jina_client import JinaClient

    texts = list(islice(docstrings(), count + queries))
    chosen = set(np.linspace(0, len(texts) - 1, queries).astype(int).tolist())
    documents = [text for number, text in enumerate(texts) if number not in chosen]
    client = JinaClient(base_url="local")
    model = "jina-embeddings-v3"
    return (
        client.embed(documents, model=model, task="retrieval.passage").vectors,
        client.embed([texts[number] for number in sorted(chosen)], model=model, task="retrieval.query").vectors,
    )


def clustered_vectors(count: int, queries: int) -> tuple[Any, Any]:
    """Return generated vectors in clusters of a hundred, and others of the same clusters as queries."""
    from binary_search import chunks

    documents = np.concatenate(list(chunks("clustered", count, DIMENSIONS, seed=1)))
    return documents, next(chunks("clustered", count, DIMENSIONS, seed=2))[:queries]


def parts(vectors: Any) -> Iterator[tuple[int, Any]]:
    """Yield the vectors in blocks, each with the number of its first."""
    for start in range(0, len(vectors), CHUNK):
        yield start, np.asarray(vectors[start : start + CHUNK])


# The ways. Each has a function that builds, and one that opens what was built.


def build_exact(folder: Path, vectors: Any) -> None:
    """Save the floats."""
    np.save(folder / "vectors.npy", vectors)


def open_exact(folder: Path) -> Search:
    """Read the floats, and compare them all with one matrix product."""
    from binary_search import blas

    vectors = np.load(folder / "vectors.npy")
    return lambda queries: blas(vectors, queries).tolist()


def build_bits(folder: Path, vectors: Any) -> None:
    """Build faiss's index of bits."""
    import faiss

    index = faiss.IndexBinaryFlat(DIMENSIONS)
    for _, part in parts(vectors):
        index.add(np.packbits(part > 0, axis=1))
    faiss.write_index_binary(index, str(folder / "bits"))


def open_bits(folder: Path) -> Search:
    """Read faiss's index of bits, which does not rescore."""
    import faiss

    index = faiss.read_index_binary(str(folder / "bits"))
    return lambda queries: index.search(np.packbits(queries > 0, axis=1), K)[1].tolist()


def build_ours(folder: Path, vectors: Any) -> None:
    """Build a BinaryIndex."""
    from jina_index import BinaryIndex

    with BinaryIndex(DIMENSIONS, folder / "index") as index:
        for first, part in parts(vectors):
            index.add(range(first, first + len(part)), part)


def open_ours(folder: Path, nprobe: int | None = None) -> Search:
    """Open a BinaryIndex."""
    from jina_index import BinaryIndex

    index = BinaryIndex.load(folder / "index")
    return lambda queries: [[hit.id for hit in hits] for hits in index.search(queries, K, OVERSAMPLING, nprobe)]


def build_ours_in_cells(folder: Path, vectors: Any) -> None:
    """Build a BinaryIndex with IVF cells."""
    from jina_index import BinaryIndex

    build_ours(folder, vectors)
    with BinaryIndex.load(folder / "index") as index:
        index.cluster()


def open_ours_in_cells(folder: Path) -> Search:
    """Open a BinaryIndex and probe some of its cells."""
    return open_ours(folder, PROBED)


def build_lance(folder: Path, vectors: Any) -> None:
    """Build a LanceDB table with an index of RaBitQ codes."""
    import lancedb
    import pyarrow as pa
    from lancedb.index import IvfRq

    def batches() -> Iterator[Any]:
        for first, part in parts(vectors):
            column = pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), DIMENSIONS)
            yield pa.record_batch([pa.array(range(first, first + len(part))), column], names=["id", "vector"])

    schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), DIMENSIONS))])
    table = lancedb.connect(folder).create_table("vectors", batches(), schema=schema)
    table.create_index("vector", config=IvfRq(distance_type="cosine"))


def open_lance(folder: Path) -> Search:
    """Open a LanceDB table."""
    import lancedb

    table = lancedb.connect(folder).open_table("vectors")

    def search(queries: Any) -> list[list[int]]:
        return [
            table.search(query)
            .distance_type("cosine")
            .nprobes(PROBED)
            .refine_factor(OVERSAMPLING)
            .select(["id"])
            .limit(K)
            .to_arrow()["id"]
            .to_pylist()
            for query in queries
        ]

    return search


def build_edge(folder: Path, vectors: Any) -> None:
    """Build a shard of Qdrant Edge with bits and a graph."""
    from qdrant_edge import (
        BinaryQuantizationConfig,
        Distance,
        EdgeConfig,
        EdgeShard,
        EdgeVectorParams,
        Point,
        UpdateOperation,
    )

    (folder / "shard").mkdir()
    quantization = BinaryQuantizationConfig(always_ram=True)
    parameters = EdgeVectorParams(DIMENSIONS, Distance.Cosine, on_disk=True, quantization_config=quantization)
    shard = EdgeShard.create(str(folder / "shard"), EdgeConfig(vectors=parameters))
    for first, part in parts(vectors):
        for start in range(0, len(part), 1000):
            rows = part[start : start + 1000].tolist()
            points = [Point(first + start + number, row, None) for number, row in enumerate(rows)]
            shard.update(UpdateOperation.upsert_points(points))
    while shard.optimize():
        pass
    shard.flush()
    shard.close()


def open_edge(folder: Path) -> Search:
    """Open a shard of Qdrant Edge."""
    from qdrant_edge import EdgeShard, QuantizationSearchParams, Query, QueryRequest, SearchParams

    shard = EdgeShard.load(str(folder / "shard"))
    parameters = SearchParams(quantization=QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING))

    def search(queries: Any) -> list[list[int]]:
        return [
            [
                point.id
                for point in shard.query(QueryRequest(limit=K, query=Query.Nearest(query.tolist()), params=parameters))
            ]
            for query in queries
        ]

    return search


def build_usearch(folder: Path, vectors: Any, numbers: str = "i8") -> None:
    """Build a graph of usearch."""
    from usearch.index import Index

    index = Index(ndim=DIMENSIONS, metric="cos", dtype=numbers)
    for first, part in parts(vectors):
        index.add(np.arange(first, first + len(part)), part)
    index.save(str(folder / "graph.usearch"))


def build_usearch_f16(folder: Path, vectors: Any) -> None:
    """Build a graph of usearch with two bytes per dimension."""
    build_usearch(folder, vectors, "f16")


def open_usearch(folder: Path) -> Search:
    """Read a graph of usearch into memory."""
    from usearch.index import Index

    index = Index.restore(str(folder / "graph.usearch"))
    return lambda queries: np.asarray(index.search(queries, K).keys).reshape(-1, K).tolist()


WAYS: dict[str, tuple[Callable[[Path, Any], None], Callable[[Path], Search]]] = {
    "exact float32, numpy": (build_exact, open_exact),
    "bits alone, faiss": (build_bits, open_bits),
    "BinaryIndex, all bits": (build_ours, open_ours),
    "BinaryIndex, 16 cells": (build_ours_in_cells, open_ours_in_cells),
    "LanceDB, IVF_RQ": (build_lance, open_lance),
    "Qdrant Edge, bits": (build_edge, open_edge),
    "usearch, int8": (build_usearch, open_usearch),
    "usearch, float16": (build_usearch_f16, open_usearch),
}
DATABASES = ("LanceDB", "Qdrant Edge", "usearch")


# Measuring.


def anonymous_memory() -> float:
    """Return the anonymous memory of this process in MB. Elsewhere than on Linux it is the largest total so far."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_memory()
    line = next(line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1000


class Peak:
    """The largest anonymous memory while a block runs."""

    def __enter__(self) -> Peak:
        self.memory = self._before = anonymous_memory()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self.memory = max(self.memory, anonymous_memory())

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.memory -= self._before


def measure_build(name: str, data: Path, folder: Path) -> dict[str, float]:
    """Build in this process."""
    vectors = np.load(data / "documents.npy", mmap_mode="r")
    with Peak() as peak:
        start, cpu = time.perf_counter(), time.process_time()
        WAYS[name][0](folder, vectors)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"build": seconds, "build_cpu": cpu, "build_memory": peak.memory, "disk": disk / 1e6}


def measure_search(name: str, data: Path, folder: Path) -> dict[str, float]:
    """Search in this process: each query alone, and all of them in one call."""
    queries, exact = np.load(data / "queries.npy"), np.load(data / "exact.npy")
    before = anonymous_memory()
    search = WAYS[name][1](folder)
    search(queries[-1:])
    walls, cpus = [], []
    for query in queries[:300]:
        start, cpu = time.perf_counter(), time.process_time()
        search(query[None])
        walls.append(time.perf_counter() - start)
        cpus.append(time.process_time() - cpu)
    start = time.perf_counter()
    ids = search(queries)
    seconds = time.perf_counter() - start
    same = sum(len(set(map(int, row)) & set(true)) for row, true in zip(ids, exact.tolist(), strict=True))
    return {
        "one": statistics.median(walls) * 1e3,
        "one_cpu": statistics.median(cpus) * 1e3,
        "many": len(queries) / seconds,
        "recall": same / exact.size,
        "memory": anonymous_memory() - before,
    }


def run_apart(python: str, step: str, name: str, data: Path, folder: Path) -> dict[str, float]:
    """Build or search in a new process."""
    command = [python, __file__, "--step", step, name, str(data), str(folder)]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    return measure_apart(name, command, environment, timeout=7200)


def compare(kind: str, documents: Any, queries: Any, databases: str, names: list[str]) -> None:
    """Measure every way on one set of vectors, and print the table."""
    from binary_search import blas

    print(f"{kind}: {len(documents):,} vectors of {documents.shape[1]} dimensions, {len(queries):,} queries\n")
    columns = ("recall@10", "1 query: wall, CPU", "queries/s", "memory", "disk", "build: wall, CPU", "peak")
    print("\n".join(("| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|")))
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary)
        np.save(data / "documents.npy", documents)
        np.save(data / "queries.npy", queries)
        np.save(data / "exact.npy", blas(documents, queries))
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                python = databases if name.startswith(DATABASES) else sys.executable
                figures = run_apart(python, "build", name, data, Path(folder))
                figures |= run_apart(python, "search", name, data, Path(folder))
            print(
                f"| {name} | {figures['recall']:.3f} | {figures['one']:.1f} ms, {figures['one_cpu']:.1f} ms "
                f"| {figures['many']:,.0f} | {figures['memory']:,.0f} MB | {figures['disk']:,.0f} MB "
                f"| {figures['build']:,.1f} s, {figures['build_cpu']:,.1f} s | {figures['build_memory']:,.0f} MB |",
                flush=True,
            )
    print()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clustered", type=int, default=100_000, metavar="COUNT", help="0 leaves them out")
    parser.add_argument("--texts", type=int, default=50_000, metavar="COUNT", help="0 leaves them out")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS), metavar="NAME")
    parser.add_argument("--environment", metavar="FOLDER", help="keep the databases' environment in this folder")
    parser.add_argument("--vectors", metavar="FOLDER", help="keep the vectors of the texts in this folder")
    parser.add_argument("--small", action="store_true", help="a few vectors: a check that it works")
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step, name, data, folder = options.step
        measure = measure_build if step == "build" else measure_search
        print(json.dumps(measure(name, Path(data), Path(folder))))
        return
    if options.small:
        options.clustered, options.texts, options.queries = 2000, 300, 20
    with python_with(PACKAGES, "databases", options.environment) as databases:
        if options.clustered:
            vectors = clustered_vectors(options.clustered, options.queries)
            compare("Clustered vectors", *vectors, databases, options.ways)
        if options.texts:
            vectors = kept_vectors(options.vectors, options.texts, options.queries)
            compare("Docstrings", *vectors, databases, options.ways)


def kept_vectors(folder: str | None, count: int, queries: int) -> tuple[Any, Any]:
    """Return the vectors of the texts, from an earlier run if there are any in the folder."""
    if folder is None:
        return real_vectors(count, queries)
    path = Path(folder) / f"docstrings-{count}-{queries}.npz"
    if not path.exists():
        documents, query_vectors = real_vectors(count, queries)
        np.savez(path, documents=documents, queries=query_vectors)
    stored = np.load(path)
    return stored["documents"], stored["queries"]


if __name__ == "__main__":
    main()
