"""Measure what a new process pays before its first result: imports, the client, and the first call beside the second.

Every program runs in fresh processes, one after the other and then all again, so that a busy moment of the machine
spoils no single one. The CPU time is that of the process after Python itself has started, with compiled bytecode. A
server in another process on loopback returns precomputed vectors.

Machines differ and are noisy, so compare the times of one run.

    uv run benchmarks/cold_start.py
    uv run benchmarks/cold_start.py --modules "from jina_client import JinaClient"
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import beside_peers
from loopback_server import running
from measuring import measure_apart

# numpy starts threads whose CPU time varies by more than what is measured.
ENVIRONMENT = {
    **os.environ,
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
}
# The first process of each program compiles the bytecode for the others.
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)

CLIENT = "from jina_client import JinaClient"

IMPORTS: dict[str, tuple[str, str]] = {
    "requests": ("import numpy", "import requests"),
    "aiohttp": ("import numpy, asyncio", "import aiohttp"),
    "JinaClient": ("import numpy, requests", CLIENT),
    "AsyncJinaClient": ("import numpy, asyncio, aiohttp", "from jina_client import AsyncJinaClient"),
    "langchain_jina": (
        f"from langchain_core.embeddings import Embeddings; {CLIENT}",
        "from langchain_jina import JinaEmbeddings",
    ),
    "llama_index.embeddings.jinaai": (
        f"from llama_index.core.embeddings.multi_modal_base import MultiModalEmbedding; {CLIENT}",
        "from llama_index.embeddings.jinaai import JinaEmbedding",
    ),
    "haystack_integrations": (
        f"from haystack import Document, component; {CLIENT}",
        "from haystack_integrations.components.embedders.jina import JinaTextEmbedder",
    ),
}
"""For each name what a program imports anyway, and what it imports then."""

# Measured programs, so they import nothing but what a program of a user would. ``mark`` notes the end of a step.
MARKS = """
import sys, time
steps = {}
def mark(step):
    now = time.perf_counter(), time.process_time()
    steps[step] = now[0] - mark.last[0], now[1] - mark.last[1]
    mark.last = time.perf_counter(), time.process_time()
mark.last = time.perf_counter(), time.process_time()
"""
REPORT = "import json; print(json.dumps(steps))"

SYNC = """
from jina_client import JinaClient
mark("import")
client = JinaClient(base_url=sys.argv[1])
mark("client")
texts = [f"text number {number}" for number in range(int(sys.argv[2]))]
mark("texts")
for call in ("first call", "second call", "third call"):
    client.embed(texts, model="jina-embeddings-v3")
    mark(call)
client.close()
"""

ASYNC = """
import asyncio
from jina_client import AsyncJinaClient
mark("import")

async def main():
    client = AsyncJinaClient(base_url=sys.argv[1])
    mark("client")
    texts = [f"text number {number}" for number in range(int(sys.argv[2]))]
    mark("texts")
    for call in ("first call", "second call", "third call"):
        await client.embed(texts, model="jina-embeddings-v3")
        mark(call)
    await client.aclose()

asyncio.run(main())
"""

CALLS = {"JinaClient": SYNC, "AsyncJinaClient": ASYNC}


def steps_of(program: str, *arguments: object) -> dict[str, tuple[float, float]]:
    """Run a program in a fresh process, and return the wall and the CPU time of its steps in milliseconds."""
    command = [sys.executable, "-c", f"{MARKS}\n{program}\n{REPORT}", *map(str, arguments)]
    measured = measure_apart(program, command, ENVIRONMENT)
    return {step: (1000 * wall, 1000 * cpu) for step, (wall, cpu) in measured.items()}


def in_turn(runs: int, programs: Mapping[Any, Callable[[], dict[str, tuple[float, float]]]]) -> dict[Any, Any]:
    """Return the medians for each step of each program; the first, uncounted run of each compiles its modules."""
    times: defaultdict[Any, defaultdict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for run in range(runs + 1):
        for name, program in programs.items():
            for step, both in program().items():
                if run:
                    times[name][step].append(both)
    return {
        name: {step: [statistics.median(each) for each in zip(*both, strict=True)] for step, both in steps.items()}
        for name, steps in times.items()
    }


def compare_imports(names: Iterable[str], runs: int) -> None:
    """Print what each import adds to what a program imports anyway."""
    # In one process, because the same import takes a different time in each.
    programs = {name: "{}\nmark('base')\n{}\nmark('import')".format(*IMPORTS[name]) for name in names}
    medians = in_turn(runs, {name: lambda program=program: steps_of(program) for name, program in programs.items()})
    print(f"Imports, medians of {runs} processes; milliseconds of CPU time\n")
    for name, steps in medians.items():
        base, added = steps["base"][1], steps["import"][1]
        print(f"{name:32}{added:>6.0f}  ({added / base:+.0%}) after {base:.0f} for: {IMPORTS[name][0]}")
    print()


def compare_calls(counts: Sequence[int], runs: int) -> None:
    """Print what the first call takes, beside the second."""
    with running(beside_peers.__file__) as port:
        url = f"http://127.0.0.1:{port}/0"
        medians = in_turn(
            runs,
            {
                (name, count): lambda program=program, count=count: steps_of(program, url, count)
                for name, program in CALLS.items()
                for count in counts
            },
        )
    print(f"Calls, medians of {runs} processes; milliseconds, CPU time (wall time)\n")
    columns = ("import", "client", "first call", "second call")
    print(f"{'':32}" + "".join(f"{column:>16}" for column in columns) + f"{'first - second':>16}{'with client':>16}")
    for (name, count), steps in medians.items():
        cells = [steps[column] for column in columns]
        extra = [first - second for first, second in zip(*cells[2:], strict=True)]
        both = [client + later for client, later in zip(cells[1], extra, strict=True)]
        print(
            f"{f'{name}, {count:,} texts':32}"
            + "".join(f"{f'{c:.0f} ({w:.0f})':>16}" for w, c in [*cells, extra, both])
        )
    print()


def modules_of(program: str, runs: int) -> None:
    """Print what each module of an import takes by ``-X importtime``, the fastest of several runs."""
    times: dict[str, int] = {}
    for _ in range(runs):
        command = [sys.executable, "-X", "importtime", "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=True)
        for own, name in re.findall(r"import time: +(\d+) \| +\d+ \| +(\S+)", done.stderr):
            times[name] = min(times.get(name, 2**31), int(own))
    packages = Counter[str]()
    for name, own in times.items():
        packages[name.partition(".")[0]] += own
    print(f"{len(times)} modules, {sum(times.values()) / 1000:.1f} ms\n")
    for title, each in (("package", packages), ("module", Counter(times))):
        print(f"{'ms':>8}  {title}")
        for name, own in each.most_common(25):
            print(f"{own / 1000:8.1f}  {name}")
        print()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15, help="processes of each program")
    parser.add_argument("--texts", type=int, nargs="+", default=[1, 10_000], help="texts per call")
    parser.add_argument("--only", choices=("imports", "calls"))
    parser.add_argument("--names", nargs="+", default=list(IMPORTS), choices=list(IMPORTS), help="the imports")
    parser.add_argument("--modules", metavar="PROGRAM", help="print what each module takes that a program imports")
    options = parser.parse_args()
    if options.modules:
        modules_of(options.modules, options.runs)
        return
    if options.only != "calls":
        compare_imports(options.names, options.runs)
    if options.only != "imports":
        compare_calls(options.texts, options.runs)


if __name__ == "__main__":
    main()
