"""Requests for batch jobs: the service embeds texts in the background, and the client fetches the vectors later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from ..checks import check_choice, check_flag, check_whole
from ..errors import JinaInputError, JinaResponseError
from ..inputs import as_texts
from ..models import BATCH_TASKS
from ..results import BatchJob, BatchOutput, Usage
from .call import Call
from .model_options import check_dimensions, known_model, model_fields
from .responses import as_object, as_string, count_of

MAX_INLINE = 10_000
_STATUSES = ("pending", "processing", "completed", "failed", "expired", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """The validated options of a new batch job."""

    body: Mapping[str, Any]

    @classmethod
    def build(
        cls,
        inputs: Iterable[str] | None,
        *,
        input_url: str | None = None,
        ids: Sequence[str] | None = None,
        model: str,
        task: str | None = None,
        dimensions: int | None = None,
        normalized: bool | None = None,
        webhook_url: str | None = None,
    ) -> BatchRequest:
        """Check every option.

        Raises:
            JinaInputError: neither inputs nor a URL or both, too many inputs, ids that do not fit, or a model without
                batch jobs.
        """
        name, row = known_model(model, "batch")
        check_flag("normalized", normalized)
        check_dimensions(row, "batch", dimensions)
        if (inputs is None) == (input_url is None):
            raise JinaInputError("pass either inputs= or input_url=, and not both")
        if task is not None and row:
            check_choice("task", task, BATCH_TASKS)
        fields = {
            "task": task or ("retrieval" if row else None),
            "dimensions": dimensions,
            "normalized": True if normalized is None else normalized,
            "webhook_url": webhook_url and _url("webhook_url", webhook_url, ("https", "http")),
        }
        body: dict[str, Any] = {"model": name, **model_fields(row, "batch", fields)}
        if inputs is None:
            if ids is not None:
                raise JinaInputError(
                    "ids= needs inputs=: the file of input_url= has a custom_id in each line, so leave ids out"
                )
            return cls(body={**body, "input_url": _url("input_url", input_url, ("https", "http", "gs", "s3"))})
        texts = as_texts(inputs, "inputs")
        if len(texts) > MAX_INLINE:
            raise JinaInputError(
                f"inputs may have at most {MAX_INLINE:,} texts per job, got {len(texts):,}: "
                "create several jobs, or pass input_url="
            )
        names = [str(index) for index in range(len(texts))] if ids is None else list(map(str, ids))
        if len(names) != len(texts) or len(set(names)) != len(names):
            raise JinaInputError(f"ids must be {len(texts)} different strings, one for each input")
        lines = [{"custom_id": name, "body": {"input": text}} for name, text in zip(names, texts, strict=True)]
        return cls(body={**body, "input": lines})

    def encode(self) -> Call:
        """Return the call. It is not retried unless the service certainly did not act on it."""
        return Call("batch/embeddings", self.body, repeatable=False)


def batch_call(batch_id: Any, part: str = "", *, method: str = "GET") -> Call:
    """Return the call about one job: its status, its ``output`` or its ``errors``."""
    if not isinstance(batch_id, str) or not batch_id.strip():
        raise JinaInputError(f"batch_id must be a string, got {batch_id!r}")
    path = f"batch/{quote(batch_id, safe='')}"
    return Call(f"{path}/{part}" if part else path, method=method, lines=bool(part))


def list_call(limit: int) -> Call:
    """Return the call for the newest jobs."""
    check_whole("limit", limit)
    return Call(f"batches?limit={limit}", method="GET")


def read_job(value: Any) -> BatchJob:
    """Return one job's status.

    Raises:
        JinaResponseError: a missing id or an unknown status.
    """
    body = as_object(value)
    status = body.get("status")
    if status not in _STATUSES:
        raise JinaResponseError(f"the batch job has status {status!r}, expected one of {', '.join(_STATUSES)}")
    stats = body.get("stats")
    counts: dict[str, Any] = stats if isinstance(stats, dict) else {}
    tokens = count_of(counts.get("total_tokens")) or 0
    return BatchJob(
        id=as_string(body.get("batch_id"), "the job's batch_id"),
        status=status,
        model=str(body.get("model") or ""),
        created_at=body.get("created_at"),
        completed_at=body.get("completed_at"),
        expires_at=body.get("expires_at"),
        error=body.get("error"),
        output_url=body.get("output_url"),
        error_file_url=body.get("error_file_url"),
        total=count_of(counts.get("total")) or 0,
        completed=count_of(counts.get("completed")) or 0,
        failed=count_of(counts.get("failed")) or 0,
        usage=Usage(tokens, tokens),
    )


def read_jobs(value: Any) -> list[BatchJob]:
    """Return a list of jobs."""
    if not isinstance(value, list):
        raise JinaResponseError("expected a list of batch jobs")
    return [read_job(item) for item in value]


def read_output(lines: list[dict[str, Any]]) -> BatchOutput:
    """Return a job's output; see :class:`~jina_client.results.BatchOutput`."""
    return BatchOutput(tuple(lines))


def _url(name: str, value: Any, schemes: Sequence[str]) -> str:
    if not isinstance(value, str) or urlsplit(value).scheme not in schemes or not urlsplit(value).netloc:
        raise JinaInputError(f"{name} must be a URL ({', '.join(schemes)}), got {value!r}")
    return value
