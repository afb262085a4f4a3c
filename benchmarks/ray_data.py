"""Embed datasets of Ray Data through a server on loopback: beside Ray's own HTTP processor, and a proof with faults.

Beside Ray's HTTP processor: the same rows, server and limit of requests. The server answers one request in 50 with
status 500. The script prints the time (1 is the ideal: the limit, used up), rejections, and lost and wrong rows.

The proof: short rows through a server that fails one request in five, and is killed and started again twice. Every row
of the output is checked. The same rows then go through ``jina-jobs embed``.

    uv run --group ray benchmarks/ray_data.py              # 25,600 and 1,000,000 rows
    uv run --group ray benchmarks/ray_data.py --small      # 640 and 20,000 rows
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import mmap
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from checked_rows import check_rows, embeddings_body, marks_of
from loopback_server import HttpRequest, HttpResponse, answering, printed_by, serve, start

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"

DIMENSIONS = 64
MODEL = "jina-embeddings-v3"
REQUESTS, REJECTED, FAILED, TEXTS, MOST = range(5)


class Counts:
    """Numbers that survive the death of the server: they lie in a file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(64))
        with path.open("r+b") as stream:
            self.numbers = np.frombuffer(mmap.mmap(stream.fileno(), 64), np.int64)


class FaultyServer:
    """A server with faults and a rate limit. Its counts lie in a file."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.counts = options, Counts(options.counts).numbers
        self.recent: deque[float] = deque()
        self.chance = random.Random()

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Return vectors, a rejection or an error."""
        options, counts, recent = self.options, self.counts, self.recent
        counts[REQUESTS] += 1
        now = time.monotonic()
        while recent and recent[0] <= now - options.window:
            recent.popleft()
        if options.limit and len(recent) >= options.limit:
            counts[REJECTED] += 1
            return HttpResponse(b'{"detail": "Too many requests"}', 429)
        recent.append(now)
        counts[MOST] = max(counts[MOST], len(recent))
        if self.chance.random() < options.failing:
            counts[FAILED] += 1
            return HttpResponse(b'{"detail": "out of order"}', options.status)
        inputs = json.loads(request.body)["input"]
        counts[TEXTS] += len(inputs)
        return HttpResponse(embeddings_body(inputs, DIMENSIONS))


class Service:
    """The server in a process of its own, while the block runs. It can be killed and started again."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._counts = Counts(folder / "counts")
        self._options = {"counts": folder / "counts", "port": 0, **options}

    def __enter__(self) -> Service:
        self._counts.numbers[:] = 0
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Listen on the port of the last start, or on a free one."""
        words = [word for name, value in self._options.items() for word in (f"--{name}", value)]
        self._process = start(__file__, *words)
        self._options["port"] = int(printed_by(self._process))

    def kill(self) -> None:
        """End the server at once, in the middle of its responses."""
        self._process.kill()
        self._process.communicate()

    def die_at(self, *texts: int) -> threading.Thread:
        """Kill the server when it has embedded so many texts, and start it again a second later."""

        def watch() -> None:
            for count in texts:
                while self.count(TEXTS) < count:
                    time.sleep(0.05)
                self.kill()
                time.sleep(1)
                self.start()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        return thread

    @property
    def url(self) -> str:
        """The root of the API."""
        return f"http://127.0.0.1:{self._options['port']}/v1"

    def count(self, number: int) -> int:
        """Return one of the counts, over all starts."""
        return int(self._counts.numbers[number])


class Memory:
    """The peak memory of this process and those that it has started, without the server, while the block runs."""

    def __enter__(self) -> Memory:
        self.peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(2):
            own = psutil.Process()
            total = 0
            for process in (own, *own.children(recursive=True)):
                with suppress(psutil.Error):
                    if "--serve" not in process.cmdline():
                        # Memory that several processes share counts once.
                        total += process.memory_full_info().pss
            self.peak = max(self.peak, total)


