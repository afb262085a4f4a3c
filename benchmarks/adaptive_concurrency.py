"""Measure the adaptive number of requests in flight on servers of different kinds.

A server in the same process takes a fixed time for a request and a time for each token. Above its knee, the number of
requests that it computes at the same time, its latency rises in proportion to the requests in flight, so that more of
them bring no throughput. One server also rejects more than two requests at a time, and does not say why. The table
shows the time beside the best fixed number, the largest number in flight, and the rejected requests.

    uv run benchmarks/adaptive_concurrency.py
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import time
from dataclasses import dataclass, field

from jina_client import AsyncJinaClient
from loopback_server import HttpRequest, HttpResponse, answering, listen, port_of

MODEL = "jina-embeddings-v3"
DIMENSIONS = 32
VECTOR = base64.b64encode(bytes(4 * DIMENSIONS)).decode()


@dataclass
class Server:
    """A simulated service.

    Attributes:
        fixed: seconds for each request.
        per_token: seconds for each text, which counts as one token.
        knee: requests that it computes at the same time.
        limit: requests at the same time above which it rejects.
    """

    fixed: float
    per_token: float
    knee: int
    limit: int = 10_000
    in_flight: int = 0
    most: int = 0
    rejected: int = field(default=0)

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Return vectors after their time, or a rejection."""
        count = len(json.loads(request.body)["input"])
        if self.in_flight >= self.limit:
            self.rejected += 1
            return HttpResponse(b'{"detail": "too many requests"}', 429)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        work = self.fixed + self.per_token * count
        # In small steps, because the load changes while a request is computed.
        while work > 0:
            step = min(work, 0.01)
            await asyncio.sleep(step * max(1.0, self.in_flight / self.knee))
            work -= step
        self.in_flight -= 1
        data = [{"index": index, "embedding": VECTOR} for index in range(count)]
        return HttpResponse(json.dumps({"data": data, "usage": {"total_tokens": count}}).encode())


SERVERS = {
    "latency only": lambda: Server(0.2, 0.0, 1000),
    "knee at 4": lambda: Server(0.05, 0.0005, 4),
    "knee at 16": lambda: Server(0.05, 0.0005, 16),
    "knee at 48": lambda: Server(0.05, 0.0005, 48),
    "rejects above 2": lambda: Server(0.02, 0.0002, 2, limit=2),
}
CHOICES: dict[str, int | None] = {"2": 2, "8": 8, "16": 16, "64": 64, "adaptive": None}


async def run(server: Server, ceiling: int | None, texts: int) -> float:
    """Return the seconds for a job of many requests."""
    listening = await listen(answering(server.respond))
    url = f"http://127.0.0.1:{port_of(listening)}"
    async with AsyncJinaClient(base_url=url, max_concurrency=ceiling, max_retries=20) as client:
        began = time.perf_counter()
        inputs = [f"text {number}" for number in range(texts)]
        result = await client.embed(inputs, model=MODEL, dimensions=DIMENSIONS, batch_size=64)
        assert len(result) == texts
        seconds = time.perf_counter() - began
    listening.close()
    return seconds


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200, help="requests of 64 texts (default: %(default)s)")
    options = parser.parse_args()
    print(f"{'server':18}{'in flight':>12}{'seconds':>10}{'of the best':>13}{'most':>7}{'rejected':>10}")
    for name, make in SERVERS.items():
        rows = []
        for choice, ceiling in CHOICES.items():
            server = make()
            seconds = asyncio.run(run(server, ceiling, 64 * options.requests))
            rows.append((choice, seconds, server.most, server.rejected))
        best = min(seconds for _, seconds, _, _ in rows)
        for choice, seconds, most, rejected in rows:
            print(f"{name:18}{choice:>12}{seconds:>10.2f}{seconds / best:>13.2f}{most:>7}{rejected:>10}")
        print()


if __name__ == "__main__":
    main()
