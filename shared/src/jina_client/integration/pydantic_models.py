"""What the pydantic models of frameworks have in common. Importing this module needs pydantic."""

from __future__ import annotations

from typing import Any

from pydantic import PrivateAttr, ValidationError

from ..arguments import unknown_argument
from ..components.connection import Connection
from ..errors import JinaInputError
from ._fields import ConnectionFields
from ._options import CONNECTION_OPTIONS


class ConnectedModel(ConnectionFields):
    """A pydantic model with a connection. A subclass says where its key is, in :meth:`_key`."""

    client: Any = None
    transport: Any = None

    _current: Connection = PrivateAttr(default_factory=Connection)

    def __init__(self, **arguments: Any) -> None:
        try:
            super().__init__(**arguments)
        except ValidationError as error:
            raise input_error_from_pydantic(type(self), error) from None

    def close(self) -> None:
        """Close the connections of the synchronous methods; a later call opens them again."""
        self._current.close()

    async def aclose(self) -> None:
        """Close the connections of the asynchronous methods; a later call opens them again."""
        await self._current.aclose()

    def _key(self) -> Any:
        """Return the API key that the caller passed, or ``None``."""
        return None

    def _connection(self) -> Connection:
        """Return the connection for the fields as they are now."""
        options = {name: getattr(self, name) for name in CONNECTION_OPTIONS}
        self._current = self._current.updated(self.client, api_key=self._key(), transport=self.transport, **options)
        return self._current


def input_error_from_pydantic(model: Any, error: ValidationError) -> JinaInputError:
    """Return pydantic's error as the client's, without the values, because one of them may be a key."""
    owner = model.__name__
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    for problem in problems:
        if problem["type"] == "extra_forbidden":
            return unknown_argument(owner, str(problem["loc"][-1]), _argument_names(model))
    text = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
    return JinaInputError(f"{owner}: {text}")


def _argument_names(model: Any) -> list[str]:
    """Return the names that a pydantic model takes its fields by, including aliases."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        names += map(str, getattr(field.validation_alias, "choices", [name]))
    return names