def check(folder: Path, rows: int) -> tuple[int, int, int]:
    """Return how many rows of a folder are lost, repeated, or have another vector than their own, or none."""
    return check_rows(folder, marks_of((f"text {number}" for number in range(rows)), rows), DIMENSIONS)


def start_ray(folder: str) -> Any:
    """Start Ray on two cores, with little memory for objects."""
    import ray

    ray.init(
        num_cpus=2,
        object_store_memory=200 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        _temp_dir=folder,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def beside(ray: Any, folder: Path, rows: int) -> None:
    """Compare with Ray's HTTP processor: 32 texts per request, two actors, the same limit of requests."""
    from jina_jobs.ray import embed
    from ray.data.llm import HttpRequestProcessorConfig, build_processor

    window, limit = 4.0, 5 if rows < 1000 else 40
    requests = rows // 32
    ideal = (requests / 0.98 - 1) // limit * window
    print(f"{rows:,} rows, 32 per request, {limit} requests in {window:g} s: ideal time {ideal:g} s", flush=True)
    texts = [{"id": number, "text": f"text {number}"} for number in range(rows)]

    def ours(url: str) -> None:
        client = {"base_url": url, "max_retries": 10}
        limits = _limits(limit, window)
        dataset = embed(
            ray.data.from_items(texts), column="text", model=MODEL, dimensions=DIMENSIONS, batch_size=32, client=client,
            limits=limits, rows_per_task=max(64, rows // 8),
        )  # fmt: skip
        dataset.write_parquet(str(folder / "ours"))

    def rays(url: str) -> None:
        groups = [{"texts": texts[first : first + 32]} for first in range(0, rows, 32)]
        config = HttpRequestProcessorConfig(
            url=f"{url}/embeddings", qps=max(1, round(limit / window / 2)), max_retries=10, concurrency=2, batch_size=16
        )
        processor = build_processor(
            config,
            preprocess=lambda row: {
                "payload": {
                    "model": MODEL,
                    "input": [each["text"] for each in row["texts"]],
                    "embedding_type": "base64",
                },
                "texts": row["texts"],
            },
            postprocess=lambda row: {"response": json.dumps(row["http_response"]), "texts": row["texts"]},
        )
        done = processor(ray.data.from_items(groups, override_num_blocks=8)).take_all()
        _write_responses(done, folder / "rays")

    runs: dict[str, Callable[[str], None]] = {"jina_jobs.ray.embed": ours, "Ray's HTTP processor": rays}
    for name, run in runs.items():
        with Service(folder, limit=limit, window=window, failing=0.02, status=500) as service:
            started = time.perf_counter()
            run(service.url)
            seconds = time.perf_counter() - started
            lost, repeated, wrong = check(folder / ("ours" if run is ours else "rays"), rows)
            print(
                f"{name}: {seconds:.1f} s, {service.count(REQUESTS)} requests, {service.count(REJECTED)} rejected, "
                f"at most {service.count(MOST)} of {limit} in {window:g} s; {lost} lost, {repeated} repeated, "
                f"{wrong} wrong rows",
                flush=True,
            )


def _limits(limit: int, window: float) -> Any:
    from jina_jobs.ray import SharedLimits

    return SharedLimits(limit, window=window + 0.1)


def _write_responses(rows: list[dict[str, Any]], folder: Path) -> None:
    """Write responses as Parquet, as a user would read them; a response without vectors gives none."""
    ids, vectors = [], []
    for row in rows:
        data = json.loads(row["response"]).get("data") or [None] * len(row["texts"])
        for text, item in zip(row["texts"], data, strict=True):
            ids.append(text["id"])
            vectors.append(None if item is None else np.frombuffer(base64.b64decode(item["embedding"]), "<f4"))
    folder.mkdir()
    column = pa.array(vectors, pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": ids, "embedding": column}), folder / "rows.parquet")


def prove(ray: Any, folder: Path, rows: int) -> bool:
    """Send rows through a server that fails one request in five and dies twice, with Ray Data."""
    from jina_jobs.ray import SharedLimits, embed

    _write_texts(folder / "texts", rows)
    with Service(folder, failing=0.2, status=503) as service, Memory() as memory:
        service.die_at(rows // 3, 2 * rows // 3)
        limits = SharedLimits(max_concurrency=16)
        client = {"base_url": service.url, "max_retries": 10}
        started = time.perf_counter()
        dataset = embed(
            ray.data.read_parquet(str(folder / "texts")), column="text", model=MODEL, dimensions=DIMENSIONS,
            batch_size=512, client=client, limits=limits, rows_per_task=16_384,
        )  # fmt: skip
        dataset.write_parquet(str(folder / "ray"))
        seconds = time.perf_counter() - started
        return report("Ray Data", folder / "ray", rows, service, seconds, memory)


def prove_command(folder: Path, rows: int) -> bool:
    """Send the same rows through the same server with ``jina-jobs embed``."""
    (folder / "command").mkdir()
    words = ["embed", str(folder / "texts"), str(folder / "command" / "rows.parquet"), "--model", MODEL]
    words += ["--dimensions", str(DIMENSIONS), "--id-column", "id", "--batch-size", "512", "--max-concurrency", "16"]
    words += ["--max-retries", "10"]
    command = [sys.executable, "-m", "jina_jobs.cli", *words, "--resume", "--quiet"]
    with Service(folder, failing=0.2, status=503) as service, Memory() as memory:
        service.die_at(rows // 3, 2 * rows // 3)
        environment = {**os.environ, "JINA_BASE_URL": service.url}
        started, runs = time.perf_counter(), 1
        # While the server is down for longer than the retries take, the job stops. The next run goes on.
        while subprocess.run(command, env=environment, check=False).returncode and runs < 5:
            runs += 1
        seconds = time.perf_counter() - started
        return report(f"jina-jobs embed, {runs} runs", folder / "command", rows, service, seconds, memory)


def _write_texts(folder: Path, rows: int) -> None:
    folder.mkdir()
    for first in range(0, rows, 100_000):
        ids = range(first, min(rows, first + 100_000))
        table = pa.table({"id": list(ids), "text": [f"text {number}" for number in ids]})
        pq.write_table(table, folder / f"{first:09}.parquet")


def report(name: str, folder: Path, rows: int, service: Service, seconds: float, memory: Memory) -> bool:
    """Print what came out, and return whether every row is there once, with its own vector."""
    lost, repeated, wrong = check(folder, rows)
    twice = service.count(TEXTS) - rows
    print(
        f"{name}: {rows:,} rows in {seconds:.0f} s ({rows / seconds:,.0f} rows/s), peak {memory.peak / 1e6:,.0f} MB, "
        f"{service.count(REQUESTS):,} requests, {service.count(FAILED):,} failed; {lost} lost, {repeated} repeated, "
        f"{wrong} wrong; {twice:,} rows embedded twice",
        flush=True,
    )
    return not (lost or repeated or wrong)


def main() -> int:
    """Run the benchmark. Returns 1 if a row of ours is lost, repeated or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--rows", type=int, default=0, help="rows of the proof")
    parser.add_argument("--only", choices=["beside", "proof"])
    for name, kind in {"port": int, "limit": int, "window": float, "failing": float, "status": int}.items():
        parser.add_argument(f"--{name}", type=kind, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--counts", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(answering(FaultyServer(options).respond), options.port))
        return 0
    rows = options.rows or (20_000 if options.small else 1_000_000)
    folder = tempfile.mkdtemp(prefix="ray-")
    try:
        ray = start_ray(folder)
        if options.only != "proof":
            beside(ray, Path(folder), 640 if options.small else 25_600)
        proven = options.only == "beside" or prove(ray, Path(folder), rows)
        ray.shutdown()
        return int(not (proven and (options.only == "beside" or prove_command(Path(folder), rows))))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
