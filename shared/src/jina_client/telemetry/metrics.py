"""The metrics, with their units and bucket boundaries."""

from __future__ import annotations

from opentelemetry.metrics import Meter

from ..observation import Attempt
from .conventions import ERROR, TOKEN_TYPE, Attributes, error_type

# The boundaries that the conventions recommend.
_OPERATION_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(4**power for power in range(14))
_HTTP_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
# Our own: a queue is empty, or holds a request until the minute has room; a request has at most 512 inputs.
_QUEUE_SECONDS = (0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120)
_INPUTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """Records calls, HTTP exchanges and attempts.

    Args:
        meter: makes the instruments.
    """

    def __init__(self, meter: Meter) -> None:
        self._calls = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "Duration of a call, with all of its requests and retries",
            explicit_bucket_boundaries_advisory=_OPERATION_SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens of a call, as the service counted them",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._exchanges = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of an HTTP request",
            explicit_bucket_boundaries_advisory=_HTTP_SECONDS,
        )
        self._queue = meter.create_histogram(
            "jina.client.queue.duration",
            "s",
            "Time that a request waited in the queue of the rate limiter",
            explicit_bucket_boundaries_advisory=_QUEUE_SECONDS,
        )
        self._inputs = meter.create_histogram(
            "jina.client.request.inputs",
            "{input}",
            "Inputs of a request",
            explicit_bucket_boundaries_advisory=_INPUTS,
        )
        self._retries = meter.create_counter("jina.client.retries", "{retry}", "Requests that were sent again")
        self._failed = meter.create_counter("jina.client.failed_inputs", "{input}", "Inputs that failed for good")

    def call(self, seconds: float, tokens: int, failed: int, common: Attributes, error: Attributes) -> None:
        """Record a call that has ended.

        Args:
            seconds: its duration.
            tokens: its tokens.
            failed: the number of inputs that failed for good.
            common: the attributes of the call.
            error: ``error.type`` if the call ended with an error.
        """
        self._calls.record(seconds, common | error)
        if tokens:
            self._tokens.record(tokens, common | {TOKEN_TYPE: "input"})
        if failed:
            self._failed.add(failed, common)

    def exchange(self, seconds: float, attributes: Attributes) -> None:
        """Record an HTTP exchange that has ended."""
        self._exchanges.record(seconds, attributes)

    def attempt(self, attempt: Attempt, common: Attributes) -> None:
        """Record an attempt at a request."""
        self._queue.record(attempt.waited, common)
        self._inputs.record(len(attempt.inputs), common)
        if attempt.retry_in is not None and attempt.error is not None:
            self._retries.add(1, common | {ERROR: error_type(attempt.error)})
