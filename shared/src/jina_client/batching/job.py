"""A call as requests, and the result of each."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

from ..errors import JinaError, PartialFailureError
from ..protocol import Call, usage_of
from ..results import Usage
from .bisection import Bisection, Fault, SizeLimits

ANY_FAULT: Set[Fault] = frozenset({"inputs", "size", "unknown"})

T = TypeVar("T")


class Job(ABC, Generic[T]):
    """A call as requests that can be sent in any order, and the place where their results come together.

    A request carries a *piece* of the inputs: one of the planned batches, or a part of one if the service rejected the
    whole. Several threads may send pieces of one job.

    Attributes:
        batches: the planned pieces: ranges of the job's own inputs.
        model: the model that has responded; before that the requested one. Empty for calls without a model.
        cached_count: the number of inputs whose results come from the cache.
        usage: the tokens of the responses so far.
        failed: the inputs that failed for good, by the job's own index.
        stopped: why nothing more is to be sent, or ``None``.
        reads_media: whether encoding a request takes long, because it reads files and encodes images.
        writes_cache: whether storing a result may take long, because it writes to the cache.
        divisible: the faults for which a batch may be divided: none if its inputs belong together.
        size_limits: what is known of how many inputs the service accepts.
    """

    batches: Sequence[range]
    model = ""
    cached_count = 0
    reads_media = False
    writes_cache = False
    divisible: Set[Fault] = frozenset()

    def __init__(self) -> None:
        self.usage = Usage()
        self.failed: dict[int, JinaError] = {}
        self.stopped: JinaError | None = None
        self.size_limits = SizeLimits()
        self._has_response = False
        self._first_error: JinaError | None = None
        self._storing = threading.Lock()

    @abstractmethod
    def call(self, piece: range) -> Call:
        """Return the request for some of the inputs."""

    @property
    def sample(self) -> Call:
        """The call without its inputs, which shows its endpoint, model and options."""
        return self.call(range(0))

    @property
    def length(self) -> int:
        """The number of inputs, including those whose results come from the cache."""
        return sum(map(len, self.batches))

    @abstractmethod
    def read(self, piece: range, response: Any) -> None:
        """Decode and keep the response for some of the inputs, which is parsed JSON."""

    @abstractmethod
    def result(self) -> T:
        """Return what the caller gets, once every response is stored."""

    def completed(self) -> dict[int, Any]:
        """Return the results so far, by the caller's index."""
        return {}

    def next_round(self) -> Job[T] | None:
        """Return another job to run after every response is stored, or ``None``."""
        return None

    def tokens(self, piece: range) -> int:
        """Return an estimate of a request's tokens."""
        return 0

    def body_bytes(self, piece: range) -> int:
        """Return an estimate of the size of a request with media; 0 for texts, which are in memory anyway."""
        return 0

    def origins(self, piece: range) -> Sequence[int]:
        """Return the caller's indices of some inputs."""
        return piece

    def store(self, piece: range, response: Any) -> None:
        """Call :meth:`read` from any thread."""
        with self._storing:
            self.read(piece, response)
            self.size_limits.accepted(len(piece))
            self._has_response = True

    def make_lists(self, batch: range) -> Iterator[None]:
        """Make the lists of a batch whose requests have ended, if the caller wants lists, in steps of a few ms."""
        return iter(())

    def finish_batch(self, bisection: Bisection) -> None:
        """Record the failures of one batch. Any thread may call this."""
        with self._storing:
            for piece, error in bisection.failed:
                self.failed.update(dict.fromkeys(piece, error))
            self.stopped = self.stopped or bisection.stopped
            if bisection.first_error is not None and len(self.batches) > 1:
                places = self.origins(bisection.batch)
                note = f"in the request for inputs {places[0]} to {places[-1]} (counted from 0)"
                bisection.first_error.add_note(note)
            self._first_error = self._first_error or bisection.first_error

    @property
    def has_response(self) -> bool:
        """Whether a request has succeeded, which shows that the options of all requests are valid."""
        return self._has_response

    def check(self, *, partial: bool = False) -> None:
        """Raise the error of the call, if any, once everything was sent.

        Args:
            partial: whether failures are part of the result.

        Raises:
            PartialFailureError: some inputs failed and others succeeded.
            JinaError: every input failed, and this is why.
        """
        if self.stopped is not None:
            sent = set(self.failed)
            done = self._done()
            unsent = (index for batch in self.batches for index in batch if index not in sent and index not in done)
            self.failed.update(dict.fromkeys(unsent, self.stopped))
        if not self.failed or partial:
            return
        first = min(self.failed)
        if self.completed():
            raise self.failure() from self.failed[first]
        raise self._first_error or self.stopped or self.failed[first]

    def failure(self) -> PartialFailureError:
        """Return an error that holds the results and the failures so far."""
        return PartialFailureError(self.completed(), self.failures(), self.usage)

    def failures(self) -> dict[int, JinaError]:
        """Return the failures so far, by the caller's index."""
        completed = self.completed()
        failed = {self.origins(range(index, index + 1))[0]: error for index, error in self.failed.items()}
        # An input that was also sent as another one's context has failed only if it has no result.
        return {place: error for place, error in failed.items() if place not in completed}

    def _done(self) -> Set[int]:
        """Return the job's own indices of the inputs that have a result."""
        return set()


@contextmanager
def attaching_results(jobs: Iterable[Job[Any]]) -> Iterator[None]:
    """Attach the results of the jobs to any exception that ends the block.

    A PartialFailureError gets all results as its own. Another exception, such as KeyboardInterrupt or CancelledError,
    gets a PartialFailureError as its attribute ``partial``.
    """
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        failures = [job.failure() for job in jobs]
        partial = PartialFailureError(
            {index: value for each in failures for index, value in each.completed.items()},
            {index: reason for each in failures for index, reason in each.failed.items()},
            sum((each.usage for each in failures), Usage()),
        )
        if isinstance(error, PartialFailureError):
            error.completed, error.failed, error.usage = partial.completed, partial.failed, partial.usage
        else:
            with suppress(AttributeError):
                error.partial = partial  # type: ignore[attr-defined]
        raise


class SingleCall(Job[T]):
    """A single request whose response is read by a function."""

    batches = (range(1),)

    def __init__(self, call: Call, read: Callable[[Any], T], *, reads_media: bool = False) -> None:
        super().__init__()
        self.reads_media = reads_media
        self._call = call
        self._read = read
        self._result: T

    def call(self, piece: range) -> Call:
        """Return the call; there is only one piece."""
        return self._call

    def read(self, piece: range, response: Any) -> None:
        """Decode the response with the function, and add its tokens."""
        self._result = self._read(response)
        if isinstance(response, dict):
            self.usage += usage_of(response)

    def result(self) -> T:
        """Return the value that the function read from the response."""
        return self._result
