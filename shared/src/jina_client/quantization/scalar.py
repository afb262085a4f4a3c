"""Bytes: 255 steps between the lowest and the highest value that a dimension was seen to have."""

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
                f"ranges must be a lowest and a highest value of each dimension, got {low.shape} and {high.shape}"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(high - low).all() or (high < low).any():
                raise JinaInputError("the highest value of a range must be finite and not below its lowest")
        for name, bound in (("minimum", low), ("maximum", high)):
            bound.flags.writeable = False
            object.__setattr__(self, name, bound)

    @classmethod
    def of(cls, ranges: Any) -> Ranges:
        """Ranges as they are, or from an array of shape ``(2, dims)``: lowest values, highest values."""
        if isinstance(ranges, cls):
            return ranges
        bounds = as_vectors(ranges, "ranges", rows=True)
        if len(bounds) != 2:
            raise JinaInputError(f"ranges must be what calibrate() gave, or of shape (2, dims), got {bounds.shape}")
        return cls(bounds[0], bounds[1])

    @property
    def dimensions(self) -> int:
        """How many there are."""
        return len(self.minimum)

    def save(self, path: str | Path) -> None:
        """Write them to a ``.npy`` file, an array of shape ``(2, dims)``."""
        with Path(path).open("wb") as file:
            np.save(file, np.stack([self.minimum, self.maximum]), allow_pickle=False)

    @classmethod
    def load(cls, path: str | Path) -> Ranges:
        """Read what :meth:`save` wrote.

        Raises:
            JinaInputError: the file holds something else.
        """
        try:
            with Path(path).open("rb") as file:
                bounds = np.load(file, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise JinaInputError(f"{path} holds no ranges: {error}") from None
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
    """The lowest and the highest value of each dimension.

    Args:
        vectors: a sample of the vectors to come, shape ``(n, dims)``; two or more. A thousand of the documents
            themselves is a good one: values outside its ranges are clipped.

    Raises:
        JinaInputError: another shape, a number that is not finite, or fewer than two vectors.
    """
    values = as_vectors(vectors, rows=True)
    if len(values) < 2:
        raise JinaInputError(f"a range takes two vectors or more, got {len(values)}")
    return Ranges(values.min(axis=0).astype(np.float64), values.max(axis=0).astype(np.float64))


def to_bytes(values: NDArray[Any], ranges: Ranges) -> NDArray[np.uint8]:
    """Vectors, already checked, as ``uint8``: ``round((clip(v) - min) / (max - min) * 255)``."""
    if values.shape[-1] != ranges.dimensions:
        raise JinaInputError(f"vectors of {values.shape[-1]} dimensions and ranges of {ranges.dimensions} do not fit")
    rows = np.atleast_2d(values)
    low, high = ranges.minimum, ranges.maximum
    span = np.where(high > low, high - low, 1.0)  # where they are one, every value clips to it and is step 0
    codes = np.empty(rows.shape, np.uint8)
    for block in blocks(rows):
        steps = np.clip(rows[block].astype(np.float64), low, high)
        steps -= low
        steps /= span
        steps *= STEPS
        codes[block] = np.rint(steps, out=steps)
    return codes.reshape(values.shape)


def dequantize(codes: Any, ranges: Any) -> NDArray[np.float32]:
    """The values that codes stand for: within half a step of what was quantized, where that was in range.

    Args:
        codes: uint8 or int8, shape ``(n, dims)`` or ``(dims,)``.
        ranges: those that the codes were made with.

    Raises:
        JinaInputError: codes of another type, or ranges of other dimensions.
    """
    known, array = Ranges.of(ranges), np.asarray(codes)
    step, lowest = steps_of(array, known)
    if array.ndim not in (1, 2) or array.shape[-1] != known.dimensions:
        raise JinaInputError(f"codes of shape {array.shape} and ranges of {known.dimensions} dimensions do not fit")
    return array * step.astype(np.float32) + lowest.astype(np.float32)


def steps_of(codes: NDArray[Any], ranges: Ranges) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each dimension the step and the value of code 0: ``value = code * step + that``.

    Raises:
        JinaInputError: codes that are neither uint8 nor int8.
    """
    if codes.dtype not in (np.uint8, np.int8):
        raise JinaInputError(f"codes must be uint8 or int8, got {codes.dtype}")
    step = (ranges.maximum - ranges.minimum) / STEPS
    return step, ranges.minimum + (128 * step if codes.dtype == np.int8 else 0)
