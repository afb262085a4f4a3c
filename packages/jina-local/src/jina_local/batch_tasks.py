"""Batch jobs: embed texts in the background, one job after another.

Jobs are kept in memory for at most 24 hours. Together their outputs may take 256 MB; above that, the oldest finished
jobs expire early.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from .errors import (
    InvalidFieldsError,
    RejectedRequestError,
    RequestError,
    not_found,
    problem,
    resource_limit_exceeded,
)
from .timestamps import timestamp
from .validation.batch import BatchBody

Embed = Callable[[dict[str, Any]], dict[str, Any]]

MAX_UNFINISHED = 16
_LIFETIME = timedelta(hours=24)
_MAX_OUTPUT_BYTES = 256 * 2**20
_MAX_JOBS = 1000
# Lines that are computed between two updates of a job. A cancelled job stops after that many.
_BLOCK_LINES = 32


@dataclass(slots=True, eq=False)
class BatchTask:
    """One job and its progress. Only :class:`BatchTaskQueue` changes it, under its lock."""

    body: BatchBody
    lines: Sequence[Any]
    id: str = field(default_factory=lambda: f"batch_{uuid.uuid4().hex}")
    status: str = "pending"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    completed_at: str | None = None
    completed: int = 0
    failed: int = 0
    tokens: int = 0
    output: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)
    total: int = 0
    size: int = 0

    @property
    def is_finished(self) -> bool:
        """Whether the job is completed, failed, cancelled or expired."""
        return self.status not in ("pending", "processing")


class BatchTaskQueue:
    """Runs batch jobs in one thread that exists only while there is work. Thread-safe.

    Args:
        embed: Returns the response to the body of an embedding request.
    """

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._lock = threading.Lock()
        self._tasks: dict[str, BatchTask] = {}
        self._pending: deque[BatchTask] = deque()
        self._worker: threading.Thread | None = None
        self._closed = False

    def create(self, body: BatchBody, lines: Sequence[Any]) -> dict[str, Any]:
        """Queue a job.

        Args:
            body: The validated request.
            lines: The decoded input lines.

        Returns:
            The job's status.

        Raises:
            FlatError: Too many jobs are unfinished (403).
        """
        task = BatchTask(body, lines, total=len(lines))
        with self._lock:
            self._expire()
            unfinished = sum(not each.is_finished for each in self._tasks.values())
            if unfinished >= MAX_UNFINISHED:
                advice = "Wait until a job is finished, or cancel one."
                raise resource_limit_exceeded(unfinished, MAX_UNFINISHED, advice)
            self._tasks[task.id] = task
            self._pending.append(task)
            if self._worker is None and not self._closed:
                # A daemon thread, so that an exiting program does not wait for its jobs.
                self._worker = threading.Thread(target=self._work, name="jina-local jobs", daemon=True)
                self._worker.start()
            return _status(task)

    def status(self, job_id: str) -> dict[str, Any]:
        """Return the status of a job.

        Raises:
            RejectedRequestError: No job has this id (404).
        """
        with self._lock:
            return _status(self._get(job_id))

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """Return the statuses of the newest jobs, at most ``limit``, the newest first."""
        with self._lock:
            self._expire()
            return [_status(task) for task in list(reversed(self._tasks.values()))[:limit]]

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
            return _status(task)

    def output(self, job_id: str) -> bytes:
        """Return a finished job's vectors.

        Returns:
            JSON lines ``{"custom_id", "response": {"status_code", "body"}}``.

        Raises:
            RejectedRequestError: No job has this id, its output has expired (404), or it is unfinished (409).
        """
        return b"".join(self._finished_task(job_id, "output").output)

    def errors(self, job_id: str) -> bytes:
        """Return a finished job's failures.

        Returns:
            JSON lines ``{"custom_id", "error": {"code", "message"}}``.

        Raises:
            RejectedRequestError: As for :meth:`output`.
        """
        return b"".join(self._finished_task(job_id, "errors").errors)

    def close(self) -> None:
        """Drop pending jobs. The worker thread ends after its current lines."""
        with self._lock:
            self._closed = True
            self._pending.clear()

    def _get(self, job_id: str) -> BatchTask:
        self._expire()
        if job_id not in self._tasks:
            raise not_found("Batch job", job_id)
        return self._tasks[job_id]

    def _finished_task(self, job_id: str, part: str) -> BatchTask:
        with self._lock:
            task = self._get(job_id)
            if not task.is_finished:
                message = f"Batch job '{job_id}' is currently being modified. Please retry after a few moments."
                raise RejectedRequestError(message, "CONFLICT_RESOURCE_BUSY", status=409)
            if task.status == "expired":
                raise not_found(f"Batch {part}", job_id)
            return task

    def _expire(self) -> None:
        """Drop outputs that are too old, and the oldest outputs if there are too many."""
        finished = [task for task in self._tasks.values() if task.is_finished]
        size = sum(task.size for task in finished)
        for task in finished:
            if size > _MAX_OUTPUT_BYTES or task.created + _LIFETIME < datetime.now(UTC):
                size -= task.size
                task.output, task.errors, task.size = [], [], 0
                task.status = "expired"
        for task in finished[: max(0, len(self._tasks) - _MAX_JOBS)]:
            del self._tasks[task.id]

    def _finish(self, task: BatchTask, status: str) -> None:
        task.status = status
        task.completed_at = timestamp()
        task.lines = ()

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
            self._run(task, lines)

    def _run(self, task: BatchTask, lines: Sequence[Any]) -> None:
        custom_ids: set[str] = set()
        for start in range(0, len(lines), _BLOCK_LINES):
            output, errors, tokens = self._embed_lines(
                task.body, lines[start : start + _BLOCK_LINES], start, custom_ids
            )
            with self._lock:
                if task.is_finished or self._closed:
                    return
                task.output.extend(output)
                task.errors.extend(errors)
                task.size += sum(map(len, (*output, *errors)))
                task.completed += len(output)
                task.failed += len(errors)
                task.tokens += tokens
        with self._lock:
            if not task.is_finished:
                self._finish(task, "completed" if task.completed else "failed")

    def _embed_lines(
        self, body: BatchBody, lines: Sequence[Any], start: int, custom_ids: set[str]
    ) -> tuple[list[bytes], list[bytes], int]:
        """Embed some lines of a job; return its output lines, error lines and tokens."""
        output, errors, tokens = list[bytes](), list[bytes](), 0
        for custom_id, value, error in _read(lines, start, custom_ids):
            if error is None:
                try:
                    response = self._embed({**body.options, "model": body.model.id, "input": value})
                except RequestError as request_error:
                    error = request_error
                except Exception as failure:
                    message = f"The engine failed ({type(failure).__name__})"
                    error = RejectedRequestError(message, "INTERNAL_ERROR", 500)
                else:
                    tokens += response["usage"]["total_tokens"]
                    output.append(_line({"custom_id": custom_id, "response": {"status_code": 200, "body": response}}))
            if error is not None:
                code = getattr(error, "code", "INPUT_INVALID")
                errors.append(_line({"custom_id": custom_id, "error": {"code": code, "message": str(error)}}))
        return output, errors, tokens


def _read(lines: Sequence[Any], start: int, custom_ids: set[str]) -> Iterator[tuple[str, Any, RequestError | None]]:
    """Yield the id and the input of each line, or its error."""
    for number, line in enumerate(lines, start):
        custom_id = line.get("custom_id") if isinstance(line, dict) else None
        body = line.get("body") if isinstance(line, dict) else None
        message = None
        if not isinstance(custom_id, str) or custom_id in custom_ids:
            message = "custom_id must be a string that no other line has"
        elif not isinstance(body, dict) or set(body) != {"input"}:
            message = "body must be an object with 'input' and nothing else"
        if isinstance(custom_id, str):
            custom_ids.add(custom_id)
        error = InvalidFieldsError([problem(("input", number), message, "value_error")]) if message else None
        yield str(custom_id or number), body["input"] if isinstance(body, dict) and message is None else None, error


def _line(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def _status(task: BatchTask) -> dict[str, Any]:
    path = f"/v1/batch/{task.id}"
    ready = task.is_finished and task.status != "expired"
    return {
        "batch_id": task.id,
        "status": task.status,
        "model": task.body.model.id,
        "created_at": timestamp(task.created),
        "completed_at": task.completed_at,
        "expires_at": timestamp(task.created + _LIFETIME),
        "error": "Every line failed: see the errors." if task.status == "failed" else None,
        "output_url": f"{path}/output" if ready else None,
        "error_file_url": f"{path}/errors" if ready and task.failed else None,
        "stats": {"total": task.total, "completed": task.completed, "failed": task.failed, "total_tokens": task.tokens},
    }
