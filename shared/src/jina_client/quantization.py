"""Binary vectors in numpy: one bit for each dimension.

Two byte layouts carry the same bits, most significant bit first:

- ``ubinary``: ``numpy.packbits(vector > 0)``, uint8, 0 to 255;
- ``binary``: that byte minus 128 (offset binary), int8, -128 to 127. It is not the two's-complement view of the byte:
  reading it with ``astype(numpy.uint8)`` inverts the first of every eight dimensions. :func:`unpack` reads both right.

The layout is the one measured on the hosted service: ubinary 50, 193, 128, 255 is binary -78, 65, 0, 127.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import JinaInputError

Precision = Literal["binary", "ubinary"]


def quantize(vectors: Any, precision: Precision) -> NDArray[np.int8] | NDArray[np.uint8]:
    """Keep the sign of every dimension.

    Args:
        vectors: floats of shape ``(n, dims)`` or ``(dims,)``.
        precision: ``"ubinary"`` (uint8) or ``"binary"`` (int8, the same byte minus 128).

    Returns:
        Codes of shape ``(n, ceil(dims / 8))`` or ``(ceil(dims / 8),)``. A dimension above zero is a 1; zero itself is a
        0. Where ``dims`` is no multiple of 8 the last byte is padded with 0 bits.

    Raises:
        JinaInputError: another precision, a number that is not finite, or no vectors.
    """
    values = np.asarray(vectors)
    if values.ndim not in (1, 2) or values.dtype.kind not in "fiu":
        raise JinaInputError(
            f"vectors must be numbers of shape (n, dims) or (dims,), got {values.dtype} of shape {values.shape}"
        )
    if precision not in ("binary", "ubinary"):
        raise JinaInputError(f"precision must be 'binary' or 'ubinary', got {precision!r}")
    if not np.isfinite(values).all():
        raise JinaInputError("vectors hold a NaN or an infinity: it has no sign to keep")
    bits = np.packbits(values > 0, axis=-1)
    return to_offset_binary(bits) if precision == "binary" else bits


def to_offset_binary(codes: NDArray[np.uint8]) -> NDArray[np.int8]:
    """``ubinary`` bytes as ``binary``: minus 128, which for a byte is the same as inverting its first bit."""
    return (codes ^ np.uint8(0x80)).view(np.int8)


def to_ubinary(codes: Any) -> NDArray[np.uint8]:
    """Codes of either layout as ``ubinary`` bytes: int8 is read as offset binary, uint8 is returned as it is.

    Raises:
        JinaInputError: codes of another type, whose layout cannot be known.
    """
    array = np.asarray(codes)
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.int8:
        return array.view(np.uint8) ^ np.uint8(0x80)
    raise JinaInputError(
        f"codes must be uint8 (ubinary) or int8 (binary), got {array.dtype}; "
        "lists of numbers need numpy.asarray(codes, dtype=numpy.uint8) or dtype=numpy.int8 first"
    )


def unpack(codes: Any, dimensions: int | None = None) -> NDArray[np.uint8]:
    """Codes as one 0 or 1 for each dimension.

    Args:
        codes: uint8 (ubinary) or int8 (binary), shape ``(n, bytes)`` or ``(bytes,)``.
        dimensions: the number of dimensions, where it is no multiple of 8.

    Returns:
        uint8 of shape ``(n, dims)`` or ``(dims,)``.
    """
    return np.unpackbits(to_ubinary(codes), axis=-1, count=dimensions)


def hamming(queries: Any, corpus: Any) -> NDArray[np.int32]:
    """How many dimensions differ in sign, for every query against every row of the corpus.

    Args:
        queries: codes of shape ``(q, bytes)`` or ``(bytes,)``, either layout.
        corpus: codes of shape ``(n, bytes)``, either layout.

    Returns:
        int32 of shape ``(q, n)``, or ``(n,)`` for a single query. Smaller is nearer.
    """
    left, right = to_ubinary(queries), to_ubinary(corpus)
    if right.ndim != 2 or left.ndim not in (1, 2) or left.shape[-1] != right.shape[-1]:
        raise JinaInputError(
            f"queries of shape (q, bytes) and a corpus of shape (n, bytes) must agree in bytes, "
            f"got {left.shape} and {right.shape}"
        )
    single = left.ndim == 1
    rows = np.atleast_2d(left)
    distances = np.empty((len(rows), len(right)), dtype=np.int32)
    for number, row in enumerate(rows):
        distances[number] = np.bitwise_count(row ^ right).sum(axis=1, dtype=np.int32)
    return distances[0] if single else distances
