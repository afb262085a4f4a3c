"""Compare the CPU time of calls other than floats with that of the least program: one socket, the same requests.

Bits, vectors per token, int8 and rerank scores come from a server in another process, with precomputed responses. The
least program parses each response with orjson and keeps the result in the same form as the client, but checks nothing.
Every call is measured in turn in one process, so compare the ratios of one run.

    uv run benchmarks/other_vectors.py
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import socket
import statistics
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import orjson
import pybase64
from jina_client import AsyncJinaClient, JinaClient
from jina_client.quantization import calibrate, quantize
from loopback_server import HttpRequest, HttpResponse, answering, post, running, serve

SIZE = 128
TOKENS = 64
MODELS = {"rerank": "jina-reranker-v2-base-multilingual", "vectors per token": "jina-colbert-v2"}
KINDS = ("bits", "int8", "vectors per token", "rerank")


@cache
def response_body(kind: str, count: int) -> bytes:
    """Return the response body for a number of inputs."""
    numbers = np.random.default_rng(0)

    def value() -> Any:
        if kind == "bits":
            return numbers.integers(0, 256, 128).astype(float).tolist()
        rows = numbers.standard_normal((1 if kind == "int8" else TOKENS, 1024 if kind == "int8" else 128)).astype("<f4")
        strings = [base64.b64encode(row.tobytes()).decode() for row in rows]
        return strings[0] if kind == "int8" else strings

    if kind == "rerank":
        scores = sorted(numbers.random(count).tolist(), reverse=True)
        body: dict[str, Any] = {"results": [{"index": index, "relevance_score": s} for index, s in enumerate(scores)]}
    else:
        name = "embeddings" if kind == "vectors per token" else "embedding"
        body = {"data": [{"object": name, "index": index, name: value()} for index in range(count)]}
    return json.dumps({"model": "m", **body, "usage": {"total_tokens": count}}).encode()


async def respond(request: HttpRequest) -> HttpResponse:
    """Return results of the kind whose number the path starts with."""
    body = json.loads(request.body)
    return HttpResponse(
        response_body(KINDS[int(request.path.split("/")[1])], len(body.get("input") or body["documents"]))
    )


def floor(kind: str, port: int, texts: list[str]) -> int:
    """Send the requests over one socket, and keep each result as the client does."""
    results: list[Any] = []
    with socket.create_connection(("127.0.0.1", port)) as connected, connected.makefile("rb", 2**20) as file:
        for start in range(0, len(texts), SIZE):
            name = "documents" if kind == "rerank" else "input"
            body = orjson.dumps({"model": MODELS.get(kind, "m"), name: texts[start : start + SIZE]})
            results += results_of(kind, orjson.loads(post(connected, file, f"/{KINDS.index(kind)}/x", body)))
    if kind == "rerank":
        results.sort(reverse=True)
    elif kind == "int8":
        vectors = np.stack(results)
        quantize(vectors, "int8", calibrate(vectors))
    return len(results)


def results_of(kind: str, parsed: Any) -> list[Any]:
    """Return the results of a response, unchecked."""
    if kind == "rerank":
        return [(item["relevance_score"], item["index"]) for item in parsed["results"]]
    if kind == "bits":
        return list(np.array([item["embedding"] for item in parsed["data"]]).astype(np.uint8))
    if kind == "int8":
        decoded = (pybase64.b64decode(item["embedding"], validate=True) for item in parsed["data"])
        return [np.frombuffer(each, "<f4") for each in decoded]
    rows = (b"".join(pybase64.b64decode(each, validate=True) for each in item["embeddings"]) for item in parsed["data"])
    return [np.frombuffer(each, "<f4").reshape(-1, 128) for each in rows]


def arguments(kind: str, texts: list[str]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Return the method of a client, and what it gets."""
    if kind == "rerank":
        return "rerank", ("query", texts), {"model": MODELS[kind], "batch_size": SIZE}
    if kind == "vectors per token":
        return "embed_multi_vector", (texts,), {"model": MODELS[kind], "batch_size": SIZE}
    embedding_type = "ubinary" if kind == "bits" else "float"
    options = {"model": "jina-embeddings-v3", "embedding_type": embedding_type, "batch_size": SIZE}
    return "embed", (texts,), options


def finish(kind: str, result: Any) -> int:
    """Quantize what is to be int8, and return the number of results."""
    if kind == "int8":
        quantize(result.vectors, "int8", calibrate(result.vectors))
    return len(result.results if kind == "rerank" else result)


def sync_client(kind: str, port: int, texts: list[str]) -> int:
    """Run JinaClient."""
    method, inputs, options = arguments(kind, texts)
    with JinaClient(base_url=f"http://127.0.0.1:{port}/{KINDS.index(kind)}") as client:
        return finish(kind, getattr(client, method)(*inputs, **options))


def async_client(kind: str, port: int, texts: list[str]) -> int:
    """Run AsyncJinaClient."""

    async def run() -> int:
        method, inputs, options = arguments(kind, texts)
        async with AsyncJinaClient(base_url=f"http://127.0.0.1:{port}/{KINDS.index(kind)}") as client:
            return finish(kind, await getattr(client, method)(*inputs, **options))

    return asyncio.run(run())


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(answering(respond)))
        return
    texts = [f"text number {number}" for number in range(options.texts)]
    ways: tuple[Callable[[str, int, list[str]], int], ...] = (floor, sync_client, async_client)
    print(f"{options.texts:,} inputs, {SIZE} a request; CPU seconds, medians of {options.runs}\n")
    print(f"{'':20}{'floor':>8}{'JinaClient':>13}{'ratio':>8}{'AsyncJinaClient':>18}{'ratio':>8}")
    with running(__file__) as port:
        for kind in KINDS:
            seconds: dict[str, list[float]] = {way.__name__: [] for way in ways}
            for run in range(options.runs + 1):
                for way in ways:
                    began = time.process_time()
                    assert way(kind, port, texts) == len(texts)
                    if run:
                        seconds[way.__name__].append(time.process_time() - began)
            least, sync, asynchronous = (statistics.median(each) for each in seconds.values())
            print(f"{kind:20}{least:>8.3f}{sync:>13.3f}{sync / least:>8.2f}{asynchronous:>18.3f}", end="")
            print(f"{asynchronous / least:>8.2f}")


if __name__ == "__main__":
    main()
