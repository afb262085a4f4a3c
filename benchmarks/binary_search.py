"""Compare two-stage search over bits with exact search and other binary indexes: time, recall, memory, disk space.

The script generates vectors: clustered (a hundred around each of many centers, with a cosine of about 0.67 to each
other) or random (the worst case, without near neighbors). It runs all methods in turn, several times, and prints the
medians. Machines differ and are noisy, so compare the ratios. Recall is the share of the exact ten nearest neighbors
that a method returns, over 1,000 queries.

    uv run --with usearch benchmarks/binary_search.py                 # 1,000,000 x 1024: 6 GB of memory, 20 minutes
    uv run --with usearch benchmarks/binary_search.py --count 100000  # a tenth of it
    uv run benchmarks/binary_search.py --count 10000000 --index-only  # no exact search: what the index alone takes
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from jina_client.quantization import hamming
from jina_index import OVERSAMPLING, BinaryIndex

K = 10
QUERIES = (1, 32, 1000)
CHUNK = 50_000
NOISE = 0.7
EXACT = ("exact float32, BLAS", "exact float32, faiss flat")


@dataclass
class Way:
    """One way to search.

    Attributes:
        search: queries ``(q, dims)`` to ids ``(q, k)``.
        memory: the bytes in memory that it needs.
        disk: the bytes on disk that it needs.
        most: the largest number of queries that it is tried with.
    """

    search: Callable[[Any], Any]
    memory: int
    disk: int = 0
    most: int = QUERIES[-1]
    times: dict[int, list[float]] = field(default_factory=lambda: {count: [] for count in QUERIES})
    recall: float = float("nan")


def chunks(kind: str, count: int, dimensions: int, seed: int) -> Iterator[Any]:
    """Yield unit vectors in blocks. The centers of clusters are the same for every seed."""
    centers = np.random.default_rng(0).standard_normal((10_000, dimensions), dtype=np.float32)
    generator = np.random.default_rng(seed)
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        vectors = generator.standard_normal((size, dimensions), dtype=np.float32)
        if kind == "clustered":
            vectors *= NOISE
            vectors += centers[generator.integers(0, min(len(centers), max(1, count // 100)), size)]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        yield vectors


def blas(vectors: Any, queries: Any) -> Any:
    """Search exactly, by matrix products over blocks of rows."""
    step = max(4096, 2**26 // len(queries))
    scores, ids = [], []
    for start in range(0, len(vectors), step):
        products = queries @ vectors[start : start + step].T
        places = np.argpartition(products, -K, axis=1)[:, -K:]
        scores.append(np.take_along_axis(products, places, axis=1))
        ids.append(places + start)
    order = np.argsort(-np.concatenate(scores, axis=1), axis=1)[:, :K]
    return np.take_along_axis(np.concatenate(ids, axis=1), order, axis=1)


def build(kind: str, count: int, dimensions: int, folder: Path) -> float:
    """Build an index in a folder, and return the seconds it took."""
    seconds, first = 0.0, 0
    with BinaryIndex(dimensions, folder) as index:
        for vectors in chunks(kind, count, dimensions, seed=1):
            start = time.perf_counter()
            index.add(range(first, first + len(vectors)), vectors)
            seconds += time.perf_counter() - start
            first += len(vectors)
    return seconds


def ways(
    vectors: Any, index: BinaryIndex, clustered: BinaryIndex, folder: Path, codes: Any, options: argparse.Namespace
) -> Any:
    """Return each method of searching by its name."""
    dimensions = vectors.shape[1]

    def bits(queries: Any) -> Any:
        return np.packbits(queries > 0, axis=1)

    def two_stages(index: BinaryIndex, factor: int, nprobe: int | None = None) -> Callable[[Any], Any]:
        return lambda queries: [[hit.id for hit in hits] for hits in index.search(queries, K, factor, nprobe)]

    methods = {
        EXACT[0]: Way(lambda queries: blas(vectors, queries), vectors.nbytes),
        EXACT[1]: Way(
            lambda queries: faiss.knn(queries, vectors, K, metric=faiss.METRIC_INNER_PRODUCT)[1], vectors.nbytes
        ),
        "bits, numpy": Way(
            lambda queries: np.array(
                [np.argpartition(hamming(bits(query[None])[0], codes), K)[:K] for query in queries]
            ),
            codes.nbytes,
            most=32,
        ),
        "bits, faiss flat": Way(lambda queries: faiss.knn_hamming(bits(queries), codes, K)[1], codes.nbytes),
    }
    ivf = faiss.IndexBinaryIVF(faiss.IndexBinaryFlat(dimensions), dimensions, max(16, int(len(codes) ** 0.5)))
    ivf.own_fields = False
    ivf.train(codes[:: max(1, len(codes) // 50_000)])
    ivf.add(codes)
    ivf.nprobe = 32
    methods["bits, faiss IVF, 32 cells"] = Way(lambda q: ivf.search(bits(q), K)[1], codes.nbytes + 8 * len(codes))
    if options.graphs:
        hnsw = faiss.IndexBinaryHNSW(dimensions, 16)
        hnsw.add(codes)
        hnsw.hnsw.efSearch = 128
        links = 4 * 2 * 16 * len(codes)
        methods["bits, faiss HNSW"] = Way(lambda q: hnsw.search(bits(q), K)[1], codes.nbytes + links)
    try:
        from usearch.index import Index, MetricKind, search

        methods["bits, usearch exact"] = Way(
            lambda queries: search(codes, bits(queries), K, MetricKind.Hamming, exact=True).keys.reshape(-1, K),
            codes.nbytes,
            most=32,
        )
        if options.graphs:
            graph = Index(ndim=dimensions, metric=MetricKind.Hamming, dtype="b1", connectivity=16, expansion_search=128)
            graph.add(np.arange(len(codes)), codes)
            methods["bits, usearch HNSW"] = Way(
                lambda queries: graph.search(bits(queries), K).keys.reshape(-1, K), graph.memory_usage
            )
    except ImportError:
        print("usearch is not installed")
    disk = size(folder)
    for factor in options.oversampling:
        methods[f"two stages, {factor} times"] = Way(two_stages(index, factor), index.memory, disk)
    for nprobe in options.nprobe:
        name = f"{nprobe} of {clustered.nlist} cells, {OVERSAMPLING} times"
        methods[name] = Way(two_stages(clustered, OVERSAMPLING, nprobe), clustered.memory, disk)
    return methods


def size(folder: Path) -> int:
    """Return the total size of a folder's files in bytes."""
    return sum(path.stat().st_size for path in folder.iterdir())


