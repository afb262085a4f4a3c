"""The display of a job: a line of progress while it runs, and a summary at its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

import orjson
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .job import Summary

_REDRAW = 0.25


class ProgressLine:
    """A line on standard error with rows, tokens, price, waits and the time left; nothing if it is not a terminal.

    Args:
        show: whether to show it.
    """

    def __init__(self, show: bool) -> None:
        console = Console(stderr=True)
        self._live = (
            Live(console=console, refresh_per_second=4, transient=True) if show and console.is_terminal else None
        )
        self._drawn = 0.0
        self._first: tuple[float, float] | None = None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def update(self, summary: Summary, share: float | None) -> None:
        """Draw the line, a few times per second."""
        if self._live is None or time.monotonic() < self._drawn + _REDRAW:
            return
        self._drawn = time.monotonic()
        self._live.update(self._line(summary, share, self._seconds_left(share)))

    def finishing(self, summary: Summary) -> None:
        """Say that the output is being written."""
        if self._live:
            self._live.update(Text(f"{summary.rows:,} rows done; writing {summary.output}"))

    def _seconds_left(self, share: float | None) -> float | None:
        if share is None:
            return None
        now = time.monotonic()
        if self._first is None:
            self._first = now, share
        since, first = self._first
        return (now - since) / (share - first) * (1 - share) if share > first else None

    @staticmethod
    def _line(summary: Summary, share: float | None, left: float | None) -> Table:
        grid = Table.grid(padding=(0, 1))
        bar: list[ProgressBar | str] = (
            [] if share is None else [ProgressBar(total=1, completed=share, width=24), f"{share:.0%}"]
        )
        grid.add_row(*bar, ", ".join(_parts(summary, left)))
        return grid


def _parts(summary: Summary, left: float | None) -> Iterable[str]:
    yield f"{summary.rows:,} rows"
    yield f"{summary.rows_done / max(summary.seconds, 1e-9):,.0f} rows/s"
    if summary.tokens:
        yield f"{summary.tokens:,} tokens"
    if summary.price is not None:
        yield f"{summary.price:,.2f} (price)"
    if summary.failed:
        yield f"{summary.failed:,} failed"
    if summary.waited >= 1:
        yield f"queued {summary.waited:,.0f} s"
    if left is not None:
        yield f"{duration(left)} left"


def print_summary(summary: Summary, *, as_json: bool, quiet: bool) -> None:
    """Print what a job has done: JSON on standard output, or lines on standard error."""
    if as_json:
        print_json(asdict(summary))
    elif not quiet:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        for line in summary_lines(summary):
            console.print(line, markup=False)


def summary_lines(summary: Summary) -> list[str]:
    """Return the summary as lines."""
    price = "" if summary.price is None else f", price {summary.price:,.4f}"
    rate = summary.rows_done / summary.seconds if summary.seconds else 0
    waits = f", which queued {summary.waited:,.0f} s for limits" if summary.waited >= 1 else ""
    retries = f", {summary.retries:,} retries" if summary.retries else ""
    lines = [
        f"{summary.status}: {summary.rows:,} rows read, {summary.results:,} results, {summary.failed:,} failed",
        f"{summary.tokens:,} tokens{price}",
        f"this run: {summary.rows_done:,} rows in {duration(summary.seconds)} ({rate:,.0f} rows/s), "
        f"{summary.requests:,} requests{retries}{waits}",
        f"output: {summary.output} (manifest: {summary.manifest})",
    ]
    if summary.note:
        lines.append(summary.note)
    if summary.errors:
        lines.append(f"failed rows: {summary.errors}. Pass --resume to try them again")
    return lines


def duration(seconds: float) -> str:
    """Return a duration for people, such as ``1 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    sys.stdout.write(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()
) -> None:
    """Print a table on standard output. It is not narrower than its content where output is not a terminal."""
    console = Console() if sys.stdout.isatty() else Console(width=240)
    table = Table(title=title or None, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
