"""The engine's errors, and the body that the hosted service sends for each.

ModelNotFoundError (JinaError)             the model's files are missing, or are not the expected ones
RequestError                               an error response, with its status, headers and body
├── InvalidFieldsError 422                 fields that violate the request's schema; ``errors`` names each of them
├── RejectedRequestError 400, 403, 404, …  a well-formed request that cannot be served; ``detail`` is an object
└── FlatError 401, 403, 413, 429, 503      an error of the outer layers (keys, limits, sizes); a flat body
    └── RateLimitedError 429               a FlatError with ``Retry-After``
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from jina_client import JinaError

FieldProblem = dict[str, Any]
"""One invalid field: ``field`` (``body -> top_n``), ``message``, ``type``, and ``input``, which is null if long."""

UPGRADE_ADVICE = "upgrade your plan at https://jina.ai/api-dashboard/key-manager."
"""End of the messages about limits, in the hosted service's words."""

MAX_PROBLEMS = 20
"""Maximum number of invalid fields that an error response lists."""

_LONGEST_ECHO = 200
_LONGEST_NAME = 100


def shorten(text: str) -> str:
    """Shorten a name that was sent, so that an error message does not repeat megabytes of it."""
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


class ModelNotFoundError(JinaError):
    """The model's files are missing or altered. The message says what to do."""


class RequestError(Exception):
    """An error response.

    Args:
        message: What was wrong, what is allowed, and what to do next.
        status: HTTP status.
        headers: Additional response headers.

    Attributes:
        status: HTTP status.
        headers: Additional response headers.
    """

    def __init__(self, message: str, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the JSON body of the response.

        Args:
            request_id: Id of the request, repeated in the response's ``x-request-id`` header.
        """
        raise NotImplementedError


class InvalidFieldsError(RequestError):
    """A 422 response: one :data:`FieldProblem` per field that violates the request's schema.

    Args:
        problems: The invalid fields.

    Attributes:
        problems: The first :data:`MAX_PROBLEMS` of them. The response lists no more, and its message says how many
            there are.
        count: Number of invalid fields.
    """

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = list(problems[:MAX_PROBLEMS])
        self.count = len(problems)
        summary = "; ".join(f"{problem['field']}: {problem['message']}" for problem in self.problems)
        if self.count > MAX_PROBLEMS:
            summary += f"; and {self.count - MAX_PROBLEMS} more"
        super().__init__(f"Validation errors in {self.count} fields. Field errors: {summary}", 422)

    def of_query(self) -> InvalidFieldsError:
        """Return the same error for fields that were sent as query parameters."""
        problems = [{**each, "field": "query" + each["field"].removeprefix("body")} for each in self.problems]
        return InvalidFieldsError(problems)

    def body(self, request_id: str) -> dict[str, Any]:
        """Return ``{"detail": text, "request_id": id, "errors": [problem, …]}``."""
        return {"detail": str(self), "request_id": request_id, "errors": self.problems}


class RejectedRequestError(RequestError):
    """An error of the application layer: ``{"detail": {"message", "request_id", "code"}}``.

    Args:
        message: What was wrong, what is allowed, and what to do next.
        code: Error code, such as ``INPUT_MODEL_NOT_FOUND``.
        status: HTTP status.
    """

    def __init__(self, message: str, code: str, status: int = 400) -> None:
        super().__init__(message, status)
        self.code = code

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the nested body of the hosted service's application layer."""
        return {"detail": {"message": str(self), "request_id": request_id, "code": self.code}}


class FlatError(RequestError):
    """An error of the outer layers (keys, limits, sizes): ``{"detail", "request_id", "code"}``.

    Args:
        status: HTTP status.
        message: What was wrong, what is allowed, and what to do next.
        code: Error code, such as ``AUTH_MISSING_API_KEY``.
        headers: Additional response headers.
    """

    def __init__(self, status: int, message: str, code: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message, status, headers)
        self.code = code

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the flat body of the hosted service's outer layers."""
        return {"detail": str(self), "request_id": request_id, "code": self.code}


class RateLimitedError(FlatError):
    """A 429 response: the request exceeds a simulated rate limit.

    Args:
        message: Which limit is exceeded, and by how much.
        code: Error code, such as ``RATE_REQUEST_LIMIT_EXCEEDED``.
        retry_after: Seconds until the same request would be accepted.
    """

    def __init__(self, message: str, code: str, retry_after: float) -> None:
        super().__init__(429, message, code)
        # The header holds whole seconds. They are rounded up, because an early retry would fail again.
        self.headers = {"retry-after": str(max(1, ceil(retry_after)))}


def problem(field: Sequence[str | int], message: str, kind: str, value: Any = None) -> FieldProblem:
    """Describe one invalid field.

    Args:
        field: Path to the field inside the body, such as ``("input", 3)``.
        message: What is wrong and what is allowed.
        kind: Type of the problem, in pydantic's terms where pydantic has one.
        value: The value that was sent. Only short scalars are repeated in the error; ``input`` is null for others.

    Returns:
        The problem as it appears in a 422 body.
    """
    is_short = isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= _LONGEST_ECHO)
    return {
        "field": " -> ".join(("body", *(shorten(str(part)) for part in field))),
        "message": message,
        "type": kind,
        "input": value if is_short else None,
    }


def token_limit_exceeded(limit: int, advice: str) -> RejectedRequestError:
    """Return the 400 ``INPUT_TOKEN_LIMIT_EXCEEDED`` for a model with a context of ``limit`` tokens."""
    return RejectedRequestError(
        f"Input text exceeds the model's maximum of {limit} tokens. {advice}", "INPUT_TOKEN_LIMIT_EXCEEDED"
    )


def input_too_long(limit: int, field: str) -> RejectedRequestError:
    """Return the 400 for an input above the context, if the request does not allow truncation by ``field``."""
    advice = f"Use '{field}: true' to automatically truncate, or split into smaller chunks."
    return token_limit_exceeded(limit, advice)


def document_too_long(limit: int) -> RejectedRequestError:
    """Return the 400 for the document of a late-chunking request that is above the context."""
    advice = "Late chunking reads all inputs as one document: send it in several requests."
    return token_limit_exceeded(limit, advice)


def resource_limit_exceeded(current: int, limit: int, advice: str) -> FlatError:
    """Return the 403 ``AUTHZ_RESOURCE_LIMIT_EXCEEDED`` for too many classifiers, examples or batch jobs."""
    message = f"Resource limit exceeded for your plan. Current: {current}, limit: {limit}. {advice}"
    return FlatError(403, message, "AUTHZ_RESOURCE_LIMIT_EXCEEDED")


def not_found(kind: str, name: str) -> RejectedRequestError:
    """Return the 404 ``RESOURCE_NOT_FOUND`` for a classifier, a batch job or a model."""
    message = f"{kind} '{shorten(name)}' not found or access denied. Verify the ID and your permissions."
    return RejectedRequestError(message, "RESOURCE_NOT_FOUND", status=404)


def stopping() -> FlatError:
    """Return the 503 ``SERVICE_UNAVAILABLE`` for requests that a stopping server does not finish."""
    message = "Service temporarily unavailable. Please retry with exponential backoff."
    return FlatError(503, message, "SERVICE_UNAVAILABLE")
