"""One batch job: its progress, and the lines of its input and output."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from .cancellation import RequestScope
from .errors import InvalidFieldsError, RequestError, problem
from .timestamps import timestamp
from .validation.batch import BatchBody

LIFETIME = timedelta(hours=24)
"""The output of a job is kept for this long."""


@dataclass(slots=True, eq=False)
class BatchTask:
    """One job and its progress. Only :class:`~jina_local.batch_tasks.BatchTaskQueue` changes it, under its lock."""

    model: str
    total: int
    body: BatchBody | None = None
    lines: Sequence[Any] = ()
    id: str = field(default_factory=lambda: f"batch_{uuid.uuid4().hex}")
    status: str = "pending"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    completed_at: str | None = None
    completed: int = 0
    failed: int = 0
    tokens: int = 0
    size: int = 0
    error: str | None = None
    scope: RequestScope | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the job is completed, failed, cancelled or expired."""
        return self.status not in ("pending", "processing")

    def record(self) -> dict[str, Any]:
        """Return what outlives the process, as JSON."""
        names = ("id", "model", "total", "status", "completed_at", "completed", "failed", "tokens", "size", "error")
        return {name: getattr(self, name) for name in names} | {"created": self.created.isoformat()}

    def status_body(self) -> dict[str, Any]:
        """Return the job as ``GET /v1/batch/{batch_id}`` describes it."""
        path = f"/v1/batch/{self.id}"
        ready = self.is_finished and self.status != "expired"
        return {
            "batch_id": self.id,
            "status": self.status,
            "model": self.model,
            "created_at": timestamp(self.created),
            "completed_at": self.completed_at,
            "expires_at": timestamp(self.created + LIFETIME),
            "error": self.error,
            "output_url": f"{path}/output" if ready else None,
            "error_file_url": f"{path}/errors" if ready and self.failed else None,
            "stats": {
                "total": self.total,
                "completed": self.completed,
                "failed": self.failed,
                "total_tokens": self.tokens,
            },
        }


def checked_lines(lines: Sequence[Any]) -> Iterator[tuple[str, Any, RequestError | None]]:
    """Yield the id and the input of each line, or its error."""
    custom_ids = set[str]()
    for number, line in enumerate(lines):
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


def encode_line(content: dict[str, Any]) -> bytes:
    """Encode a line of a job's output or errors."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)
