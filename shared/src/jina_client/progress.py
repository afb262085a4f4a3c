"""Progress bars: over the inputs of a call, and over those of a batch job that is waited for."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from .errors import JinaInputError, JinaTimeoutError
from .results import BatchJob


class Progress:
    """A progress bar over the inputs of a call.

    Args:
        show: whether there is one.
        total: how many inputs there are, where that is known.
    """

    def __init__(self, show: bool, total: int | None) -> None:
        self._bar: Any = None
        if show:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, desc="Embedding", unit="input")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, inputs: int, tokens: int) -> None:
        """Count inputs that are done, and the tokens of all inputs so far."""
        if self._bar is None:
            return
        seconds = self._bar.format_dict["elapsed"]
        self._bar.set_postfix_str(f"{tokens / seconds:,.0f} tokens/s" if seconds else "", refresh=False)
        self._bar.update(inputs)


class Waiting:
    """The waiting for a batch job, but for the pauses, which differ between the clients.

    Args:
        batch_id: the job's id, for errors.
        pause: seconds between two questions.
        timeout: seconds after which to give up, or ``None``.
        show: whether to show a progress bar.
    """

    def __init__(self, batch_id: str, pause: float, timeout: float | None, show: bool) -> None:
        for name, value in (("poll_interval", pause), ("timeout", timeout)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0):
                raise JinaInputError(f"{name} must be a number of seconds above 0, got {value!r}")
        self.pause = pause
        self._batch_id = batch_id
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._show = show
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def is_over(self, job: BatchJob) -> bool:
        """Whether the job is finished; shows how far it is.

        Raises:
            JinaTimeoutError: it is not, and the next question would come too late.
        """
        if self._show:
            self._draw(job)
        if job.is_finished:
            return True
        if self._deadline is not None and time.monotonic() + self.pause > self._deadline:
            raise JinaTimeoutError(
                f"batch job {self._batch_id} is {job.status} after {self._timeout:g} s "
                f"({job.completed} of {job.total} inputs); it goes on, and can be waited for again"
            )
        return False

    def _draw(self, job: BatchJob) -> None:
        if self._bar is None:
            from tqdm.auto import tqdm

            self._bar = tqdm(desc="Embedding", unit="input")
        self._bar.total = job.total or None
        self._bar.set_postfix_str(job.status, refresh=False)
        self._bar.update(job.completed + job.failed - self._bar.n)
        self._bar.refresh()
