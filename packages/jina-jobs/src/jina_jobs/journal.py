"""The journal: what a job has done, so that a process may be killed at any moment.

Two files grow at their ends. A result is first appended to ``results``, as Arrow's stream format. Then one line of JSON
is appended to ``log``: from that moment the result counts. Whatever follows the last whole line was cut off by a crash,
and is removed when the journal is opened again. So no row is lost, none counts twice, and none is half a row.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import zlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from .errors import JobError
from .parts import Part, PartList
from .rows import ROW, Outcome, as_batch, printable

LOG = "log"
RESULTS = "results"
# Bytes after which the results are forced to the disk, for the case that the machine loses power.
_SYNC = 64 * 2**20
# A part starts with its schema, which rarely needs more than this.
_SCHEMA = 2**13


@dataclass
class Progressed:
    """How far a job is.

    Attributes:
        next_row: the rows before this one are done or failed.
        checksum: of the input before it.
        checkpoints: rows that earlier runs stopped at, each followed by the checksum of the input before it.
        failed: the rows that failed for good.
        tokens: as the service counted them, in all runs.
        results: the number of results.
        parts: where the results are.
        delivered: how many of the parts a database has confirmed.
        run: the number of this run, from 0.
    """

    next_row: int = 0
    checksum: int = 0
    checkpoints: array[int] = field(default_factory=lambda: array("q"))
    failed: set[int] = field(default_factory=set)
    tokens: int = 0
    results: int = 0
    parts: PartList = field(default_factory=PartList)
    delivered: int = 0
    run: int = 0


class Journal:
    """The journal of one job, in a folder of its own. One process at a time can open it.

    Args:
        folder: where the files are.
        types: the types of kept columns, where the source knows them.

    Raises:
        JobError: another process has it open.
    """

    def __init__(self, folder: Path, types: dict[str, pa.DataType]) -> None:
        self._types = types
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._log = _locked(folder / LOG)
        self._results = os.open(folder / RESULTS, os.O_RDWR | os.O_CREAT, 0o644)
        self.progress = Progressed()
        self._replayed = False
        self._end = self._log_end = self._synced = 0
        self._replay()
        self._replayed = True
        if self.progress.next_row:
            self.progress.run += 1

    def close(self) -> None:
        """Close the files."""
        os.close(self._results)
        os.close(self._log)

    def add(self, outcome: Outcome) -> list[pa.RecordBatch]:
        """Record what became of rows, and return their results. After it returns they survive the end of the process.

        Raises:
            JobError: the disk is full, or cannot be written.
        """
        batches = []
        for again in (False, True):
            part = self._only(outcome, again)
            if part is None:
                continue
            batch = as_batch(part, self._types)
            line: dict[str, Any] = {"tokens": part.tokens}
            if again:
                line["again"] = [row.number for row in part.rows]
                line["run"] = self.progress.run
            else:
                line["next"], line["checksum"] = part.rows[-1].number + 1, part.rows[-1].checksum
            failed = [[row.number, *map(printable, (row.id, row.place, row.error))] for row in part.rows if row.error]
            if failed:
                line["failed"] = failed
            if batch is not None:
                line["part"] = self._append_results(batch)
                batches.append(batch)
            self._append_line(line)
        return batches

    def delivered(self, parts: int) -> None:
        """Note that a database has confirmed the first so many parts. If it has all of them, their space is freed."""
        self._append_line({"delivered": parts})
        if parts == len(self.progress.parts) and self._end > _SYNC:
            self._append_line({"emptied": True})
            os.ftruncate(self._results, 0)

    def batches(self, parts: Iterable[Part]) -> Iterator[pa.RecordBatch]:
        """Yield the results of some parts.

        Raises:
            JobError: the file was damaged after it was written.
        """
        for part in parts:
            with pa.ipc.open_stream(self._read(part)) as stream:
                yield stream.read_next_batch()

    def schemas(self) -> list[pa.Schema]:
        """Return the different schemas of all parts."""
        schemas: list[pa.Schema] = []
        for part in self.progress.parts:
            head = os.pread(self._results, min(part.length, _SCHEMA), part.offset)
            try:
                schema = pa.ipc.read_schema(pa.BufferReader(head))
            except (pa.ArrowException, OSError):
                schema = pa.ipc.read_schema(pa.BufferReader(self._read(part)))
            if not any(schema.equals(known) for known in schemas):
                schemas.append(schema)
        return schemas

    def in_order(self) -> Iterator[pa.RecordBatch]:
        """Yield all results in the order of the input: those of each run are, and are merged."""
        runs = sorted({part.run for part in self.progress.parts})
        streams = [self.batches(self._parts_of(run)) for run in runs]
        heads = [next(stream) for stream in streams]
        while heads:
            firsts = [head.column(ROW)[0].as_py() for head in heads]
            index = firsts.index(min(firsts))
            others = [first for number, first in enumerate(firsts) if number != index]
            batch, stop = heads[index], len(heads[index])
            if others:
                numbers = batch.column(ROW).to_numpy()
                stop = int(numbers.searchsorted(min(others)))
            yield batch.slice(0, stop)
            following = batch.slice(stop) if stop < len(batch) else next(streams[index], None)
            if following is None:
                del heads[index], streams[index]
            else:
                heads[index] = following

    def _parts_of(self, run: int) -> Iterator[Part]:
        return (part for part in self.progress.parts if part.run == run)

    def failures(self) -> Iterator[dict[str, Any]]:
        """Yield ``row``, ``id``, ``place`` and ``error`` of each row that failed, by the time of its last try."""
        left = dict.fromkeys(self.progress.failed, 0)
        for line, _ in self._lines():
            for number, *_ in line.get("failed", ()):
                if number in left:
                    left[number] += 1
        for line, _ in self._lines():
            for number, id_, place, error in line.get("failed", ()):
                if number in left:
                    left[number] -= 1
                    if not left[number]:
                        yield {ROW: number, "id": id_, "place": place, "error": error}

    @staticmethod
    def _only(outcome: Outcome, again: bool) -> Outcome | None:
        """Return the part of an outcome whose rows were, or were not, tried before."""
        rows = [row for row in outcome.rows if row.again == again]
        if len(rows) == len(outcome.rows):
            return outcome
        if not rows:
            return None
        done = [row for row in outcome.rows if not row.error]
        indices = [index for index, row in enumerate(done) if row.again == again]
        if outcome.repeats is None:
            results = {name: column.take(pa.array(indices, pa.int64())) for name, column in outcome.results.items()}
            return Outcome(rows, results, None, 0 if again else outcome.tokens)
        places = {old: new for new, old in enumerate(indices)}
        positions = [index for index, row in enumerate(outcome.repeats) if row in places]
        results = {name: column.take(pa.array(positions, pa.int64())) for name, column in outcome.results.items()}
        return Outcome(rows, results, [places[outcome.repeats[i]] for i in positions], 0 if again else outcome.tokens)

    def _append_results(self, batch: pa.RecordBatch) -> list[int]:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        content = sink.getvalue()
        _write(self._results, content, self._end, self._folder / RESULTS)
        if self._end + content.size > self._synced + _SYNC:
            os.fsync(self._results)
            self._synced = self._end
        return [self._end, content.size, zlib.crc32(content), len(batch)]

    def _append_line(self, line: dict[str, Any]) -> None:
        content = orjson.dumps(line, default=str) + b"\n"
        _write(self._log, content, self._log_end, self._folder / LOG)
        self._log_end += len(content)
        self._apply(line)

    def _read(self, part: Part) -> bytes:
        content = os.pread(self._results, part.length, part.offset)
        if zlib.crc32(content) != part.checksum:
            raise JobError(f"{self._folder / RESULTS} is damaged at byte {part.offset}: start again with --overwrite")
        return content

    def _lines(self) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield each whole line of the log, and where it ends."""
        end = 0
        with (self._folder / LOG).open("rb") as stream:
            for content in stream:
                if not content.endswith(b"\n"):
                    return
                end += len(content)
                yield orjson.loads(content), end

    def _replay(self) -> None:
        for line, end in self._lines():
            self._apply(line)
            self._log_end = end
        os.ftruncate(self._log, self._log_end)
        if self._end > os.fstat(self._results).st_size:
            raise JobError(f"{self._folder / RESULTS} is shorter than its log says: start again with --overwrite")
        os.ftruncate(self._results, self._end)

    def _apply(self, line: dict[str, Any]) -> None:
        progress = self.progress
        if "delivered" in line:
            progress.delivered = line["delivered"]
            return
        if "emptied" in line:
            progress.parts.clear()
            progress.delivered = self._end = self._synced = 0
            return
        progress.tokens += line["tokens"]
        if "next" in line:
            progress.next_row, progress.checksum = line["next"], line["checksum"]
            if not self._replayed:
                progress.checkpoints.extend((progress.next_row, progress.checksum))
        else:
            progress.failed.difference_update(line["again"])
            progress.run = max(progress.run, line["run"])
        progress.failed.update(number for number, *_ in line.get("failed", ()))
        if part := line.get("part"):
            offset, length, checksum, count = part
            progress.parts.append(Part(offset, length, checksum, count, line.get("run", 0)))
            progress.results += count
            self._end = offset + length


def remove_journal(folder: Path) -> None:
    """Remove a journal, if there is one.

    Raises:
        JobError: a process has it open.
    """
    if (folder / LOG).exists():
        log = _locked(folder / LOG)
        shutil.rmtree(folder)
        os.close(log)


def _locked(path: Path) -> int:
    """Open a file that one process at a time may have open. The lock ends with the process."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise JobError(f"another process is running this job (it holds {path}): wait for it to end") from None
    return descriptor


def _write(descriptor: int, content: Any, offset: int, path: Path) -> None:
    """Write all of the content at an offset. What a full disk leaves half written is not counted."""
    view = memoryview(content)
    try:
        while view:
            count = os.pwrite(descriptor, view, offset)
            view, offset = view[count:], offset + count
    except OSError as error:
        raise JobError(
            f"cannot write {path}: {error.strerror}. What was done before is safe: make room, then run with --resume"
        ) from error
