"""The retry policy: which errors are retried, after how long, until when, and how attempts are reported.

tenacity runs the loop.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tenacity import RetryCallState, retry_if_exception
from tenacity.wait import wait_base, wait_random_exponential

from . import servers
from .addresses import host_of
from .batching.bisection import named_inputs
from .errors import (
    JinaConnectionError,
    JinaError,
    JinaInputError,
    JinaResponseError,
    JinaStatusError,
    RateLimitError,
)
from .limiter import Limiter, exceeded_limit
from .observation import Attempt, ObservedExchange, observed_exchange, report
from .protocol import Call
from .settings import Settings
from .transport import Request

RETRIED_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504})
UNTOUCHED_STATUSES = frozenset({409, 429, 503})
"""Statuses of a service that has not acted on a request: after them, even one that changes something is retried."""
FIRST_WAIT = 0.5
"""Upper bound of the first wait in seconds; it doubles with each further one."""
MAX_WAIT = 20.0
"""Upper bound in seconds that the doubling stops at."""
MAX_RETRY_AFTER = 60.0
"""Longest ``Retry-After`` in seconds that the client respects. If a service asks for more, the client raises."""


class Wait(wait_base):
    """Wait for as long as the service asks, or exponentially with full jitter, so that clients spread out again."""

    def __call__(self, retry_state: RetryCallState) -> float:
        """Return the seconds to wait before the next attempt."""
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if isinstance(error, JinaStatusError) and error.retry_after is not None:
            return error.retry_after
        return wait_random_exponential(multiplier=FIRST_WAIT, max=MAX_WAIT)(retry_state)


def is_transient(error: BaseException, repeatable: bool = True, *, longest: float = MAX_RETRY_AFTER) -> bool:
    """Return whether the same request may succeed if it is sent again.

    Args:
        error: why the request failed.
        repeatable: whether it does no harm if the service acts on the request twice.
        longest: the longest ``Retry-After`` in seconds that makes sense.
    """
    if isinstance(error, JinaStatusError):
        statuses = RETRIED_STATUSES if repeatable else UNTOUCHED_STATUSES
        return error.status_code in statuses and (error.retry_after or 0) <= longest
    return repeatable and isinstance(error, JinaConnectionError)


class Attempts:
    """The attempts at one request.

    Args:
        call: the request.
        inputs: the caller's indices of the inputs that it carries.
        settings: the retry limits, and the function to report to.
        limiter: paused while a rate limit is waited for.
        pool: several servers, of which each attempt goes to one. They have limiters of their own.
        retry: whether transient errors are retried at all.

    Attributes:
        limiter: decides when an attempt may start.
        tokens: of the response, as the service counted them; 0 before it came.
    """

    def __init__(
        self,
        call: Call,
        inputs: Sequence[int],
        settings: Settings,
        limiter: Limiter,
        pool: servers.Servers | None = None,
        *,
        retry: bool,
    ) -> None:
        self._route = None if pool is None else servers.ServerRoute(pool)
        self.limiter: Limiter = limiter if self._route is None else self._route
        self._call = call
        self._inputs = inputs
        self._settings = settings
        self._retry = retry and settings.max_retries > 0
        self._number = self._moves = 0
        self._is_moving = False
        self._backoff = 0.0
        self.tokens = 0
        self._first = self._queued = self._sent = time.monotonic()
        self._time_in_queue = 0.0

    @property
    def policy(self) -> dict[str, Any]:
        """The arguments of tenacity's ``Retrying`` or ``AsyncRetrying``."""
        return {
            "stop": self._is_last,
            "wait": self._wait,
            "retry": retry_if_exception(self._is_retried),
            "before_sleep": self._before_sleep,
            "reraise": True,
        }

    def queued(self) -> bool:
        """Note that the next attempt waits for a slot, and return whether it is a retry."""
        self._number += 1
        self._queued = self._sent = time.monotonic()
        return self._number > 1

    @property
    def root(self) -> str:
        """The root of the API of the server that the attempt is sent to."""
        return self._settings.root if self._route is None else self._route.address

    @property
    def timeout(self) -> float:
        """Seconds for the attempt. They are fewer if another server would be faster."""
        is_movable = self._route is not None and self._retry and self._call.repeatable
        patience = self._route.patience() if self._route is not None and is_movable else math.inf
        return min(self._settings.timeout, patience)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Note that the attempt has its slot, and if it fails, at which server."""
        self._sent = time.monotonic()
        self._time_in_queue += self._sent - self._queued
        try:
            if self._route is not None:
                self._route.check(self._call)
            yield
        except JinaInputError:
            raise
        except JinaError as error:
            error.server = self._server
            if self._route is not None:
                self._route.failed(error)
                if isinstance(error, JinaResponseError):
                    error.args = (f"{error} (from {error.server})",)
            raise

    def exchange(self, request: Request) -> ObservedExchange:
        """Observe the HTTP exchange of the attempt."""
        return observed_exchange(request, self._number, len(self._inputs), self._sent - self._queued)

    def check_response(self, response: Any) -> None:
        """Raise if the vectors of a response have another length than those of the other servers."""
        if self._route is not None:
            self._route.check_response(self._call, response)

    def succeeded(self, tokens: int, request_id: str) -> None:
        """Report an attempt whose result was stored."""
        self.tokens = tokens
        self._report(tokens=tokens, request_id=request_id)

    @contextmanager
    def reporting_failure(self) -> Iterator[None]:
        """Report the error that ends the attempts. An input error is not one of them: nothing was sent."""
        try:
            yield
        except JinaInputError:
            raise
        except JinaError as error:
            if isinstance(error, (JinaStatusError, JinaConnectionError)):
                error.attempts = self._number
            if isinstance(error, JinaStatusError):
                error.inputs = named_inputs(error, self._inputs)
            self._report(error=error)
            raise
        finally:
            # tenacity refers to itself, and so keeps the attempts until the next garbage collection.
            del self._call

    @property
    def _server(self) -> str:
        return host_of(self._call.url or self.root)

    def _is_retried(self, error: BaseException) -> bool:
        self._is_moving = False
        if self._route is not None and is_transient(error, self._call.repeatable, longest=math.inf):
            can_move = self._route.can_move()
            self._is_moving = can_move and self._retry and self._moves < len(self._settings.roots) - 1
        return self._is_moving or is_transient(error, self._call.repeatable)

    def _wait(self, state: RetryCallState) -> float:
        """Return the seconds before the next attempt: none if another server is there for it."""
        waited = copy.copy(state)
        waited.attempt_number -= self._moves
        self._backoff = Wait()(waited)
        if self._route is not None and not self._is_moving:
            self._route.wait()
        return 0.0 if self._is_moving else self._backoff

    def _is_last(self, state: RetryCallState) -> bool:
        if not self._retry or state.attempt_number - self._moves - self._is_moving > self._settings.max_retries:
            return True
        # Time in the queue does not count, because the limits cause it and not the service.
        spent = time.monotonic() - self._first - self._time_in_queue
        return spent + state.upcoming_sleep > self._settings.retry_timeout

    def _before_sleep(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, JinaError)
        if isinstance(error, RateLimitError) and exceeded_limit(error)[0] != "concurrent":
            # Pause all requests, because the service would reject the others too.
            self.limiter.pause(self._backoff)
        elif self._route is not None and isinstance(error, JinaStatusError) and error.retry_after:
            self._route.pause(error.retry_after)
        if self._is_moving:
            self._moves += 1
        self._report(error=error, retry_in=state.upcoming_sleep)

    def _report(
        self, *, error: JinaError | None = None, retry_in: float | None = None, tokens: int = 0, request_id: str = ""
    ) -> None:
        if isinstance(error, JinaStatusError):
            request_id = error.request_id
        attempt = Attempt(
            endpoint=self._call.path,
            inputs=self._inputs,
            number=self._number,
            waited=self._sent - self._queued,
            seconds=time.monotonic() - self._sent,
            error=error,
            retry_in=retry_in,
            tokens=tokens,
            request_id=request_id,
            server=self._server,
        )
        report(attempt, self._settings.on_attempt)
