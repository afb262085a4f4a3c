"""The base class of the Jina components of Haystack."""

from __future__ import annotations

import inspect
from enum import Enum
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

from haystack import default_from_dict, default_to_dict
from jina_client import JinaArgumentError
from jina_client.integration import CONNECTION_OPTIONS, DEFAULT_BASE_URL, ConnectionAttributes, resolve_base_url

from .connection import ComponentConnection

_SETTINGS = (*CONNECTION_OPTIONS, "client")

REMOVED = {
    "_headers": "pass client=JinaClient(transport=…) to send other headers",
    "_embed_batch": "override run, or pass client=JinaClient(transport=…) to send in another way",
    "_embed_batch_async": "override run_async, or pass client=AsyncJinaClient(transport=…) to send in another way",
    "_prepare_parameters": "set the attributes task, dimensions, normalized and truncate",
    "_prepare_request_payload": "set the attributes task, dimensions, normalized and truncate",
    "_prepare_request_data": "set the attributes model and top_k, or change the arguments of run",
    "_prepare_request": "override run, or pass headers to it",
    "_process_batch_response": "override run, and change what it returns",
    "_parse_response": "override run, and change what it returns",
    "_json_to_document": "override run, and change what it returns",
    "_build_result": "override run, and change what it returns",
    "_validate_input": "override run, and check its arguments",
    "_extract_images_to_embed": "put an image into blob of a Document",
}
"""Private names of `jina-haystack` that programs use, with what to use instead."""


class JinaComponent(ConnectionAttributes):
    """Base class that saves, loads, warms up and closes a component.

    A subclass is decorated as a component. It has a `_connection`, and one attribute per parameter of its constructor
    with the same name, except that `_MODEL` names the attribute of `model`. Connection options are attributes too.
    Setting one takes effect with the next run, and the new value is saved.
    """

    _MODEL: ClassVar[str] = "model_name"
    _ALWAYS_SAVED: ClassVar[tuple[str, ...]] = ("model",)
    """Parameters that are saved even if they have their default, as `jina-haystack` does."""
    _DEFAULT_URL: ClassVar[str | None] = None
    """The address that `base_url` shows if none was passed, as in `jina-haystack`."""

    _connection: ComponentConnection

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in REMOVED.keys() & vars(cls).keys():
            # A class that has a `run` of its own calls its own methods.
            if not {"run", "run_async"} & vars(cls).keys():
                raise JinaArgumentError(
                    f"{cls.__name__} overrides {name}, which this version does not call: {REMOVED[name]}"
                )

    # Type checkers would otherwise accept every attribute.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return an option of the connection, or raise an error that names what an old attribute became."""
            if name == "model" and name != self._MODEL:
                return getattr(self, self._MODEL)
            connection = vars(self).get("_connection")
            if connection is not None and name in _SETTINGS:
                if name == "client":
                    return connection.client
                value = connection.options.get(name)
                return self._address() if name == "base_url" and value is None else value
            hint = f": {REMOVED[name]}" if name in REMOVED else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; an option of the connection takes effect with the next run."""
        if name in REMOVED:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}: {REMOVED[name]}")
        if "_connection" in vars(self) and name in (*_SETTINGS, "api_key"):
            self._connection.change(name, value)
        if name == "model":
            name = self._MODEL
        if name not in _SETTINGS:
            super().__setattr__(name, value)

    def _address(self) -> str | None:
        """Return the address in effect if none was passed."""
        client = self._connection.client
        root = client.settings.root if client is not None else resolve_base_url(None)
        return self._DEFAULT_URL if root == DEFAULT_BASE_URL else root

    def to_dict(self) -> dict[str, Any]:
        """Serialize the component. Options that are not set are left out; the key is a reference, never its value.

        :returns: A dictionary for `from_dict`.
        """
        options = {}
        for name, parameter in inspect.signature(type(self).__init__).parameters.items():
            if name in ("self", "api_key", "client") or parameter.kind is parameter.VAR_KEYWORD:
                continue
            value = getattr(self, self._MODEL if name == "model" else name)
            if isinstance(value, Integral) and not isinstance(value, bool):
                # Haystack cannot save the integers of numpy.
                value = int(value)
            # The attribute of a list that was not passed is an empty list.
            if name in self._ALWAYS_SAVED or value not in (parameter.default, []):
                options[name] = value.value if isinstance(value, Enum) else value
        return default_to_dict(self, **self._connection.to_dict(), **options)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Deserialize the component.

        :param data: The dictionary that `to_dict` of this package or of `jina-haystack` returned.
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
        """Close the connections of `run`; a later run opens them again."""
        self._connection.close()

    async def close_async(self) -> None:
        """Close the connections of `run_async`; a later run opens them again."""
        await self._connection.close_async()

    def _get_telemetry_data(self) -> dict[str, Any]:
        return {"model": getattr(self, self._MODEL, None)}