def copied_or_shared(source: str, target: str) -> None:
    """Copy the database, and link the other files."""
    (shutil.copy if source.endswith(".sqlite3") else os.link)(source, target)


def reading(codes: Any) -> float:
    """Return the seconds to read all bits once, with one thread per processor."""
    words = codes.reshape(-1).view(np.uint64)
    with ThreadPoolExecutor() as pool:
        parts = np.array_split(words, pool._max_workers)
        times = []
        for _ in range(7):
            start = time.perf_counter()
            list(pool.map(np.max, parts))
            times.append(time.perf_counter() - start)
    return statistics.median(times)


CHILD = """
import sys
from pathlib import Path
import faiss
import numpy as np
from jina_index import BinaryIndex
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
before = anonymous()
index = BinaryIndex.load(sys.argv[1], verify=False)
for seed in range(5):
    index.search(np.random.default_rng(seed).standard_normal(index.dimensions), oversampling=40)
print((anonymous() - before) / 1024)
"""


def process_memory(folder: Path) -> str:
    """Return the MB that an open index adds to a new process, without the page cache."""
    if not Path("/proc/self/status").exists():
        return "not measured on this system"
    done = subprocess.run([sys.executable, "-c", CHILD, str(folder)], capture_output=True, text=True, check=True)
    return f"{float(done.stdout):,.0f} MiB"


def report(methods: dict[str, Way], limit: float, codes: Any) -> None:
    """Print time, recall, memory and disk space of each method."""
    base = methods[EXACT[0]]
    print(
        f"\n{'':36}{'1 query':>10}{'':7}{'32':>10}{'':7}{'1,000':>10}{'':7}{'recall@10':>11}{'memory':>10}{'disk':>8}"
    )
    for name, way in methods.items():
        line = f"{name:36}"
        for count in QUERIES:
            if not way.times[count]:
                line += f"{'-':>10}{'':>7}"
                continue
            median = statistics.median(way.times[count])
            time_text = f"{median * 1e3:,.{0 if median >= 0.1 else 1}f}"
            line += f"{time_text:>7} ms{statistics.median(base.times[count]) / median:>6.1f}x"
        print(f"{line}{way.recall:>11.3f}{way.memory / 1e6:>7,.0f} MB{way.disk / 1e6:>5,.0f} MB")
    print(f"\nreading the {codes.nbytes / 1e6:,.0f} MB of bits once: {limit * 1e3:.1f} ms, ", end="")
    print(f"{codes.nbytes / limit / 1e9:.1f} GB/s; x: times faster than exact float32 by BLAS")
    print("\ntimes faster than exact float32 by faiss flat")
    base = methods[EXACT[1]]
    for name, way in methods.items():
        if name not in EXACT and all(way.times.values()):
            medians = (statistics.median(base.times[count]) / statistics.median(way.times[count]) for count in QUERIES)
            print(f"{name:36}" + "".join(f"{times:>16.1f}x" for times in medians))


