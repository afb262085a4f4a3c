"""Quantization and truncation of vectors with numpy, and rescoring.

- One bit per dimension: :func:`quantize` to ``binary`` or ``ubinary``, :func:`unpack`, :func:`hamming`,
  :func:`estimate_cosine`.
- One byte per dimension: :func:`calibrate`, :func:`quantize` to ``int8`` or ``uint8``, :func:`dequantize`.
- Fewer dimensions: :func:`truncate`.
- The second stage of a search: :func:`rescore`.
- Memory: :func:`estimate_storage`.
"""

from typing import TYPE_CHECKING

from ..lazy import load_on_use

if TYPE_CHECKING:
    from .binary import estimate_cosine, hamming, to_offset_binary, to_ubinary, unpack
    from .matryoshka import truncate
    from .precisions import Precision, quantize
    from .rescoring import rescore
    from .scalar import Ranges, calibrate, dequantize
    from .storage import StorageEstimate, estimate_storage

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

load_on_use(
    __name__,
    {
        ".binary": "estimate_cosine hamming to_offset_binary to_ubinary unpack",
        ".matryoshka": "truncate",
        ".precisions": "Precision quantize",
        ".rescoring": "rescore",
        ".scalar": "Ranges calibrate dequantize",
        ".storage": "StorageEstimate estimate_storage",
    },
)
