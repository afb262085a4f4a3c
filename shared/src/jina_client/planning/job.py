"""A call as requests, and what has become of each."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

from ..errors import JinaError, PartialFailureError
from ..isolation import Blame, Isolation, Sizes
from ..protocol import Call, usage_of
from ..results import Usage

FOR_ANY_REASON: Set[Blame] = frozenset({"inputs", "size", "unknown"})

T = TypeVar("T")


class Job(ABC, Generic[T]):
    """A call as requests that can be sent in any order, and the place where their answers come together.

    A request carries a *piece* of the inputs: one of the planned batches, or a part of one where the service refused
    the whole. Several threads may send pieces of one job.

    Attributes:
        batches: the pieces that are planned: ranges of the job's own inputs.
        usage: the tokens of the answers so far.
        failed: by the job's own index, the inputs that failed for good.
        stopped: why nothing more is to be sent, or ``None``.
        reads_media: whether making a request takes long, because files are read and images encoded for it.
        keeps: whether taking an answer may take long, because it is written to a cache.
        divisible: the reasons for which a batch may be cut: none, where its inputs belong together.
        sizes: what is known of how many inputs the service takes.
    """

    batches: Sequence[range]
    reads_media = False
    keeps = False
    divisible: Set[Blame] = frozenset()

    def __init__(self) -> None:
        self.usage = Usage()
        self.failed: dict[int, JinaError] = {}
        self.stopped: JinaError | None = None
        self.sizes = Sizes()
        self._answered = False
        self._first_error: JinaError | None = None
        self._taking = threading.Lock()

    @abstractmethod
    def call(self, piece: range) -> Call:
        """The request for some of the inputs."""

    @abstractmethod
    def accept(self, piece: range, answer: Any) -> None:
        """Take the answer for some of the inputs, decoded from JSON."""

    @abstractmethod
    def result(self) -> T:
        """What the caller gets, once every answer is in."""

    def completed(self) -> dict[int, Any]:
        """By the caller's index, what is done."""
        return {}

    def then(self) -> Job[T] | None:
        """What is still to be sent when every answer is in."""
        return None

    def tokens(self, piece: range) -> int:
        """About how many tokens a request has."""
        return 0

    def origins(self, piece: range) -> Sequence[int]:
        """The caller's indices of some inputs."""
        return piece

    def take(self, piece: range, answer: Any) -> None:
        """:meth:`accept`, from any thread."""
        with self._taking:
            self.accept(piece, answer)
            self.sizes.answered(len(piece))
            self._answered = True

    def give_up(self, found: Isolation) -> None:
        """Take note of what failed of one batch, from any thread."""
        with self._taking:
            for piece, error in found.failed:
                self.failed.update(dict.fromkeys(piece, error))
            self.stopped = self.stopped or found.stopped
            if found.first is not None and len(self.batches) > 1:
                places = self.origins(found.batch)
                found.first.add_note(f"in the request for inputs {places[0]} to {places[-1]} (counted from 0)")
            self._first_error = self._first_error or found.first

    @property
    def promising(self) -> bool:
        """Whether a request has been answered, so that what all have in common is right."""
        return self._answered

    def check(self, *, partial: bool = False) -> None:
        """Raise what is to be raised when everything was sent.

        Args:
            partial: whether failures are part of the result.

        Raises:
            PartialFailureError: some inputs have failed, others are done.
            JinaError: nothing is done, and this is why.
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
        """What is done and what has failed so far."""
        return PartialFailureError(self.completed(), self.failures(), self.usage)

    def failures(self) -> dict[int, JinaError]:
        """By the caller's index, what has failed so far."""
        completed = self.completed()
        failed = {self.origins(range(index, index + 1))[0]: error for index, error in self.failed.items()}
        # An input that is sent twice, as context of another too, has failed only if it is not done.
        return {place: error for place, error in failed.items() if place not in completed}

    def _done(self) -> Set[int]:
        """The job's own indices of the inputs that are done."""
        return set()


@contextmanager
def handing_over(jobs: Iterable[Job[Any]]) -> Iterator[None]:
    """Whatever ends the block early carries what the jobs have done.

    A PartialFailureError has it as its own; another exception, such as KeyboardInterrupt or CancelledError, has a
    PartialFailureError as its ``partial``.
    """
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        found = [job.failure() for job in jobs]
        whole = PartialFailureError(
            {index: value for each in found for index, value in each.completed.items()},
            {index: reason for each in found for index, reason in each.failed.items()},
            sum((each.usage for each in found), Usage()),
        )
        if isinstance(error, PartialFailureError):
            error.completed, error.failed, error.usage = whole.completed, whole.failed, whole.usage
        else:
            with suppress(AttributeError):
                error.partial = whole  # type: ignore[attr-defined]
        raise


class OneCall(Job[T]):
    """A single request whose answer is read by a function."""

    batches = (range(1),)

    def __init__(self, call: Call, read: Callable[[Any], T], *, reads_media: bool = False) -> None:
        super().__init__()
        self.reads_media = reads_media
        self._call = call
        self._read = read
        self._result: T

    def call(self, piece: range) -> Call:
        return self._call

    def accept(self, piece: range, answer: Any) -> None:
        self._result = self._read(answer)
        if isinstance(answer, dict):
            self.usage += usage_of(answer)

    def result(self) -> T:
        return self._result
