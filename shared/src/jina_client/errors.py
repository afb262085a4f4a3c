"""The tree of exceptions, and the parser of the error bodies that Jina's services send.

::

    JinaError (RuntimeError)
    ├── JinaInputError (ValueError)           an invalid input or option; nothing was sent
    │   └── JinaArgumentError (TypeError)     an unknown argument
    ├── JinaConnectionError                   no complete response
    │   └── JinaTimeoutError                  no complete response within the timeout
    ├── JinaResponseError                     a response that breaks the protocol
    ├── PartialFailureError                   some inputs failed, the others succeeded
    └── JinaStatusError                       a response with an error status
        ├── BadRequestError 400, 422
        ├── AuthenticationError 401
        ├── PaymentRequiredError 402
        ├── PermissionDeniedError 403
        ├── NotFoundError 404
        ├── RequestTooLargeError 413
        ├── RateLimitError 429
        └── ServerError 5xx
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

_SHOWN = 500
# Characters of a message that are parsed. The search for tags takes quadratic time.
_READ = 5_000
_NAMED = 3
_MASK = "**********"
_SHORTEST_SECRET = 4
_LONG_SECRET = 12
# A script that has no end, as in a message that is cut, extends to the end of the text.
_TAGS = re.compile(r"<(script|style)\b.*?(?:</\1>|\Z)|<[^>]*>", re.IGNORECASE | re.DOTALL)
_REQUEST_ID_IN_TEXT = re.compile(r"\[RID: ([0-9a-fA-F-]+)\]")


class JinaError(RuntimeError):
    """The base of every exception that this package raises.

    Attributes:
        server: host and port of the server that failed; empty if none did.
    """

    server: str = ""


class JinaInputError(JinaError, ValueError):
    """An invalid input or option, found before sending. The message names it, its value, and what is allowed."""


class JinaArgumentError(JinaInputError, TypeError):
    """An unknown argument. The message lists the valid ones or names the nearest."""


class JinaConnectionError(JinaError):
    """The service could not be reached, or the connection broke before its response was complete.

    Attributes:
        attempts: number of times that the request was sent; 0 if unknown.
    """

    attempts: int = 0

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text} (after {self.attempts} attempts)" if self.attempts > 1 else text


class JinaTimeoutError(JinaConnectionError):
    """The service did not respond within ``timeout`` seconds."""


class JinaResponseError(JinaError):
    """The response breaks the protocol, for example because a vector is missing."""


class PartialFailureError(JinaError):
    """Some inputs of a call failed for good. The error holds the results of the others.

    Attributes:
        completed: the results by index of the input, such as vectors.
        failed: the errors by index of the input.
        usage: tokens counted by the service.
    """

    def __init__(self, completed: Mapping[int, Any], failed: Mapping[int, JinaError], usage: Any = None) -> None:
        super().__init__(completed, failed, usage)
        self.completed = completed
        self.failed = failed
        self.usage = usage

    def __str__(self) -> str:
        total = len(self.failed) + len(self.completed)
        errors = {index: self.failed[index] for index in sorted(self.failed)[:_NAMED]}
        reasons = [f"input {index}: {getattr(error, 'summary', error)}" for index, error in errors.items()]
        more = f"; and {len(self.failed) - _NAMED} more" if len(self.failed) > _NAMED else ""
        return (
            f"{len(self.failed)} of {total} inputs failed ({'; '.join(reasons)}{more}); "
            "the attribute completed has the results of the others"
            + next((f". {advice}" for error in errors.values() if (advice := getattr(error, "advice", ""))), "")
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.completed)} completed, {len(self.failed)} failed)"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One item of a validation error: the field (``body -> top_n``), the message, and its type."""

    field: str
    message: str
    type: str = ""


class JinaStatusError(JinaError):
    """The service responded with an error status.

    Attributes:
        status_code: the HTTP status.
        code: Jina's own code, such as ``RATE_TOKEN_LIMIT_EXCEEDED``; empty if the service sent none.
        message: the service's message, without the status and the ids.
        request_id: the id for requests to Jina's support; empty if the service sent none.
        errors: one :class:`FieldError` for each field that a validation error names.
        body: the body of the response: its JSON value, or its text if it is not JSON.
        retry_after: the seconds that the service asks to wait; ``None`` if it does not say.
        url: the address that the request went to; empty if unknown.
        attempts: number of times that the request was sent; 0 if unknown.
        advice: what the caller can do about it; may be empty.
        inputs: the caller's indices of the inputs that a validation error names.
    """

    url: str = ""
    attempts: int = 0
    advice: str = ""
    inputs: tuple[int, ...] = ()

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str = "",
        request_id: str = "",
        errors: Sequence[FieldError] = (),
        body: Any = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.code = code
        self.request_id = request_id
        self.errors = tuple(errors)
        self.body = body
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.summary}. {self.advice}" if self.advice else self.summary

    @property
    def summary(self) -> str:
        """The message without the advice: the failure, the address, and the number of attempts."""
        status = f"HTTP {self.status_code}"
        if self.url:
            status += f" from {self.url}"
        if self.attempts > 1:
            status += f" after {self.attempts} attempts"
        indices = ", ".join(map(str, self.inputs[:_NAMED])) + (", …" if len(self.inputs) > _NAMED else "")
        labels = [
            status,
            indices and f"input {indices}",
            self.code,
            self.request_id and f"request id {self.request_id}",
        ]
        return f"{self.message} ({', '.join(label for label in labels if label)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # The attributes are pickled separately, because ``partial`` may refer back to this error.
        return _restore, (type(self), self.message, self.status_code), self.__dict__


