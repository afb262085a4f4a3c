"""Checks of single arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from jina_client import JinaInputError
from jina_client.integration import whole


def as_count(name: str, value: Any, high: int | None = None) -> int:
    """Return an integer of at least 1; numpy integers are accepted.

    Args:
        name: the argument's name, for the message.
        value: the argument.
        high: the largest value allowed.

    Raises:
        JinaInputError: another type, or a number outside the range.
    """
    number = value.item() if isinstance(value, np.integer) else value
    if number is None:
        raise JinaInputError(f"{name} must be a whole number of 1 or more, got None")
    whole(name, number, 1, high)
    return int(number)


def check_oversampling(value: Any) -> None:
    """Check the number of candidates per result.

    Raises:
        JinaInputError: not a number, or less than 1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 1:
        raise JinaInputError(f"oversampling must be a number of 1 or more, got {value!r}; the default is 20")
