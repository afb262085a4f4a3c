"""Batch jobs: embed texts in the background, one job after another.

Vectors and errors are written to files as they are computed, and kept for 24 hours. Together the files may take 256 MB:
the outputs of the oldest finished jobs expire first, and a job that needs more than all of it fails with that reason.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from .batch_files import BatchFiles
from .batch_task import LIFETIME, BatchTask, checked_lines, encode_line
from .cancellation import RequestScope
from .errors import (
    RejectedRequestError,
    RequestError,
    not_found,
    resource_limit_exceeded,
    stopping,
)
from .state_files import writing_state
from .timestamps import timestamp
from .validation.batch import BatchBody

Embed = Callable[[dict[str, Any]], dict[str, Any]]
EnterScope = Callable[[], AbstractContextManager[RequestScope]]

MAX_UNFINISHED = 16
MAX_OUTPUT_BYTES = 256 * 2**20
"""Default maximum size of the outputs of all jobs together."""

_MAX_JOBS = 1000

logger = logging.getLogger("jina_local")


class BatchTaskQueue:
    """Runs batch jobs in one thread that exists only while there is work. Thread-safe.

    Args:
        embed: Returns the response to the body of an embedding request.
        enter_scope: Makes a scope current that cancels the work of ``embed``.
        folder: Folder where jobs outlive the process. By default they are in a temporary folder, which is removed.
        max_output: Maximum size of the outputs of all jobs together in bytes.
    """

    def __init__(
        self,
        embed: Embed,
        enter_scope: EnterScope,
        folder: str | os.PathLike[str] | None = None,
        max_output: int = MAX_OUTPUT_BYTES,
    ) -> None:
        self._embed, self._enter_scope, self._max_output = embed, enter_scope, max_output
        self._files = BatchFiles(None if folder is None else Path(folder))
        self._lock = threading.Lock()
        self._tasks: dict[str, BatchTask] = {}
        self._pending: deque[BatchTask] = deque()
        self._worker: threading.Thread | None = None
        self._closed = False
        for record in self._files.records():
            self._restore(record)

    def create(self, body: BatchBody, lines: Sequence[Any]) -> dict[str, Any]:
        """Queue a job.

        Args:
            body: The validated request.
            lines: The decoded input lines.

        Returns:
            The job's status.

        Raises:
            FlatError: Too many jobs are unfinished (403).
            RejectedRequestError: Its files cannot be written (500).
        """
        task = BatchTask(body.model.id, len(lines), body, lines)
        with self._lock:
            self._expire()
            unfinished = sum(not each.is_finished for each in self._tasks.values())
            if unfinished >= MAX_UNFINISHED:
                advice = "Wait until a job is finished, or cancel one."
                raise resource_limit_exceeded(unfinished, MAX_UNFINISHED, advice)
            with writing_state("batch job", self._files.folder):
                self._files.create(task.id, task.record())
            self._tasks[task.id] = task
            self._pending.append(task)
            if self._worker is None and not self._closed:
                # A daemon thread, so that an exiting program does not wait for its jobs.
                self._worker = threading.Thread(target=self._work, name="jina-local jobs", daemon=True)
                self._worker.start()
            return task.status_body()

    def status(self, job_id: str) -> dict[str, Any]:
        """Return the status of a job.

        Raises:
            RejectedRequestError: No job has this id (404).
        """
        with self._lock:
            return self._get(job_id).status_body()

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """Return the statuses of the newest jobs, at most ``limit``, the newest first."""
        with self._lock:
            self._expire()
            return [task.status_body() for task in list(reversed(self._tasks.values()))[:limit]]

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancel a job if it is unfinished, and keep its results so far.

        Returns:
            The job's status.

        Raises:
            RejectedRequestError: No job has this id (404).
        """
        with self._lock:
            task = self._get(job_id)
            if not task.is_finished:
                self._finish(task, "cancelled")
                if task.scope is not None:
                    task.scope.cancel()
            return task.status_body()

    def output(self, job_id: str) -> IO[bytes]:
        """Open a finished job's vectors.

        Returns:
            A file of JSON lines ``{"custom_id", "response": {"status_code", "body"}}``.

        Raises:
            RejectedRequestError: No job has this id, its output has expired (404), or it is unfinished (409).
        """
        return self._open(job_id, "output")

    def errors(self, job_id: str) -> IO[bytes]:
        """Open a finished job's failures.

        Returns:
            A file of JSON lines ``{"custom_id", "error": {"code", "message"}}``.

        Raises:
            RejectedRequestError: As for :meth:`output`.
        """
        return self._open(job_id, "errors")

    def close(self) -> None:
        """Stop the job that runs within a moment, and drop the pending ones."""
        with self._lock:
            self._closed = True
            self._pending.clear()
            scopes = [task.scope for task in self._tasks.values() if task.scope is not None]
        for scope in scopes:
            scope.cancel()

    def _get(self, job_id: str) -> BatchTask:
        self._expire()
        if job_id not in self._tasks:
            raise not_found("Batch job", job_id)
        return self._tasks[job_id]

    def _open(self, job_id: str, part: str) -> IO[bytes]:
        with self._lock:
            task = self._get(job_id)
            if not task.is_finished:
                message = f"Batch job '{job_id}' is currently being modified. Please retry after a few moments."
                raise RejectedRequestError(message, "CONFLICT_RESOURCE_BUSY", status=409)
            if task.status == "expired":
                raise not_found(f"Batch {part}", job_id)
            return self._files.open(job_id, part)

    def _expire(self, needed: int = 0) -> None:
        """Drop outputs that are too old, and the oldest outputs if all outputs and ``needed`` bytes are too much."""
        size = sum(task.size for task in self._tasks.values()) + needed
        finished = [task for task in self._tasks.values() if task.is_finished]
        for task in finished:
            is_old = task.created + LIFETIME < datetime.now(UTC)
            if task.status != "expired" and (is_old or (task.size and size > self._max_output)):
                size -= task.size
                task.size = 0
                task.status = "expired"
                self._files.remove_output(task.id)
                self._files.save(task.id, task.record())
        for task in finished[: max(0, len(self._tasks) - _MAX_JOBS)]:
            self._files.remove(task.id)
            del self._tasks[task.id]

    def _finish(self, task: BatchTask, status: str, error: str | None = None) -> None:
        task.status, task.error = status, error
        task.completed_at = timestamp()
        task.lines = ()
        self._files.save(task.id, task.record())

    def _restore(self, record: dict[str, Any]) -> None:
        """Restore a job of an earlier process. A job that had not finished has failed."""
        created = datetime.fromisoformat(record.pop("created"))
        task = BatchTask(**record, created=created)
        if not task.is_finished:
            task.size, task.completed, task.failed = self._files.recover(task.id)
            done = task.completed + task.failed
            message = (
                f"The engine stopped while this job was unfinished: {done} of {task.total} lines are kept, and "
                f"{task.total - done} are lost. Create a new job for those."
            )
            self._finish(task, "failed", message)
        self._tasks[task.id] = task

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._pending or self._closed:
                    self._worker = None
                    return
                task = self._pending.popleft()
                if task.is_finished:
                    continue
                task.status = "processing"
                lines = task.lines
            try:
                self._run(task, lines)
            except OSError as error:
                self._fail(task, f"The output cannot be written: {error.strerror} ({error.filename})")
            except RequestError:
                self._interrupt(task)

    def _fail(self, task: BatchTask, message: str) -> None:
        with self._lock:
            if not task.is_finished:
                logger.error("batch job %s failed: %s", task.id, message)
                task.status, task.error = "failed", message
                task.completed_at = timestamp()
                task.lines = ()

    def _interrupt(self, task: BatchTask) -> None:
        """End a job because the engine stops. Its record on the disk stays unfinished: a restart counts its lines."""
        with self._lock:
            if not task.is_finished:
                task.status, task.error = "failed", "The engine stopped before this job was finished."
                task.completed_at = timestamp()

    def _run(self, task: BatchTask, lines: Sequence[Any]) -> None:
        with self._enter_scope() as scope:
            with self._lock:
                task.scope = scope
            try:
                for custom_id, value, error in checked_lines(lines):
                    with self._lock:
                        if task.is_finished or self._closed:
                            return
                    if not self._run_line(task, custom_id, value, error, scope):
                        return
            finally:
                with self._lock:
                    task.scope = None
        with self._lock:
            if not task.is_finished:
                status = "completed" if task.completed else "failed"
                self._finish(task, status, None if task.completed else "Every line failed: see the errors.")

    def _run_line(
        self, task: BatchTask, custom_id: str, value: Any, error: RequestError | None, scope: RequestScope
    ) -> bool:
        """Embed one line and write its result; return whether the job can go on."""
        line, tokens = b"", 0
        if error is None:
            assert task.body is not None
            try:
                response = self._embed({**task.body.options, "model": task.body.model.id, "input": value})
                tokens = response["usage"]["total_tokens"]
                line = encode_line({"custom_id": custom_id, "response": {"status_code": 200, "body": response}})
            except RequestError as request_error:
                if scope.is_cancelled or request_error.status == stopping().status:
                    raise
                error = request_error
            except Exception as failure:
                message = f"The engine failed ({type(failure).__name__})"
                error = RejectedRequestError(message, "INTERNAL_ERROR", 500)
        if error is not None:
            code = getattr(error, "code", "INPUT_INVALID")
            line = encode_line({"custom_id": custom_id, "error": {"code": code, "message": str(error)}})
        with self._lock:
            if task.is_finished or self._closed:
                return False
            self._expire(len(line))
            if sum(each.size for each in self._tasks.values()) + len(line) > self._max_output:
                done = task.completed + task.failed
                message = (
                    f"The outputs of all jobs together may have {self._max_output / 2**20:g} MB: {done} of "
                    f"{task.total} lines are kept. Create a new job for the others, with fewer 'dimensions' or lines."
                )
                self._finish(task, "failed", message)
                return False
            self._files.append(task.id, "output" if error is None else "errors", line)
            task.size += len(line)
            task.tokens += tokens
            if error is None:
                task.completed += 1
            else:
                task.failed += 1
        return True