class BadRequestError(JinaStatusError):
    """400 or 422: the service rejects the request as invalid."""


class AuthenticationError(JinaStatusError):
    """401: the key is missing or wrong."""


class PaymentRequiredError(JinaStatusError):
    """402: the balance is used up."""


class PermissionDeniedError(JinaStatusError):
    """403: the balance, the plan or the key does not allow it."""


class NotFoundError(JinaStatusError):
    """404: not found; often because ``base_url`` is not an API's root."""


class RequestTooLargeError(JinaStatusError):
    """413: the request is larger than the service accepts."""


class RateLimitError(JinaStatusError):
    """429: too many requests or tokens per minute, or too many concurrent requests. See ``retry_after``."""


class ServerError(JinaStatusError):
    """5xx: the service failed."""


_BY_STATUS: dict[int, type[JinaStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: RequestTooLargeError,
    422: BadRequestError,
    429: RateLimitError,
}


def _restore(kind: type[JinaStatusError], message: str, status_code: int) -> JinaStatusError:
    return kind(message, status_code=status_code)


def error_from_response(
    status: int, body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str] = ()
) -> JinaStatusError:
    """Return the exception for a response with an error status.

    Args:
        status: the HTTP status.
        body: the raw body: flat, nested or listed ``detail``, ``message``, ``error``, HTML, text or nothing.
        headers: the response's headers, by lower-case name.
        secrets: strings to hide, such as the key, in case the service repeats them.
    """
    text = body.decode("utf-8", "replace")
    for secret in secrets:
        text = masked(text, secret)
    try:
        parsed: Any = json.loads(text)
    except (ValueError, RecursionError):
        parsed = None
    message, code, request_id, errors = _read(_without_tags(text) if parsed is None else _unwrapped(parsed))
    named = _REQUEST_ID_IN_TEXT.search(message)
    if named:
        message = message.replace(named.group(0), "").strip()
        request_id = request_id or named.group(1)
    kind = _BY_STATUS.get(status) or (ServerError if status >= 500 else JinaStatusError)
    return kind(
        message or "the service gave no reason",
        status_code=status,
        code=code,
        request_id=request_id or headers.get("x-request-id", ""),
        errors=errors,
        body=text if parsed is None else parsed,
        retry_after=_seconds(headers.get("retry-after")),
    )


def masked(text: str, secret: str) -> str:
    """Return a text with a secret masked. A short one, as in a test, is masked only if it is a whole word."""
    if len(secret) < _SHORTEST_SECRET:
        return text
    if len(secret) >= _LONG_SECRET:
        return text.replace(secret, _MASK)
    return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", _MASK, text)


def _unwrapped(body: Any) -> Any:
    """Return the error of the service behind a proxy. LiteLLM quotes its JSON inside a message of its own."""
    wrapper = body.get("error") if isinstance(body, dict) else None
    text = wrapper.get("message") if isinstance(wrapper, dict) else None
    if not isinstance(text, str) or (start := text.find("{")) < 0:
        return body
    try:
        inner, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return body
    return inner if inner.keys() & {"detail", "error", "message"} else body


def _read(body: Any) -> tuple[str, str, str, list[FieldError]]:
    """Return the message, code, request id and field errors of a body of any known form."""
    if not isinstance(body, dict):
        return _shortened(body if isinstance(body, str) else json.dumps(body)), "", "", []
    inner = next((body[key] for key in ("detail", "error") if isinstance(body.get(key), dict)), body)

    def first(*names: str) -> str:
        values = (source.get(name) for source in (inner, body) for name in names)
        return next((value for value in values if isinstance(value, str) and value), "")

    listed = body.get("errors") or inner.get("errors") or body.get("detail")
    errors = [_field_error(item) for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    message = first("message", "detail", "readableMessage", "error", "msg")
    fields = "; ".join(f"{error.field}: {error.message}" for error in errors)
    if errors and (not message or "Field errors" in message):
        message = fields
    elif errors and not all(error.message in message for error in errors):
        message = f"{message}: {fields}"
    return _shortened(message), first("code", "error_type", "type", "name"), first("request_id", "requestId"), errors


def _field_error(item: Mapping[str, Any]) -> FieldError:
    location = item.get("field") or item.get("loc") or ""
    field = " -> ".join(map(str, location)) if isinstance(location, (list, tuple)) else str(location)
    return FieldError(field, str(item.get("message") or item.get("msg") or ""), str(item.get("type") or ""))


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` header, which holds seconds or an HTTP date."""
    if not retry_after:
        return None
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            wait = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(wait, 0.0) if math.isfinite(wait) else None


def _without_tags(text: str) -> str:
    """Return the text of HTML, which gateways send as error pages."""
    return _TAGS.sub(" ", text[:_READ])


def _shortened(text: str) -> str:
    """Return at most the first 500 characters of a text, on one line."""
    words = " ".join(text[:_READ].split())
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"
