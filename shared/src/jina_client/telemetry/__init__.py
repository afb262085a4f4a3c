"""OpenTelemetry spans and metrics of all calls and requests of this process (extra ``otel``).

Example:
    >>> from jina_client.telemetry import JinaInstrumentor
    >>> JinaInstrumentor().instrument()  # with the global providers; uninstrument() ends it

``opentelemetry-instrument`` finds the instrumentor by its entry point. The names follow OpenTelemetry's conventions for
generative AI and for HTTP clients; ``docs/monitoring.md`` lists them. No span, event or metric holds a text, a key or a
message of the service, which may repeat texts.
"""

try:
    from .instrumentor import JinaInstrumentor, PropagateTo
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("opentelemetry"):
        raise
    raise ModuleNotFoundError(
        f"jina_client.telemetry needs {error.name}, which is not installed: pip install 'jina-client[otel]', "
        "or in a checkout pip install './shared[otel]'",
        name=error.name,
    ) from None

__all__ = ["JinaInstrumentor", "PropagateTo"]
