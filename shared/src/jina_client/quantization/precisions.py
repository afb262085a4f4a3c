"""Quantization to any precision."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..errors import JinaInputError
from .arrays import as_vectors
from .binary import BinaryPrecision, to_binary, to_offset_binary
from .scalar import Ranges, ScalarPrecision, calibrate, to_bytes

Precision = BinaryPrecision | ScalarPrecision


def quantize(vectors: Any, precision: Precision, ranges: Any = None) -> NDArray[Any]:
    """Quantize vectors to one bit or one byte per dimension.

    Args:
        vectors: numbers of shape ``(n, dims)`` or ``(dims,)``, of any float or integer type.
        precision: ``"ubinary"`` (uint8) or ``"binary"`` (int8, the same byte minus 128) for one bit per dimension;
            ``"uint8"`` (0 to 255) or ``"int8"`` (the same number minus 128) for one byte per dimension.
        ranges: for ``int8`` and ``uint8``, the result of :func:`calibrate`, or an array ``(2, dims)`` of minima and
            maxima. By default the vectors, at least two, are the calibration set; then the codes are comparable only
            with other codes of the same call.

    Returns:
        ``binary`` and ``ubinary``: codes of shape ``(n, ceil(dims / 8))`` or ``(ceil(dims / 8),)``. Values above 0
        become 1, all others 0. Bits that pad the last byte are 0.
        ``int8`` and ``uint8``: codes of the same shape as ``vectors``. The range of each dimension is divided into 255
        equal steps. Each value becomes the nearest step; values outside the range are clipped.

    Raises:
        JinaInputError: an unknown precision, an invalid shape, a number that is not finite, or ranges for bits.
    """
    if precision in ("binary", "ubinary"):
        if ranges is not None:
            raise JinaInputError(f"ranges apply to 'int8' and 'uint8' only; leave them out for {precision!r}")
        bits = to_binary(as_vectors(vectors))
        return to_offset_binary(bits) if precision == "binary" else bits
    if precision in ("int8", "uint8"):
        values = as_vectors(vectors)
        if ranges is None and (values.ndim == 1 or len(values) < 2):
            raise JinaInputError(
                f"a single vector has no ranges, which {precision!r} needs; "
                "pass ranges=calibrate(sample), with a sample of many vectors"
            )
        codes = to_bytes(values, calibrate(values) if ranges is None else Ranges.of(ranges))
        # An int8 code is the uint8 code minus 128, just as binary is ubinary minus 128.
        return to_offset_binary(codes) if precision == "int8" else codes
    raise JinaInputError(f"precision must be 'binary', 'ubinary', 'int8' or 'uint8', got {precision!r}")
