"""Spans and metrics, kept in memory instead of being exported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jina_client.telemetry import JinaInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@dataclass
class Exported:
    """The providers of a program, and what they have exported."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)
    tracer_provider: TracerProvider = field(default_factory=lambda: TracerProvider(shutdown_on_exit=False))
    meter_provider: MeterProvider = field(init=False)

    def __post_init__(self) -> None:
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meter_provider = MeterProvider([self.reader], shutdown_on_exit=False)

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended, by their start."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    @property
    def calls(self) -> list[ReadableSpan]:
        """The spans of calls of the client."""
        return [span for span in self.spans if "gen_ai.operation.name" in attributes(span) and is_ours(span)]

    @property
    def exchanges(self) -> list[ReadableSpan]:
        """The spans of HTTP exchanges."""
        return [span for span in self.spans if "http.request.method" in attributes(span)]

    def points(self, metric: str) -> list[Any]:
        """The data points of a metric."""
        return [point for each in self._metrics() if each.name == metric for point in each.data.data_points]

    def metrics(self) -> set[str]:
        """The names of all metrics."""
        return {metric.name for metric in self._metrics()}

    def text(self) -> str:
        """Everything that was exported, as text."""
        data = self.reader.get_metrics_data()
        return "\n".join([*(span.to_json() for span in self.spans), "" if data is None else data.to_json()])

    def path(self, span: ReadableSpan) -> list[str]:
        """The names of a span and of those that it is in, outermost first."""
        by_id = {each.context.span_id: each for each in self.spans}
        names: list[str] = []
        current: ReadableSpan | None = span
        while current is not None:
            names.insert(0, current.name)
            current = by_id.get(current.parent.span_id) if current.parent else None
        return names

    def _metrics(self) -> list[Any]:
        data = self.reader.get_metrics_data()
        scopes = [scope for each in data.resource_metrics for scope in each.scope_metrics] if data else []
        return [metric for scope in scopes for metric in scope.metrics]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes of a span."""
    return dict(span.attributes or {})


def is_ours(span: ReadableSpan) -> bool:
    """Return whether the client made a span."""
    return span.instrumentation_scope is not None and span.instrumentation_scope.name == "jina_client"


@contextmanager
def exporting(**options: Any) -> Iterator[Exported]:
    """Observe all clients until the block ends."""
    exported, instrumentor = Exported(), JinaInstrumentor()
    instrumentor.instrument(tracer_provider=exported.tracer_provider, meter_provider=exported.meter_provider, **options)
    try:
        yield exported
    finally:
        instrumentor.uninstrument()
