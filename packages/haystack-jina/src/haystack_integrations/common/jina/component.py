"""What is the same in every Jina component of Haystack."""

from __future__ import annotations

from typing import Any, Self

from haystack import default_from_dict

from .connection import JinaConnection


class JinaComponent:
    """Loading, warming up and closing. A subclass has a `_connection` and is itself decorated as a component."""

    _connection: JinaConnection

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
