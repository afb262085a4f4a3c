"""Validate requests to ``/v1/batch/embeddings``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jina_client.integration import MAX_INLINE, MODELS, Model

from ..errors import FieldProblem, InvalidFieldsError, problem
from .options import Catalog, as_object, read_model, read_options


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchBody:
    """A valid batch job.

    Attributes:
        model: The requested model.
        lines: The input lines, or ``None`` if they are in a file.
        input_url: URL of that file, or ``None``.
        options: Fields of every line's embedding request besides its input.
    """

    model: Model
    lines: list[Any] | None
    input_url: str | None
    options: Mapping[str, Any]


def read_batch_body(body: Any, served: Catalog = MODELS) -> BatchBody:
    """Validate the body of ``POST /v1/batch/embeddings``.

    Args:
        body: The body, decoded from JSON.
        served: The models that are served.

    Raises:
        InvalidFieldsError: A field is missing, unknown or invalid (422).
        RejectedRequestError: The model is not served for batch jobs (400).
    """
    model, fields = read_model(as_object(body), "batch", ("input", "input_url"), served)
    problems: list[FieldProblem] = []
    lines, url = fields.pop("input", None), fields.pop("input_url", None)
    if (lines is None) == (url is None):
        problems.append(problem((), "Exactly one of 'input' and 'input_url' must be provided", "value_error"))
    elif url is not None and not isinstance(url, str):
        problems.append(problem(("input_url",), "Input should be a valid string", "string_type", url))
    elif lines is not None and not isinstance(lines, list):
        problems.append(problem(("input",), "Input should be a valid list", "list_type", lines))
    elif lines is not None and not 1 <= len(lines) <= MAX_INLINE:
        message = f"A job takes 1 to {MAX_INLINE} lines, not {len(lines)}"
        problems.append(problem(("input",), message, "too_long" if lines else "too_short"))
    options = read_options(model, "batch", fields, problems)
    if options.pop("webhook_url", None) is not None:
        message = "This engine does not call webhooks: leave out 'webhook_url' and poll the job's status"
        problems.append(problem(("webhook_url",), message, "unsupported_option"))
    if problems:
        raise InvalidFieldsError(problems)
    if options.get("task") == "retrieval":
        # Texts that are embedded in bulk are the documents of a search.
        options["task"] = model.document_task
    return BatchBody(model=model, lines=lines, input_url=url, options=options)
