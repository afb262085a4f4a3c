"""Quantize the weights of a BERT encoder's linear layers to int8, with one scale per output.

The outputs of layer normalization have a few channels that are much larger than the others, and a token's largest
number sets the scale of all its numbers. So each channel is divided by a factor that the weights are multiplied by
(SmoothQuant, Xiao et al. 2022, https://arxiv.org/abs/2211.10438). The factors depend on the largest value of each
channel, which ``tools/measure_activations.py`` measured on docstrings for the pinned weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .onnx_graph import Tensor

LARGEST_CODE = 127
"""Codes are integers from -127 to 127."""

MAXIMA_FILE = "activation_maxima.npy"
"""Largest absolute values: float16 of shape ``(layers, 2, dimensions)``, for attention and the feed-forward layers."""

# The layers that read the output of a layer normalization, by their place in the file. The first three share an input.
_SMOOTHED = (
    ("attention.self.query", "attention.self.key", "attention.self.value"),
    ("intermediate.dense",),
)
_OTHERS = ("attention.output.dense", "output.dense")
_STRENGTH = 0.7
_UNSIGNED_ZERO_POINT = 128

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Int8Weight:
    """The weight of a linear layer.

    Output ``i`` of the inputs ``x`` is ``(x / factors) @ (codes[:, i] - zero_point) * scales[i]``.

    Attributes:
        codes: int8 of shape ``(inputs, outputs)``, or uint8 with a zero point.
        scales: float32 of shape ``(outputs,)``.
        factors: float32 of shape ``(inputs,)``; ``None`` for 1.
        zero_point: The code of 0.
    """

    codes: NDArray[np.int8] | NDArray[np.uint8]
    scales: Floats
    factors: Floats | None = None
    zero_point: int = 0

    def as_unsigned(self) -> Int8Weight:
        """Return the same weight with uint8 codes."""
        codes = (self.codes.astype(np.int16) + _UNSIGNED_ZERO_POINT).astype(np.uint8)
        return replace(self, codes=codes, zero_point=_UNSIGNED_ZERO_POINT)


def read_int8_weights(path: Path, tensors: Mapping[str, Tensor], layers: int) -> dict[str, Int8Weight]:
    """Read and quantize the weights of all linear layers.

    Args:
        path: The safetensors file.
        tensors: Its tensors, as :func:`~jina_local.onnx_graph.read_header` returned them.
        layers: Number of transformer blocks.

    Returns:
        The weights by the name of their layer.
    """
    data = np.memmap(path, np.uint8, "r")
    maxima = np.load(BytesIO(files(__package__).joinpath(MAXIMA_FILE).read_bytes())).astype(np.float32)

    def read(name: str) -> Floats:
        tensor = tensors[f"{name}.weight"]
        return np.frombuffer(data[tensor.offset : tensor.offset + tensor.length], "<f4").reshape(tensor.shape)

    quantized = {}
    for layer in range(layers):
        block = f"encoder.layer.{layer}"
        for place, group in enumerate(_SMOOTHED):
            weights = {f"{block}.{part}": read(f"{block}.{part}") for part in group}
            factors = smoothing_factors(maxima[layer, place], list(weights.values()))
            quantized.update({name: quantize(weight, factors) for name, weight in weights.items()})
        quantized.update({f"{block}.{part}": quantize(read(f"{block}.{part}")) for part in _OTHERS})
    return quantized


def smoothing_factors(maxima: Floats, weights: list[Floats]) -> Floats:
    """Return the factors that divide the channels of an input, of shape ``(inputs,)``.

    Args:
        maxima: Largest absolute value of each channel.
        weights: Weights of the layers that share the input, of shape ``(outputs, inputs)``.
    """
    largest = np.max([np.abs(weight).max(axis=0) for weight in weights], axis=0)
    logarithms: Floats = _STRENGTH * np.log(np.maximum(maxima, 1e-3)) - (1 - _STRENGTH) * np.log(
        np.maximum(largest, 1e-3)
    )
    factors: Floats = np.exp(logarithms - logarithms.mean()).astype(np.float32)
    return factors


def quantize(weight: Floats, factors: Floats | None = None) -> Int8Weight:
    """Quantize a weight of shape ``(outputs, inputs)``, after multiplying its columns by ``factors``.

    The error of a number is at most half a scale.
    """
    scaled = weight if factors is None else weight * factors
    largest = np.abs(scaled).max(axis=1, keepdims=True)
    scales = np.where(largest > 0, largest / LARGEST_CODE, 1).astype(np.float32)
    codes = np.rint(scaled / scales).astype(np.int8)
    return Int8Weight(np.ascontiguousarray(codes.T), scales[:, 0], factors)
