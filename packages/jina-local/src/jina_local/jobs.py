"""Batch jobs: texts that are embedded in the background, one job after the other.

Jobs live in memory, for 24 hours at most. Their outputs may take 256 MB together: the oldest finished ones expire
before that.
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

from .classifiers import now
from .errors import FlatRefusal, InvalidRequest, RefusedRequest, RequestError, not_found, problem
from .reading.services import BatchRequest

Embed = Callable[[dict[str, Any]], dict[str, Any]]

MAX_UNFINISHED = 16
_LIFETIME = timedelta(hours=24)
_MAX_OUTPUT_BYTES = 256 * 2**20
_MAX_JOBS = 1000
# Inputs that are computed together. A cancelled job stops after those.
_TOGETHER = 32


@dataclass(slots=True, eq=False)
class Job:
    """One job and how far it is. Only :class:`Jobs` changes it, under its lock."""

    asked: BatchRequest
    lines: Sequence[Any]
    id: str = field(default_factory=lambda: f"batch_{uuid.uuid4().hex}")
    status: str = "pending"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    created_at: str = field(default_factory=now)
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
        return self.status not in ("pending", "processing")


class Jobs:
    """Batch jobs, worked on by one thread that lives while there is work. It may be used by several threads at once.

    Args:
        embed: answers a request for embeddings.
    """

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._worker: threading.Thread | None = None
        self._closed = False

    def create(self, asked: BatchRequest, lines: Sequence[Any]) -> dict[str, Any]:
        """Begin a job; its status.

        Raises:
            FlatRefusal: too many jobs are not finished yet (403).
        """
        job = Job(asked, lines, total=len(lines))
        with self._lock:
            self._expire()
            unfinished = sum(not each.is_finished for each in self._jobs.values())
            if unfinished >= MAX_UNFINISHED:
                raise FlatRefusal(
                    403,
                    f"Resource limit exceeded for your plan. Current: {unfinished}, limit: {MAX_UNFINISHED}. Wait "
                    "until a job is finished, or cancel one.",
                    "AUTHZ_RESOURCE_LIMIT_EXCEEDED",
                )
            self._jobs[job.id] = job
            self._waiting.append(job)
            if self._worker is None and not self._closed:
                # A daemon: a program that ends does not wait for its jobs.
                self._worker = threading.Thread(target=self._work, name="jina-local jobs", daemon=True)
                self._worker.start()
            return _status(job)

    def status(self, job_id: str) -> dict[str, Any]:
        """How far a job is; raises RefusedRequest (404) if there is none."""
        with self._lock:
            return _status(self._get(job_id))

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The statuses of the newest jobs."""
        with self._lock:
            self._expire()
            return [_status(job) for job in list(reversed(self._jobs.values()))[:limit]]

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Stop a job that is not finished, and keep what it has; its status."""
        with self._lock:
            job = self._get(job_id)
            if not job.is_finished:
                self._finish(job, "cancelled")
            return _status(job)

    def output(self, job_id: str) -> bytes:
        """A finished job's vectors: JSON lines ``{"custom_id", "response": {"status_code", "body"}}``.

        Raises:
            RefusedRequest: there is no such job, its output has expired (404), or it is not finished (409).
        """
        return b"".join(self._finished(job_id, "output").output)

    def errors(self, job_id: str) -> bytes:
        """A finished job's failures: JSON lines ``{"custom_id", "error": {"code", "message"}}``; see :meth:`output`."""
        return b"".join(self._finished(job_id, "errors").errors)

    def close(self) -> None:
        """Begin nothing more; the thread ends with the inputs that it works on."""
        with self._lock:
            self._closed = True
            self._waiting.clear()

    def _get(self, job_id: str) -> Job:
        self._expire()
        if job_id not in self._jobs:
            raise not_found("Batch job", job_id)
        return self._jobs[job_id]

    def _finished(self, job_id: str, what: str) -> Job:
        with self._lock:
            job = self._get(job_id)
            if not job.is_finished:
                message = f"Batch job '{job_id}' is currently being modified. Please retry after a few moments."
                raise RefusedRequest(message, "CONFLICT_RESOURCE_BUSY", status=409)
            if job.status == "expired":
                raise not_found(f"Batch {what}", job_id)
            return job

    def _expire(self) -> None:
        """Drop the outputs that are too old, and the oldest ones where there are too many."""
        finished = [job for job in self._jobs.values() if job.is_finished]
        size = sum(job.size for job in finished)
        for job in finished:
            if size > _MAX_OUTPUT_BYTES or job.created + _LIFETIME < datetime.now(UTC):
                size -= job.size
                job.output, job.errors, job.size = [], [], 0
                job.status = "expired"
        for job in finished[: max(0, len(self._jobs) - _MAX_JOBS)]:
            del self._jobs[job.id]

    def _finish(self, job: Job, status: str) -> None:
        job.status = status
        job.completed_at = now()
        job.lines = ()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._closed:
                    self._worker = None
                    return
                job = self._waiting.popleft()
                if job.is_finished:
                    continue
                job.status = "processing"
                lines = job.lines
            self._run(job, lines)

    def _run(self, job: Job, lines: Sequence[Any]) -> None:
        seen: set[str] = set()
        for start in range(0, len(lines), _TOGETHER):
            done, failures, tokens = self._some(job.asked, lines[start : start + _TOGETHER], start, seen)
            with self._lock:
                if job.is_finished or self._closed:
                    return
                job.output.extend(done)
                job.errors.extend(failures)
                job.size += sum(map(len, (*done, *failures)))
                job.completed += len(done)
                job.failed += len(failures)
                job.tokens += tokens
        with self._lock:
            if not job.is_finished:
                self._finish(job, "completed" if job.completed else "failed")

    def _some(
        self, asked: BatchRequest, lines: Sequence[Any], start: int, seen: set[str]
    ) -> tuple[list[bytes], list[bytes], int]:
        """Output lines, error lines and tokens of some of a job's lines."""
        done, failures, tokens = list[bytes](), list[bytes](), 0
        for name, body, error in _read(lines, start, seen):
            if error is None:
                try:
                    answer = self._embed({**asked.options, "model": asked.model.id, "input": body})
                except RequestError as refused:
                    error = refused
                except Exception as failure:
                    error = RefusedRequest(f"The engine failed ({type(failure).__name__})", "INTERNAL_ERROR", 500)
                else:
                    tokens += answer["usage"]["total_tokens"]
                    done.append(_line({"custom_id": name, "response": {"status_code": 200, "body": answer}}))
            if error is not None:
                code = getattr(error, "code", "INPUT_INVALID")
                failures.append(_line({"custom_id": name, "error": {"code": code, "message": str(error)}}))
        return done, failures, tokens


