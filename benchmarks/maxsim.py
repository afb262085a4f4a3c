"""Compare MaxSim of one query against many documents: numpy and libraries with their own kernels.

The script runs all methods in turn, several times, and prints the medians. Machines differ, so compare the ratios.

    uv run --with maxsim-cpu --with numkong benchmarks/maxsim.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from jina_client.late_interaction import maxsim
from jina_client.quantization import calibrate, quantize

DIMENSIONS = 128
QUERY_TOKENS = 32


def unit(generator: np.random.Generator, tokens: int) -> Any:
    """Return random unit vectors."""
    vectors = generator.standard_normal((tokens, DIMENSIONS), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ways(query: Any, documents: list[Any]) -> dict[str, Callable[[], Any]]:
    """Each way as a function that gives one score for each document; libraries that are not installed are left out."""
    ranges = calibrate(np.concatenate(documents))
    codes = [quantize(document, "int8", ranges) for document in documents]
    bits = [quantize(document, "ubinary") for document in documents]
    methods: dict[str, Callable[[], Any]] = {
        "jina_client, float32": lambda: maxsim(query, documents),
        "jina_client, int8": lambda: maxsim(query, codes, ranges=ranges),
        "jina_client, bits": lambda: maxsim(query, bits),
        "numpy, one document after another": lambda: np.array([(query @ each.T).max(1).sum() for each in documents]),
    }
    try:
        import maxsim_cpu

        methods["maxsim-cpu, float32"] = lambda: maxsim_cpu.maxsim_scores_variable(query, documents)
    except ImportError:
        print("maxsim-cpu is not installed")
    try:
        import numkong

        packed_query = numkong.maxsim_pack(query, dtype="f32")
        packed = [numkong.maxsim_pack(document, dtype="f32") for document in documents]
        # It gives the sum of the angular distances 1 - cosine, of documents packed beforehand.
        methods["numkong, float32, packed beforehand"] = lambda: np.array(
            [len(query) - numkong.maxsim_packed(packed_query, each) for each in packed]
        )
    except ImportError:
        print("numkong is not installed")
    return methods


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=300, help="of a document, on average")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    lengths = generator.integers(options.tokens // 2, options.tokens * 3 // 2, options.documents)
    query, documents = unit(generator, QUERY_TOKENS), [unit(generator, int(length)) for length in lengths]
    exact = np.array([(query @ each.T).max(1).sum() for each in documents])
    todo = ways(query, documents)
    times: dict[str, list[float]] = {name: [] for name in todo}
    errors: dict[str, float] = {}
    for _ in range(options.runs + 1):  # the first one warms up
        for name, run in todo.items():
            start = time.perf_counter()
            scores = run()
            times[name].append(time.perf_counter() - start)
            errors[name] = float(np.abs(scores - exact).max())
    print(
        f"{QUERY_TOKENS} query tokens, {options.documents:,} documents of {options.tokens} tokens on average, ", end=""
    )
    print(f"{DIMENSIONS} dimensions; medians of {options.runs}\n")
    print(f"{'':40}{'ms':>8}{'least':>8}{'largest error':>16}")
    for name, seconds in times.items():
        print(
            f"{name:40}{statistics.median(seconds[1:]) * 1e3:>8.1f}{min(seconds[1:]) * 1e3:>8.1f}{errors[name]:>16.2g}"
        )


if __name__ == "__main__":
    main()
