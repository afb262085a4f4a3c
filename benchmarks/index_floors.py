"""Measure the index beside the least that any program must do: read the bits, read their file, write the bytes.

- One query over all bits, beside one read of these bits in memory (numpy's maximum of 64-bit words) with one thread and
  with one per processor. No query comes twice, so each maps pages of stored vectors that no other query needed.
- Opening an index, beside reading its file of bits into an array.
- Adding vectors in blocks of 50,000, beside writing as many bytes to three files one after another, each flushed to the
  disk.

The two sides of a ratio take turns, so that other programs on the machine slow both down. Wall time and CPU time of all
threads, medians; the fastest call is the one that other programs disturbed least. The script prints the table of
docs/binary-search.md in a minute.

    uv run benchmarks/index_floors.py                 # 1,000,000 x 1024: 3 GB of disk
    uv run benchmarks/index_floors.py --count 20000 --runs 3
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from binary_search import K, build, chunks
from jina_index import BinaryIndex

# Bytes of a row of the database with an id that is a small number, measured over a million.
ID_BYTES = 37


class Times:
    """Wall and CPU seconds of calls, by name."""

    def __init__(self) -> None:
        self._calls: dict[str, list[tuple[float, float]]] = {}

    def run(self, name: str, call: Callable[[], Any]) -> None:
        """Call and remember how long it took."""
        start, cpu = time.perf_counter(), time.process_time()
        call()
        self._calls.setdefault(name, []).append((time.perf_counter() - start, time.process_time() - cpu))

    def report(self, title: str) -> None:
        """Print medians and the fastest call, and their ratios to those of the first name."""
        columns = ("wall", "times", "fastest", "times", "CPU", "times")
        print(f"\n| {title} | {' | '.join(columns)} |\n{'|---' * (len(columns) + 1)}|")
        floor: list[float] = []
        for name, calls in self._calls.items():
            walls, cpus = zip(*calls, strict=True)
            values = [statistics.median(walls), min(walls), statistics.median(cpus)]
            floor = floor or values
            cells = (f"{value * 1e3:.1f} ms | {value / least:.2f}" for value, least in zip(values, floor, strict=True))
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def search(folder: Path, dimensions: int, runs: int) -> None:
    """Measure one query beside reading the bits."""
    times = Times()
    codes = np.fromfile(next(folder.glob("codes-*")), np.uint8, offset=24).view(np.uint64)
    queries = next(chunks("clustered", 1000, dimensions, seed=2))
    with BinaryIndex.load(folder) as index, ThreadPoolExecutor() as pool:
        parts = np.array_split(codes, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
        for run in range(runs):
            query = queries[run % len(queries)]
            times.run("reading the bits, a thread per processor", lambda: list(pool.map(np.max, parts)))
            times.run("reading the bits, one thread", lambda: np.max(codes))
            times.run("one query", lambda query=query: index.search(query, K))
        block = queries[:64]
        times.report(f"one query, {len(index):,} x {dimensions}")
        start = time.process_time()
        index.search(block, K)
        seconds = (time.process_time() - start) / len(block) / len(index)
        print(f"\n64 queries together: {seconds * 1e9:.1f} ns of CPU per comparison")


def opening(folder: Path, runs: int) -> None:
    """Measure opening beside reading the file of bits."""
    times = Times()
    path = next(folder.glob("codes-*"))
    pause = path.stat().st_size / 0.5e9
    for _ in range(runs):
        times.run("reading the bits", lambda: np.fromfile(path, np.uint8))
        times.run("opening", lambda: BinaryIndex.load(folder).close())
        # The index compares checksums in the background, which would slow the next reading down.
        time.sleep(pause)
    times.report("opening")


def adding(folder: Path, count: int, dimensions: int) -> None:
    """Measure adding beside writing the bytes."""
    times = Times()
    first = 0
    with BinaryIndex(dimensions, folder / "added") as index:
        for vectors in chunks("clustered", count, dimensions, seed=3):
            arrays = [
                np.ones((len(vectors), width), np.uint8) for width in (dimensions // 8, 2 * dimensions + 4, ID_BYTES)
            ]

            def write(arrays: list[Any] = arrays) -> None:
                for number, array in enumerate(arrays):
                    with (folder / f"written-{number}").open("ab", buffering=0) as file:
                        file.write(array.reshape(-1).data)
                        os.fsync(file.fileno())

            times.run("writing the bytes", write)
            ids = range(first, first + len(vectors))
            times.run("adding", lambda ids=ids, vectors=vectors: index.add(ids, vectors))
            first += len(vectors)
    times.report(f"adding, blocks of {min(count, 50_000):,}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=101, help="of the searches; a fifth of them of the openings")
    parser.add_argument("--folder", help="where temporary files go; they are deleted")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        build("clustered", options.count, options.dimensions, folder / "index")
        search(folder / "index", options.dimensions, options.runs)
        opening(folder / "index", max(3, options.runs // 5))
        adding(folder, min(options.count, 500_000), options.dimensions)


if __name__ == "__main__":
    main()
