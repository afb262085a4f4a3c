"""Checks of single values. Each raises JinaInputError with the argument's name, what is allowed, and the value."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import Any

from .errors import JinaInputError

MAX_NUMBER = 1_000_000_000
"""The largest number of seconds that the clocks of operating systems and sockets can count with."""

_HEADER_NAME = re.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def check_whole(
    name: str, value: Any, low: int = 1, high: int | None = None, unit: str = "", *, required: bool = False
) -> None:
    """Raise unless ``value`` is an integer between two bounds, or ``None``. ``True`` and ``1.0`` are not integers.

    Args:
        name: the argument as the caller writes it.
        value: any value; integers of numpy are accepted too.
        low: the smallest value that is allowed.
        high: the largest one; ``None`` for no bound.
        unit: what is counted, such as ``pixels``, for the message.
        required: whether ``None`` is invalid too.
    """
    if value is None and not required:
        return
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        span = f"of {low} or more" if high is None else f"from {low} to {high}"
        raise JinaInputError(f"{name} must be a whole number {span}{unit and f' ({unit})'}, got {value!r}")


def check_number(name: str, value: Any, *, zero: bool = False) -> None:
    """Raise unless ``value`` is an integer or a float above 0; with ``zero``, 0 is allowed as well."""
    valid = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not valid or not (0 < value <= MAX_NUMBER or (zero and value == 0)):
        low = "of 0 or more" if zero else "above 0"
        high = f" and at most {MAX_NUMBER:,}" if valid and value > 0 else ""
        raise JinaInputError(f"{name} must be a number {low}{high}, got {value!r}")


def check_flag(name: str, value: Any, *, required: bool = False) -> None:
    """Raise unless ``value`` is ``True`` or ``False``, or ``None`` where that is not ``required``."""
    if not isinstance(value, bool) and (required or value is not None):
        raise JinaInputError(f"{name} must be True or False, got {value!r}")


def kind_of_value(value: Any) -> str:
    """Return the type of a value with its article, such as ``a str`` or ``an int``; ``None`` for ``None``."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise unless ``value`` is one of the choices."""
    if value not in choices:
        raise JinaInputError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def is_header_name(value: Any) -> bool:
    """Return whether a value is a name that HTTP allows for a header."""
    return isinstance(value, str) and _HEADER_NAME.fullmatch(value) is not None
