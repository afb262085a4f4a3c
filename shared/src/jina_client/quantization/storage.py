"""The memory that vectors need."""

from __future__ import annotations

from dataclasses import dataclass

from ..checks import check_choice, check_whole

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
"""Bits per dimension in each encoding. ``base64`` is an encoding for transfer: its vectors are stored as floats."""


@dataclass(frozen=True, slots=True)
class StorageEstimate:
    """The size of vectors, without ids, texts or an index.

    Attributes:
        bytes: the number of bytes.
    """

    bytes: int

    @property
    def gb(self) -> float:
        """The size in gigabytes of 1,000,000,000 bytes, as for disks and cloud prices."""
        return self.bytes / 1000**3

    @property
    def gib(self) -> float:
        """The size in gibibytes of 1,073,741,824 bytes, as most operating systems count memory."""
        return self.bytes / 1024**3

    def __str__(self) -> str:
        return f"{self.gb:,.2f} GB ({self.gib:,.2f} GiB)"


def estimate_storage(count: int, dimensions: int, encoding: str = "float") -> StorageEstimate:
    """Return the memory or disk space that vectors need.

    Example:
        >>> print(estimate_storage(250_000_000, 768, "float"))
        768.00 GB (715.26 GiB)

    Args:
        count: number of vectors.
        dimensions: length of a vector.
        encoding: ``float`` (float32), ``float16``, ``int8``, ``uint8``, ``binary`` or ``ubinary``. With bits, each
            vector is rounded up to whole bytes.

    Raises:
        JinaInputError: an unknown encoding, a count below 0, or fewer than 1 dimension.
    """
    check_whole("count", count, 0, required=True)
    check_whole("dimensions", dimensions, required=True)
    check_choice("encoding", encoding, tuple(BITS))
    return StorageEstimate(int(count) * -(-int(dimensions) * BITS[encoding] // 8))
