"""Bits: the sign of each dimension.

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

from ..errors import JinaInputError
from .arrays import blocks

# Words compared at once: they and what is counted of them stay in a processor's cache.
_WORDS = 2**16

BinaryPrecision = Literal["binary", "ubinary"]


def to_binary(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Vectors, already checked, as ``ubinary``; in blocks, so that little memory is needed beside the result."""
    if values.ndim == 1:
        return np.packbits(values > 0)
    codes = np.empty((len(values), -(-values.shape[1] // 8)), np.uint8)
    for block in blocks(values):
        codes[block] = np.packbits(values[block] > 0, axis=1)
    return codes


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

    Raises:
        JinaInputError: codes of another type or shape, or a number of dimensions that does not take these bytes.
    """
    array = to_ubinary(codes)
    if array.ndim not in (1, 2):
        raise JinaInputError(f"codes must be of shape (n, bytes) or (bytes,), got {array.shape}")
    return np.unpackbits(array, axis=-1, count=bits_of(array.shape[-1], dimensions))


def bits_of(width: int, dimensions: int | None) -> int:
    """How many of the bits of ``width`` bytes are dimensions.

    Raises:
        JinaInputError: a number of dimensions that takes more or fewer bytes.
    """
    if dimensions is None:
        return width * 8
    if not isinstance(dimensions, (int, np.integer)) or -(-dimensions // 8) != width:
        raise JinaInputError(
            f"codes of {width} bytes hold {width * 8 - 7} to {width * 8} dimensions, not {dimensions!r}"
        )
    return int(dimensions)


def hamming(queries: Any, corpus: Any) -> NDArray[np.int32]:
    """How many dimensions differ in sign, for every query against every row of the corpus.

    Args:
        queries: codes of shape ``(q, bytes)`` or ``(bytes,)``, either layout.
        corpus: codes of shape ``(n, bytes)``, either layout.

    Returns:
        int32 of shape ``(q, n)``, or ``(n,)`` for a single query. Smaller is nearer. Bits that pad the last byte are 0
        everywhere and count for nothing.

    Raises:
        JinaInputError: codes of another type, or shapes that do not fit.
    """
    left, right = to_ubinary(queries), to_ubinary(corpus)
    if right.ndim != 2 or left.ndim not in (1, 2) or left.shape[-1] != right.shape[-1]:
        raise JinaInputError(
            f"queries of shape (q, bytes) and a corpus of shape (n, bytes) must agree in bytes, "
            f"got {left.shape} and {right.shape}"
        )
    single = left.ndim == 1
    rows, words = _words(np.atleast_2d(left)), _words(right)
    distances = np.empty((len(rows), len(right)), dtype=np.int32)
    for block in blocks(words, _WORDS):
        # Words side by side for all rows, so that counts add up along memory and not across it.
        columns = np.ascontiguousarray(words[block].T)
        for number, row in enumerate(rows):
            np.bitwise_count(columns ^ row[:, None]).sum(axis=0, dtype=np.int32, out=distances[number, block])
    return distances[0] if single else distances


def estimate_cosine(queries: Any, corpus: Any, dimensions: int | None = None) -> NDArray[np.float32]:
    """The cosine of the vectors that codes were made from, as far as their signs tell it.

    Two vectors at the angle t differ in the sign of a random direction with probability t / pi (Goemans and Williamson
    1995; Charikar 2002), so the estimate is ``cos(pi * hamming / dims)``. It takes the dimensions for random
    directions, which those of an embedding are only about.

    Args:
        queries, corpus: as in :func:`hamming`.
        dimensions: the number of dimensions, where it is no multiple of 8.

    Returns:
        float32 of shape ``(q, n)``, or ``(n,)`` for a single query: -1 to 1. Its standard error is about
        ``pi / 2 / sqrt(dims)`` at right angles, 0.05 for 1024 dimensions, and less towards 1.

    Raises:
        JinaInputError: as in :func:`hamming` and :func:`unpack`.
    """
    distances = hamming(queries, corpus)
    bits = bits_of(np.asarray(corpus).shape[-1], dimensions)
    cosines: NDArray[np.float32] = np.cos(np.float32(np.pi / bits) * distances)
    return cosines.astype(np.float32, copy=False)


def _words(codes: NDArray[np.uint8]) -> NDArray[Any]:
    """Bytes as the longest words that their number allows: fewer and larger steps."""
    for word in (np.uint64, np.uint32, np.uint16):
        if codes.shape[1] and codes.shape[1] % np.dtype(word).itemsize == 0:
            return np.ascontiguousarray(codes).view(word)
    return codes
