"""One byte per dimension: 255 equal steps between the minimum and maximum of a calibration set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaInputError
from .arrays import as_vectors, blocks

ScalarPrecision = Literal["int8", "uint8"]
STEPS = 255


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """The range of each dimension over a calibration set.

    Attributes:
        minimum, maximum: float64 of shape ``(dims,)``.
    """

    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]

    def __post_init__(self) -> None:
        low, high = (np.array(bound, np.float64) for bound in (self.minimum, self.maximum))
        if low.ndim != 1 or low.shape != high.shape or not low.size:
            raise JinaInputError(
                f"ranges must be two arrays of shape (dims,), minimum and maximum; got {low.shape} and {high.shape}"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(high - low).all() or (high < low).any():
                raise JinaInputError("ranges must be finite, with no maximum below its minimum")
        for name, bound in (("minimum", low), ("maximum", high)):
            bound.flags.writeable = False
            object.__setattr__(self, name, bound)

    @classmethod
    def of(cls, ranges: Any) -> Ranges:
        """Return ranges unchanged, or make them from an array of shape ``(2, dims)``: minima, then maxima."""
        if isinstance(ranges, cls):
            return ranges
        bounds = as_vectors(ranges, "ranges", rows=True)
        if len(bounds) != 2:
            raise JinaInputError(f"ranges must be the result of calibrate(), or of shape (2, dims), got {bounds.shape}")
        return cls(bounds[0], bounds[1])

    @property
    def dimensions(self) -> int:
        """The number of dimensions."""
        return len(self.minimum)

    def save(self, path: str | Path) -> None:
        """Write the ranges to a ``.npy`` file, as an array of shape ``(2, dims)``."""
        with Path(path).open("wb") as file:
            np.save(file, np.stack([self.minimum, self.maximum]), allow_pickle=False)

    @classmethod
    def load(cls, path: str | Path) -> Ranges:
        """Read a file that :meth:`save` wrote.

        Raises:
            JinaInputError: a file of another kind.
        """
        try:
            with Path(path).open("rb") as file:
                bounds = np.load(file, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise JinaInputError(f"{path} is not a file of Ranges.save(): {error}") from None
        return cls.of(bounds)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ranges):
            return NotImplemented
        return np.array_equal(self.minimum, other.minimum) and np.array_equal(self.maximum, other.maximum)

    def __hash__(self) -> int:
        return hash((self.minimum.tobytes(), self.maximum.tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return Ranges, (self.minimum, self.maximum)

    def __repr__(self) -> str:
        return f"Ranges(dimensions={self.dimensions})"


def calibrate(vectors: Any) -> Ranges:
    """Return the minimum and maximum of each dimension.

    Args:
        vectors: a sample of at least two vectors, shape ``(n, dims)``. Use about a thousand of the documents:
            :func:`quantize` clips values outside the ranges.

    Raises:
        JinaInputError: another shape, a number that is not finite, or fewer than two vectors.
    """
    values = as_vectors(vectors, rows=True)
    if len(values) < 2:
        raise JinaInputError(f"vectors must have at least 2 rows to calibrate ranges, got {len(values)}")
    return Ranges(values.min(axis=0).astype(np.float64), values.max(axis=0).astype(np.float64))


def to_bytes(values: NDArray[Any], ranges: Ranges) -> NDArray[np.uint8]:
    """Quantize validated vectors to ``uint8``: ``round((clip(v) - min) / (max - min) * 255)``."""
    if values.shape[-1] != ranges.dimensions:
        raise JinaInputError(f"vectors must have the {ranges.dimensions} dimensions of ranges, got {values.shape[-1]}")
    rows = np.atleast_2d(values)
    low, high = ranges.minimum, ranges.maximum
    span = np.where(high > low, high - low, 1.0)  # If they are equal, every value is clipped to step 0.
    codes = np.empty(rows.shape, np.uint8)
    for block in blocks(rows):
        steps = np.clip(rows[block].astype(np.float64), low, high)
        steps -= low
        steps /= span
        steps *= STEPS
        codes[block] = np.rint(steps, out=steps)
    return codes.reshape(values.shape)


def dequantize(codes: Any, ranges: Any) -> NDArray[np.float32]:
    """Convert codes back to floats. Values inside the ranges are accurate to half a step.

    Args:
        codes: uint8 or int8 of shape ``(n, dims)`` or ``(dims,)``.
        ranges: the ranges of the quantization.

    Returns:
        float32 of the same shape as ``codes``.

    Raises:
        JinaInputError: codes of another type, or ranges of other dimensions.
    """
    bounds, array = Ranges.of(ranges), np.asarray(codes)
    step, zero = steps_of(array, bounds)
    if array.ndim not in (1, 2) or array.shape[-1] != bounds.dimensions:
        raise JinaInputError(f"codes must have the {bounds.dimensions} dimensions of ranges, got shape {array.shape}")
    return array * step.astype(np.float32) + zero.astype(np.float32)


def steps_of(codes: NDArray[Any], ranges: Ranges) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the step of each dimension and the value of code 0: ``value = code * step + zero``.

    Raises:
        JinaInputError: codes that are neither uint8 nor int8.
    """
    if codes.dtype not in (np.uint8, np.int8):
        raise JinaInputError(f"codes must be uint8 or int8, got {codes.dtype}")
    step = (ranges.maximum - ranges.minimum) / STEPS
    return step, ranges.minimum + (128 * step if codes.dtype == np.int8 else 0)
