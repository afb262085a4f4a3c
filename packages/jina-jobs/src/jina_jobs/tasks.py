"""Tasks: what a job does with each row. A task reads rows, calls the client, and returns columns."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Protocol

from jina_client import (
    AsyncJinaClient,
    BadRequestError,
    JinaError,
    JinaInputError,
    JinaResponseError,
    PartialFailureError,
    RequestTooLargeError,
)
from jina_client.integration import Media, as_text, kind_of_string, takes_images

from .errors import JobUsageError
from .inputs import Record
from .rows import ID, ROW, Outcome, Row, is_unicode

# Errors of one row's content. Any other would be that of all rows.
_OF_ROWS = (BadRequestError, JinaInputError, JinaResponseError, RequestTooLargeError)
_ENOUGH_FAILURES = 8
# From here on floats lack some of the integers.
_INEXACT = 2**53

METHODS = {"embedder": "embed()", "ranker": "rerank()", "retriever": "embed_multi_vector()"}
"""The functions that the errors about a wrong model name."""

CALLS = 32
"""Calls that run together by default. The client decides how many of their requests are in flight."""


class Task(Protocol):
    """The operation of a job on each row."""

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


def distinct_columns(*names: str | None) -> tuple[str, ...]:
    """Return the columns that a job reads, each once; ``None`` is a column that the job does not use."""
    return tuple(dict.fromkeys(name for name in names if name is not None))


def facts_of(task: Any) -> dict[str, Any]:
    """Return the fields of a task that its results depend on: all but those that only divide the work."""
    return {name: value for name, value in asdict(task).items() if name not in ("batch_size", "concurrency")}


def new_row(record: Record, id_column: str | None, keep: Sequence[str]) -> Row:
    """Return a record as a row that has no value yet; with an error if it is broken, or its id or a kept value is."""
    row_id = record.number if id_column is None else record.values.get(id_column)
    kept = {name: record.values.get(name) for name in keep}
    error = record.error or key_error(row_id, str(id_column))
    for name, value in ((id_column, row_id), *kept.items()):
        if not is_unicode(value):
            error = error or f"{name} is not valid UTF-8"
    return Row(record.number, row_id, None, kept, record.place, record.checksum, error=error)


def check_kept(keep: Sequence[str], *reserved: str) -> None:
    """Reject kept columns that have a name of the output's own.

    Raises:
        JobUsageError: such a name.
    """
    for name in keep:
        if name in (ROW, ID, *reserved):
            raise JobUsageError(f"--keep {name}: the output has a column of this name; rename yours")


def input_of(record: Record, model: str, text_column: str | None, image_column: str | None) -> tuple[Any, str]:
    """Return the text or the image of a record in the form of the client, and why it cannot be sent, if so."""
    text = record.values.get(text_column) if text_column else None
    image = record.values.get(image_column) if image_column else None
    if image is None:
        if text_column is None:
            return None, f"{image_column} is null"
        error = text_error(text, text_column)
        if not error and takes_images(model) and kind_of_string(text or ""):
            error = f"{text_column} holds the data of an image or PDF: use --image-column"
        return text, error
    if text is not None:
        return None, f"{text_column} and {image_column} both have a value: a row has a text or an image"
    return _image(image, Path(record.place.rpartition(":")[0] or record.place).parent)


def key_error(value: Any, column: str) -> str:
    """Return why a value cannot name a row or a document; empty if it can."""
    if value is None:
        return f"{column} is null"
    if isinstance(value, (list, dict)):
        return f"{column} must be a text or a number, got {type(value).__name__}"
    if isinstance(value, float) and not abs(value) < _INEXACT:
        # JSON lines have integers of more than 64 bits as floats, of which several share one.
        return f"{column} is {value!r}, a number that floats do not hold exactly: write it as a string"
    return ""


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


def reason(error: JinaError, inputs: str = "") -> str:
    """Return why a row failed, on one line.

    Args:
        error: of the call.
        inputs: the name of the row's list, if each of its items is an input of the call: the reason names the first
            item that failed.
    """
    if isinstance(error, PartialFailureError):
        index = min(error.failed)
        return f"{inputs}[{index}]: {reason(error.failed[index])}" if inputs else reason(error.failed[index])
    return " ".join(str(getattr(error, "summary", error)).split())


def tokens_of(error: JinaError) -> int:
    """Return the tokens of a failed call: those of its requests that succeeded."""
    return error.usage.total_tokens if isinstance(error, PartialFailureError) and error.usage else 0


class FailureCount:
    """Decides whether an error of one call belongs to its rows or to all, as that of a wrong option or key does.

    Args:
        checked: whether the inputs are texts that were checked, so that an input error is that of an option.
    """

    def __init__(self, *, checked: bool = True) -> None:
        self._checked = checked
        self._failures = 0
        self._succeeded = False

    def succeeded(self) -> None:
        """Note that a call succeeded, so that the options are valid."""
        self._succeeded = True

    def check(self, error: JinaError) -> None:
        """Raise the error if other rows would get it too; for a partial failure, the first such error of an input."""
        if isinstance(error, PartialFailureError):
            self.succeeded()  # for the other inputs
            for cause in error.failed.values():
                if not isinstance(cause, _OF_ROWS):
                    raise cause
            return
        self._failures += 1
        of_option = self._checked and isinstance(error, JinaInputError)
        if of_option or not isinstance(error, _OF_ROWS) or (not self._succeeded and self._failures >= _ENOUGH_FAILURES):
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


async def singly(rows: AsyncIterator[Row]) -> AsyncIterator[list[Row]]:
    """Yield each row as a list of its own."""
    async for row in rows:
        yield [row]


async def in_groups(rows: AsyncIterator[Row], size: int) -> AsyncIterator[list[Row]]:
    """Yield rows in lists of a size; the last may be smaller."""
    group: list[Row] = []
    async for row in rows:
        group.append(row)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _image(value: Any, folder: Path) -> tuple[Any, str]:
    if isinstance(value, dict) and "bytes" in value:  # as datasets of the Hugging Face hub store images
        value = value["bytes"] or value.get("path")
    if isinstance(value, bytes):
        return _checked(value, None)
    if isinstance(value, str) and not value.startswith(("http://", "https://", "data:")):
        # Relative to the file that names it, or else to the current folder.
        value = next((path for path in (folder / value, Path(value)) if path.is_file()), Path(value))
    if isinstance(value, Path):
        if not value.is_file():
            return None, f"there is no file {value}"
        return _checked(value, "pdf" if value.suffix.lower() == ".pdf" else "image")
    if not isinstance(value, str):
        return None, f"the image must be a path, URL, data URI or bytes, got {type(value).__name__}"
    return _checked(value, "image")


def _checked(value: Any, kind: Literal["image", "pdf"] | None) -> tuple[Any, str]:
    """Return a medium in the form of the client, and what is wrong with its content."""
    try:
        Media(value, kind, "the image")
    except JinaInputError as error:
        return None, str(error)
    return (value if kind is None else {kind: value}), ""
