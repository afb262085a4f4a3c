"""Measure the memory that a call needs besides its result, for growing numbers of texts.

A server in another process on loopback returns precomputed vectors after a latency. Each call runs in a fresh process,
which has embedded a few texts before. The texts of ``embed`` are in memory before the call, and its result is
subtracted; ``embed_stream`` gets a generator, and drops what it yields. The peak includes what the C library keeps of
freed memory, so it differs from run to run: the table has the largest value.

    uv run benchmarks/memory.py
    uv run benchmarks/memory.py --small
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from beside_peers import DIMENSIONS, MODEL, respond
from jina_client import AsyncJinaClient, JinaClient
from loopback_server import answering, running, serve
from measuring import measure_apart, peak_memory


def embed(url: str, texts: list[str], size: int | None) -> int:
    """Run JinaClient.embed, and return the bytes of its result."""
    with JinaClient(base_url=url) as client:
        return int(client.embed(texts, model=MODEL, batch_size=size).vectors.nbytes)


def async_embed(url: str, texts: list[str], size: int | None) -> int:
    """Run AsyncJinaClient.embed, and return the bytes of its result."""

    async def run() -> int:
        async with AsyncJinaClient(base_url=url) as client:
            return int((await client.embed(texts, model=MODEL, batch_size=size)).vectors.nbytes)

    return asyncio.run(run())


def stream(url: str, texts: Iterable[str], size: int | None) -> int:
    """Run JinaClient.embed_stream, and return 0: the caller keeps nothing."""
    with JinaClient(base_url=url) as client:
        for _ in client.embed_stream(texts, model=MODEL, batch_size=size):
            pass
    return 0


def async_stream(url: str, texts: Iterable[str], size: int | None) -> int:
    """Run AsyncJinaClient.embed_stream, and return 0: the caller keeps nothing."""

    async def run() -> None:
        async with AsyncJinaClient(base_url=url) as client:
            async for _ in client.embed_stream(texts, model=MODEL, batch_size=size):
                pass

    asyncio.run(run())
    return 0


WAYS: dict[str, Callable[[str, Any, int | None], int]] = {
    "JinaClient.embed": embed,
    "AsyncJinaClient.embed": async_embed,
    "JinaClient.embed_stream": stream,
    "AsyncJinaClient.embed_stream": async_stream,
}


def memory_now() -> float:
    """Return the memory of this process in MB; its peak so far if the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_memory()
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS")) / 1024


def measure(name: str, url: str, count: int, size: int | None) -> None:
    """Run one way, and print the megabytes that it needs besides its result."""
    WAYS[name](url, ["warm"] * 100, size)
    texts = (f"text number {number}" for number in range(count))
    inputs = texts if name.endswith("stream") else list(texts)
    before = memory_now()
    result = WAYS[name](url, inputs, size)
    print(json.dumps({"besides": max(0.0, peak_memory() - before - result / 2**20)}))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000, 300_000], metavar="TEXTS")
    parser.add_argument("--latency", type=int, default=50, metavar="MS")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="2,000 texts, one run: a check that it works")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(answering(respond)))
        return
    if options.way:
        measure(options.way, options.url, options.counts[0], options.size)
        return
    counts, runs = ([2_000], 1) if options.small else (options.counts, options.runs)
    print(f"{DIMENSIONS} dimensions, {options.latency} ms per request; MB besides the result, largest of {runs}\n")
    print(f"{'':44}" + "".join(f"{count:>12,}" for count in counts))
    with running(__file__) as port:
        for name in WAYS:
            for size in (None, 512):
                print(f"{name + (f', {size} a request' if size else ''):44}", end="", flush=True)
                for count in counts:
                    command = [sys.executable, __file__, "--way", name, "--counts", str(count)]
                    command += ["--url", f"http://127.0.0.1:{port}/{options.latency}"]
                    command += ["--size", str(size)] if size else []
                    besides = max(measure_apart(name, command)["besides"] for _ in range(runs))
                    print(f"{besides:>12.0f}", end="", flush=True)
                print()


if __name__ == "__main__":
    main()
