"""Checks of single arguments."""

from __future__ import annotations

from typing import Any

from jina_client import JinaInputError
from jina_client.integration import check_whole


def as_count(name: str, value: Any, high: int | None = None) -> int:
    """Return an integer of at least 1; numpy integers are accepted.

    Args:
        name: the argument's name, for the message.
        value: the argument.
        high: the largest value allowed.

    Raises:
        JinaInputError: another type, or a number outside the range.
    """
    check_whole(name, value, 1, high, required=True)
    return int(value)


def check_oversampling(value: Any) -> None:
    """Check the number of candidates per result.

    Raises:
        JinaInputError: not a number, or less than 1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 1:
        raise JinaInputError(f"oversampling must be a number of 1 or more, got {value!r}; the default is 20")
