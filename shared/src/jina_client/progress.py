"""Progress bars: over the inputs of a call, and over those of a batch job."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self

from .checks import check_number
from .errors import JinaTimeoutError
from .results import BatchJob


class Progress:
    """A progress bar over the inputs of a call.

    Args:
        show: whether to show it.
        total: the number of inputs; ``None`` if unknown.
    """

    def __init__(self, show: bool, total: int | None) -> None:
        self._bar: Any = None
        self._drawing = threading.Lock()
        self._failed = 0
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

    def advance(self, succeeded: int, tokens: int, *, failed: int = 0) -> None:
        """Count inputs; may be called from any thread. The bar shows those that succeeded.

        Args:
            succeeded: inputs with a result since the last call.
            tokens: of all inputs so far.
            failed: inputs that failed for good since the last call.
        """
        if self._bar is None:
            return
        with self._drawing:
            self._failed += failed
            seconds = self._bar.format_dict["elapsed"]
            notes = [f"{tokens / seconds:,.0f} tokens/s" if seconds else "", _failures(self._failed)]
            self._bar.set_postfix_str(", ".join(note for note in notes if note), refresh=bool(failed))
            self._bar.update(succeeded)


def _failures(count: int) -> str:
    return f"{count:,} failed" if count else ""


class BatchProgress:
    """The progress of a batch job that a caller waits for.

    Args:
        batch_id: the job's id, for errors.
        interval: seconds between two requests for the job's state.
        timeout: seconds after which to give up; ``None`` for never.
        show: whether to show a progress bar.
    """

    def __init__(self, batch_id: str, interval: float, timeout: float | None, show: bool) -> None:
        check_number("poll_interval", interval)
        if timeout is not None:
            check_number("timeout", timeout)
        self.interval = interval
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
        """Show the progress, and return whether the job has finished.

        Raises:
            JinaTimeoutError: the job has not finished, and the next request would come too late.
        """
        if self._show:
            self._draw(job)
        if job.is_finished:
            return True
        if self._deadline is not None and time.monotonic() + self.interval > self._deadline:
            raise JinaTimeoutError(
                f"batch job {self._batch_id} is {job.status} after {self._timeout:g} s "
                f"({job.completed} of {job.total} inputs); it goes on, and you can wait for it again"
            )
        return False

    def _draw(self, job: BatchJob) -> None:
        if self._bar is None:
            from tqdm.auto import tqdm

            self._bar = tqdm(desc="Embedding", unit="input")
        self._bar.total = job.total or None
        notes = [job.status, _failures(job.failed)]
        self._bar.set_postfix_str(", ".join(note for note in notes if note), refresh=False)
        self._bar.update(job.completed - self._bar.n)
        self._bar.refresh()
