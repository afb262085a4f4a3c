"""Observation of running calls: one :class:`Attempt` for each request, in the log and passed to a function."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .errors import JinaError, JinaStatusError

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

    @property
    def status_code(self) -> int | None:
        """The HTTP status of the response; ``None`` if there was no complete response."""
        if self.error is None:
            return 200
        return self.error.status_code if isinstance(self.error, JinaStatusError) else None


OnAttempt = Callable[[Attempt], None]


def report(attempt: Attempt, on_attempt: OnAttempt | None) -> None:
    """Log an attempt and pass it to the caller's function."""
    level = logging.DEBUG if attempt.retry_in is None else logging.INFO
    if logger.isEnabledFor(level):
        logger.log(level, "%s", _line(attempt))
    if on_attempt is not None:
        on_attempt(attempt)


def _line(attempt: Attempt) -> str:
    parts = [f"{attempt.endpoint}: inputs {attempt.inputs[0]} to {attempt.inputs[-1]}", f"attempt {attempt.number}"]
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
