"""Measure the CPU time that OpenTelemetry adds to a call of one request: off, sampled out, and exported in batches.

A transport answers from memory, so the time is that of the client alone: a network adds milliseconds to each request.

    uv run benchmarks/telemetry.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson
import pybase64
from jina_client import JinaClient
from jina_client.telemetry import JinaInstrumentor
from jina_client.transport import Request, Response
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

VECTOR = pybase64.b64encode(np.ones(1024, "<f4").tobytes()).decode()
BODY = orjson.dumps(
    {"data": [{"index": 0, "embedding": VECTOR}], "model": "jina-embeddings-v3", "usage": {"total_tokens": 3}}
)


class Memory:
    """A transport that returns one vector."""

    def send(self, request: Request) -> Response:
        """Return the response."""
        return Response(200, {}, BODY)

    def close(self) -> None:
        """Do nothing."""


class Dropping(SpanExporter):
    """An exporter that drops the spans."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Drop the spans."""
        return SpanExportResult.SUCCESS


def seconds_per_call(client: JinaClient, calls: int) -> float:
    """Return the CPU time of one call in seconds, that of the exporter's thread included."""
    start = time.process_time()
    for _ in range(calls):
        client.embed(["The cat sleeps on the sofa."], model="jina-embeddings-v3")
    return (time.process_time() - start) / calls


def exported() -> dict[str, Any]:
    """Return providers that sample everything."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Dropping()))
    return {"tracer_provider": provider, "meter_provider": MeterProvider([InMemoryMetricReader()])}


def sampled_out() -> dict[str, Any]:
    """Return providers that record no span, but metrics."""
    provider = TracerProvider(sampler=ALWAYS_OFF)
    return {"tracer_provider": provider, "meter_provider": MeterProvider([InMemoryMetricReader()])}


WAYS: dict[str, Callable[[], dict[str, Any]] | None] = {
    "off": None,
    "metrics, spans sampled out": sampled_out,
    "metrics and spans": exported,
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=500, help="calls per round")
    parser.add_argument("--rounds", type=int, default=15, help="rounds, of which the fastest counts")
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    with JinaClient("key", "http://localhost:1", transport=Memory()) as client:
        seconds_per_call(client, arguments.calls)
        for _ in range(arguments.rounds):
            for name, providers in WAYS.items():
                if providers is not None:
                    JinaInstrumentor().instrument(**providers())
                times[name].append(seconds_per_call(client, arguments.calls))
                if providers is not None:
                    JinaInstrumentor().uninstrument()
    # Other programs only make a round slower.
    off = min(times["off"])
    for name, seconds in times.items():
        print(f"{name:30} {min(seconds) * 1e6:6.0f} µs per call  {(min(seconds) - off) * 1e6:+6.0f} µs")


if __name__ == "__main__":
    main()
