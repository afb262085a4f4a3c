"""The switch: sets what observes all clients of this process."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, get_args

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # not typed
from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import TracerProvider, get_tracer

from ..arguments import unknown_argument
from ..checks import check_choice
from ..errors import JinaInputError
from ..observation import observe
from ..version import __version__
from .metrics import Metrics
from .spans import SpanObserver

PropagateTo = Literal["self-hosted", "all", "none"]


class JinaInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Switches OpenTelemetry on for all clients of this process, those that exist already included.

    There is one instrumentor: every ``JinaInstrumentor()`` is the same object. Instrumenting twice logs a warning and
    changes nothing.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return no distributions: the instrumentor is part of the one that it instruments."""
        return ()

    def instrument(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        propagate_to: PropagateTo = "self-hosted",
        **options: Any,
    ) -> None:
        """Start making spans and metrics.

        Args:
            tracer_provider: makes the tracer; by default the global provider.
            meter_provider: makes the meter; by default the global provider.
            propagate_to: which servers receive the trace context, usually as the header ``traceparent``:
                ``self-hosted`` are all but Jina's own hosts. The global propagators write the headers, so baggage goes
                along unless ``OTEL_PROPAGATORS`` says otherwise.
            **options: those of ``opentelemetry-instrument``.

        Raises:
            JinaInputError: an object that is not a provider, or an unknown option.
        """
        super().instrument(
            tracer_provider=tracer_provider, meter_provider=meter_provider, propagate_to=propagate_to, **options
        )

    def uninstrument(self, **options: Any) -> None:
        """Stop making spans and metrics. Calls that are running end their spans."""
        super().uninstrument(**options)

    def _instrument(
        self,
        *,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        propagate_to: PropagateTo,
        **unknown: Any,
    ) -> None:
        for name in unknown:
            raise unknown_argument("instrument", name, ("tracer_provider", "meter_provider", "propagate_to"))
        _check_provider("tracer_provider", tracer_provider, TracerProvider)
        _check_provider("meter_provider", meter_provider, MeterProvider)
        check_choice("propagate_to", propagate_to, get_args(PropagateTo))
        tracer = get_tracer("jina_client", __version__, tracer_provider)
        meter = get_meter("jina_client", __version__, meter_provider)
        observe(SpanObserver(tracer, Metrics(meter), propagate_to))

    def _uninstrument(self, **options: Any) -> None:
        observe(None)


def _check_provider(name: str, provider: Any, kind: type) -> None:
    if provider is not None and not isinstance(provider, kind):
        raise JinaInputError(
            f"{name} must be an OpenTelemetry {kind.__name__}, got {type(provider).__name__}: "
            f"pass one of opentelemetry.sdk, or leave {name} out for the global one"
        )
