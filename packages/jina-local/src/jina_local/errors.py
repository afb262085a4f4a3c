"""What can go wrong, and the body that the hosted service sends for each.

ModelNotFoundError (JinaError)        the model's files are not on this machine, or are not the expected ones
RequestError                          an answer that says no, with its status, headers and body
├── InvalidRequest 422                fields that break the request's schema: each is named in ``errors``
├── RefusedRequest 400, 403, 404, …   a well-formed request that cannot be served: ``detail`` is an object with a code
└── FlatRefusal 401, 413, 429, 503    said before the request is looked at: a flat body
    └── RateLimited 429               with ``Retry-After``
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from jina_client.errors import JinaError

FieldProblem = dict[str, Any]
"""One complaint: ``field`` (``body -> top_n``), ``message``, ``type`` and, where it is short, the ``input``."""

_ECHOED_CHARACTERS = 200


class ModelNotFoundError(JinaError):
    """The model's files are missing or altered: the message says what to do."""


class RequestError(Exception):
    """An answer that says no.

    Attributes:
        status: the HTTP status.
        headers: further headers of the answer.
    """

    def __init__(self, message: str, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}

    def body(self, request_id: str) -> dict[str, Any]:
        """The answer's JSON body.

        Args:
            request_id: the id of the request, which the answer's ``x-request-id`` header repeats.
        """
        raise NotImplementedError


class InvalidRequest(RequestError):
    """422: one :data:`FieldProblem` for each field that breaks the request's schema."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        listed = "; ".join(f"{problem['field']}: {problem['message']}" for problem in problems)
        super().__init__(f"Validation errors in {len(problems)} fields. Field errors: {listed}", 422)
        self.problems = list(problems)

    def of_query(self) -> InvalidRequest:
        """The same complaints where the fields came as query parameters."""
        moved = [{**each, "field": "query" + each["field"].removeprefix("body")} for each in self.problems]
        return InvalidRequest(moved)

    def body(self, request_id: str) -> dict[str, Any]:
        """``{"detail": text, "request_id": id, "errors": [problem, …]}``."""
        return {"detail": str(self), "request_id": request_id, "errors": self.problems}


class RefusedRequest(RequestError):
    """400, unless another status is named: ``{"detail": {"message", "request_id", "code"}}``."""

    def __init__(self, message: str, code: str, status: int = 400) -> None:
        super().__init__(message, status)
        self.code = code

    def body(self, request_id: str) -> dict[str, Any]:
        """The nested body of the hosted service's application layer."""
        return {"detail": {"message": str(self), "request_id": request_id, "code": self.code}}


class FlatRefusal(RequestError):
    """``{"detail", "request_id", "code"}``: the body of the hosted service's outer layers (keys, limits, sizes)."""

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message, status)
        self.code = code

    def body(self, request_id: str) -> dict[str, Any]:
        """The flat body."""
        return {"detail": str(self), "request_id": request_id, "code": self.code}


class RateLimited(FlatRefusal):
    """429: one of the limits that the engine was told to play.

    Args:
        message: which limit, and how far it is exceeded.
        code: such as ``RATE_REQUEST_LIMIT_EXCEEDED``.
        retry_after: seconds until the same request would be let through.
    """

    def __init__(self, message: str, code: str, retry_after: float) -> None:
        super().__init__(429, message, code)
        # The header has whole seconds: rounded up, for a client that comes too early is refused again.
        self.headers = {"retry-after": str(max(1, ceil(retry_after)))}


def problem(field: Sequence[str | int], message: str, kind: str, value: Any = None) -> FieldProblem:
    """One complaint about one field.

    Args:
        field: the path to it inside the body, such as ``("input", 3)``.
        message: what is wrong and what is allowed.
        kind: its type, in pydantic's words where pydantic has one.
        value: what was sent. It is repeated only where it is a short scalar: a whole body helps nobody.
    """
    found: FieldProblem = {
        "field": " -> ".join(("body", *map(str, field))),
        "message": message,
        "type": kind,
    }
    if isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= _ECHOED_CHARACTERS):
        found["input"] = value
    return found


def token_limit_exceeded(limit: int, advice: str) -> RefusedRequest:
    """400 ``INPUT_TOKEN_LIMIT_EXCEEDED`` for a model whose context is ``limit`` tokens."""
    return RefusedRequest(
        f"Input text exceeds the model's maximum of {limit} tokens. {advice}", "INPUT_TOKEN_LIMIT_EXCEEDED"
    )


def not_found(kind: str, name: str) -> RefusedRequest:
    """404 ``RESOURCE_NOT_FOUND`` for a classifier, a batch job or a model."""
    message = f"{kind} '{name}' not found or access denied. Verify the ID and your permissions."
    return RefusedRequest(message, "RESOURCE_NOT_FOUND", status=404)


def stopping() -> FlatRefusal:
    """503 ``SERVICE_UNAVAILABLE`` for what a server that stops does not finish."""
    message = "Service temporarily unavailable. Please retry with exponential backoff."
    return FlatRefusal(503, message, "SERVICE_UNAVAILABLE")
