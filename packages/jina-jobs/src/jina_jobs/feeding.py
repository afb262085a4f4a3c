"""The rows of a job, read in a thread of their own, so that a slow disk or pipe does not hold up responses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

from .errors import JobError
from .inputs import Source
from .journal import Progressed
from .rows import Row
from .tasks import Task

_BLOCK = 128
_BLOCK_BYTES = 4 * 2**20
_BLOCKS = 4


def rows_to_send(source: Source, task: Task, progress: Progressed) -> Iterator[Row]:
    """Yield the rows that are not done: those that failed, and those that no run has read.

    Raises:
        JobError: the rows that are done differ from those that the earlier run read.
    """
    numbers = iter(progress.checkpoints)
    checkpoints = zip(numbers, numbers, strict=True)
    checkpoint, before = next(checkpoints, None), 0
    held_rows: list[Row] = []
    # The journal changes while rows are read.
    next_row, failed = progress.next_row, frozenset(progress.failed)
    number = 0
    for record in source.records():
        number = record.number + 1
        if record.number >= next_row:
            yield task.row(record)
            continue
        if record.number in failed:
            row = task.row(record)
            row.again = True
            held_rows.append(row)
        if checkpoint is not None and number == checkpoint[0]:
            if record.checksum != checkpoint[1]:
                raise _changed(f"a row from {before} to {record.number}, up to {record.place}, differs")
            before, checkpoint = number, next(checkpoints, None)
            yield from held_rows
            held_rows.clear()
    if number < next_row:
        raise _changed(f"it has {number} rows, and {next_row} were read before")


def _changed(what: str) -> JobError:
    return JobError(f"--resume needs the same input: {what}. Restore the input, or start again with --overwrite")


async def read_ahead(rows: Iterator[Row]) -> AsyncIterator[Row]:
    """Yield rows that a thread reads, at most a few hundred ahead."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[list[Row] | BaseException | None] = asyncio.Queue()
    room = threading.Semaphore(_BLOCKS)
    ended = threading.Event()

    def put(item: list[Row] | BaseException | None) -> bool:
        room.acquire()
        if ended.is_set():
            return False
        loop.call_soon_threadsafe(queue.put_nowait, item)
        return True

    def read() -> None:
        try:
            block: list[Row] = []
            size = 0
            for row in rows:
                block.append(row)
                size += len(row.value) if isinstance(row.value, (str, bytes)) else 0
                if len(block) == _BLOCK or size > _BLOCK_BYTES:
                    if not put(block):
                        return
                    block, size = [], 0
            put(block)
            put(None)
        except BaseException as error:
            put(error)

    # A daemon: it may wait for standard input for ever.
    threading.Thread(target=read, name="jina-jobs-reader", daemon=True).start()
    try:
        while (item := await queue.get()) is not None:
            room.release()
            if isinstance(item, BaseException):
                raise item
            for row in item:
                yield row
    finally:
        ended.set()
        room.release()
