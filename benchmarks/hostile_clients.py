"""Measure how much hostile clients slow down honest ones: ``python benchmarks/hostile_clients.py``.

The script starts a server in its own process. 64 honest clients embed short texts, in turn alone and beside 200 hostile
connections, so that other work on the machine affects both measurements. A quarter of the hostile connections each send
bodies slowly, stall inside a body, flood the server with invalid requests, and send PDFs that would take minutes to
render. They run in another process with a low priority, because in reality they would be on another machine. The script
prints both throughputs and the memory, and takes about a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import sys
import time
import zlib
from collections import Counter

import aiohttp
import orjson
import psutil
from loopback_server import embedded_engine

HONEST = 64
BODY = orjson.dumps({"model": "jina-embeddings-v3", "input": "a short honest text", "embedding_type": "base64"})
ERRORS = orjson.dumps({"model": "jina-embeddings-v3", "input": [0] * 512})
HEAD = b"POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"


def bomb() -> bytes:
    """Return a request with a PDF that contains three million fill operations."""
    content = zlib.compress(b"0 0 600 800 re f " * 3_000_000, 9)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(content), content),
    ]
    pdf = b"%PDF-1.4\n" + b"".join(b"%d 0 obj\n%s\nendobj\n" % pair for pair in enumerate(objects, 1))
    pdf += b"trailer << /Size 5 /Root 1 0 R >>\n%%EOF"
    return orjson.dumps({"model": "jina-clip-v2", "input": {"pdf": base64.b64encode(pdf).decode()}})


async def honest(url: str, seconds: float) -> tuple[float, float, Counter[int]]:
    """Return requests per second, the 99th percentile of the latency, and the number of each status."""
    statuses: Counter[int] = Counter()
    latencies: list[float] = []
    end = time.monotonic() + seconds

    async def client(session: aiohttp.ClientSession) -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            async with session.post(f"{url}/embeddings", data=BODY) as response:
                await response.read()
                statuses[response.status] += 1
                latencies.append(time.monotonic() - began)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=HONEST)) as session:
        await asyncio.gather(*(client(session) for _ in range(HONEST)))
    return statuses[200] / seconds, sorted(latencies)[int(len(latencies) * 0.99)], statuses


async def hostile(url: str, kind: int, pdf: bytes, statuses: Counter[str]) -> None:
    """Keep one hostile connection busy for as long as it is not cancelled."""
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                if kind == 0:
                    writer.write(HEAD % 10_000)
                    while not reader.at_eof():
                        writer.write(b"x")
                        await writer.drain()
                        await asyncio.sleep(0.5)
                elif kind == 1:
                    writer.write(HEAD % 1_000_000 + b"x" * 999_999)
                    await reader.read()
                else:
                    content = ERRORS if kind == 2 else pdf
                    writer.write(HEAD % len(content) + content)
                    await writer.drain()
                    statuses[(await reader.readline()).decode().strip()[9:12]] += 1
                    # Without a pause one of these clients alone would use a whole core to send.
                    await asyncio.sleep(0.5)
            finally:
                writer.close()
        except OSError:
            await asyncio.sleep(0.1)


async def attack(url: str, connections: int, seconds: float) -> None:
    """Keep hostile connections busy, and print the statuses that they got."""
    statuses: Counter[str] = Counter()
    pdf = bomb()
    attackers = [asyncio.create_task(hostile(url, number % 4, pdf, statuses)) for number in range(connections)]
    await asyncio.sleep(seconds)
    for attacker in attackers:
        attacker.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)
    print(f"hostile statuses: {dict(statuses)}", flush=True)


async def measure(url: str, process: psutil.Process, seconds: float, connections: int, rounds: int) -> None:
    """Print the measurement, and the share of their throughput that honest clients kept."""
    await honest(url, 1)
    totals = [0.0, 0.0]
    command = [sys.executable, __file__, "--attack", url, "--connections", str(connections)]
    for _ in range(rounds):
        rate, latency, _ = await honest(url, seconds)
        totals[0] += rate
        print(
            f"{HONEST} honest clients alone: {rate:.0f} requests/s, 99th percentile {latency * 1000:.0f} ms", flush=True
        )
        attackers = await asyncio.create_subprocess_exec(*command, "--seconds", str(seconds + 5))
        await asyncio.sleep(3)
        rate, latency, statuses = await honest(url, seconds)
        memory = sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
        await attackers.wait()
        totals[1] += rate
        print(
            f"beside {connections} hostile connections: {rate:.0f} requests/s, "
            f"99th percentile {latency * 1000:.0f} ms, statuses {dict(statuses)}; "
            f"memory of the server's processes {memory / 2**20:.0f} MB",
            flush=True,
        )
    print(f"kept: {totals[1] / totals[0]:.0%}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement")
    parser.add_argument("--connections", type=int, default=200, help="hostile connections")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each kind")
    parser.add_argument("--attack", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        os.nice(19)
        asyncio.run(attack(options.attack, options.connections, options.seconds))
        return
    limit = options.rounds * (3 * options.seconds + 20)
    with embedded_engine() as (url, process):
        measurement = measure(url, psutil.Process(process), options.seconds, options.connections, options.rounds)
        asyncio.run(asyncio.wait_for(measurement, limit))


if __name__ == "__main__":
    main()
