"""Facts about the embedding object of any framework: which model it calls, and whether it returns floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jina_client import JinaInputError

_ENCODING_ATTRIBUTES = ("embedding_type", "encoding_documents", "encoding_queries")


def embedder_model(embedder: Any, attributes: Sequence[str] = ("model_name", "model")) -> str:
    """Return the model id that an embedding object names.

    Args:
        embedder: an embedding object of any framework.
        attributes: the attributes to look at, in this order.

    Returns:
        The id; an empty string if the object does not name a model.
    """
    values = (getattr(embedder, name, None) for name in attributes)
    model = next((value for value in values if isinstance(value, str)), "")
    return "" if model == "unknown" else model


def require_float_embedder(embedder: Any) -> None:
    """Check, before anything is embedded, that an embedding object is not set to return bits.

    Args:
        embedder: an embedding object of any framework.

    Raises:
        JinaInputError: one of its attributes selects ``binary`` or ``ubinary``.
    """
    for name in _ENCODING_ATTRIBUTES:
        encoding = getattr(embedder, name, None)
        if encoding in ("binary", "ubinary"):
            raise _bits_error(f"{name}={encoding!r}")


def reject_bit_vector(vector: Any) -> None:
    """Reject a vector of zeros and ones with more than one 1, which an embedding object made from bits.

    Args:
        vector: numbers of shape ``(dims,)``.

    Raises:
        JinaInputError: the vector holds bits.
    """
    numbers = np.asarray(vector)
    if np.count_nonzero(numbers == 1) > 1 and np.isin(numbers, (0, 1)).all():
        raise _bits_error("a vector of zeros and ones")


def _bits_error(value: str) -> JinaInputError:
    return JinaInputError(
        f"the index needs floats, got {value}: it derives the bits of its first stage and ranks with the floats. "
        f"Leave {', '.join(_ENCODING_ATTRIBUTES)} of the embedder at 'float'"
    )
