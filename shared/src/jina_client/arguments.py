"""Arguments by their other names, and unknown ones answered with those that there are."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Literal, TypeVar

from .errors import JinaArgumentError, JinaInputError

Init = TypeVar("Init", bound=Callable[..., None])
Function = TypeVar("Function", bound=Callable[..., Any])


def known_arguments(*further: str) -> Callable[[Init], Init]:
    """Decorate an ``__init__``: an argument that it lacks raises :class:`JinaArgumentError`, naming those it has.

    Args:
        *further: the names that its ``**`` parameter takes.
    """

    def decorate(init: Init) -> Init:
        parameters = inspect.signature(init).parameters.values()
        names = [each.name for each in parameters if each.name != "self" and each.kind is not each.VAR_KEYWORD]
        names += further

        @functools.wraps(init)
        def checked(self: Any, *args: Any, **kwargs: Any) -> None:
            for name in kwargs:
                if name not in names:
                    raise unknown_argument(type(self).__name__, name, names)
            init(self, *args, **kwargs)

        return checked  # type: ignore[return-value]

    return decorate


EMBEDDING_ALIASES = {
    "task_type": "task",
    "output_dimensionality": "dimensions",
    "output_dimension": "dimensions",
    "truncation": "truncate",
    "encoding_type": "embedding_type",
    "encoding_format": "embedding_type",
    "embedding_types": "embedding_type",
}
"""Other names of options of embedding calls: those that the service takes too, and that older programs use."""

RERANK_ALIASES = {"top_k": "top_n", "max_tokens_per_doc": "max_doc_length", "truncate": "truncation"}
"""The same for rerank calls."""


OnError = Literal["raise", "return"]


def returns_failures(on_error: Any) -> bool:
    """Whether inputs that failed are part of the result rather than an exception."""
    if on_error not in ("raise", "return"):
        raise JinaArgumentError(f"on_error must be 'raise' or 'return', got {on_error!r}")
    return bool(on_error == "return")


def aliases(names: Mapping[str, str]) -> Callable[[Function], Function]:
    """Decorate a method: its options are taken by their other names too, and what it does not have is refused."""

    def decorate(function: Function) -> Function:
        own = [name for name in inspect.signature(function).parameters if name != "self"]

        def renamed(given: dict[str, Any]) -> dict[str, Any]:
            if given.keys() <= set(own):
                return given
            options: dict[str, Any] = {}
            for name, value in given.items():
                option = name if name in own else names.get(name, name)
                if option not in own:
                    raise unknown_argument(function.__name__, name, own)
                if (option in given and option != name) or option in options:
                    raise JinaArgumentError(f"{name} is another name of {option}: pass one of them")
                options[option] = value
            return options

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def called(*args: Any, **kwargs: Any) -> Any:
                return await function(*args, **renamed(kwargs))

            return called  # type: ignore[return-value]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **renamed(kwargs))

        return call  # type: ignore[return-value]

    return decorate


def unknown_argument(owner: str, name: str, allowed: Iterable[str]) -> JinaArgumentError:
    """The error for an argument that ``owner`` does not have."""
    names = list(allowed)
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return JinaArgumentError(f"{owner} has no argument {name!r}{hint} (it has: {', '.join(names)})")


def input_error_from_pydantic(model: Any, error: Any) -> JinaInputError:
    """A pydantic model's ``ValidationError`` as the client's error, without the values: one of them may be a key."""
    owner = model.__name__
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    for problem in problems:
        if problem["type"] == "extra_forbidden":
            return unknown_argument(owner, str(problem["loc"][-1]), _argument_names(model))
    text = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
    return JinaInputError(f"{owner}: {text}")


def _argument_names(model: Any) -> list[str]:
    """The names that a pydantic model takes its fields by, aliases included."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        names += map(str, getattr(field.validation_alias, "choices", [name]))
    return names
