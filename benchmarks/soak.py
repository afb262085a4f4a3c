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
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pybase64
import requests
from jina_client import AsyncJinaClient, Embeddings, JinaClient

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


async def serve(rate: float, seed: int) -> None:
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
        extra, status, body = b"", b"200 OK", good
        if way == "shuffled":
            answer = json.loads(good)
            chance.shuffle(answer["data"])
            body = json.dumps(answer).encode()
        elif way == "gzip":
            extra, body = b"content-encoding: gzip\r\n", gzip.compress(good)
        elif way == "an empty body":
            body = b""
        elif way == "JSON cut short":
            body = good[: len(good) // 2]
        else:
            status, body = way[:3].encode() + b" No", json.dumps({"detail": "no"}).encode()
            if "HTML" in way:
                body = b"<html><h1>Bad gateway</h1></html>"
            if way == "429 with Retry-After":
                extra = b"retry-after: 0.05\r\n"
        writer.write(b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n" % (status, extra, len(body)) + body)
        await writer.drain()
        return True

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                raw = await reader.readexactly(length)
                if head.startswith(b"get"):
                    good = json.dumps(counts).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(good) + good)
                    await writer.drain()
                    continue
                texts = json.loads(raw)["input"]
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
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(good) + good)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(3600)  # a bound, should nobody end it


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
        asyncio.run(serve(options.rate, options.seed))
        return
    command = [sys.executable, __file__, "--serve", "--rate", str(options.rate), "--seed", str(options.seed)]

    def texts() -> Iterator[str]:
        return map(text_of, range(options.texts))

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
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
                        async for first, embeddings in client.embed_stream(
                            texts(), model="m", batch_size=options.batch
                        ):
                            checked.add(first, embeddings)

                asyncio.run(run())
                return checked

            for name, run in (("JinaClient", synchronous), ("AsyncJinaClient", asynchronous)):
                began = time.monotonic()
                outcome = run()
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(f"{name:16} {outcome.line()}; {time.monotonic() - began:.0f} s, peak memory {peak:.0f} MB")
            counts = requests.get(url, timeout=10).json()
        finally:
            server.terminate()
    print("\n" + ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())))


if __name__ == "__main__":
    main()
