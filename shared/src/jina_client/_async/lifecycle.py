"""Opening, closing and pickling of clients."""

from __future__ import annotations

from functools import cached_property
from types import TracebackType
from typing import Any, Self

from .. import resources
from .. import servers as pools
from ..arguments import arguments_of
from ..results import Usage
from ..settings import Settings
from .runner import AsyncRunner


class AsyncClientLifecycle:
    """Opens and closes a client. Its calls are in :class:`AsyncJinaClient`."""

    @arguments_of(Settings)
    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._open(Settings(*arguments, **options))

    @classmethod
    def _from_settings(cls, settings: Settings) -> Self:
        """Return a client with the settings of another one, which may be of the other kind."""
        client = cls.__new__(cls)
        client._open(settings)
        return client

    @property
    def settings(self) -> Settings:
        """The arguments of this client, with defaults and environment variables filled in."""
        return self._settings

    @property
    def usage(self) -> Usage:
        """The tokens of all calls of this client so far, including failed ones as far as the service responded."""
        return self._runner.usage

    @property
    def servers(self) -> list[pools.ServerState]:
        """The state of each server if ``base_url`` names several, otherwise an empty list."""
        return self._runner.servers

    @cached_property
    def batches(self) -> resources.AsyncBatches:
        """Batch jobs, which the service runs in the background."""
        return resources.AsyncBatches(self._runner)

    @cached_property
    def classifiers(self) -> resources.AsyncClassifiers:
        """Trained classifiers."""
        return resources.AsyncClassifiers(self._runner)

    @cached_property
    def models(self) -> resources.AsyncModels:
        """The models that the service offers."""
        return resources.AsyncModels(self._runner)

    @cached_property
    def web(self) -> resources.AsyncWeb:
        """Reads, searches and checks the web."""
        return resources.AsyncWeb(self._runner)

    async def aclose(self) -> None:
        """Close the connections, those in use after their request; a later call opens new ones.

        A transport that the caller passed stays open.
        """
        await self._runner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> tuple[Any, ...]:
        attributes = {
            name: value
            for name, value in vars(self).items()
            if name not in ("_settings", "_runner") and not isinstance(getattr(type(self), name, None), cached_property)
        }
        return type(self)._from_settings, (self._settings,), attributes

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._settings.base_url!r})"

    def _open(self, settings: Settings) -> None:
        self._settings = settings
        self._runner = AsyncRunner(settings)
