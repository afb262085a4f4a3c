"""The messages between the limits of an account and the limiters of its workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from jina_client import RateLimitError


@dataclass(frozen=True, slots=True)
class Queued:
    """A request that waits.

    Attributes:
        number: among the requests of its worker.
        tokens: an estimate.
        retry: whether it was sent before.
    """

    number: int
    tokens: int
    retry: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of a request, or that it will not be sent.

    Attributes:
        number: among the requests of its worker.
        succeeded: whether the service responded to it.
        tokens: of a success, as the service counted them; ``None`` if it did not say.
        remaining: the response's header ``x-ratelimit-remaining-requests``; empty without one.
        rejection: a 429.
    """

    number: int
    succeeded: bool = False
    tokens: int | None = None
    remaining: str = ""
    rejection: RateLimitError | None = None


@dataclass(slots=True)
class Report:
    """The events at a worker since its last report. A report may arrive twice: the numbers make that harmless.

    Attributes:
        worker: the worker's own name.
        queued: requests that wait.
        finished: requests that ended, after those that are queued.
        pause: seconds for which the service asked to send nothing.
        registration: of the last reply; empty before the first.
    """

    worker: str
    queued: list[Queued] = field(default_factory=list)
    finished: list[Finish] = field(default_factory=list)
    pause: float = 0.0
    registration: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.queued or self.finished or self.pause)


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a report.

    Attributes:
        started: numbers of requests that may be sent now.
        concurrency: the worker's share of the requests that may be in flight.
        wait: seconds for which no request may start because of a rate.
        registration: changes when the worker was forgotten, so that it tells again which of its requests wait.
        requests_per_minute: the limit, as far as it is known.
        tokens_per_minute: the limit, as far as it is known.
    """

    started: list[int]
    concurrency: int
    wait: float
    registration: str
    requests_per_minute: int | None
    tokens_per_minute: int | None


@dataclass(frozen=True, slots=True)
class Totals:
    """The requests of all workers in numbers.

    Attributes:
        requests: that were sent.
        retries: requests that were repeats.
        rejected: requests that the service rejected with a 429.
        tokens: as the service counted them. Those of responses that a killed worker did not report are missing.
        workers: that have reported within the lease.
        lost_workers: that went silent while they had requests.
    """

    requests: int = 0
    retries: int = 0
    rejected: int = 0
    tokens: int = 0
    workers: int = 0
    lost_workers: int = 0


class Link(Protocol):
    """Carries a report to the limits of the account. It must be picklable, and several threads call it."""

    def exchange(self, report: Report, wait: float) -> Reply:
        """Deliver a report, and return the reply.

        Args:
            report: may be empty.
            wait: seconds to wait for a request that may start; 0 to return at once.

        Raises:
            Exception: the limits were not reached. The worker tries again.
        """
