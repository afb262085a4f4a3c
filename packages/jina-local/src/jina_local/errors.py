"""What can go wrong, and the body that the hosted service sends for each.

ModelNotFoundError (JinaError)        the model's files are not on this machine, or are not the expected ones
RequestError                          an answer that says no, with its status and body
├── InvalidRequest 422                fields that break the request's schema: each is named in ``errors``
├── RefusedRequest 400                a well-formed request that cannot be served: ``detail`` is an object with a code
└── UnauthorizedRequest 401           the key is missing or wrong: a flat body
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """

    status: int = 500

    def body(self, request_id: str) -> dict[str, Any]:
        """The answer's JSON body.

        Args:
            request_id: the id of the request, which the answer's ``x-request-id`` header repeats.
        """
        raise NotImplementedError


class InvalidRequest(RequestError):
    """422: one :data:`FieldProblem` for each field that breaks the request's schema."""

    status = 422

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        listed = "; ".join(f"{problem['field']}: {problem['message']}" for problem in problems)
        super().__init__(f"Validation errors in {len(problems)} fields. Field errors: {listed}")
        self.problems = list(problems)

    def body(self, request_id: str) -> dict[str, Any]:
        """``{"detail": text, "request_id": id, "errors": [problem, …]}``."""
        return {"detail": str(self), "request_id": request_id, "errors": self.problems}


class RefusedRequest(RequestError):
    """400, or 500 for a failure of the engine's own: ``{"detail": {"message", "request_id", "code"}}``."""

    def __init__(self, message: str, code: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    def body(self, request_id: str) -> dict[str, Any]:
        """The nested body of the hosted service's application layer."""
        return {"detail": {"message": str(self), "request_id": request_id, "code": self.code}}


class UnauthorizedRequest(RequestError):
    """401: ``{"detail", "request_id", "code"}``."""

    status = 401

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code

    def body(self, request_id: str) -> dict[str, Any]:
        """The flat body of the hosted service's authentication layer."""
        return {"detail": str(self), "request_id": request_id, "code": self.code}


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
