"""The spans: one for each call, and below it one for each HTTP exchange."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from opentelemetry import context, propagate
from opentelemetry.instrumentation.utils import is_instrumentation_enabled, suppress_http_instrumentation
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context, use_span

from ..addresses import is_jina
from ..batching import Job
from ..observation import Attempt, Describable, ObservedCall, ObservedExchange
from ..settings import Settings
from ..transport import Request, Response
from . import conventions as names
from .conventions import Attributes
from .metrics import Metrics

_CALL = context.create_key("jina_client.call")


class SpanObserver:
    """Makes spans and records metrics of all clients; an :class:`jina_client.observation.Observer`.

    Args:
        tracer: makes the spans.
        metrics: records the metrics.
        propagate_to: which servers receive the trace context, see :class:`JinaInstrumentor`.
    """

    def __init__(self, tracer: Tracer, metrics: Metrics, propagate_to: str) -> None:
        self._tracer = tracer
        self._metrics = metrics
        self._propagate_to = propagate_to

    def call(self, settings: Settings, plan: Describable) -> ObservedCall:
        """Return the observation of a call, unless the program has suppressed instrumentation here."""
        if not is_instrumentation_enabled():
            return ObservedCall()
        return SpannedCall(self._tracer, self._metrics, settings, plan)

    def exchange(self, request: Request, number: int, inputs: int, waited: float) -> ObservedExchange:
        """Return the observation of an HTTP exchange of the current call."""
        call = _current_call()
        if call is None:
            return ObservedExchange()
        shown: Attributes = {
            names.URL: names.shown_url(request.url, holds_text=call.holds_text),
            names.INPUTS: inputs,
            names.QUEUED: waited,
        }
        if number > 1:
            shown[names.RESEND_COUNT] = number - 1
        propagates = self._propagates(request.url)
        return SpannedExchange(self._tracer, self._metrics, request, shown, propagates=propagates)

    def attempt(self, attempt: Attempt) -> None:
        """Add an attempt to the current call."""
        call = _current_call()
        if call is not None:
            call.add(attempt)
            self._metrics.attempt(attempt, call.common)

    def _propagates(self, url: str) -> bool:
        if self._propagate_to == "none" or not names.server_of(url):
            return False
        return self._propagate_to == "all" or not is_jina(url)


class SpannedCall(ObservedCall):
    """The span and the metrics of one call.

    Args:
        tracer: makes the span.
        metrics: records the metrics.
        settings: the client's.
        plan: the call's first job, or the plan of a stream.

    Attributes:
        common: attributes of all its metrics.
        holds_text: whether the addresses of its requests hold the caller's input.
    """

    def __init__(self, tracer: Tracer, metrics: Metrics, settings: Settings, plan: Describable) -> None:
        call = plan.sample
        self.common = names.attributes_of(settings, call)
        self.holds_text = call.url is not None
        if not isinstance(plan, Job):
            self.common[names.STREAM] = True
        self._metrics = metrics
        self._adding = threading.Lock()
        self._tokens = self._requests = self._retries = self._inputs = self._cached = self._failed = 0
        self._waited = 0.0
        self._started = time.perf_counter()
        self._span = tracer.start_span(
            " ".join(str(self.common[key]) for key in (names.OPERATION, names.MODEL) if key in self.common),
            kind=SpanKind.CLIENT,
            attributes={**self.common, **names.options_of(call)},
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        failure = _failure(error)
        if self._tokens:
            self._span.set_attribute(names.INPUT_TOKENS, self._tokens)
        self._span.set_attributes(
            {
                names.INPUTS: self._inputs,
                names.CACHED: self._cached,
                names.FAILED: self._failed,
                names.REQUESTS: self._requests,
                names.RETRIES: self._retries,
                names.QUEUED: self._waited,
            }
        )
        _end(self._span, failure)
        seconds = time.perf_counter() - self._started
        self._metrics.call(seconds, self._tokens, self._failed, self.common, failure)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make this the current call and its span the current span."""
        token = context.attach(context.set_value(_CALL, self, set_span_in_context(self._span)))
        try:
            yield
        finally:
            context.detach(token)

    def finished(self, job: Job[Any]) -> None:
        """Count the inputs of a job that has ended, and note the model that responded."""
        self._inputs += job.length
        self._cached += job.cached_count
        self._failed += len(job.failed)
        if job.has_response and job.model:
            self._span.set_attribute(names.RESPONSE_MODEL, job.model)

    def add(self, attempt: Attempt) -> None:
        """Count an attempt. Any thread may call this."""
        with self._adding:
            self._requests += 1
            self._retries += attempt.retry_in is not None
            self._tokens += attempt.tokens
            self._waited += attempt.waited


class SpannedExchange(ObservedExchange):
    """The span and the metric of one HTTP exchange.

    Args:
        tracer: makes the span.
        metrics: records the metric.
        request: the request.
        shown: attributes of the span alone.
        propagates: whether the server receives the trace context.
    """

    def __init__(
        self, tracer: Tracer, metrics: Metrics, request: Request, shown: Attributes, *, propagates: bool
    ) -> None:
        self._metrics = metrics
        self._propagates = propagates
        self._measured: Attributes = {names.METHOD: request.method, **names.server_of(request.url)}
        self._status = 0
        self._scope = ExitStack()
        self._started = time.perf_counter()
        self._span = tracer.start_span(request.method, kind=SpanKind.CLIENT, attributes={**self._measured, **shown})

    def __enter__(self) -> Self:
        self._scope.enter_context(use_span(self._span, record_exception=False, set_status_on_exception=False))
        # Instrumentations of requests and aiohttp would make the same span and metric, and propagate everywhere.
        self._scope.enter_context(suppress_http_instrumentation())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._scope.close()
        failure = _failure(error)
        if self._status:
            self._measured[names.STATUS] = self._status
            self._span.set_attribute(names.STATUS, self._status)
        if self._status >= 400 and not failure:
            failure = {names.ERROR: str(self._status)}
        _end(self._span, failure)
        if names.SERVER_ADDRESS in self._measured:
            self._metrics.exchange(time.perf_counter() - self._started, self._measured | failure)

    def prepared(self, request: Request) -> Request:
        """Return the request with the trace context in its headers, if its server receives that."""
        if not self._propagates:
            return request
        headers: dict[str, str] = {}
        propagate.inject(headers)
        # A header that the caller passes takes precedence.
        own = {name.lower() for name in request.headers}
        added = {name: value for name, value in headers.items() if name.lower() not in own}
        return replace(request, headers={**request.headers, **added})

    def received(self, response: Response) -> Response:
        """Note the status, and the service's id of the request."""
        self._status = response.status
        if request_id := response.headers.get("x-request-id"):
            self._span.set_attribute(names.REQUEST_ID, [request_id])
        return response


def _current_call() -> SpannedCall | None:
    call = context.get_value(_CALL)
    return call if isinstance(call, SpannedCall) else None


def _failure(error: BaseException | None) -> Attributes:
    """Return ``error.type``; nothing without an error, or for a stream that the caller did not read to its end."""
    # A loop that stops cancels the end of a stream too.
    if error is None or isinstance(error, GeneratorExit) or isinstance(error.__context__, GeneratorExit):
        return {}
    return {names.ERROR: names.error_type(error)}


def _end(span: Span, failure: Attributes) -> None:
    """End a span. It has no event and no description: an error's message may repeat texts."""
    if failure:
        span.set_attributes(failure)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
