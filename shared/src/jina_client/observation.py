"""Observation of running calls: one :class:`Attempt` for each request, in the log and passed to a function.

A program may also observe every call and every HTTP exchange of all clients: :mod:`jina_client.telemetry` sets an
:class:`Observer`. Without one, a call and a request cost a check each.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from .errors import JinaError, JinaStatusError

if TYPE_CHECKING:
    from .batching import Job
    from .protocol import Call
    from .settings import Settings
    from .transport import Request, Response

logger = logging.getLogger("jina_client")
"""Requests that are retried are logged at level INFO, all others at DEBUG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request that was sent, and its outcome.

    Attributes:
        endpoint: such as ``embeddings``.
        inputs: the caller's indices of the inputs that it carried.
        number: 1 for the first attempt.
        waited: seconds in the queue of the rate limiter.
        seconds: from sending the request to storing its result, or to its failure.
        error: why it failed, or ``None``.
        retry_in: seconds until the next attempt; ``None`` if this is the last one.
        tokens: as the service counted them.
        request_id: the service's.
        server: host and port of the server that it was sent to.
    """

    endpoint: str
    inputs: Sequence[int]
    number: int
    waited: float
    seconds: float
    error: JinaError | None = field(default=None, repr=False)
    retry_in: float | None = None
    tokens: int = 0
    request_id: str = ""
    server: str = ""

    @property
    def status_code(self) -> int | None:
        """The HTTP status of the response; ``None`` if there was no complete response."""
        if self.error is None:
            return 200
        return self.error.status_code if isinstance(self.error, JinaStatusError) else None


OnAttempt = Callable[[Attempt], None]


class ObservedCall:
    """One call of a client, as a context manager around everything that the call does. This class observes nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def current(self) -> AbstractContextManager[object]:
        """Make this the current call of the block, and of the threads and tasks that start in it."""
        return nullcontext()

    def finished(self, job: Job[Any]) -> None:
        """Note the inputs of a job of this call that has ended."""


class ObservedExchange:
    """One HTTP exchange, as a context manager around its sending. This class observes nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def prepared(self, request: Request) -> Request:
        """Return the request to send, which may have further headers."""
        return request

    def received(self, response: Response) -> Response:
        """Note the response, which does not repeat the key, and return it."""
        return response


class Describable(Protocol):
    """A job, or the plan of a stream."""

    @property
    def sample(self) -> Call:
        """The call without its inputs."""


class Observer(Protocol):
    """Observes the calls of all clients. Several threads may call it concurrently."""

    def call(self, settings: Settings, plan: Describable) -> ObservedCall:
        """Return the observation of a call that is about to start."""

    def exchange(self, request: Request, number: int, inputs: int, waited: float) -> ObservedExchange:
        """Return the observation of an HTTP exchange that is about to start.

        Args:
            request: the request.
            number: 1 for the first attempt.
            inputs: the number of inputs that it carries.
            waited: seconds in the queue of the rate limiter.
        """

    def attempt(self, attempt: Attempt) -> None:
        """Note an attempt of the current call."""


_UNOBSERVED_CALL, _UNOBSERVED_EXCHANGE = ObservedCall(), ObservedExchange()
_observer: Observer | None = None


def observe(observer: Observer | None) -> None:
    """Set what observes all clients of this process from now on; ``None`` for nothing."""
    global _observer
    _observer = observer


def observed_call(settings: Settings, plan: Describable) -> ObservedCall:
    """Return the observation of a call that is about to start."""
    return _UNOBSERVED_CALL if _observer is None else _observer.call(settings, plan)


def observed_exchange(request: Request, number: int = 1, inputs: int = 0, waited: float = 0.0) -> ObservedExchange:
    """Return the observation of an HTTP exchange that is about to start; see :meth:`Observer.exchange`."""
    return _UNOBSERVED_EXCHANGE if _observer is None else _observer.exchange(request, number, inputs, waited)


def report(attempt: Attempt, on_attempt: OnAttempt | None) -> None:
    """Log an attempt, and pass it to the caller's function and to what observes all clients."""
    level = logging.DEBUG if attempt.retry_in is None else logging.INFO
    if logger.isEnabledFor(level):
        logger.log(level, "%s", _line(attempt))
    if _observer is not None:
        _observer.attempt(attempt)
    if on_attempt is not None:
        on_attempt(attempt)


def _line(attempt: Attempt) -> str:
    parts = [f"{attempt.endpoint}: inputs {attempt.inputs[0]} to {attempt.inputs[-1]}", f"attempt {attempt.number}"]
    if attempt.server:
        parts.append(f"server {attempt.server}")
    if attempt.error is None:
        parts.append(f"{attempt.tokens} tokens")
    else:
        # Only the type and the status: the service's message may repeat the caller's texts.
        code = f"HTTP {attempt.status_code} " if attempt.status_code else ""
        parts.append(f"{code}{type(attempt.error).__name__}")
    parts.append(f"{attempt.seconds:.2f} s")
    if attempt.waited > 0.01:
        parts.append(f"waited {attempt.waited:.2f} s for the rate limit")
    if attempt.request_id:
        parts.append(f"request id {attempt.request_id}")
    if attempt.retry_in is not None:
        parts.append(f"retry in {attempt.retry_in:.1f} s")
    return ", ".join(parts)
