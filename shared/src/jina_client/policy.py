"""Which failure is tried again, after how long, and until when. The waiting itself is tenacity's."""

from __future__ import annotations

from functools import partial
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_base, wait_random_exponential

from .errors import JinaConnectionError, JinaStatusError

RETRIED_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504})
REFUSED_STATUSES = frozenset({409, 429, 503})
"""The statuses of a service that has not acted on a request: after them even one that changes something is repeated."""
FIRST_WAIT = 0.5
"""Seconds: the bound of the first wait; it doubles with each further one."""
LONGEST_WAIT = 20.0
"""Seconds: the most that a wait grows to by doubling."""
LONGEST_RETRY_AFTER = 60.0
"""Seconds: a service that asks for more than this gets no further request; the error says how long it asked for."""


class _Wait(wait_base):
    """What the service asks for, else exponential with full jitter (so that clients that failed together part)."""

    _backoff = wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = error.retry_after if isinstance(error, JinaStatusError) else None
        return asked if asked is not None else self._backoff(retry_state)


def is_retried(error: BaseException, repeatable: bool = True) -> bool:
    """Whether the same request may succeed if it is sent again.

    Args:
        error: why it failed.
        repeatable: whether it does no harm if the service acts on it twice.
    """
    if isinstance(error, JinaStatusError):
        statuses = RETRIED_STATUSES if repeatable else REFUSED_STATUSES
        return error.status_code in statuses and (error.retry_after or 0) <= LONGEST_RETRY_AFTER
    return repeatable and isinstance(error, JinaConnectionError)


def retrying(max_retries: int, repeatable: bool = True) -> Retrying:
    """Calls a function up to ``max_retries + 1`` times and raises its last error."""
    return Retrying(**_policy(max_retries, repeatable))


def retrying_async(max_retries: int, repeatable: bool = True) -> AsyncRetrying:
    """The same for a coroutine function."""
    return AsyncRetrying(**_policy(max_retries, repeatable))


def _policy(max_retries: int, repeatable: bool) -> dict[str, Any]:
    return {
        "stop": stop_after_attempt(max_retries + 1),
        "wait": _Wait(),
        "retry": retry_if_exception(partial(is_retried, repeatable=repeatable)),
        "reraise": True,
    }
