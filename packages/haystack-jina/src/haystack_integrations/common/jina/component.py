"""What is the same in every Jina component of Haystack."""

from __future__ import annotations

import inspect
from enum import Enum
from typing import Any, ClassVar, Self

from haystack import default_from_dict, default_to_dict

from .connection import ComponentConnection


class JinaComponent:
    """
    Saving, loading, warming up and closing.

    A subclass is itself decorated as a component. It has a `_connection`, and an attribute for each parameter of its
    constructor, of the same name; of `model` the name is in `_MODEL`.
    """

    _MODEL: ClassVar[str] = "model_name"
    _ALWAYS_SAVED: ClassVar[tuple[str, ...]] = ("model",)
    """Parameters that are saved also where they have their defaults: those that `jina-haystack` always saves."""

    _connection: ComponentConnection

    def to_dict(self) -> dict[str, Any]:
        """
        Serialize the component. Options that are not set are left out; the key is a reference, never its value.

        :returns: A dictionary for `from_dict`.
        """
        options = {}
        for name, parameter in inspect.signature(type(self).__init__).parameters.items():
            if name in ("self", "api_key", "client") or parameter.kind is parameter.VAR_KEYWORD:
                continue
            value = getattr(self, self._MODEL if name == "model" else name)
            # A list that was not given is kept as an empty one.
            if name in self._ALWAYS_SAVED or value not in (parameter.default, []):
                options[name] = value.value if isinstance(value, Enum) else value
        return default_to_dict(self, **self._connection.to_dict(), **options)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """
        Deserialize the component.

        :param data: What `to_dict` gave, of this package or of `jina-haystack`.
        :returns: The component.
        """
        return default_from_dict(cls, data)

    def warm_up(self) -> None:
        """Resolve the key and make the client of `run`."""
        self._connection.warm_up()

    async def warm_up_async(self) -> None:
        """Resolve the key and make the client of `run_async`."""
        await self._connection.warm_up_async()

    def close(self) -> None:
        """Close the connections of `run`; a later run opens them anew."""
        self._connection.close()

    async def close_async(self) -> None:
        """Close the connections of `run_async`; a later run opens them anew."""
        await self._connection.close_async()

    def _get_telemetry_data(self) -> dict[str, Any]:
        return {"model": getattr(self, self._MODEL, None)}
