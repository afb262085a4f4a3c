"""The names and values of attributes.

``gen_ai.*`` are those of OpenTelemetry's conventions for generative AI, whose status is still "development";
``http.*``, ``server.*``, ``url.*`` and ``error.*`` are stable. ``jina.*`` are this package's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

from ..dialects import Dialect
from ..dialects.on_prem import OnPrem
from ..errors import JinaStatusError
from ..models import find_model
from ..protocol import Call
from ..settings import Settings

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
FORMATS = "gen_ai.request.encoding_formats"
DIMENSIONS = "gen_ai.embeddings.dimension.count"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
TOKEN_TYPE = "gen_ai.token.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR = "error.type"
METHOD = "http.request.method"
STATUS = "http.response.status_code"
RESEND_COUNT = "http.request.resend_count"
REQUEST_ID = "http.response.header.x-request-id"
URL = "url.full"
TASK = "jina.task"
STREAM = "jina.stream"
INPUTS = "jina.input.count"
CACHED = "jina.input.cached_count"
FAILED = "jina.input.failed_count"
REQUESTS = "jina.request.count"
RETRIES = "jina.retry.count"
QUEUED = "jina.queue.duration"

Attributes: TypeAlias = dict[str, str | int | float | bool | list[str]]

_OPERATIONS: Mapping[str, str] = {"multi-vector": "embeddings"}
_PORTS: Mapping[str, int] = {"http": 80, "https": 443}


def operation_of(call: Call) -> str:
    """Return the operation: the endpoint without the ids that follow it."""
    endpoint = call.path.strip("/").partition("/")[0].partition("?")[0]
    return _OPERATIONS.get(endpoint, endpoint)


def provider_of(settings: Settings) -> str:
    """Return who answers: Jina's models by Jina's protocol, the embedded engine, or the service of a dialect."""
    if settings.is_local:
        return "jina_local"
    dialect = settings.dialect or Dialect.name
    return "jina_ai" if dialect in (Dialect.name, OnPrem.name) else dialect


def server_of(url: str) -> Attributes:
    """Return the host and port of an HTTP address; nothing for the embedded engine and for SageMaker."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        return {}
    return {SERVER_ADDRESS: parts.hostname, SERVER_PORT: parts.port or _PORTS[parts.scheme]}


def attributes_of(settings: Settings, call: Call) -> Attributes:
    """Return what the spans and the metrics of a call have in common."""
    common: Attributes = {OPERATION: operation_of(call), PROVIDER: provider_of(settings)}
    if isinstance(model := (call.payload or {}).get("model"), str):
        common[MODEL] = model
    if call.url is None and len(settings.roots) > 1:
        # Each exchange has the server that it went to.
        return common
    return common | server_of(call.url or settings.root)


def options_of(call: Call) -> Attributes:
    """Return the options of a call that its span shows."""
    payload = call.payload or {}
    options: Attributes = {}
    if isinstance(encoding := payload.get("embedding_type"), str):
        options[FORMATS] = [encoding]
    row = find_model(payload.get("model", ""))
    if operation_of(call) == "embeddings" and (dimensions := payload.get("dimensions") or (row and row.dimensions)):
        options[DIMENSIONS] = dimensions
    if isinstance(task := payload.get("task"), str):
        options[TASK] = task
    return options


def shown_url(url: str, *, holds_text: bool) -> str:
    """Return the address of a request as spans show it.

    Args:
        url: the address.
        holds_text: whether it is one of the reader, search or grounding service, whose path is the caller's input.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/REDACTED" if holds_text else url


def error_type(error: BaseException) -> str:
    """Return the status of an error response, or the name of an error's class: never its message."""
    return str(error.status_code) if isinstance(error, JinaStatusError) else type(error).__name__
