"""Run the program of ``docs/cluster.md`` with ``spark-submit``: rows per second, rejections, wrong rows and memory.

A server on loopback enforces the limits of requests and tokens per minute. It answers with vectors of 1024 dimensions
whose first numbers come from the text, so that every row can be checked. Needs Java and the group ``spark``.

    uv run --group spark benchmarks/spark.py                             # 100,000 rows, as fast as possible
    uv run --group spark benchmarks/spark.py --rows 20000 --requests-per-minute 60 --kills 2
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from checked_rows import check_rows, embeddings_body, marks_of, tokens_of
from loopback_server import HttpRequest, HttpResponse, answering, running, serve

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cluster.md"
DIMENSIONS = 1024
MINUTE = 60.0
# Spark makes about one task of each.
_FILES = 8


class LimitedServer:
    """A server with limits of requests and tokens per minute. A GET returns its counts."""

    def __init__(self, requests: int, tokens: int) -> None:
        self.requests, self.tokens = requests, tokens
        self.admitted: deque[tuple[float, int]] = deque()
        self.counts = {"requests": 0, "rejected": 0, "texts": 0}

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Return vectors, a rejection, or the counts."""
        if request.method == "GET":
            return HttpResponse(json.dumps(self.counts).encode())
        inputs = json.loads(request.body)["input"]
        now, size = time.monotonic(), tokens_of(inputs)
        while self.admitted and self.admitted[0][0] <= now - MINUTE:
            self.admitted.popleft()
        self.counts["requests"] += 1
        count, used = len(self.admitted) + 1, sum(each for _, each in self.admitted) + size
        for number, limit, unit in ((count, self.requests, "requests"), (used, self.tokens, "tokens")):
            if number > limit:
                self.counts["rejected"] += 1
                detail = f"Rate limit exceeded: {number}/{limit} {unit} per minute."
                return HttpResponse(json.dumps({"detail": detail}).encode(), 429)
        self.admitted.append((now, size))
        self.counts["texts"] += len(inputs)
        return HttpResponse(embeddings_body(inputs, DIMENSIONS))


def program(requests: int, tokens: int) -> str:
    """Return the program of the documentation, with other limits."""
    match = re.search(r"```python not-run\n(# embed_passages\.py\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert match is not None
    text = re.sub(r"requests_per_minute=\d+", f"requests_per_minute={requests}", match[1])
    return re.sub(r"tokens_per_minute=[\d_]+", f"tokens_per_minute={tokens}", text)


def run(folder: Path, port: int, kills: int) -> tuple[float, dict[str, int], int]:
    """Run the program, and return its seconds, the peak memory of its processes in megabytes, and the kills."""
    command = ["spark-submit", "--master", "local[2,10]", "--conf", "spark.ui.enabled=false", "embed_passages.py"]
    environment = {
        **os.environ,
        "JINA_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    started, peaks, chance = time.perf_counter(), {"Java": 0, "driver": 0, "workers": 0}, random.Random(0)
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    next_kill, killed = time.perf_counter() + 15, 0
    while process.poll() is None:
        sizes, workers = {"Java": 0, "driver": 0, "workers": 0}, []
        with suppress(psutil.NoSuchProcess):
            for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                with suppress(psutil.NoSuchProcess):
                    is_java, words = "java" in child.name(), child.cmdline()
                    kind = "Java" if is_java else "workers" if "pyspark.daemon" in words else "driver"
                    sizes[kind] += child.memory_info().rss // 2**20
                    workers += [child] if kind == "workers" and "pyspark.daemon" in child.parent().cmdline() else []
        peaks = {kind: max(peaks[kind], size) for kind, size in sizes.items()}
        if killed < kills and workers and time.perf_counter() > next_kill:
            with suppress(psutil.NoSuchProcess):
                chance.choice(workers).kill()
            killed, next_kill = killed + 1, time.perf_counter() + chance.uniform(3, 10)
        time.sleep(0.2)
    assert process.returncode == 0
    return time.perf_counter() - started, peaks, killed


def main() -> int:
    """Run the benchmark. Returns 1 if a row is lost, repeated, failed or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--requests-per-minute", type=int, default=1_000_000)
    parser.add_argument("--tokens-per-minute", type=int, default=1_000_000_000)
    parser.add_argument("--kills", type=int, default=0, help="Python workers to kill at random times")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    limits = options.requests_per_minute, options.tokens_per_minute
    if options.serve:
        asyncio.run(serve(answering(LimitedServer(*limits).respond)))
        return 0
    words = (f"--requests-per-minute={limits[0]}", f"--tokens-per-minute={limits[1]}")
    with running(__file__, *words) as port, tempfile.TemporaryDirectory() as name:
        return measure(Path(name), port, options)


def measure(folder: Path, port: int, options: argparse.Namespace) -> int:
    """Run the program once, and print what came out."""
    import urllib.request

    texts = [f"passage {number} of a corpus with short rows, about as long as this" for number in range(options.rows)]
    table = pa.table({"id": range(options.rows), "text": texts})
    (folder / "passages.parquet").mkdir()
    for part in range(_FILES):
        rows = range(part * options.rows // _FILES, (part + 1) * options.rows // _FILES)
        pq.write_table(table.slice(rows.start, len(rows)), folder / "passages.parquet" / f"{part}.parquet")
    (folder / "embed_passages.py").write_text(program(options.requests_per_minute, options.tokens_per_minute))
    seconds, peaks, killed = run(folder, port, options.kills)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
        counts = json.loads(response.read())
    vectors = folder / "vectors.parquet"
    errors = pq.read_table(vectors, columns=["error"])["error"]
    failed = len(errors) - errors.null_count
    lost, repeated, wrong = check_rows(vectors, marks_of(texts, len(texts)), DIMENSIONS)
    print(f"{options.rows:,} rows in {seconds:.1f} s with Spark's start; {killed} workers killed")
    twice = counts["texts"] - options.rows
    print(f"  {counts['requests']:,} requests, {counts['rejected']} rejected, {twice:,} rows embedded twice")
    print(f"  {lost} lost, {repeated} repeated, {failed} failed, {wrong} wrong")
    print("  peak memory in MB: " + ", ".join(f"{kind} {size:,}" for kind, size in peaks.items()))
    return int(any((lost, repeated, failed, wrong)))


if __name__ == "__main__":
    sys.exit(main())
