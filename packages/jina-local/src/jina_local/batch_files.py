"""The files of batch jobs: for each job its record, its output and its errors."""

from __future__ import annotations

import logging
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import orjson

from .state_files import write_atomically

_RECORD = "job.json"

logger = logging.getLogger("jina_local")


class BatchFiles:
    """Files of batch jobs. Not thread-safe.

    Args:
        folder: Folder for the files, created for the first job. ``None`` uses a temporary folder, which is removed when
            this object is no longer used or the process ends.

    Attributes:
        folder: The folder, or ``None`` before there is one.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._keeps_records = folder is not None

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records of all jobs, the oldest first."""
        if self.folder is None or not self.folder.is_dir():
            return
        records = []
        for path in self.folder.glob(f"*/{_RECORD}"):
            try:
                record = orjson.loads(path.read_bytes())
                records.append((str(record["created"]), record))
            except (OSError, KeyError, TypeError, ValueError) as error:
                logger.warning("Ignored %s, which is not a batch job of this engine: %s", path, error)
        yield from (record for _, record in sorted(records, key=lambda pair: pair[0]))

    def create(self, job_id: str, record: dict[str, Any]) -> None:
        """Create the files of a job.

        Raises:
            OSError: They cannot be written.
        """
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="jina-local-jobs-"))
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / job_id).mkdir(parents=True)
        self.save(job_id, record)

    def save(self, job_id: str, record: dict[str, Any]) -> None:
        """Save the record of a job, if jobs outlive the process."""
        if self._keeps_records:
            write_atomically(self._path(job_id) / _RECORD, orjson.dumps(record))

    def append(self, job_id: str, part: str, line: bytes) -> None:
        """Append a line to a job's ``output`` or ``errors``."""
        with (self._path(job_id) / f"{part}.jsonl").open("ab") as file:
            file.write(line)

    def open(self, job_id: str, part: str) -> IO[bytes]:
        """Open a job's ``output`` or ``errors``. It stays readable if it is removed meanwhile."""
        path = self._path(job_id) / f"{part}.jsonl"
        return path.open("rb") if path.exists() else BytesIO()

    def recover(self, job_id: str) -> tuple[int, int, int]:
        """Drop the incomplete last lines of an interrupted job.

        Returns:
            The size of its files, and the numbers of lines of its output and of its errors.
        """
        size, counts = 0, []
        for part in ("output", "errors"):
            with self.open(job_id, part) as file:
                content = file.read()
            complete = content[: content.rfind(b"\n") + 1]
            if complete != content:
                (self._path(job_id) / f"{part}.jsonl").write_bytes(complete)
            size += len(complete)
            counts.append(complete.count(b"\n"))
        return size, counts[0], counts[1]

    def remove_output(self, job_id: str) -> None:
        """Remove a job's output and errors."""
        for part in ("output", "errors"):
            # Windows does not remove a file that is being sent. It then goes with the job.
            with suppress(PermissionError):
                (self._path(job_id) / f"{part}.jsonl").unlink(missing_ok=True)

    def remove(self, job_id: str) -> None:
        """Remove all files of a job."""
        shutil.rmtree(self._path(job_id), ignore_errors=True)

    def _path(self, job_id: str) -> Path:
        assert self.folder is not None
        return self.folder / job_id