def compare(kind: str, options: argparse.Namespace, folder: Path) -> None:
    """Compare all methods on vectors of one kind."""
    vectors = np.empty((options.count, options.dimensions), np.float32)
    for number, part in enumerate(chunks(kind, options.count, options.dimensions, seed=1)):
        vectors[number * CHUNK : number * CHUNK + len(part)] = part
    queries = next(chunks(kind, options.count, options.dimensions, seed=2))[: QUERIES[-1]]
    codes = np.concatenate([np.packbits(part > 0, axis=1) for part in np.array_split(vectors, 100)])
    seconds = build(kind, options.count, options.dimensions, folder / "index")
    print(f"\n{kind}, {options.count:,} x {options.dimensions}; added in {seconds:.0f} s, ", end="")
    print(f"{options.count / seconds:,.0f} vectors a second; ", end="")
    print(f"a process takes {process_memory(folder / 'index')} for the index")
    start = time.perf_counter()
    # A second index to cluster, which shares the files that are only read.
    shutil.copytree(folder / "index", folder / "clustered", copy_function=copied_or_shared)
    with BinaryIndex.load(folder / "index") as index, BinaryIndex.load(folder / "clustered", verify=False) as clustered:
        print(f"both opened, and one verified, in {time.perf_counter() - start:.1f} s", flush=True)
        start = time.perf_counter()
        clustered.cluster(options.nlist)
        print(f"clustered into {clustered.nlist} cells in {time.perf_counter() - start:.0f} s", flush=True)
        methods = ways(vectors, index, clustered, folder / "index", codes, options)
        exact = blas(vectors, queries)
        limits = []
        for count, runs in zip(QUERIES, options.runs, strict=True):
            for run in range(runs):
                limits.append(reading(codes))
                for way in methods.values():
                    if count > way.most:
                        continue
                    # Another query each time, so that nothing is warmer than it would be.
                    query_block = queries[run * count % len(queries) :][:count]
                    start = time.perf_counter()
                    ids = way.search(query_block)
                    way.times[count].append(time.perf_counter() - start)
                    if count == way.most:
                        true = exact[run * count % len(queries) :][:count]
                        same = [len(set(map(int, a)) & set(map(int, b))) for a, b in zip(ids, true, strict=True)]
                        way.recall = sum(same) / K / count
    report(methods, statistics.median(limits), codes)


def alone(kind: str, options: argparse.Namespace, folder: Path) -> None:
    """Measure the index alone, for more vectors than fit in memory."""
    seconds = build(kind, options.count, options.dimensions, folder)
    disk = size(folder)
    print(
        f"{kind}, {options.count:,} x {options.dimensions}; added in {seconds:.0f} s; disk {disk / 1e9:.1f} GB; ",
        end="",
    )
    print(f"a process takes {process_memory(folder)} for the index")
    queries = next(chunks(kind, options.count, options.dimensions, seed=2))[:32]
    start = time.perf_counter()
    with BinaryIndex.load(folder, verify=False) as index:
        print(f"opened without verifying in {time.perf_counter() - start:.1f} s")
        for query_block in (queries[0], queries):
            times = []
            for _ in range(5):
                start = time.perf_counter()
                index.search(query_block, K)
                times.append(time.perf_counter() - start)
            print(f"{len(np.atleast_2d(query_block))} queries: {statistics.median(times) * 1e3:,.0f} ms")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=1024)
    parser.add_argument("--kinds", nargs="+", default=["clustered", "random"], choices=["clustered", "random"])
    parser.add_argument("--oversampling", nargs="+", type=int, default=[4, 10, 20, 40, 100])
    parser.add_argument("--nlist", type=int, help="IVF cells; by default the square root of the number of vectors")
    parser.add_argument("--nprobe", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--runs", nargs=3, type=int, default=[9, 5, 1], help="for 1, 32 and 1,000 queries")
    parser.add_argument("--graphs", action="store_true", help="HNSW too, which takes long to build")
    parser.add_argument("--index-only", action="store_true")
    parser.add_argument("--folder", help="where temporary files go; they are deleted")
    options = parser.parse_args()
    for kind in options.kinds:
        folder = Path(tempfile.mkdtemp(prefix="binary-search-", dir=options.folder))
        try:
            (alone if options.index_only else compare)(kind, options, folder)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
