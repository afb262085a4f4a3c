"""Smaller vectors in numpy: one bit or one byte a dimension, or fewer dimensions; and what is lost, won back.

- bits: :func:`quantize` to ``binary`` or ``ubinary``, :func:`unpack`, :func:`hamming`, :func:`estimate_cosine`;
- bytes: :func:`calibrate`, :func:`quantize` to ``int8`` or ``uint8``, :func:`dequantize`;
- fewer dimensions: :func:`truncate`;
- the second stage of a search: :func:`rescore`;
- how much it all takes: :func:`estimate_storage`.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..errors import JinaInputError
from .arrays import as_vectors
from .binary import (
    BinaryPrecision,
    estimate_cosine,
    hamming,
    to_binary,
    to_offset_binary,
    to_ubinary,
    unpack,
)
from .matryoshka import truncate
from .rescoring import rescore
from .scalar import Ranges, ScalarPrecision, calibrate, dequantize, to_bytes
from .storage import StorageEstimate, estimate_storage

Precision = BinaryPrecision | ScalarPrecision

__all__ = [
    "Precision",
    "Ranges",
    "StorageEstimate",
    "calibrate",
    "dequantize",
    "estimate_cosine",
    "estimate_storage",
    "hamming",
    "quantize",
    "rescore",
    "to_offset_binary",
    "to_ubinary",
    "truncate",
    "unpack",
]


def quantize(vectors: Any, precision: Precision, ranges: Any = None) -> NDArray[Any]:
    """Keep the sign of every dimension, or one byte of it.

    Args:
        vectors: numbers of shape ``(n, dims)`` or ``(dims,)``, of any float or integer type.
        precision: ``"ubinary"`` (uint8) or ``"binary"`` (int8, the same byte minus 128): eight dimensions a byte;
            ``"uint8"`` (0 to 255) or ``"int8"`` (the same minus 128): one dimension a byte.
        ranges: for ``int8`` and ``uint8``: what :func:`calibrate` gave, or an array ``(2, dims)`` of lowest and highest
            values. Without it the vectors themselves are the calibration set, of which there must be two or more: then
            only codes of this very call can be compared.

    Returns:
        ``binary``, ``ubinary``: codes of shape ``(n, ceil(dims / 8))`` or ``(ceil(dims / 8),)``. A dimension above zero
        is a 1; zero itself is a 0. Where ``dims`` is no multiple of 8 the last byte is padded with 0 bits.
        ``int8``, ``uint8``: codes of the shape of ``vectors``. The range of a dimension is cut into 255 steps; a value
        is the nearest of their 256 ends, and one outside the range is its nearest end.

    Raises:
        JinaInputError: another precision, a shape that does not fit, a number that is not finite, or ranges for bits.
    """
    if precision in ("binary", "ubinary"):
        if ranges is not None:
            raise JinaInputError(f"ranges are for 'int8' and 'uint8': {precision!r} keeps only signs")
        bits = to_binary(as_vectors(vectors))
        return to_offset_binary(bits) if precision == "binary" else bits
    if precision in ("int8", "uint8"):
        values = as_vectors(vectors)
        if ranges is None and (values.ndim == 1 or len(values) < 2):
            raise JinaInputError(
                f"{precision!r} needs the range of each dimension, which a single vector does not have: "
                "pass ranges=calibrate(many vectors)"
            )
        known = calibrate(values) if ranges is None else Ranges.of(ranges)
        # uint8 to int8 is the same step as from ubinary to binary: minus 128.
        codes = to_bytes(values, known)
        return to_offset_binary(codes) if precision == "int8" else codes
    raise JinaInputError(f"precision must be 'binary', 'ubinary', 'int8' or 'uint8', got {precision!r}")
