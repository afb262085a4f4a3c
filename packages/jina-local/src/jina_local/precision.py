"""Choose the number format of the stand-in's linear layers."""

from __future__ import annotations

import os
from typing import Literal, get_args

Precision = Literal["int8", "float32"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
PRECISION_VARIABLE = "JINA_LOCAL_PRECISION"


def read_precision(precision: str | None) -> Precision:
    """Return a valid precision; ``None`` reads ``JINA_LOCAL_PRECISION``, and defaults to ``int8``.

    Raises:
        ValueError: It is not a precision.
    """
    value = os.environ.get(PRECISION_VARIABLE) or "int8" if precision is None else precision
    for known in PRECISIONS:
        if value == known:
            return known
    source = PRECISION_VARIABLE if precision is None else "precision="
    raise ValueError(f"{source} must be one of {', '.join(PRECISIONS)}; got {value!r}")
