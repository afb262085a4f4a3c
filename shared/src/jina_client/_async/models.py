"""The resource ``client.models``."""

from __future__ import annotations

import builtins

from ..batching import SingleCall
from ..protocol.listings import models_call, read_model, read_models
from ..results import ModelInfo
from .runner import AsyncRunner


class AsyncModels:
    """The models that the service offers, as ``client.models``."""

    def __init__(self, runner: AsyncRunner) -> None:
        self._runner = runner

    async def list(self) -> builtins.list[ModelInfo]:
        """Return all models that the service offers."""
        return await self._runner.run(SingleCall(models_call(), read_models))

    async def get(self, model: str) -> ModelInfo:
        """Return one model that the service offers, by its id.

        Raises:
            NotFoundError: the service has no model of this id.
        """
        return await self._runner.run(SingleCall(models_call(model), read_model))
