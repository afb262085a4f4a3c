"""Progress bars: over the inputs of a call, and over those of a batch job.

They are tqdm's: a widget in a notebook that has ipywidgets, otherwise one line, and none where standard error is
neither a terminal nor a notebook, so that logs stay readable.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

from . import results
from .checks import check_number
from .errors import JinaTimeoutError

REDRAW_INTERVAL = 1.0
"""Seconds after which a bar is drawn again although nothing has finished, so that its clock runs."""


class Progress:
    """A progress bar over the inputs of a call. It counts those that succeeded, and names the number that failed.

    Every method may be called from any thread.

    Args:
        show: whether to show it.
        total: the number of inputs; ``None`` if unknown.
    """

    def __init__(self, show: bool, total: int | None) -> None:
        self._bar: Any = _new_bar(total) if show else None
        self._drawing = threading.Lock()
        self._closed = threading.Event()
        self._tokens = self._failed = 0
        # One function per running call, which returns the seconds for which the rate limit holds it up.
        self._waits: list[Callable[[], float]] = []

    def __enter__(self) -> Self:
        if self._bar is not None:
            threading.Thread(target=self._redraw, name="jina-progress", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._closed.set()
            with self._drawing:
                self._bar.set_postfix_str(self._postfix(waits=()), refresh=False)
                self._bar.close()

    def advance(self, succeeded: int, failed: int, tokens: int) -> None:
        """Count inputs.

        Args:
            succeeded: inputs that have a result since the last call.
            failed: inputs that failed for good since the last call.
            tokens: that the service counted since the last call.
        """
        with self._drawing:
            self._failed += failed
            self._tokens += tokens
            if self._bar is not None:
                self._bar.set_postfix_str(self._postfix(self._waits), refresh=False)
                self._bar.update(succeeded)

    @contextmanager
    def waiting(self, wait: Callable[[], float]) -> Iterator[None]:
        """Show, within the block, how long the rate limit holds the call up.

        Args:
            wait: returns the seconds; 0 while requests may be sent.
        """
        with self._drawing:
            self._waits.append(wait)
        try:
            yield
        finally:
            with self._drawing:
                self._waits.remove(wait)

    def _redraw(self) -> None:
        while not self._closed.wait(REDRAW_INTERVAL):
            with self._drawing:
                if not self._closed.is_set():
                    self._bar.set_postfix_str(self._postfix(self._waits))

    def _postfix(self, waits: Iterable[Callable[[], float]]) -> str:
        wait = max([0.0, *(each() for each in waits)])
        # The most important first: tqdm cuts off what does not fit in the width of the terminal.
        parts = (
            f"rate limit: {math.ceil(wait)} s" if wait else "",
            f"{self._failed:,} failed" if self._failed else "",
            f"{self._tokens:,} tokens" if self._tokens else "",
        )
        return ", ".join(filter(None, parts))


class _Part(Progress):
    """The progress of a part of a call, counted in the whole call's bar."""

    def __init__(self, whole: Progress) -> None:
        super().__init__(False, None)
        self._whole = whole
        self.counted = 0

    def advance(self, succeeded: int, failed: int, tokens: int) -> None:
        with self._drawing:
            self.counted += succeeded + failed
        self._whole.advance(succeeded, failed, tokens)

    @contextmanager
    def waiting(self, wait: Callable[[], float]) -> Iterator[None]:
        with self._whole.waiting(wait):
            yield


_part: ContextVar[_Part | None] = ContextVar("part", default=None)


def progress_of_call(show: bool, total: int | None) -> Progress:
    """Return the progress of a call: that of the part which it belongs to, or else one of its own."""
    return _part.get() or Progress(show, total)


@contextmanager
def progress_of_part(whole: Progress, inputs: int) -> Iterator[None]:
    """Count the calls within the block in the bar of a larger call, for a framework that divides its own calls.

    Args:
        whole: the larger call's.
        inputs: of this part. Those that no call counted, because the framework's cache had them, count at the end.
    """
    part = _Part(whole)
    previous = _part.set(part)
    try:
        yield
    finally:
        _part.reset(previous)
    whole.advance(max(0, inputs - part.counted), 0, 0)


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

    def is_over(self, job: results.BatchJob) -> bool:
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

    def _draw(self, job: results.BatchJob) -> None:
        if self._bar is None:
            self._bar = _new_bar(None)
        self._bar.total = job.total or None
        failed = f", {job.failed:,} failed" if job.failed else ""
        self._bar.set_postfix_str(f"{job.status}{failed}", refresh=False)
        self._bar.update(job.completed - self._bar.n)
        self._bar.refresh()


def _new_bar(total: int | None) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, desc="Embedding", unit="input", disable=False if _in_notebook() else None)


def _in_notebook() -> bool:
    """Return whether a Jupyter kernel runs this code; its standard error is not a terminal, but shows a bar."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config
