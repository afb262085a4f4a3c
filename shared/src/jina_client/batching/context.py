"""The facts about a client that planning needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..cache import EmbeddingCache
from ..dialects import Dialect
from ..inputs import Item
from ..models import LIST_LIMIT, Model
from ..settings import Settings
from .batcher import REQUEST_TOKENS, Batcher, split


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """The service that is called, and the cache.

    Attributes:
        root: the service's address, which tells apart vectors of services that use the same model names.
        dialect: the protocol that it speaks.
        request_tokens: estimated tokens per request.
        cache: the vectors that need not be requested.
    """

    root: str
    dialect: Dialect
    request_tokens: int
    cache: EmbeddingCache | None

    @classmethod
    def of(cls, settings: Settings, dialect: Dialect) -> PlanningContext:
        """Return the context of a client's settings."""
        request_tokens = min(REQUEST_TOKENS, settings.tokens_per_minute or REQUEST_TOKENS)
        return cls(settings.root, dialect, request_tokens, settings.vector_cache)

    def batcher(self, batch_size: int | None, row: Model | None) -> Batcher:
        """Return a batcher for inputs that come one by one."""
        return Batcher(batch_size, list_limit(row), **self._limits())

    def split(self, items: Sequence[Item], batch_size: int | None, row: Model | None) -> list[range]:
        """Return the batches of a list of inputs."""
        return split(items, batch_size, list_limit(row), **self._limits())

    def _limits(self) -> dict[str, Any]:
        return {"request_tokens": self.request_tokens, "one_kind": self.dialect.one_kind}


def list_limit(row: Model | None) -> int:
    """Return the most inputs per request of a model."""
    return row.list_limit if row else LIST_LIMIT
