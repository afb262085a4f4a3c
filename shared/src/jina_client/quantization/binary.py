"""One bit per dimension: its sign.

Two layouts hold the same bits, most significant bit first:

- ``ubinary``: ``numpy.packbits(vector > 0)``, uint8 from 0 to 255.
- ``binary``: that byte minus 128 (offset binary), int8 from -128 to 127. This is not the two's complement of the byte:
  ``astype(numpy.uint8)`` would invert the first of every eight dimensions. :func:`unpack` reads both layouts correctly.

The contract tests of Jina's on-prem server record this layout: ubinary 50, 193, 128, 255 as binary -78, 65, 0, 127.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..checks import check_whole
from ..errors import JinaInputError
from .arrays import blocks

# Words in one block. They and their bit counts fit into a processor's cache.
_WORDS = 2**16

BinaryPrecision = Literal["binary", "ubinary"]


def to_binary(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert validated vectors to ``ubinary``, in blocks to save memory."""
    if values.ndim == 1:
        return np.packbits(values > 0)
    codes = np.empty((len(values), -(-values.shape[1] // 8)), np.uint8)
    for block in blocks(values):
        codes[block] = np.packbits(values[block] > 0, axis=1)
    return codes


def to_offset_binary(codes: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Convert ``ubinary`` bytes to ``binary``: subtract 128, which inverts the first bit of a byte."""
    return (codes ^ np.uint8(0x80)).view(np.int8)


def to_ubinary(codes: Any) -> NDArray[np.uint8]:
    """Convert codes of either layout to ``ubinary`` bytes. int8 is read as ``binary``; uint8 is returned unchanged.

    Raises:
        JinaInputError: codes of another type, whose layout is ambiguous.
    """
    array = np.asarray(codes)
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.int8:
        return array.view(np.uint8) ^ np.uint8(0x80)
    raise JinaInputError(
        f"codes must be uint8 (ubinary) or int8 (binary), got {array.dtype}; "
        "convert a list with numpy.asarray(codes, dtype=numpy.uint8), or with dtype=numpy.int8 for binary"
    )


def unpack(codes: Any, dimensions: int | None = None) -> NDArray[np.uint8]:
    """Unpack codes to one 0 or 1 per dimension.

    Args:
        codes: uint8 (``ubinary``) or int8 (``binary``) of shape ``(n, bytes)`` or ``(bytes,)``.
        dimensions: number of dimensions; by default 8 per byte.

    Returns:
        uint8 of shape ``(n, dims)`` or ``(dims,)``.

    Raises:
        JinaInputError: codes of another type or shape, or dimensions that need more or fewer bytes.
    """
    array = to_ubinary(codes)
    if array.ndim not in (1, 2):
        raise JinaInputError(f"codes must have the shape (n, bytes) or (bytes,), got {array.shape}")
    return np.unpackbits(array, axis=-1, count=bits_of(array.shape[-1], dimensions))


def bits_of(width: int, dimensions: int | None) -> int:
    """Return the number of dimensions in codes of ``width`` bytes.

    Raises:
        JinaInputError: dimensions that need more or fewer bytes.
    """
    check_whole("dimensions", dimensions, width * 8 - 7, width * 8, f"for codes of {width} bytes")
    return width * 8 if dimensions is None else int(dimensions)


def hamming(queries: Any, corpus: Any) -> NDArray[np.int32]:
    """Return the Hamming distance of every query to every row of the corpus.

    Args:
        queries: codes of shape ``(q, bytes)`` or ``(bytes,)``, in either layout.
        corpus: codes of shape ``(n, bytes)``, in either layout.

    Returns:
        int32 of shape ``(q, n)``, or ``(n,)`` for a single query: the number of dimensions whose signs differ.

    Raises:
        JinaInputError: codes of another type, or shapes that do not match.
    """
    left, right = to_ubinary(queries), to_ubinary(corpus)
    if right.ndim != 2 or left.ndim not in (1, 2) or left.shape[-1] != right.shape[-1]:
        raise JinaInputError(
            "queries must have the shape (q, bytes) and the corpus (n, bytes), with equal bytes; "
            f"got {left.shape} and {right.shape}"
        )
    single = left.ndim == 1
    rows, words = _words(np.atleast_2d(left)), _words(right)
    distances = np.empty((len(rows), len(right)), dtype=np.int32)
    for block in blocks(words, _WORDS):
        # Transposed, so that the sum runs along contiguous memory.
        columns = np.ascontiguousarray(words[block].T)
        for number, row in enumerate(rows):
            np.bitwise_count(columns ^ row[:, None]).sum(axis=0, dtype=np.int32, out=distances[number, block])
    return distances[0] if single else distances


def estimate_cosine(queries: Any, corpus: Any, dimensions: int | None = None) -> NDArray[np.float32]:
    """Estimate the cosine similarity of the original vectors from their codes.

    The signs of two vectors at angle t differ in a random direction with probability t / pi (Goemans and Williamson
    1995; Charikar 2002). So the estimate is ``cos(pi * hamming / dims)``. It treats the dimensions of an embedding as
    random directions, which is an approximation.

    Args:
        queries: as in :func:`hamming`.
        corpus: as in :func:`hamming`.
        dimensions: number of dimensions; by default 8 per byte.

    Returns:
        float32 of shape ``(q, n)``, or ``(n,)`` for a single query, from -1 to 1. The standard error is about
        ``pi / 2 / sqrt(dims)`` for orthogonal vectors (0.05 for 1024 dimensions) and smaller for similar ones.

    Raises:
        JinaInputError: as in :func:`hamming` and :func:`unpack`.
    """
    distances = hamming(queries, corpus)
    bits = bits_of(np.asarray(corpus).shape[-1], dimensions)
    cosines: NDArray[np.float32] = np.cos(np.float32(np.pi / bits) * distances)
    return cosines.astype(np.float32, copy=False)


def _words(codes: NDArray[np.uint8]) -> NDArray[Any]:
    """Return a view with the longest words that divide a row, which are faster to compare than bytes."""
    for word in (np.uint64, np.uint32, np.uint16):
        if codes.shape[1] and codes.shape[1] % np.dtype(word).itemsize == 0:
            return np.ascontiguousarray(codes).view(word)
    return codes
