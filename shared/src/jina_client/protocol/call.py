"""One request to the service, before it becomes bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the service.

    Attributes:
        path: below the API's root, such as ``embeddings``.
        payload: the JSON body; inputs other than texts are still :class:`~jina_client.media.Media` in it.
        method: the HTTP method.
        compress: whether gzip shrinks the response enough to be worth its time.
        repeatable: whether it may be retried when the service may have acted on it.
        lines: whether the response is JSON lines instead of one JSON value.
        url: the whole address of a service with a host of its own; ``None`` for one below the API's root.
        headers: those of the call itself; the client's own headers take precedence.
        plain: whether the response is plain text.
        vectors: whether the response holds vectors, probably in base64.
    """

    path: str
    payload: Mapping[str, Any] | None = field(default=None, repr=False)
    method: str = "POST"
    compress: bool = True
    repeatable: bool = True
    lines: bool = False
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    plain: bool = False
    vectors: bool = False
