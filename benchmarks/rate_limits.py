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
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pybase64
import requests
from jina_client import AsyncJinaClient, JinaClient, limiter
from loopback_server import HttpRequest, HttpResponse, answering, running, serve

VECTOR = pybase64.b64encode_as_string(np.ones(1024, "<f4").tobytes())


class MinuteServer:
    """A server with a rate limit. A GET returns the number of rejections since the last GET.

    Under the path ``/silent``, a rejection does not name the limit.
    """

    def __init__(self, limit: int, minute: float, latency: float) -> None:
        self.limit, self.minute, self.latency = limit, minute, latency
        self.admitted: deque[float] = deque()
        self.rejected = 0

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Return vectors, a rejection, or the number of rejections."""
        if request.method == "GET":
            counted, self.rejected = self.rejected, 0
            self.admitted.clear()
            await asyncio.sleep(self.latency)
            return HttpResponse(json.dumps({"refused": counted}).encode())
        now = time.monotonic()
        while self.admitted and self.admitted[0] <= now - self.minute:
            self.admitted.popleft()
        if len(self.admitted) >= self.limit:
            self.rejected += 1
            if request.path.startswith("/silent"):
                return HttpResponse(b'{"detail": "slow down"}', 429)
            detail = f"Request rate limit exceeded: {self.limit + 1}/{self.limit} requests per minute."
            body = {"detail": detail, "code": "RATE_REQUEST_LIMIT_EXCEEDED", "request_id": "0"}
            wait = self.admitted[0] + self.minute - now
            return HttpResponse(json.dumps(body).encode(), 429, f"retry-after: {wait:f}\r\n")
        self.admitted.append(now)
        await asyncio.sleep(self.latency)
        data = [{"index": index, "embedding": VECTOR} for index in range(len(json.loads(request.body)["input"]))]
        return HttpResponse(json.dumps({"model": "m", "usage": {"total_tokens": len(data)}, "data": data}).encode())


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
        server = MinuteServer(options.limit, options.minute, options.latency)
        asyncio.run(serve(answering(server.respond)))
        return
    limiter.WINDOW = options.minute
    count = options.limit * options.windows
    texts = [f"text {number}" for number in range(count)]
    # The first minute's worth can be sent at once, the last comes when the one before it is forgotten.
    ideal = options.minute * (options.windows - 1)
    words = ("--limit", options.limit, "--minute", options.minute, "--latency", options.latency)
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    rejected: dict[str, list[int]] = {name: [] for name in WAYS}
    with running(__file__, *words) as port:
        url = f"http://127.0.0.1:{port}/v1"
        for _ in range(options.rounds):
            for name, way in WAYS.items():
                requests.get(url, timeout=10)
                began = time.monotonic()
                way(url, texts, options.limit)
                times[name].append(time.monotonic() - began)
                rejected[name].append(requests.get(url, timeout=10).json()["refused"])
    print(f"{count} requests at {options.limit} in {options.minute:g} s; the ideal is {ideal:g} s\n")
    print(f"{'':32} {'time, s':>8} {'over the ideal':>15} {'refused':>8}")
    for name in WAYS:
        took = statistics.median(times[name])
        print(f"{name:32} {took:8.2f} {took / ideal:14.2f}x {statistics.median(rejected[name]):8g}")


if __name__ == "__main__":
    main()
