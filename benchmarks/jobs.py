"""Embed passages with ``jina-jobs embed`` from end to end: rows per second and peak memory, then killed and resumed.

The passages are paragraphs of the Python files that are installed on this machine. A server on loopback answers at once
with vectors of 1024 dimensions whose first numbers come from the text, so that every row of the output can be checked.

    uv run benchmarks/jobs.py                            # 200,000 passages, killed 10 times: about five minutes
    uv run benchmarks/jobs.py --rows 5000 --kills 2      # a small run
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from checked_rows import check_rows, embeddings_body, marks_of
from loopback_server import HttpRequest, HttpResponse, answering, running, serve

DIMENSIONS = 1024


class EmbeddingServer:
    """A server of embeddings. A GET returns the number of texts that it has embedded."""

    def __init__(self, latency: float) -> None:
        self.latency, self.texts = latency, 0

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Return vectors, or the number of texts."""
        if request.method == "GET":
            return HttpResponse(str(self.texts).encode())
        inputs = json.loads(request.body)["input"]
        await asyncio.sleep(self.latency)
        self.texts += len(inputs)
        return HttpResponse(embeddings_body(inputs, DIMENSIONS))


def passages() -> Iterator[str]:
    """Yield paragraphs of 200 to 1,500 characters of the installed Python files, again and again."""
    folders = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]
    files = sorted(path for folder in folders for path in folder.rglob("*.py"))
    for turn in range(1000):
        for path in files:
            for part in path.read_text(encoding="utf-8", errors="replace").split("\n\n"):
                text = " ".join(part.split())
                if len(text) >= 200:
                    yield f"{text[:1500]} {turn}" if turn else text[:1500]


def run(folder: Path, port: int, output: str, *, kill_after: float | None = None) -> tuple[int, float, int]:
    """Run the command, and return its exit code, its seconds and its peak memory in megabytes."""
    command = [
        sys.executable,
        "-m",
        "jina_jobs.cli",
        "embed",
        "passages.jsonl",
        output,
        "--id-column",
        "id",
        "--max-concurrency",
        "8",
    ]
    environment = {**os.environ, "JINA_BASE_URL": f"http://127.0.0.1:{port}/v1"}
    started, peak = time.perf_counter(), 0
    process = subprocess.Popen([*command, "--resume", "--quiet"], cwd=folder, env=environment)
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        # ru_maxrss would count the memory of this process too, which the child shares until it starts Python.
        peak = max([peak, *map(int, re.findall(r"VmHWM:\s+(\d+)", status.read_text()))])
        if kill_after is not None and time.perf_counter() - started > kill_after:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.02)
    return process.returncode, time.perf_counter() - started, peak // 1024


def embedded(port: int) -> int:
    """Return how many texts the server has embedded."""
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
        return int(response.read())


def main() -> int:
    """Run the benchmark. Returns 1 if a row is lost, repeated or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each response")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(answering(EmbeddingServer(options.latency).respond)))
        return 0
    with running(__file__, "--latency", options.latency) as port, tempfile.TemporaryDirectory() as name:
        return measure(Path(name), port, options)


def measure(folder: Path, port: int, options: argparse.Namespace) -> int:
    """Run the job once without and once with kills, and print what came out."""
    texts = list(islice(passages(), options.rows))
    marks = marks_of(texts, len(texts))
    with (folder / "passages.jsonl").open("w", encoding="utf-8") as stream:
        for number, text in enumerate(texts):
            stream.write(json.dumps({"id": number, "text": text}) + "\n")
    size = (folder / "passages.jsonl").stat().st_size / 1e6
    print(f"{options.rows:,} passages, {size:,.0f} MB; vectors of {DIMENSIONS} dimensions into Parquet\n")
    code, seconds, peak = run(folder, port, "once.parquet")
    lost, repeated, wrong = check_rows(folder / "once.parquet", marks, DIMENSIONS)
    print(f"without kills: exit code {code}, {seconds:.1f} s, {options.rows / seconds:,.0f} rows/s, peak {peak} MB")
    print(f"  {lost} lost, {repeated} repeated, {wrong} wrong")
    (folder / "once.parquet").unlink()
    before, kills, chance, total = embedded(port), 0, random.Random(options.seed), 0.0
    while kills < options.kills:
        # Each run starts Python, then gets about its share of the work done.
        code, took, _ = run(
            folder, port, "killed.parquet", kill_after=chance.uniform(0.5, 1.0 + 1.2 * seconds / options.kills)
        )
        total += took
        kills += code == -signal.SIGKILL
        if code == 0:
            break
    code, took, peak = run(folder, port, "killed.parquet")
    all_lost, all_repeated, all_wrong = check_rows(folder / "killed.parquet", marks, DIMENSIONS)
    again = embedded(port) - before - options.rows
    print(f"killed {kills} times: exit code {code}, {total + took:.1f} s in all, peak of the last run {peak} MB")
    print(f"  {all_lost} lost, {all_repeated} repeated, {all_wrong} wrong; {again:,} rows were embedded twice")
    print(f"  ({again / max(1, kills):,.0f} per kill; the bound is 2,048: 16 requests of 128 rows)")
    return int(any((lost, repeated, wrong, all_lost, all_repeated, all_wrong)))


if __name__ == "__main__":
    sys.exit(main())
