"""Measure the time of a job that exceeds a rate limit, compared with the shortest time that the limit allows.

A server in another process on loopback counts the requests of the last minute, like Jina's, and rejects more than the
limit with 429. To keep the runs short, its minute lasts only `--minute` seconds. The script runs all methods in turn,
several times, and prints medians of the time divided by the ideal time, and the number of rejected requests.

    uv run benchmarks/rate_limits.py
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pybase64
import requests
from jina_client import AsyncJinaClient, JinaClient, limiter

VECTOR = pybase64.b64encode_as_string(np.ones(1024, "<f4").tobytes())


async def serve(limit: int, minute: float, latency: float) -> None:
    """Serve POST requests, and by GET the number of rejections since the last GET. Prints the port.

    Under the path ``/silent``, a rejection has no body.
    """
    admitted: deque[float] = deque()
    rejected = 0

    def answer(method: bytes, path: bytes, request: dict[str, list[str]]) -> tuple[bytes, dict[str, object]]:
        nonlocal rejected
        if method == b"GET":
            counted, rejected = rejected, 0
            admitted.clear()
            return b"200 OK", {"refused": counted}
        now = time.monotonic()
        while admitted and admitted[0] <= now - minute:
            admitted.popleft()
        if len(admitted) >= limit:
            rejected += 1
            if path.startswith(b"/silent"):
                return b"429 No\r\n", {"detail": "slow down"}
            wait = admitted[0] + minute - now
            detail = f"Request rate limit exceeded: {limit + 1}/{limit} requests per minute."
            head = b"429 No\r\nretry-after: %f" % wait
            return head, {"detail": detail, "code": "RATE_REQUEST_LIMIT_EXCEEDED", "request_id": "0"}
        admitted.append(now)
        data = [{"index": index, "embedding": VECTOR} for index in range(len(request["input"]))]
        return b"200 OK", {"model": "m", "usage": {"total_tokens": len(data)}, "data": data}

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, _ = head.split(b" ", 2)
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                body = await reader.readexactly(length)
                status, response = answer(method, path, json.loads(body or b"{}"))
                if status.startswith(b"200"):
                    await asyncio.sleep(latency)
                content = json.dumps(response).encode()
                writer.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n" % (status.strip(), len(content)) + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(1800)  # a bound, should nobody end it


def backoff_alone(url: str, texts: list[str], limit: int) -> None:
    """Run the baseline: eight threads, each of which retries after random, doubling waits."""

    def one(text: str) -> None:
        wait = 0.5
        while requests.post(f"{url}/embeddings", json={"model": "m", "input": [text]}, timeout=60).status_code == 429:
            time.sleep(random.uniform(0, wait))
            wait = min(wait * 2, 20.0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, texts))


def told_the_limit(url: str, texts: list[str], limit: int) -> None:
    """Run JinaClient with ``requests_per_minute``."""
    with JinaClient(base_url=url, requests_per_minute=limit) as client:
        client.embed(texts, model="jina-embeddings-v3", batch_size=1)


def not_told(url: str, texts: list[str], limit: int) -> None:
    """Run JinaClient, which learns the limit from the service's 429 responses."""
    with JinaClient(base_url=url) as client:
        client.embed(texts, model="jina-embeddings-v3", batch_size=1)


def told_the_limit_async(url: str, texts: list[str], limit: int) -> None:
    """Run AsyncJinaClient with ``requests_per_minute``."""

    async def run() -> None:
        async with AsyncJinaClient(base_url=url, requests_per_minute=limit) as client:
            await client.embed(texts, model="jina-embeddings-v3", batch_size=1)

    asyncio.run(run())


def not_told_async(url: str, texts: list[str], limit: int) -> None:
    """Run AsyncJinaClient, which learns the limit from the service's 429 responses."""

    async def run() -> None:
        async with AsyncJinaClient(base_url=url) as client:
            await client.embed(texts, model="jina-embeddings-v3", batch_size=1)

    asyncio.run(run())


def from_a_silent_service(url: str, texts: list[str], limit: int) -> None:
    """Run JinaClient against a service whose 429 responses name neither a limit nor a time."""
    with JinaClient(base_url=url.replace("/v1", "/silent"), max_retries=12) as client:
        client.embed(texts, model="jina-embeddings-v3", batch_size=1)


WAYS: dict[str, Callable[[str, list[str], int], None]] = {
    "backoff alone": backoff_alone,
    "JinaClient, limit given": told_the_limit,
    "JinaClient, limit learned": not_told,
    "AsyncJinaClient, limit given": told_the_limit_async,
    "AsyncJinaClient, limit learned": not_told_async,
    "JinaClient, nothing said": from_a_silent_service,
}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=60, help="requests a minute (default: %(default)s)")
    parser.add_argument("--minute", type=float, default=4.0, help="seconds of a minute (default: %(default)s)")
    parser.add_argument("--windows", type=int, default=4, help="the job, in minutes' worth (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (default: %(default)s)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.limit, options.minute, options.latency))
        return
    limiter.WINDOW = options.minute
    count = options.limit * options.windows
    texts = [f"text {number}" for number in range(count)]
    # The first minute's worth can be sent at once, the last comes when the one before it is forgotten.
    ideal = options.minute * (options.windows - 1)
    command = [sys.executable, __file__, "--serve", "--limit", str(options.limit), "--minute", str(options.minute)]
    with subprocess.Popen([*command, "--latency", str(options.latency)], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
            times: dict[str, list[float]] = {name: [] for name in WAYS}
            rejected: dict[str, list[int]] = {name: [] for name in WAYS}
            for _ in range(options.rounds):
                for name, way in WAYS.items():
                    requests.get(url, timeout=10)
                    began = time.monotonic()
                    way(url, texts, options.limit)
                    times[name].append(time.monotonic() - began)
                    rejected[name].append(requests.get(url, timeout=10).json()["refused"])
        finally:
            server.terminate()
    print(f"{count} requests at {options.limit} in {options.minute:g} s; the ideal is {ideal:g} s\n")
    print(f"{'':32} {'time, s':>8} {'over the ideal':>15} {'refused':>8}")
    for name in WAYS:
        took = statistics.median(times[name])
        print(f"{name:32} {took:8.2f} {took / ideal:14.2f}x {statistics.median(rejected[name]):8g}")


if __name__ == "__main__":
    main()
