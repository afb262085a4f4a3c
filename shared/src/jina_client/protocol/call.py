"""One exchange with the service, before it is bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of the service.

    Attributes:
        path: below the API's root, such as ``embeddings``.
        payload: the JSON body; inputs that are no text are still :class:`~jina_client.media.Media` in it.
        method: the HTTP method.
        compress: whether the answer shrinks enough by gzip to be worth its time.
        repeatable: whether it may be sent again when it is not known if the service acted on it.
        lines: whether the answer is JSON lines instead of one JSON value.
        url: the whole address, where it is not below the API's root: that of a service with a host of its own.
        headers: those of the call itself; what the client sets it sets above them.
        plain: whether the answer is a text.
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
