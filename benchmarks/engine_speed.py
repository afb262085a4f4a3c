"""Measure the embedded engine beside sentence-transformers, which needs an environment of its own because of torch.

    uv run benchmarks/engine_speed.py --peer FOLDER

FOLDER is the environment; the script creates it with uv if it does not exist. Without `--peer` the script measures the
engine alone. All programs run at the same time, each in its own process, and take turns: so other work on the machine
concerns them all. The table has medians over the rounds. Read the ratios, which move less than the rates. On a busy
machine the rates per second of processor time are steadier, and `--threads 1` keeps torch's threads from waiting for
each other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from loopback_server import embedded_engine

PEER = "sentence-transformers"
CLIENTS = 16
CHUNK_TOKENS = 240
MODEL = "jina-embeddings-v3"
BODY = {"model": MODEL, "embedding_type": "base64"}


def texts() -> dict[str, list[str]]:
    """Return first lines of docstrings, and chunks that sentence-transformers does not truncate."""
    from jina_local.weights import find_model_files
    from retrieval_quality import pairs
    from tokenizers import Tokenizer

    everything = pairs()
    text = " ".join(body for _, body in everything[:100])
    tokenizer = Tokenizer.from_file(str(find_model_files().tokenizer))
    tokenizer.no_truncation()
    offsets = tokenizer.encode(text, add_special_tokens=False).offsets[: 32 * CHUNK_TOKENS]
    pieces = [offsets[start : start + CHUNK_TOKENS] for start in range(0, len(offsets), CHUNK_TOKENS)]
    return {
        "short texts": [summary for summary, _ in everything[:512]],
        "chunks of 240 tokens": [text[piece[0][0] : piece[-1][1]] for piece in pieces],
    }


def run_worker(name: str, threads: int, path: Path) -> None:
    """Embed each set of texts whose name arrives on standard input, and print the seconds."""
    embed = load_peer(path, threads) if name == PEER else load_engine(name, threads)
    sets = json.loads(sys.stdin.readline())
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        embed(sets[line.strip()])
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)


def load_peer(path: Path, threads: int) -> Callable[[list[str]], Any]:
    """Load sentence-transformers."""
    import torch  # type: ignore[import-not-found, unused-ignore]
    from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found, unused-ignore]

    torch.set_num_threads(threads)
    model = SentenceTransformer(str(path))
    return lambda batch: model.encode(batch, batch_size=32)


def load_engine(precision: str, threads: int) -> Callable[[list[str]], Any]:
    """Load the engine's model."""
    from jina_local.encoder import Encoder
    from jina_local.precision import read_precision
    from jina_local.weights import find_model_files

    encoder = Encoder(find_model_files(), threads, read_precision(precision))
    return lambda batch: encoder.mean_vectors(encoder.tokenize(batch))


