"""Send many texts through a server that fails one request in twenty, in every possible way, and check every vector.

The server runs in another process on loopback and derives each vector from its text. The script prints the numbers of
lost, repeated and misplaced vectors, the peak memory, and the number of failed requests of each kind.

    uv run benchmarks/soak.py
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pybase64
import requests
from jina_client import AsyncJinaClient, Embeddings, JinaClient
from loopback_server import HttpResponse, read_request, running, send, serve
from measuring import peak_memory

DIMENSIONS = 16
WAYS = (
    "408",
    "409",
    "429 with Retry-After",
    "429 without",
    "500",
    "502 in HTML",
    "503",
    "504",
    "an empty body",
    "JSON cut short",
    "reset before the answer",
    "reset within the answer",
    "a stall",
    "shuffled",
    "gzip",
)


def vector_of(text: str) -> np.ndarray:
    """Return a vector that is unique to a text."""
    digest = hashlib.blake2b(text.encode(), digest_size=DIMENSIONS * 2).digest()
    return (np.frombuffer(digest, "<u2").astype("<f4") + 1) / 65536


def text_of(index: int) -> str:
    """Return the text with an index. Texts differ in length."""
    return f"text number {index} " + "and more " * (index % 13)


async def fail_and_serve(rate: float, seed: int) -> None:
    """Serve POST requests, of which some fail, and the counts of failures by GET. Prints the port."""
    chance = random.Random(seed)
    counts: Counter[str] = Counter()

    async def bad(way: str, writer: asyncio.StreamWriter, good: bytes) -> bool:
        """Fail in one way, and return whether the connection can be used again."""
        if way.startswith("reset"):
            if way.endswith("within the answer"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(good) + good[: len(good) // 2])
                await writer.drain()
            writer.transport.abort()
            return False
        if way == "a stall":
            await asyncio.sleep(3)
            return False
        headers, status, body = "", 200, good
        if way == "shuffled":
            answer = json.loads(good)
            chance.shuffle(answer["data"])
            body = json.dumps(answer).encode()
        elif way == "gzip":
            headers, body = "content-encoding: gzip\r\n", gzip.compress(good)
        elif way == "an empty body":
            body = b""
        elif way == "JSON cut short":
            body = good[: len(good) // 2]
        else:
            status, body = int(way[:3]), b'{"detail": "no"}'
            if "HTML" in way:
                body = b"<html><h1>Bad gateway</h1></html>"
            if way == "429 with Retry-After":
                headers = "retry-after: 0.05\r\n"
        await send(writer, HttpResponse(body, status, headers))
        return True

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await read_request(reader)
                if request.method == "GET":
                    await send(writer, HttpResponse(json.dumps(counts).encode()))
                    continue
                texts = json.loads(request.body)["input"]
                data = [
                    {"index": index, "embedding": pybase64.b64encode_as_string(vector_of(text).tobytes())}
                    for index, text in enumerate(texts)
                ]
                good = json.dumps({"model": "m", "usage": {"total_tokens": len(texts)}, "data": data}).encode()
                counts["requests"] += 1
                if chance.random() < rate:
                    way = chance.choice(WAYS)
                    counts[way] += 1
                    if not await bad(way, writer, good):
                        break
                    continue
                await send(writer, HttpResponse(good))
        writer.close()

    await serve(connected)


class Checked:
    """Counts of lost, repeated and misplaced vectors."""

    def __init__(self, count: int) -> None:
        self.seen = np.zeros(count, np.uint8)
        self.misplaced = 0

    def add(self, first: int, embeddings: Embeddings) -> None:
        """Compare vectors with their texts."""
        for index, vector in enumerate(embeddings.vectors, first):
            self.seen[index] += 1
            self.misplaced += not np.array_equal(vector, vector_of(text_of(index)))

    def line(self) -> str:
        """Return the counts as text."""
        lost, twice = int((self.seen == 0).sum()), int((self.seen > 1).sum())
        return f"lost {lost}, twice {twice}, misplaced {self.misplaced}"


def main() -> None:
    """Run the soak test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=200_000, help="how many (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=0.05, help="of requests that fail (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="texts in a request (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of the failures (default: %(default)s)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(fail_and_serve(options.rate, options.seed))
        return

    def texts() -> Iterator[str]:
        return map(text_of, range(options.texts))

    with running(__file__, "--rate", options.rate, "--seed", options.seed) as port:
        url = f"http://127.0.0.1:{port}/v1"
        print(f"{options.texts:,} texts, {options.batch} a request, {options.rate:.0%} of requests fail\n")

        def synchronous() -> Checked:
            checked = Checked(options.texts)
            with JinaClient(base_url=url, timeout=1.5) as client:
                for first, embeddings in client.embed_stream(texts(), model="m", batch_size=options.batch):
                    checked.add(first, embeddings)
            return checked

        def asynchronous() -> Checked:
            checked = Checked(options.texts)

            async def run() -> None:
                async with AsyncJinaClient(base_url=url, timeout=1.5) as client:
                    async for first, embeddings in client.embed_stream(texts(), model="m", batch_size=options.batch):
                        checked.add(first, embeddings)

            asyncio.run(run())
            return checked

        for name, run in (("JinaClient", synchronous), ("AsyncJinaClient", asynchronous)):
            began = time.monotonic()
            outcome = run()
            seconds = time.monotonic() - began
            print(f"{name:16} {outcome.line()}; {seconds:.0f} s, peak memory {peak_memory():.0f} MB")
        counts = requests.get(url, timeout=10).json()
    print("\n" + ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())))


if __name__ == "__main__":
    main()
