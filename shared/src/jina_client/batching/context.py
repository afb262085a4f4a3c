"""The facts about a client that planning needs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .. import cache as caches
from ..adaptive import START
from ..callers import frames_to_caller
from ..dialects import Dialect
from ..inputs import Item, tokens_of
from ..models import LIST_LIMIT, Model
from ..protocol import Call
from ..settings import Settings
from .batcher import REQUEST_TOKENS, Batcher, even_batch_size, split


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """The service that is called, and the cache.

    Attributes:
        root: the service's address.
        dialect: the protocol that it speaks.
        request_tokens: estimated tokens per request.
        slots: requests that a call may have in flight when it starts; ``None`` if few requests are better than many,
            because the caller limits them.
        cache: the vectors that need not be requested.
    """

    root: str
    dialect: Dialect
    request_tokens: int
    slots: int | None
    cache: caches.EmbeddingCache | None

    @classmethod
    def of(cls, settings: Settings, dialect: Dialect) -> PlanningContext:
        """Return the context of a client's settings."""
        limits = settings.limiter or settings
        request_tokens = min(REQUEST_TOKENS, limits.tokens_per_minute or REQUEST_TOKENS)
        slots = None if limits.requests_per_minute else (settings.max_concurrency or START) * len(settings.roots)
        return cls(settings.root, dialect, request_tokens, slots, settings.vector_cache)

    @property
    def service(self) -> str:
        """A name of the service, which separates vectors of services that use the same model names."""
        return self.root if type(self.dialect) is Dialect else f"{self.root} {self.dialect.name}"

    def cache_of_call(self) -> caches.CallCache | None:
        """Return the cache for one call, or ``None`` if the client has none."""
        return None if self.cache is None else caches.CallCache(self.cache)

    def check(
        self, request: EncodesItems, endpoint: str, items: Sequence[Item], *, name: str = "inputs", first: int = 0
    ) -> None:
        """Raise if the service does not support a call, before anything of it is sent.

        Args:
            request: the validated options.
            endpoint: the endpoint that the items are for.
            items: the inputs or documents.
            name: their name in messages.
            first: the caller's index of the first.

        Raises:
            JinaInputError: an option, an endpoint or an input that the service does not support.
        """
        supported = self.dialect.fields
        if supported is None:
            return
        if endpoint in supported:
            for index, item in enumerate(items, first):
                self.dialect.check_item(endpoint, item, f"{name}[{index}]", request.row)
        self.dialect.encode(request.encode(items[:1]))
        option = "truncation" if endpoint == "rerank" else "truncate"
        if self.dialect.truncates_silently and request.row is not None and not request.fields.get(option):
            _warn_of_truncation(self.dialect, request.row, items, name, first, option)

    def batcher(self, batch_size: int | None, row: Model | None) -> Batcher:
        """Return a batcher for inputs that come one by one."""
        return Batcher(batch_size, list_limit(row), **self._limits())

    def split(self, items: Sequence[Item], batch_size: int | None, row: Model | None) -> list[range]:
        """Return the batches of a list of inputs."""
        return split(items, batch_size, list_limit(row), **self._limits())

    def divide(self, items: Sequence[Item], row: Model | None) -> list[range]:
        """Return the batches of a list of inputs, in even numbers that fill the free slots."""
        limit = list_limit(row)
        return split(items, None, limit, default=even_batch_size(len(items), self.slots, limit), **self._limits())

    def _limits(self) -> dict[str, Any]:
        dialect = self.dialect
        return {"request_tokens": self.request_tokens, "one_kind": dialect.one_kind, "sizes": dialect.sizes}


class EncodesItems(Protocol):
    """The validated options of a call that encode a list of items."""

    @property
    def row(self) -> Model | None:
        """The model's row of the catalog."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """The options as the service takes them."""

    def encode(self, inputs: Sequence[Item], /) -> Call:
        """Return the call for some of the items."""


def _warn_of_truncation(
    dialect: Dialect, row: Model, items: Sequence[Item], name: str, first: int, option: str
) -> None:
    """Warn of texts that are probably longer than the model reads. A service does not say that it truncates them."""
    tokens = {
        index: tokens_of(item)
        for index, item in enumerate(items, first)
        # A text has at most as many tokens as the estimate takes for its characters.
        if isinstance(item, str) and len(item) > row.context
    }
    long = {index: count for index, count in tokens.items() if count > row.context}
    if long:
        index, count = next(iter(long.items()))
        others = f" (and {len(long) - 1} more)" if len(long) > 1 else ""
        warnings.warn(
            f"{name}[{index}]{others} has about {count:,} tokens, more than the {row.context:,} of {row.id}, and "
            f"{dialect.title} truncates long texts without an error: pass shorter texts, or {option}=True to accept it",
            UserWarning,
            stacklevel=frames_to_caller(),
        )


def list_limit(row: Model | None) -> int:
    """Return the most inputs per request of a model."""
    return row.list_limit if row else LIST_LIMIT
