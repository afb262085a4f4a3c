"""Embed 10,000 texts with every component of this project and with the integrations that exist, side by side.

A server in another process on loopback returns precomputed vectors after a latency that stands for the network and the
model. Each way runs in a process of its own, twice. The first call includes everything that is imported lazily, but not
the import of the component itself; the second is warm. ``floor`` is the least that any program can do: one socket, the
same requests one after another, vectors decoded into one array. Peers run in an environment of their own, which the
script makes with uv.

Machines differ and are noisy, so compare the ratios of one run.

    uv run benchmarks/beside_peers.py
    uv run benchmarks/beside_peers.py --small
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from environments import python_with
from loopback_server import HttpRequest, HttpResponse, answering, post, running, serve
from measuring import measure_apart, peak_memory

DIMENSIONS = 1024
LARGEST = 512
MODEL = "jina-embeddings-v3"
PACKAGES = ("llama-index-embeddings-jinaai", "jina-haystack", "langchain-community", "openai", "numpy")


# The server.


@cache
def response_body(kind: str, count: int) -> bytes:
    """Return the response body for a number of inputs."""
    import numpy as np

    vector = np.random.default_rng(0).standard_normal(DIMENSIONS).astype("<f4")
    numbers = [float(f"{number:.8g}") for number in vector]
    embedding = base64.b64encode(vector.tobytes()).decode() if kind == "base64" else numbers
    data = [{"object": "embedding", "index": index, "embedding": embedding} for index in range(count)]
    usage = {"total_tokens": count, "prompt_tokens": count}
    return json.dumps({"model": MODEL, "object": "list", "usage": usage, "data": data}).encode()


async def respond(request: HttpRequest) -> HttpResponse:
    """Return vectors after the latency in milliseconds that the path starts with."""
    body = json.loads(request.body)
    await asyncio.sleep(int(request.path.split("/")[1]) / 1000)
    kind = body.get("embedding_type") or body.get("encoding_format") or "float"
    return HttpResponse(response_body(kind, len(body["input"])))


# The ways to embed. Each takes the address, the texts and the texts per request (None for the package's default), and
# returns the number of vectors. All import what they need themselves, because peers have an environment of their own.

Way = Callable[[str, list[str], "int | None"], int]


def floor(url: str, texts: list[str], size: int | None, *, lists: bool = False) -> int:
    """Send the same requests over one socket, and decode into one array."""
    import numpy as np
    import pybase64

    host, _, path = url.removeprefix("http://").partition("/")
    name, port = host.split(":")
    out, row = np.empty((len(texts), DIMENSIONS), "<f4"), 0
    key = b'"embedding": "'
    with socket.create_connection((name, int(port))) as connected, connected.makefile("rb", 2**20) as file:
        for start in range(0, len(texts), size or LARGEST):
            part = texts[start : start + (size or LARGEST)]
            body = json.dumps({"model": MODEL, "embedding_type": "base64", "input": part}).encode()
            content, position = post(connected, file, f"/{path}/embeddings", body), 0
            for _ in part:
                begin = content.index(key, position) + len(key)
                position = content.index(b'"', begin)
                out[row] = np.frombuffer(pybase64.b64decode(memoryview(content)[begin:position]), "<f4")
                row += 1
    return len(out.tolist() if lists else out)


def floor_lists(url: str, texts: list[str], size: int | None) -> int:
    """Run the floor, and convert the array to lists, as frameworks want them."""
    return floor(url, texts, size, lists=True)


def client(url: str, texts: list[str], size: int | None) -> int:
    """Run JinaClient."""
    from jina_client import JinaClient

    with JinaClient(base_url=url) as jina:
        return len(jina.embed(texts, model=MODEL, batch_size=size))


def async_client(url: str, texts: list[str], size: int | None) -> int:
    """Run AsyncJinaClient."""
    from jina_client import AsyncJinaClient

    async def run() -> int:
        async with AsyncJinaClient(base_url=url) as jina:
            return len(await jina.embed(texts, model=MODEL, batch_size=size))

    return asyncio.run(run())


def langchain(url: str, texts: list[str], size: int | None) -> int:
    """Run langchain_jina."""
    from langchain_jina import JinaEmbeddings

    return len(JinaEmbeddings(model=MODEL, base_url=url, batch_size=size).embed_documents(texts))


def llama_index(url: str, texts: list[str], size: int | None) -> int:
    """Run llama-index-jina; the peer has the same import path."""
    from llama_index.embeddings.jinaai import JinaEmbedding

    options: dict[str, Any] = {} if size is None else {"embed_batch_size": size}
    return len(JinaEmbedding(model=MODEL, base_url=url, **options).get_text_embedding_batch(texts))


def haystack(url: str, texts: list[str], size: int | None) -> int:
    """Run haystack-jina; the peer has the same import path."""
    from haystack import Document
    from haystack.utils import Secret
    from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder

    options: dict[str, Any] = {} if size is None else {"batch_size": size}
    embedder = JinaDocumentEmbedder(
        api_key=Secret.from_token("key"), model=MODEL, base_url=url, progress_bar=False, **options
    )
    return len(embedder.run([Document(content=text) for text in texts])["documents"])


def peer_llama_index(url: str, texts: list[str], size: int | None) -> int:
    """Run llama-index-embeddings-jinaai, which ignores base_url."""
    from llama_index.embeddings.jinaai import JinaEmbedding

    options: dict[str, Any] = {} if size is None else {"embed_batch_size": size}
    embedding = JinaEmbedding(model=MODEL, api_key="key", **options)
    embedding._api.api_url = f"{url}/embeddings"
    return len(embedding.get_text_embedding_batch(texts))


def peer_haystack(url: str, texts: list[str], size: int | None) -> int:
    """Run jina-haystack, whose base_url is the address of the endpoint."""
    return haystack(f"{url}/embeddings", texts, size)


def peer_langchain(url: str, texts: list[str], size: int | None) -> int:
    """Run langchain-community, which sends all texts of a call in one request."""
    from langchain_community.embeddings import jina

    jina.JINA_API_URL = f"{url}/embeddings"
    embeddings, count = jina.JinaEmbeddings(jina_api_key="key", model_name=MODEL), size or LARGEST
    parts = (texts[start : start + count] for start in range(0, len(texts), count))
    return sum(len(embeddings.embed_documents(part)) for part in parts)


def peer_openai(url: str, texts: list[str], size: int | None) -> int:
    """Run the client of OpenAI, which asks for base64."""
    from openai import OpenAI

    count = size or LARGEST
    with OpenAI(base_url=url, api_key="key") as openai:
        parts = (texts[start : start + count] for start in range(0, len(texts), count))
        return sum(len(openai.embeddings.create(model=MODEL, input=part).data) for part in parts)


MODULES: dict[Way, tuple[str, ...]] = {
    floor: ("numpy", "pybase64"),
    floor_lists: ("numpy", "pybase64"),
    client: ("jina_client",),
    async_client: ("jina_client",),
    langchain: ("langchain_jina",),
    llama_index: ("llama_index.embeddings.jinaai",),
    haystack: ("haystack", "haystack_integrations.components.embedders.jina"),
    peer_llama_index: ("llama_index.embeddings.jinaai",),
    peer_haystack: ("haystack", "haystack_integrations.components.embedders.jina"),
    peer_langchain: ("langchain_community.embeddings.jina",),
    peer_openai: ("openai",),
}


@cache
def ways() -> dict[str, tuple[Way, int | None, str]]:
    """Return for each name: the function, the texts per request, and the way that it is compared to."""
    default, equal = "llama-index-embeddings-jinaai", "llama-index-embeddings-jinaai, 512"
    return {
        "floor, 128": (floor, 128, ""),
        "floor with lists, 128": (floor_lists, 128, ""),
        "llama-index-embeddings-jinaai": (peer_llama_index, None, ""),
        "llama-index-embeddings-jinaai, 512": (peer_llama_index, LARGEST, ""),
        "jina-haystack": (peer_haystack, None, ""),
        "jina-haystack, 512": (peer_haystack, LARGEST, ""),
        "langchain-community, 512": (peer_langchain, LARGEST, ""),
        "openai, 512": (peer_openai, LARGEST, ""),
        "ours, LlamaIndex": (llama_index, None, default),
        "ours, LlamaIndex, 512": (llama_index, LARGEST, equal),
        "ours, Haystack": (haystack, None, "jina-haystack"),
        "ours, Haystack, 512": (haystack, LARGEST, "jina-haystack, 512"),
        "ours, LangChain": (langchain, None, "langchain-community, 512"),
        "ours, LangChain, 128": (langchain, 128, "floor with lists, 128"),
        "ours, JinaClient": (client, None, "openai, 512"),
        "ours, JinaClient, 128": (client, 128, "floor, 128"),
        "ours, AsyncJinaClient": (async_client, None, "openai, 512"),
        "ours, AsyncJinaClient, 128": (async_client, 128, "floor, 128"),
    }


def measure(name: str, url: str, count: int) -> None:
    """Embed twice in this process, and print what it took."""
    way, size, _ = ways()[name]
    for module in MODULES[way]:
        import_module(module)
    texts = [f"text number {number}" for number in range(count)]
    calls = []
    for _ in range(2):
        wall, cpu = time.perf_counter(), time.process_time()
        assert way(url, texts, size) == count
        calls.append((time.perf_counter() - wall, time.process_time() - cpu))
    print(json.dumps({"cold": calls[0], "warm": calls[1], "peak": peak_memory()}))


def run_apart(python: str, name: str, url: str, count: int) -> dict[str, Any]:
    """Measure a way in a fresh process."""
    command = [python, __file__, "--way", name, "--url", url, "--texts", str(count)]
    environment = {**os.environ, "HAYSTACK_TELEMETRY_ENABLED": "False", "PYTHONWARNINGS": "ignore"}
    return measure_apart(name, command, environment)


def compare(python: str, port: int, latency: int, count: int, runs: int) -> None:
    """Measure every way in turn, several times, and print the medians for one latency."""
    url = f"http://127.0.0.1:{port}/{latency}"
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in ways()}
    for _ in range(runs):
        for name, (way, _, _) in ways().items():
            used = python if way.__name__.startswith("peer_") else sys.executable
            measured[name].append(run_apart(used, name, url, count))
    print(f"{count:,} texts of {DIMENSIONS} dimensions, {latency} ms per request; seconds, medians of {runs}\n")
    print(f"{'':36}{'cold: wall':>11}{'CPU':>7}{'warm: wall':>12}{'CPU':>7}{'peak MB':>9}   warm, beside")

    def median(name: str, call: str, place: int) -> float:
        return statistics.median(each[call][place] for each in measured[name])

    for name, (_, _, other) in ways().items():
        cold, warm = ([median(name, call, place) for place in (0, 1)] for call in ("cold", "warm"))
        peak = statistics.median(each["peak"] for each in measured[name])
        beside = ""
        if other.startswith("floor"):
            beside = f"{warm[1] / median(other, 'warm', 1):.2f} times the CPU of {other}"
        elif other:
            faster = median(other, "cold", 0) / cold[0], median(other, "warm", 0) / warm[0]
            beside = f"{faster[1]:.1f} times faster than {other} (cold {faster[0]:.1f})"
        print(f"{name:36}{cold[0]:>11.2f}{cold[1]:>7.2f}{warm[0]:>12.2f}{warm[1]:>7.2f}{peak:>9.0f}   {beside}")
    print()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--latencies", type=int, nargs="+", default=[0, 50, 200], metavar="MS")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--environment", metavar="FOLDER", help="keep the peers' environment in this folder")
    parser.add_argument("--small", action="store_true", help="600 texts, one run at 0 ms: a check that it works")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(answering(respond)))
    elif options.way:
        measure(options.way, options.url, options.texts)
    else:
        latencies = [0] if options.small else options.latencies
        count, runs = (600, 1) if options.small else (options.texts, options.runs)
        with python_with(PACKAGES, "peers", options.environment) as python, running(__file__) as port:
            for latency in latencies:
                compare(python, port, latency, count, runs)


if __name__ == "__main__":
    main()
