"""Tasks: what a job does with each row. A task reads rows, calls the client, and returns columns."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from jina_client import (
    AsyncJinaClient,
    BadRequestError,
    JinaError,
    JinaInputError,
    JinaResponseError,
    RequestTooLargeError,
)
from jina_client.integration import as_text

from .inputs import Record
from .rows import Outcome, Row

# Errors of one row's content. Any other would be that of all rows.
_OF_ROWS = (BadRequestError, JinaInputError, JinaResponseError, RequestTooLargeError)
_ENOUGH_FAILURES = 8


class Task(Protocol):
    """What a job does with each row."""

    @property
    def name(self) -> str:
        """The command, such as ``embed``."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""

    def facts(self) -> dict[str, Any]:
        """Return all that the results depend on, as JSON: a job can only be resumed with the same."""

    def row(self, record: Record) -> Row:
        """Return a record as a row, with an error if it cannot be sent."""

    def outcomes(self, client: AsyncJinaClient, rows: AsyncIterator[Row]) -> AsyncIterator[Outcome]:
        """Send rows, and yield what became of them, in order and without a gap."""


def text_error(value: Any, column: str) -> str:
    """Return why a value cannot be sent as a text; empty if it can."""
    if value is None:
        return f"{column} is null"
    if not isinstance(value, str):
        return f"{column} must be a text, got {type(value).__name__}"
    if not value.strip():
        return f"{column} is empty"
    try:
        as_text(value, column)
    except JinaInputError:
        return f"{column} is not valid UTF-8"
    return ""


def reason(error: JinaError) -> str:
    """Return why a row failed, on one line."""
    return " ".join(str(getattr(error, "summary", error)).split())


class FailureCount:
    """Decides whether an error of one call belongs to its rows or to all, as that of a wrong option or key does."""

    def __init__(self) -> None:
        self._failures = 0
        self._succeeded = False

    def succeeded(self) -> None:
        """Note that a call succeeded, so that the options are valid."""
        self._succeeded = True

    def check(self, error: JinaError) -> None:
        """Raise the error if other rows would get it too."""
        self._failures += 1
        if not isinstance(error, _OF_ROWS) or (not self._succeeded and self._failures >= _ENOUGH_FAILURES):
            raise error


async def in_order(
    units: AsyncIterator[list[Row]], call: Callable[[list[Row]], Awaitable[Outcome]], limit: int
) -> AsyncIterator[Outcome]:
    """Call a function for lists of rows, several at a time, and yield the outcomes in order.

    The client keeps the limits of all calls together.

    Args:
        units: the rows of each call.
        call: returns the outcome of one call.
        limit: the most calls that run.
    """
    running: deque[asyncio.Future[Outcome]] = deque()
    try:
        async for unit in units:
            if len(running) == limit:
                yield await running.popleft()
            running.append(asyncio.ensure_future(call(unit)))
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
