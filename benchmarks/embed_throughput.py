"""Measure the time of the client for many vectors, compared with sequential requests and JSON numbers.

A server in another process on loopback returns precomputed vectors after a latency that represents the network and the
model, so the script measures only the client. It runs all methods in turn, several times, and prints the medians.
Machines differ and are noisy, so compare the ratios.

    uv run benchmarks/embed_throughput.py
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache

import numpy as np
import requests
from jina_client import AsyncJinaClient, JinaClient

DIMENSIONS = 1024
TEXT = "text number"


@cache
def answer(kind: str, count: int) -> bytes:
    """Return the response body for a number of inputs."""
    vector = np.random.default_rng(0).standard_normal(DIMENSIONS).astype("<f4")
    embedding = base64.b64encode(vector.tobytes()).decode() if kind == "base64" else vector.tolist()
    data = [{"object": "embedding", "index": index, "embedding": embedding} for index in range(count)]
    return json.dumps({"model": "m", "object": "list", "usage": {"total_tokens": count}, "data": data}).encode()


async def serve() -> None:
    """Serve POST requests whose path starts with the latency in milliseconds. Prints the port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
                request = json.loads(await reader.readexactly(length))
                await asyncio.sleep(int(head.split(b"/")[1]) / 1000)
                body = answer(request.get("embedding_type", "float"), len(request["input"]))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(1800)  # a bound, should nobody end it


def one_after_another(url: str, texts: list[str], batch_size: int) -> int:
    """Run the baseline: one session, sequential requests, JSON numbers decoded to Python lists."""
    vectors = []
    with requests.Session() as session:
        for start in range(0, len(texts), batch_size):
            body = {"model": "jina-embeddings-v3", "input": texts[start : start + batch_size]}
            items = session.post(f"{url}/embeddings", json=body, timeout=60).json()["data"]
            vectors += [item["embedding"] for item in sorted(items, key=lambda item: item["index"])]
    return len(vectors)


def synchronous(url: str, texts: list[str], batch_size: int) -> int:
    """Run JinaClient, with numpy results."""
    with JinaClient(base_url=url) as client:
        return len(client.embed(texts, batch_size=batch_size))


def synchronous_to_lists(url: str, texts: list[str], batch_size: int) -> int:
    """Run JinaClient, with the lists of Python numbers that frameworks store."""
    with JinaClient(base_url=url) as client:
        return len(client.embed(texts, batch_size=batch_size).tolist())


def asynchronous(url: str, texts: list[str], batch_size: int) -> int:
    """Run AsyncJinaClient, with numpy results."""

    async def run() -> int:
        async with AsyncJinaClient(base_url=url) as client:
            return len(await client.embed(texts, batch_size=batch_size))

    return asyncio.run(run())


WAYS: dict[str, Callable[[str, list[str], int], int]] = {
    "one after another, JSON": one_after_another,
    "JinaClient": synchronous,
    "JinaClient, lists": synchronous_to_lists,
    "AsyncJinaClient": asynchronous,
}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    texts = [f"{TEXT} {number}" for number in range(options.texts)]
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        print(f"{options.texts:,} texts, {DIMENSIONS} dimensions, {options.batch_size} a request; seconds, medians\n")
        print(f"{'':26}{'latency':>9}{'wall':>9}{'CPU':>9}{'times faster':>14}")
        for latency in (0, 50):
            url = f"http://127.0.0.1:{port}/{latency}"
            walls: dict[str, list[float]] = {name: [] for name in WAYS}
            processor: dict[str, list[float]] = {name: [] for name in WAYS}
            for _ in range(options.runs):
                for name, run in WAYS.items():
                    wall, cpu = time.perf_counter(), time.process_time()
                    assert run(url, texts, options.batch_size) == options.texts
                    walls[name].append(time.perf_counter() - wall)
                    processor[name].append(time.process_time() - cpu)
            baseline = statistics.median(next(iter(walls.values())))
            for name in WAYS:
                median = statistics.median(walls[name])
                spent = statistics.median(processor[name])
                print(f"{name:26}{latency:>6} ms{median:>9.2f}{spent:>9.2f}{baseline / median:>14.1f}")
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    main()
