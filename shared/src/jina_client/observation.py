"""What a client tells about its requests: to a function of the caller's, and to the log. Never a key or an input."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .errors import JinaError, JinaStatusError

logger = logging.getLogger("jina_client")
"""Requests that are sent again at level INFO, all others at DEBUG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request that was sent, and what came of it.

    Attributes:
        endpoint: such as ``embeddings``.
        inputs: the indices of the caller's inputs that it carried.
        number: 1 for the first time that it was sent.
        waited: seconds that it stood in line for the limits, before it was sent.
        seconds: from sending it to its answer.
        error: why it failed, or ``None``.
        retry_in: seconds until it is sent again; ``None`` where it is not.
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
        """The answer's status; ``None`` where there was no complete answer."""
        if self.error is None:
            return 200
        return self.error.status_code if isinstance(self.error, JinaStatusError) else None


OnAttempt = Callable[[Attempt], None]


def tell(attempt: Attempt, on_attempt: OnAttempt | None) -> None:
    """Log an attempt and hand it over."""
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
        # The type and the status: what a service says may repeat what it was sent.
        code = f"HTTP {attempt.status_code} " if attempt.status_code else ""
        parts.append(f"{code}{type(attempt.error).__name__}")
    parts.append(f"{attempt.seconds:.2f} s")
    if attempt.waited > 0.01:
        parts.append(f"waited {attempt.waited:.2f} s for the limits")
    if attempt.request_id:
        parts.append(f"request id {attempt.request_id}")
    if attempt.retry_in is not None:
        parts.append(f"again in {attempt.retry_in:.1f} s")
    return ", ".join(parts)
