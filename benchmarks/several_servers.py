"""Measure the time of a job over several servers that are killed, slowed, stopped and restarted.

Each server is a process on loopback that works on a few requests concurrently, for a fixed time each; others wait. So
its capacity is known, and with it the ideal time: that of a job which keeps every slot busy of every server that is up.
The script prints the time of both clients divided by that ideal, and checks every vector.

    uv run benchmarks/several_servers.py
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pybase64
import requests
from jina_client import AsyncJinaClient, Attempt, Embeddings, JinaClient
from loopback_server import HttpRequest, HttpResponse, answering, printed_by, serve, start

DIMENSIONS = 16
SLOWER = 10


class SlotServer:
    """A server that works on a few requests concurrently. ``POST /slow`` makes it slower."""

    def __init__(self, slots: int, latency: float) -> None:
        self.free, self.latency = asyncio.Semaphore(slots), latency

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Return vectors whose first number is that of the text."""
        if request.path == "/slow":
            self.latency *= SLOWER
        if "embeddings" not in request.path:
            return HttpResponse(b'{"data": [{"id": "m"}]}')
        async with self.free:
            await asyncio.sleep(self.latency)
        data = []
        for index, text in enumerate(json.loads(request.body)["input"]):
            vector = np.ones(DIMENSIONS, "<f4")
            vector[0] = float(text)
            data.append({"index": index, "embedding": pybase64.b64encode_as_string(vector.tobytes())})
        return HttpResponse(json.dumps({"model": "m", "usage": {"total_tokens": len(data)}, "data": data}).encode())


@dataclass
class Server:
    """A server's process, and when its capacity changed.

    Attributes:
        slots: requests that it works on concurrently.
        latency: seconds for each.
        port: the same after each start.
        rates: requests per second from a time on.
    """

    slots: int
    latency: float
    port: int = 0
    rates: list[tuple[float, float]] = field(default_factory=list)

    def launch(self) -> None:
        """Start the process."""
        self.process = start(__file__, "--port", self.port, "--slots", self.slots, "--latency", self.latency)

    def wait(self) -> None:
        """Wait until it listens."""
        self.port = int(printed_by(self.process))
        self._has(self.slots / self.latency)

    def restart(self) -> None:
        """Start the process again on the same port."""
        self.launch()
        self.wait()

    def kill(self) -> None:
        """Kill the process."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self._has(0)

    def stop(self) -> None:
        """Stop the process as a machine that hangs: its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)
        self._has(0)

    def go_on(self) -> None:
        """Continue the stopped process."""
        self.process.send_signal(signal.SIGCONT)
        self._has(self.slots / self.latency)

    def slow_down(self) -> None:
        """Make each request take longer."""
        requests.post(f"http://127.0.0.1:{self.port}/slow", timeout=10)
        self._has(self.slots / self.latency / SLOWER)

    def _has(self, rate: float) -> None:
        self.rates.append((time.monotonic(), rate))

    def done(self, since: float, until: float) -> float:
        """Return how many requests the server can have served in a time."""
        changes = [*self.rates, (until, 0.0)]
        return sum(
            max(0.0, min(end, until) - max(begin, since)) * rate for (begin, rate), (end, _) in pairwise(changes)
        )


Event = tuple[float, Callable[[Server], None]]
"""An event of the last server, after a part of the time that the job takes if nothing happens."""

SCENARIOS: dict[str, Sequence[Event]] = {
    "all up": [],
    "one killed at the start": [(0.0, Server.kill)],
    "one killed in the middle": [(0.5, Server.kill)],
    "one killed and restarted": [(0.2, Server.kill), (0.5, Server.restart)],
    "one ten times slower at the start": [(0.0, Server.slow_down)],
    "one ten times slower in the middle": [(0.5, Server.slow_down)],
    "one stopped in the middle": [(0.4, Server.stop)],
    "one stopped and continued": [(0.2, Server.stop), (0.6, Server.go_on)],
}


def ideal(servers: Sequence[Server], count: int, began: float) -> float:
    """Return the seconds in which the servers that were up could have served so many requests."""
    low, high = 0.0, 3600.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        enough = sum(server.done(began, began + middle) for server in servers) >= count
        low, high = (low, middle) if enough else (middle, high)
    return high


def run(events: Sequence[Event], is_async: bool, options: argparse.Namespace) -> tuple[float, int]:
    """Return the time of one job divided by its ideal, and the number of attempts that failed."""
    servers = [Server(options.slots, options.latency) for _ in range(options.servers)]
    texts = [str(number) for number in range(options.requests)]
    attempts: list[Attempt] = []
    usual = options.requests * options.latency / (options.slots * options.servers)
    timers = []
    try:
        for server in servers:
            server.launch()
        for server in servers:
            server.wait()
        base_url = [f"http://127.0.0.1:{server.port}/v1" for server in servers]
        call = {"model": "m", "batch_size": 1}

        async def embed() -> Embeddings:
            async with AsyncJinaClient(base_url=base_url, on_attempt=attempts.append) as client:
                return await client.embed(texts, **call)

        for share, event in events:
            if share == 0:
                event(servers[-1])
            else:
                timers.append(threading.Timer(share * usual, event, [servers[-1]]))
        began = time.monotonic()
        for timer in timers:
            timer.start()
        if is_async:
            result = asyncio.run(embed())
        else:
            with JinaClient(base_url=base_url, on_attempt=attempts.append) as client:
                result = client.embed(texts, **call)
        took = time.monotonic() - began
        np.testing.assert_array_equal(result.vectors[:, 0], np.arange(options.requests))
        return took / ideal(servers, options.requests, began), sum(attempt.error is not None for attempt in attempts)
    finally:
        for timer in timers:
            timer.cancel()
            timer.join()
        for server in servers:
            server.kill()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=3, help="number of servers (default: %(default)s)")
    parser.add_argument("--slots", type=int, default=8, help="requests that each works on (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=0.4, help="seconds for each request (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=600, help="the job (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (default: %(default)s)")
    parser.add_argument("--only", default="", help="run the scenarios whose names contain this")
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(answering(SlotServer(options.slots, options.latency).respond), options.port))
        return
    print(
        f"{options.requests} requests of {options.latency:g} s to {options.servers} servers, {options.slots} at a time"
    )
    print(f"\n{'':36} {'JinaClient':>12} {'failed':>7} {'AsyncJinaClient':>17} {'failed':>7}")
    for name in filter(lambda name: options.only in name, SCENARIOS):
        events = SCENARIOS[name]
        cells = ""
        for is_async, width in ((False, 11), (True, 16)):
            ratios, failed = zip(*(run(events, is_async, options) for _ in range(options.rounds)), strict=True)
            cells += f" {statistics.median(ratios):{width}.2f}x {statistics.median(failed):7g}"
        print(f"{name:36}{cells}", flush=True)


if __name__ == "__main__":
    main()
