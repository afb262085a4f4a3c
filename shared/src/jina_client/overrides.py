"""Subclasses of components: which method of a pair a subclass has replaced.

A component has most methods twice, synchronous and asynchronous. A program that replaces only the synchronous one, to
change its inputs or to call another service, expects the asynchronous one to do the same.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Coroutine[Any, Any, Any]])


def replaces(kind: type, method: str, other: str) -> bool:
    """Return whether a subclass has replaced ``method`` without replacing ``other`` at the same level or below.

    Args:
        kind: the class of the object.
        method: a method's name.
        other: the name of the method that should do the same.
    """
    return _level(kind, method) < _level(kind, other)


def follows(method: str) -> Callable[[Method], Method]:
    """Decorate a coroutine method: if a subclass replaces only its synchronous form, run that in a thread instead.

    Args:
        method: the name of the synchronous form.
    """

    def decorate(asynchronous: Method) -> Method:
        name = asynchronous.__name__

        @functools.wraps(asynchronous)
        async def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            if replaces(type(self), method, name):
                return await asyncio.to_thread(getattr(self, method), *args, **kwargs)
            return await asynchronous(self, *args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


def _level(kind: type, method: str) -> int:
    """Return the place in the method resolution order of the class that defines a method."""
    return next(place for place, each in enumerate(kind.__mro__) if method in vars(each))