def _read(lines: Sequence[Any], start: int, seen: set[str]) -> Iterator[tuple[str, Any, RequestError | None]]:
    """Each line's id and input, or what is wrong with it."""
    for number, line in enumerate(lines, start):
        name = line.get("custom_id") if isinstance(line, dict) else None
        body = line.get("body") if isinstance(line, dict) else None
        wrong = None
        if not isinstance(name, str) or name in seen:
            wrong = "custom_id must be a string that no other line has"
        elif not isinstance(body, dict) or set(body) != {"input"}:
            wrong = "body must be an object with 'input' and nothing else"
        if isinstance(name, str):
            seen.add(name)
        error = InvalidRequest([problem(("input", number), wrong, "value_error")]) if wrong else None
        yield str(name or number), body["input"] if isinstance(body, dict) and wrong is None else None, error


def _line(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def _status(job: Job) -> dict[str, Any]:
    path = f"/v1/batch/{job.id}"
    ready = job.is_finished and job.status != "expired"
    expires = (job.created + _LIFETIME).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "batch_id": job.id,
        "status": job.status,
        "model": job.asked.model.id,
        "created_at": job.created_at,
        "completed_at": job.completed_at,
        "expires_at": expires,
        "error": "Every line failed: see the errors." if job.status == "failed" else None,
        "output_url": f"{path}/output" if ready else None,
        "error_file_url": f"{path}/errors" if ready and job.failed else None,
        "stats": {"total": job.total, "completed": job.completed, "failed": job.failed, "total_tokens": job.tokens},
    }
