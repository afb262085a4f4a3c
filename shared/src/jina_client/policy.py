"""Which failure is tried again, and after how long. The waiting itself is tenacity's."""

from __future__ import annotations

from tenacity import RetryCallState
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


class Wait(wait_base):
    """What the service asks for, else exponential with full jitter (so that clients that failed together part)."""

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = error.retry_after if isinstance(error, JinaStatusError) else None
        if asked is not None:
            return asked
        return wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)(retry_state)


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