@contextmanager
def worker(python: str, name: str, threads: int, path: Path, sets: dict[str, list[str]]) -> Iterator[Any]:
    """Yield a function that embeds a set in another process, and returns the wall and processor seconds."""
    command = [python, __file__, "--worker", name, "--threads", str(threads), "--model", str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        requests, answers = process.stdin, process.stdout
        assert requests is not None
        assert answers is not None
        requests.write(json.dumps(sets) + "\n")

        def measure(kind: str) -> list[float]:
            requests.write(kind + "\n")
            requests.flush()
            return list(json.loads(answers.readline()))

        yield measure
        requests.close()


def model_folder() -> Path:
    """Return a folder in which sentence-transformers finds its configuration beside the weights."""
    from jina_local.weights import find_model_files

    return find_model_files().weights.parent


def throughput(peer: str | None, threads: int, rounds: int) -> None:
    """Print the throughput of both precisions and of the peer, in turns."""
    sets = texts()
    programs = {"int8": sys.executable, "float32": sys.executable} | ({PEER: peer} if peer else {})
    seconds: dict[tuple[str, str], list[list[float]]] = {}
    with ExitStack() as stack:
        measures = {
            name: stack.enter_context(worker(python, name, threads, model_folder(), sets))
            for name, python in programs.items()
        }
        for number in range(rounds + 1):
            for kind in sets:
                for name, measure in measures.items():
                    pair = measure(kind)
                    if number:  # The first round warms up.
                        seconds.setdefault((kind, name), []).append(pair)
    base = PEER if peer else "float32"
    print(f"| {threads} threads | texts/s | per CPU second | times {base}: wall | CPU |\n|---|---|---|---|---|")
    for kind, batch in sets.items():
        for name in programs:
            wall, cpu = (statistics.median(pair[column] for pair in seconds[kind, name]) for column in (0, 1))
            ratios = [
                statistics.median(
                    other[column] / own[column]
                    for own, other in zip(seconds[kind, name], seconds[kind, base], strict=True)
                )
                for column in (0, 1)
            ]
            rates = f"{len(batch) / wall:.0f} | {len(batch) / cpu:.0f}"
            print(f"| {kind}, {name} | {rates} | {ratios[0]:.2f} | {ratios[1]:.2f} |", flush=True)


class Client(asyncio.Protocol):
    """An HTTP client that costs little, because it shares the machine with the server.

    Args:
        bodies: Requests to send in turn.
        number: Number of the client, which decides where it begins.
        end: When to stop, on the monotonic clock.
    """

    def __init__(self, bodies: list[bytes], number: int, end: float) -> None:
        self._bodies, self._next, self._end = bodies, number * 31, end
        self._received, self._needed = b"", 0
        self.count = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Send the next request once the response is complete."""
        self._received += data
        if not self._needed:
            head = self._received.find(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", self._received[: max(head, 0)])
            if length is None:
                return
            assert self._received.startswith(b"HTTP/1.1 200")
            self._needed = head + 4 + int(length[1])
        if len(self._received) >= self._needed:
            self.count += 1
            self._received, self._needed = b"", 0
            self._send()

    def _send(self) -> None:
        if time.monotonic() >= self._end:
            self._transport.close()
            self.done.set_result(None)
            return
        body = self._bodies[self._next % len(self._bodies)]
        self._next += 1
        head = b"POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)


def one_text_each(rounds: int, seconds: float) -> None:
    """Compare 16 clients of one text each over HTTP with 16 threads in process."""
    import orjson
    from jina_local.app import App
    from jina_local.engine import Engine

    batch = texts()["short texts"]
    bodies = [orjson.dumps({**BODY, "input": text}) for text in batch]

    def in_process(app: App) -> float:
        end, lock, count = time.monotonic() + seconds, threading.Lock(), 0

        def client(first: int) -> None:
            nonlocal count
            own = 0
            while time.monotonic() < end:
                status, _, _ = app.handle("POST", "/v1/embeddings", {}, bodies[(first * 31 + own) % len(bodies)])
                assert status == 200
                own += 1
            with lock:
                count += own

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(client, range(CLIENTS)))
        return count / seconds

    async def over_http(url: str) -> float:
        host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
        end, loop = time.monotonic() + seconds, asyncio.get_running_loop()
        clients = [Client(bodies, number, end) for number in range(CLIENTS)]
        for client in clients:
            await loop.create_connection(lambda client=client: client, host, int(port))  # type: ignore[misc]
        await asyncio.gather(*(client.done for client in clients))
        return sum(client.count for client in clients) / seconds

    app = App(Engine())
    with embedded_engine() as (url, _):
        in_process(app)
        asyncio.run(over_http(url))
        rates = [(in_process(app), asyncio.run(over_http(url))) for _ in range(rounds)]
    alone, http = (statistics.median(column) for column in zip(*rates, strict=True))
    ratio = statistics.median(pair[1] / pair[0] for pair in rates)
    print(
        f"\n{CLIENTS} clients of one text each: {alone:.0f} requests/s in process, {http:.0f} over HTTP ({ratio:.0%})"
    )


def startup(rounds: int) -> None:
    """Print the seconds from the start of a process to its first vector."""
    import requests

    first = "from jina_client import JinaClient; JinaClient(base_url='local').embed(['a'], model='jina-embeddings-v3')"
    walls: dict[str, list[float]] = {"in process": [], "over HTTP": [], "the imports in process": []}
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", first], check=True)
        walls["in process"].append(time.perf_counter() - began)
        began = time.perf_counter()
        with embedded_engine() as (url, _):
            requests.post(f"{url}/embeddings", json={**BODY, "input": "a"}, timeout=60).raise_for_status()
            walls["over HTTP"].append(time.perf_counter() - began)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import jina_client, jina_local.app"], check=True)
        walls["the imports in process"].append(time.perf_counter() - began)
    for name, values in walls.items():
        print(f"startup to the first vector, {name}: {statistics.median(values):.2f} s (fastest {min(values):.2f})")


def quality(count: int) -> None:
    """Print nDCG@10 on the project's retrieval set, as `retrieval_quality.py` does, for both precisions."""
    import numpy as np
    from jina_local.encoder import Encoder
    from jina_local.precision import PRECISIONS
    from jina_local.weights import find_model_files
    from retrieval_quality import best, collections, mean_ndcg

    encoders = {precision: Encoder(find_model_files(), precision=precision) for precision in PRECISIONS}
    print(f"\n| nDCG@10 | pairs | {' | '.join(encoders)} | difference |\n|---|---|---|---|---|")
    for name, everything in collections().items():
        sample = everything[:: max(1, len(everything) // count)][:count]
        values = []
        for encoder in encoders.values():
            sides = [encoder.mean_vectors(encoder.tokenize(side)) for side in zip(*sample, strict=True)]
            queries, documents = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
            values.append(mean_ndcg(best(queries @ documents.T, 10)))
        columns = " | ".join(f"{value:.4f}" for value in values)
        print(f"| {name} | {len(sample)} | {columns} | {values[0] - values[1]:+.4f} |", flush=True)


def peer_environment(folder: Path) -> str:
    """Return the interpreter of the environment with sentence-transformers, which is created if it does not exist."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        subprocess.run(["uv", "venv", "--quiet", str(folder)], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), PEER], check=True)
    return str(python)


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", type=Path, metavar="FOLDER", help="environment with sentence-transformers")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of each program")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each program")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement of requests")
    parser.add_argument("--pairs", type=int, default=500, help="pairs of each retrieval set")
    parser.add_argument("--only", choices=("throughput", "requests", "startup", "quality"), help="measure only this")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        run_worker(options.worker, options.threads, options.model)
        return
    parts: dict[str, Callable[[], None]] = {
        "throughput": lambda: throughput(
            options.peer and peer_environment(options.peer), options.threads, options.rounds
        ),
        "requests": lambda: one_text_each(options.rounds, options.seconds),
        "startup": lambda: startup(options.rounds),
        "quality": lambda: quality(options.pairs),
    }
    for name, part in parts.items():
        if options.only in (None, name):
            part()


if __name__ == "__main__":
    main()
