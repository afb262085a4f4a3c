"""How many bytes vectors take."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import JinaInputError

BITS = {
    "float": 32,
    "base64": 32,
    "float32": 32,
    "float16": 16,
    "bfloat16": 16,
    "int8": 8,
    "uint8": 8,
    "binary": 1,
    "ubinary": 1,
}
"""The bits of one dimension in each encoding. Base64 is how floats travel: they are stored as floats."""


@dataclass(frozen=True, slots=True)
class StorageEstimate:
    """What vectors take, without ids, texts or an index over them.

    Attributes:
        bytes: the number of bytes.
    """

    bytes: int

    @property
    def gb(self) -> float:
        """Gigabytes, the decimal unit: 1 GB is 1,000,000,000 bytes. Disks and clouds are sold in it."""
        return self.bytes / 1000**3

    @property
    def gib(self) -> float:
        """Gibibytes, the binary unit: 1 GiB is 1,073,741,824 bytes. Operating systems mostly count memory in it."""
        return self.bytes / 1024**3

    def __str__(self) -> str:
        return f"{self.gb:,.2f} GB ({self.gib:,.2f} GiB)"


def estimate_storage(count: int, dimensions: int, encoding: str = "float") -> StorageEstimate:
    """How much memory or disk so many vectors take.

    >>> print(estimate_storage(250_000_000, 768, "float"))
    768.00 GB (715.26 GiB)

    Args:
        count: the number of vectors.
        dimensions: their length.
        encoding: ``float`` (float32), ``float16``, ``int8``, ``uint8``, ``binary`` or ``ubinary``, as the client and
            :func:`jina_client.quantization.quantize` name them. Bits are rounded up to whole bytes for each vector.

    Raises:
        JinaInputError: an unknown encoding, or a number below zero.
    """
    for name, number, lowest in (("count", count, 0), ("dimensions", dimensions, 1)):
        if isinstance(number, bool) or not isinstance(number, int) or number < lowest:
            raise JinaInputError(f"{name} must be a whole number of {lowest} or more, got {number!r}")
    if encoding not in BITS:
        raise JinaInputError(f"encoding must be one of {', '.join(BITS)}, got {encoding!r}")
    return StorageEstimate(count * -(-dimensions * BITS[encoding] // 8))
