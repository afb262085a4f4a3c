"""Arguments that are declared elsewhere, known by other names, or unknown."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar, get_type_hints

from .default_models import warn_of_default_model
from .errors import JinaArgumentError
from .models import find_model
from .options import DEFAULTS

P = ParamSpec("P")
Init = TypeVar("Init", bound=Callable[..., None])
Method = TypeVar("Method", bound=Callable[..., Any])

_OF_CLIENTS = ("limiter", "on_attempt", "transport")
"""Objects that a client takes, and a component of a framework may not."""


def known_arguments(*others: str) -> Callable[[Init], Init]:
    """Decorate an ``__init__``: an unknown argument raises an error that lists the valid ones.

    Args:
        *others: the names that the method's ``**`` parameter takes.
    """

    def decorate(init: Init) -> Init:
        parameters = inspect.signature(init).parameters.values()
        names = [each.name for each in parameters if each.name != "self" and each.kind is not each.VAR_KEYWORD]
        names += others

        @functools.wraps(init)
        def checked(self: Any, *args: Any, **kwargs: Any) -> None:
            _check_names(type(self).__name__, kwargs, names)
            init(self, *args, **kwargs)

        return checked  # type: ignore[return-value]

    return decorate


def warns_of_default_model(init: Init) -> Init:
    """Decorate an ``__init__`` with a parameter ``model``: a caller who leaves it out is told which model that is."""
    signature = inspect.signature(init)
    default = signature.parameters["model"].default

    @functools.wraps(init)
    def warned(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        if "model" not in signature.bind_partial(self, *args, **kwargs).arguments:
            warn_of_default_model(type(self), default)

    return warned  # type: ignore[return-value]


def arguments_of(declaration: Callable[P, Any]) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Decorate an ``__init__(self, *args, **kwargs)``: it takes the arguments of another class.

    Type checkers, editors and ``help()`` see those arguments, and an unknown one raises an error that lists them.
    """
    signature = inspect.signature(declaration)

    def decorate(init: Callable[..., None]) -> Callable[Concatenate[Any, P], None]:
        @functools.wraps(init)
        def checked(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> None:
            _check_names(type(self).__name__, kwargs, signature.parameters)
            init(self, *args, **kwargs)

        self_parameter = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        own = signature.replace(parameters=[self_parameter, *signature.parameters.values()], return_annotation=None)
        checked.__signature__ = own  # type: ignore[attr-defined]
        return checked

    return decorate


def keyword_options(
    declaration: type, other_names: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Method], Method]:
    """Decorate a method with a parameter ``**options: Unpack[declaration]``.

    The decorated method accepts options by their other names, rejects unknown ones with an error that lists the valid
    ones, and shows all of them in its signature. A caller who leaves out ``model=`` is told which model that is.

    Args:
        declaration: a ``TypedDict`` of :mod:`jina_client.options`.
        other_names: other names of options, with the name that each stands for.
    """

    def decorate(method: Method) -> Method:
        signature = _expanded(inspect.signature(method), declaration)
        names = [name for name in signature.parameters if name != "self"]
        places = [each.name for each in signature.parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD][1:]
        model = signature.parameters.get("model")

        def prepared(owner: Any, positional: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
            if len(positional) > len(places):
                extra = positional[len(places)]
                hint = f"model={extra!r}" if find_model(extra) else f"{names[len(places)]}=…"
                own = " and ".join(places)
                raise JinaArgumentError(f"{method.__name__} takes {own} by position, others by keyword: write {hint}")
            options = _renamed(options, names, other_names, method.__name__)
            # A trained classifier has its own model.
            if model is not None and "model" not in options and options.get("classifier_id") is None:
                warn_of_default_model(type(owner), model.default, method.__name__)
            return options

        if inspect.iscoroutinefunction(method):

            @functools.wraps(method)
            async def call(self: Any, /, *args: Any, **options: Any) -> Any:
                return await method(self, *args, **prepared(self, args, options))
        else:

            @functools.wraps(method)
            def call(self: Any, /, *args: Any, **options: Any) -> Any:
                return method(self, *args, **prepared(self, args, options))

        call.__signature__ = signature  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate


def unknown_argument(owner: str, name: str, allowed: Iterable[str]) -> JinaArgumentError:
    """Return the error for an argument that ``owner`` does not have."""
    names = list(allowed)
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    if name in _OF_CLIENTS and "client" in names:
        hint = f"; it is one of the client: pass client=JinaClient({name}=…)"
    return JinaArgumentError(f"{owner} has no argument {name!r}{hint} (it has: {', '.join(names)})")


def _check_names(owner: str, arguments: Iterable[str], allowed: Iterable[str]) -> None:
    for name in arguments:
        if name not in allowed:
            raise unknown_argument(owner, name, allowed)


def _renamed(options: dict[str, Any], names: list[str], other_names: Mapping[str, str], method: str) -> dict[str, Any]:
    if options.keys() <= set(names):
        return options
    result: dict[str, Any] = {}
    for name, value in options.items():
        option = name if name in names else other_names.get(name, name)
        if option not in names:
            raise unknown_argument(method, name, names)
        if (option in options and option != name) or option in result:
            raise JinaArgumentError(f"{name} is another name of {option}: pass only one of them")
        result[option] = value
    return result


def _expanded(signature: inspect.Signature, declaration: type) -> inspect.Signature:
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    declared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=DEFAULTS.get(name), annotation=hint)
        for name, hint in get_type_hints(declaration).items()
    ]
    return signature.replace(parameters=[*own, *declared])
