"""Measure the adaptive number of requests in flight on simulated servers of different kinds.

A server takes a fixed time for a request and a time for each text. Above its knee, the number of requests that it
works on at the same time, its latency rises in proportion to the requests in flight, so that more of them bring no
throughput. Some servers reject requests above a limit and do not say why, and the latencies of some vary at random.
The clock of the simulation jumps from one event to the next, so the results are the same on every machine. The table
shows the time beside the best fixed number, the largest number in flight, and the rejected requests: medians of some
runs, because waits after a rejection are random.

    uv run benchmarks/adaptive_concurrency.py
    uv run benchmarks/adaptive_concurrency.py --requests 1000
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import selectors
import statistics
from dataclasses import dataclass

from jina_client import AsyncJinaClient
from jina_client.limiter import RateLimiter
from jina_client.transport import Request, Response

MODEL = "jina-embeddings-v3"
DIMENSIONS = 32
VECTOR = base64.b64encode(bytes(4 * DIMENSIONS)).decode()
BATCH_SIZE = 64
# A request is computed in this many steps, because the load changes meanwhile.
STEPS = 20


class JumpingSelector(selectors.DefaultSelector):
    """A selector that does not wait: the clock jumps to the end of the wait instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now, and pass the time if nothing is."""
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is that of a simulation."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the seconds since the start of the simulation."""
        return self._jumping.now


@dataclass
class Server:
    """A simulated service, as the transport of a client.

    Attributes:
        fixed: seconds for each request.
        per_text: seconds for each text.
        knee: requests that it works on at the same time.
        limit: requests at the same time above which it rejects.
        spread: standard deviation of the logarithms of its latencies.
    """

    fixed: float
    per_text: float
    knee: int
    limit: int = 10_000
    spread: float = 0.0
    in_flight: int = 0
    most: int = 0
    rejected: int = 0

    async def asend(self, request: Request) -> Response:
        """Return vectors after their time, or a rejection."""
        count = len(json.loads(request.body)["input"])
        if self.in_flight >= self.limit:
            self.rejected += 1
            return Response(429, {}, b'{"detail": "too many requests"}')
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        step = (self.fixed + self.per_text * count) * random.lognormvariate(0, self.spread) / STEPS
        for _ in range(STEPS):
            await asyncio.sleep(step * max(1.0, self.in_flight / self.knee))
        self.in_flight -= 1
        data = [{"index": index, "embedding": VECTOR} for index in range(count)]
        return Response(200, {}, json.dumps({"data": data, "usage": {"total_tokens": count}}).encode())

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""


SERVERS = {
    "latency only": lambda: Server(0.2, 0.0, 1000),
    "varying latency": lambda: Server(0.2, 0.0, 1000, spread=0.5),
    "knee at 4": lambda: Server(0.05, 0.0005, 4),
    "knee at 16": lambda: Server(0.05, 0.0005, 16),
    "knee at 48": lambda: Server(0.05, 0.0005, 48),
    "rejects above 2": lambda: Server(0.05, 0.0005, 1000, limit=2),
    "rejects above 20": lambda: Server(0.05, 0.0005, 1000, limit=20),
}
CHOICES: dict[str, int | None] = {"2": 2, "8": 8, "16": 16, "20": 20, "64": 64, "adaptive": None}


async def embed(server: Server, ceiling: int | None, requests: int) -> float:
    """Return the simulated seconds for a job of many requests."""
    loop = asyncio.get_running_loop()
    limiter = RateLimiter(max_concurrency=ceiling, clock=loop.time)
    url, texts = "http://simulated/v1", [f"text {number}" for number in range(BATCH_SIZE * requests)]
    async with AsyncJinaClient(base_url=url, transport=server, limiter=limiter, max_retries=20) as client:
        result = await client.embed(texts, model=MODEL, dimensions=DIMENSIONS, batch_size=BATCH_SIZE)
    assert len(result) == len(texts)
    return loop.time()


def simulate(name: str, ceiling: int | None, requests: int, runs: int) -> tuple[float, int, int]:
    """Return the seconds of a job, the most requests in flight and the rejected requests: medians of some runs."""
    seconds, most, rejected = list[float](), list[int](), list[int]()
    for seed in range(runs):
        random.seed(seed)
        server = SERVERS[name]()
        with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
            seconds.append(runner.run(embed(server, ceiling, requests)))
        most.append(server.most)
        rejected.append(server.rejected)
    return statistics.median(seconds), statistics.median_low(most), statistics.median_low(rejected)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200, help="requests of 64 texts (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="runs with random numbers of their own")
    options = parser.parse_args()
    print(f"{'server':18}{'in flight':>12}{'seconds':>10}{'of the best':>13}{'most':>7}{'rejected':>10}")
    for name in SERVERS:
        rows = {choice: simulate(name, ceiling, options.requests, options.runs) for choice, ceiling in CHOICES.items()}
        best = min(seconds for seconds, _, _ in rows.values())
        for choice, (seconds, most, rejected) in rows.items():
            print(f"{name:18}{choice:>12}{seconds:>10.2f}{seconds / best:>13.2f}{most:>7}{rejected:>10}")
        print()


if __name__ == "__main__":
    main()
