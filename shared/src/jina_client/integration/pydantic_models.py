"""The common base of the frameworks' pydantic models. Importing this module needs pydantic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from pydantic import PrivateAttr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ..addresses import LOCAL
from ..arguments import unknown_argument
from ..components.connection import Connection
from ..errors import JinaArgumentError, JinaInputError
from ._fields import ConnectionFields
from ._options import CONNECTION_OPTIONS


class ConnectedModel(ConnectionFields):
    """A pydantic model with a connection. A subclass says where its key is, in :meth:`_key`."""

    client: Any = None
    transport: Any = None

    _REPLACED: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Attributes of earlier integrations, with what to use instead."""

    _current: Connection = PrivateAttr(default_factory=Connection)

    def __init__(self, *positional: Any, **arguments: Any) -> None:
        if positional:
            name = type(self).__name__
            raise JinaArgumentError(
                f"{name} takes keyword arguments only, got {positional[0]!r}: write {name}(model=…), for example"
            )
        _check_flags(type(self), arguments)
        try:
            super().__init__(**arguments)
        except ValidationError as error:
            raise input_error_from_pydantic(type(self), error) from None
        self._check()

    # Type checkers would otherwise accept every attribute.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Raise an error that names the replacement of an attribute of an earlier integration."""
            if name in self._REPLACED:
                raise self._replaced(name)
            return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; an unknown name raises an error that lists the known ones."""
        cls = type(self)
        if not (name.startswith("_") or name in cls.model_fields or hasattr(cls, name)):
            if name in cls._REPLACED:
                raise self._replaced(name)
            raise unknown_argument(cls.__name__, name, cls.model_fields)
        super().__setattr__(name, value)

    def _replaced(self, name: str) -> AttributeError:
        return AttributeError(f"{type(self).__name__} has no attribute {name}: {self._REPLACED[name]}")

    def _check(self) -> None:
        """Raise JinaInputError for arguments that cannot work. A subclass adds its own."""
        self._connection()

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


def _check_flags(model: type[ConnectedModel], arguments: Mapping[str, Any]) -> None:
    """Raise for True or False as a number, which pydantic would take as 1 or 0."""
    for name, value in arguments.items():
        field = model.model_fields.get(name)
        kinds = {int, float, bool} & {field.annotation, *get_args(field.annotation)} if field else set()
        if isinstance(value, bool) and kinds and bool not in kinds:
            raise JinaInputError(f"{model.__name__}: {name} must be a number, got {value}")


def input_error_from_pydantic(model: Any, error: ValidationError) -> JinaInputError:
    """Return pydantic's error as the client's, in its words, without a value that may be a key."""
    owner = model.__name__
    problems = error.errors(include_url=False)
    for problem in problems:
        if problem["type"] == "extra_forbidden":
            return _extra_argument(model, str(problem["loc"][-1]))
    # A union has a problem for each of its types.
    by_argument: dict[str, list[ErrorDetails]] = {}
    for problem in problems:
        by_argument.setdefault(str(problem["loc"][0]) if problem["loc"] else "", []).append(problem)
    return JinaInputError("; ".join(_sentence(owner, name, each) for name, each in by_argument.items()))


_KINDS = {
    "bool": "True or False",
    "dict": "a dictionary",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "path": "a path",
    "string": "a string",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("of at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("of at most", "le"),
}


def _sentence(owner: str, name: str, problems: Sequence[ErrorDetails]) -> str:
    if not name:
        # An error of a validator, in the client's own words.
        return str(problems[0].get("ctx", {}).get("error") or f"{owner}: {problems[0]['msg']}")
    kinds = " or ".join(dict.fromkeys(_allowed(problem) for problem in problems))
    value = problems[0]["input"]
    value_text = type(value).__name__ if "key" in name or "token" in name else f"{value!r:.100}"
    advice = "; base_url='local' selects the embedded engine" if name == "client" and value == LOCAL else ""
    return f"{owner}: {name} must be {kinds}, got {value_text}{advice}"


def _allowed(problem: ErrorDetails) -> str:
    """Return what pydantic allows, in the words of the other checks."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in _BOUNDS:
        word, limit = _BOUNDS[kind]
        return f"a number {word} {context[limit]}"
    if kind == "literal_error":
        return f"one of {context['expected']}"
    if kind in ("is_instance_of", "model_type"):
        name = str(context.get("class") or context["class_name"])
        return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
    return _KINDS.get(kind.partition("_")[0], problem["msg"])


def _extra_argument(model: Any, name: str) -> JinaArgumentError:
    """Return the error for an argument that no field takes: an unknown one, or the second name of one."""
    names = [_argument_names(field_name, field) for field_name, field in model.model_fields.items()]
    same = next((each for each in names if name in each), None)
    if same is None:
        return unknown_argument(model.__name__, name, [each for group in names for each in group])
    return JinaArgumentError(
        f"{model.__name__} got {name!r} and another name of the same argument; pass only one of {', '.join(same)}"
    )


def _argument_names(name: str, field: FieldInfo) -> list[str]:
    """Return the names that a field is passed by, including aliases."""
    return [str(choice) for choice in getattr(field.validation_alias, "choices", [name])]
