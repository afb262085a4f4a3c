"""What a call needs to know of the client that makes it, to plan its requests."""

from __future__ import annotations

from dataclasses import dataclass

from .cache import EmbeddingCache
from .dialects import Dialect


@dataclass(frozen=True, slots=True)
class Service:
    """The service that is called.

    Attributes:
        name: its address, which tells vectors of services apart that call their models alike.
        dialect: how it is spoken to.
        request_tokens: about how many tokens one request may have.
        cache: vectors that need not be asked for.
    """

    name: str
    dialect: Dialect
    request_tokens: int
    cache: EmbeddingCache | None
