"""Write a BERT encoder as an ONNX graph of a few kilobytes whose weights stay in ``model.safetensors``.

ONNX can store a tensor in another file at an offset (``external_data``), and a safetensors file holds raw little-endian
tensors after a JSON header. So the graph points into that file, and nothing is converted or copied. A small protobuf
writer produces the messages, because the ``onnx`` package would be the largest dependency.

With int8 weights the linear layers multiply integers: each token vector is quantized with a scale of its own, so the
result for a token does not depend on the other tokens of a batch. The attention, GELU and the normalizations stay
float32.

Field numbers come from ``onnx.proto``, operators from opset 17, and ``MatMulIntegerToFloat`` from onnxruntime's own
domain. The network is BERT (Devlin et al. 2018, https://arxiv.org/abs/1810.04805) with the exact GELU,
``x/2 * (1 + erf(x / sqrt(2)))``.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .int8_weights import Int8Weight

IR_VERSION = 8
OPSET = 17
_FLOAT, _UINT8, _INT8, _INT64 = 1, 2, 3, 7
_KINDS = {"float32": _FLOAT, "uint8": _UINT8, "int8": _INT8}
_RUNTIME_DOMAIN = "com.microsoft"
# Token vectors are quantized to uint8 around a zero point, because processors multiply uint8 by int8. The outputs of
# GELU are never below -0.17, so nearly all codes are left for positive numbers.
_ZERO_POINT, _SMALLEST_SCALE = 128, 1e-12
_GELU_ZERO_POINT, _GELU_MINIMUM = 24, -0.17
_LARGEST_HEADER = 10_000_000


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a safetensors file: its shape, its offset in the file, and its length in bytes."""

    shape: tuple[int, ...]
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class BertShape:
    """The sizes of one BERT encoder.

    Attributes:
        layers: Number of transformer blocks.
        heads: Attention heads per block.
        dimensions: Length of a token vector.
        positions: Longest sequence in tokens, special tokens included.
        epsilon: Constant that layer normalization adds to the variance.
    """

    layers: int
    heads: int
    dimensions: int
    positions: int
    epsilon: float


def read_header(path: Path) -> dict[str, Tensor]:
    """Locate the float32 tensors of a safetensors file.

    The file holds an 8-byte little-endian length, that many bytes of JSON, and the data that the JSON's offsets refer
    to.

    Args:
        path: The file.

    Returns:
        The tensors by name.

    Raises:
        ValueError: The file is not a safetensors file, or a tensor lies outside it.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else _LARGEST_HEADER + 1
        if length > min(_LARGEST_HEADER, size):
            raise ValueError(f"{path} is not a safetensors file")
        header = json.loads(file.read(length))
    tensors = {}
    for name, facts in header.items():
        if name == "__metadata__" or facts["dtype"] != "F32":
            continue
        begin, end = facts["data_offsets"]
        shape = tuple(facts["shape"])
        if not 0 <= begin <= end <= size - 8 - length or end - begin != 4 * math.prod(shape):
            raise ValueError(f"{path}: the tensor {name} lies outside the file")
        tensors[name] = Tensor(shape, 8 + length + begin, end - begin)
    return tensors


def read_shape(config: Path, tensors: Mapping[str, Tensor]) -> BertShape:
    """Read the encoder's sizes from its weights, and from ``config.json`` where the weights do not show them.

    Args:
        config: The configuration file.
        tensors: The tensors that :func:`read_header` returned.

    Raises:
        ValueError: The configuration does not describe a BERT encoder with GELU.
    """
    settings = json.loads(config.read_bytes())
    if settings.get("model_type") != "bert" or settings.get("hidden_act") != "gelu":
        raise ValueError(f"{config} does not describe a BERT encoder with GELU")
    positions, dimensions = tensors["embeddings.position_embeddings.weight"].shape
    layers = 1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("encoder.layer."))
    heads = int(settings["num_attention_heads"])
    if dimensions % heads:
        raise ValueError(f"{config}: {dimensions} dimensions cannot be divided among {heads} heads")
    return BertShape(layers, heads, dimensions, positions, float(settings["layer_norm_eps"]))


def bert_graph(
    shape: BertShape,
    tensors: Mapping[str, Tensor],
    file_name: str,
    int8_weights: Mapping[str, Int8Weight] | None = None,
) -> bytes:
    """Return the serialized ONNX model.

    Its inputs are ``input_ids`` and ``attention_mask``, int64 of shape ``(batch, sequence)``; all token types are 0.
    Its output ``last_hidden_state`` is float32 of shape ``(batch, sequence, dimensions)``.

    Args:
        shape: The encoder's sizes.
        tensors: The tensors that :func:`read_header` returned.
        file_name: Name of the weights file without its folder, which is an option of the session.
        int8_weights: Weights of the linear layers by the name of the layer, which the graph then contains; ``None``
            computes in float32.
    """
    graph = _Graph(tensors, file_name) if int8_weights is None else _Int8Graph(tensors, file_name, int8_weights)
    hidden = _embeddings(graph, shape)
    bias = _attention_bias(graph)
    for layer in range(shape.layers):
        hidden = _block(graph, shape, f"encoder.layer.{layer}", hidden, bias)
    graph.node("Identity", [hidden], output="last_hidden_state")
    return graph.serialize(["last_hidden_state"], shape.dimensions)


def largest_product_graph(inputs: int) -> bytes:
    """Return a model that multiplies ``input_ids``, numbers below 256, by a weight of the largest int8 codes.

    Its output is float32 of shape ``(1, batch, 16)``.
    """
    graph = _Graph({}, "")
    codes = graph.node("Unsqueeze", [graph.node("Cast", ["input_ids"], to=_UINT8), graph.ints([0])])
    weight = graph.array("weight", np.full((inputs, 16), 127, np.int8))
    scales = graph.array("scales", np.ones(16, np.float32))
    product = [codes, weight, graph.number(1.0), scales, graph.array("zero_point", np.array(0, np.uint8))]
    graph.node("MatMulIntegerToFloat", product, output="product", domain=_RUNTIME_DOMAIN)
    return graph.serialize(["product"], 16)


def _embeddings(graph: _Graph, shape: BertShape) -> str:
    words = graph.node("Gather", [graph.weight("embeddings.word_embeddings.weight"), "input_ids"], axis=0)
    length = graph.node("Slice", [graph.node("Shape", ["input_ids"]), graph.ints([1]), graph.ints([2])])
    table = graph.weight("embeddings.position_embeddings.weight")
    positions = graph.node("Slice", [table, graph.ints([0]), length, graph.ints([0])])
    types = graph.node("Gather", [graph.weight("embeddings.token_type_embeddings.weight"), graph.ints([0])], axis=0)
    placed = graph.node("Add", [words, graph.node("Add", [positions, types])])
    return graph.normalize(placed, "embeddings.LayerNorm", shape.epsilon)


def _attention_bias(graph: _Graph) -> str:
    """Add a bias of shape ``(batch, 1, 1, sequence)``: 0 for a token, the lowest float32 for padding."""
    mask = graph.node("Unsqueeze", [graph.node("Cast", ["attention_mask"], to=_FLOAT), graph.ints([1, 2])])
    return graph.node("Mul", [graph.node("Sub", [graph.number(1.0), mask]), graph.number(-3.4028234663852886e38)])


def _block(graph: _Graph, shape: BertShape, name: str, hidden: str, bias: str) -> str:
    """Add self-attention and the feed-forward layers, each followed by a residual connection and normalization."""
    width = shape.dimensions // shape.heads
    split = graph.ints([0, 0, shape.heads, width])

    def heads(part: str, order: list[int]) -> str:
        projected = graph.linear(hidden, f"{name}.attention.self.{part}")
        return graph.node("Transpose", [graph.node("Reshape", [projected, split])], perm=order)

    query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    scores = graph.node("Div", [graph.node("MatMul", [query, key]), graph.number(math.sqrt(width))])
    weights = graph.node("Softmax", [graph.node("Add", [scores, bias])], axis=-1)
    mixed = graph.node("Transpose", [graph.node("MatMul", [weights, value])], perm=[0, 2, 1, 3])
    joined = graph.node("Reshape", [mixed, graph.ints([0, 0, shape.dimensions])])
    attended = graph.node("Add", [graph.linear(joined, f"{name}.attention.output.dense"), hidden])
    attended = graph.normalize(attended, f"{name}.attention.output.LayerNorm", shape.epsilon)

    wide = graph.linear(attended, f"{name}.intermediate.dense")
    erf = graph.node("Erf", [graph.node("Div", [wide, graph.number(math.sqrt(2.0))])])
    gated = graph.node("Mul", [wide, graph.node("Add", [erf, graph.number(1.0)])])
    activated = graph.node("Mul", [gated, graph.number(0.5)])
    output = graph.node("Add", [graph.linear(activated, f"{name}.output.dense"), attended])
    return graph.normalize(output, f"{name}.output.LayerNorm", shape.epsilon)


class _Graph:
    """Collects nodes and initializers. Every value has a unique name."""

    def __init__(self, tensors: Mapping[str, Tensor], file_name: str) -> None:
        self._tensors = tensors
        self._file_name = file_name
        self._nodes: list[bytes] = []
        self._initializers: dict[str, bytes] = {}

    def node(
        self, operator: str, inputs: Sequence[str], *, output: str = "", domain: str = "", **attributes: Any
    ) -> str:
        output = output or f"v{len(self._nodes)}"
        message = b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, operator)
        message += _field(7, domain)
        message += b"".join(_field(5, _attribute(name, value)) for name, value in attributes.items())
        self._nodes.append(message)
        return output

    def weight(self, name: str) -> str:
        """Add a reference to a tensor of the safetensors file, and return its name."""
        tensor = self._tensors[name]
        place = {"location": self._file_name, "offset": str(tensor.offset), "length": str(tensor.length)}
        message = _tensor(name, tensor.shape, _FLOAT)
        message += b"".join(_field(13, _field(1, key) + _field(2, value)) for key, value in place.items())
        self._initializers[name] = message + _field(14, 1)
        return name

    def linear(self, value: str, name: str) -> str:
        """Add ``value @ weight.T + bias``. The file stores weights as (out, in); onnxruntime folds the transpose."""
        transposed = self.node("Transpose", [self.weight(f"{name}.weight")], perm=[1, 0])
        return self.node("Add", [self.node("MatMul", [value, transposed]), self.weight(f"{name}.bias")])

    def normalize(self, value: str, name: str, epsilon: float) -> str:
        inputs = [value, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.node("LayerNormalization", inputs, axis=-1, epsilon=epsilon)

    def ints(self, values: Sequence[int]) -> str:
        name = "ints_" + "_".join(map(str, values))
        data = struct.pack(f"<{len(values)}q", *values)
        self._initializers[name] = _tensor(name, (len(values),), _INT64) + _field(9, data)
        return name

    def number(self, value: float) -> str:
        name = f"number_{value!r}"
        self._initializers[name] = _tensor(name, (), _FLOAT) + _field(9, struct.pack("<f", value))
        return name

    def array(self, name: str, values: NDArray[Any]) -> str:
        """Add a tensor whose values the graph contains, and return its name."""
        self._initializers[name] = _tensor(name, values.shape, _KINDS[values.dtype.name]) + _field(9, values.tobytes())
        return name

    def serialize(self, outputs: Iterable[str], dimensions: int) -> bytes:
        """Return the model whose outputs have the shape ``(batch, sequence, dimensions)``."""
        graph = [_field(1, node) for node in self._nodes]
        graph.append(_field(2, "bert"))
        # Joined once, because they are megabytes.
        for initializer in self._initializers.values():
            graph += (_head(5, len(initializer)), initializer)
        graph += (_field(11, _value(name, _INT64, ["batch", "sequence"])) for name in ("input_ids", "attention_mask"))
        graph += (_field(12, _value(name, _FLOAT, ["batch", "sequence", dimensions])) for name in outputs)
        domains = _field(8, _field(1, "") + _field(2, OPSET)) + _field(8, _field(1, _RUNTIME_DOMAIN) + _field(2, 1))
        return b"".join((_field(1, IR_VERSION), domains, _head(7, sum(map(len, graph))), *graph))


class _Int8Graph(_Graph):
    """A graph whose linear layers multiply integers."""

    def __init__(self, tensors: Mapping[str, Tensor], file_name: str, weights: Mapping[str, Int8Weight]) -> None:
        super().__init__(tensors, file_name)
        self._weights = weights
        self._quantized: dict[str, tuple[str, str, str]] = {}

    def linear(self, value: str, name: str) -> str:
        """Add ``value @ weight.T + bias``, with one scale per row of ``value`` and one per row of ``weight``."""
        weight = self._weights[name]
        codes, scale, zero_point = self._quantize(value, name, weight)
        inputs = [
            codes,
            self.array(f"{name}.weight.codes", weight.codes),
            self.number(1.0),
            self.array(f"{name}.weight.scales", weight.scales),
            zero_point,
            *self._weight_zero_point(weight),
        ]
        product = self.node("MatMulIntegerToFloat", inputs, domain=_RUNTIME_DOMAIN)
        return self.node("Add", [self.node("Mul", [product, scale]), self.weight(f"{name}.bias")])

    def _weight_zero_point(self, weight: Int8Weight) -> list[str]:
        if weight.zero_point == 0:
            return []
        return [self.array("weight_zero_point", np.array(weight.zero_point, np.uint8))]

    def _quantize(self, value: str, name: str, weight: Int8Weight) -> tuple[str, str, str]:
        """Return the codes of a value's rows, their scales, and the zero point. Layers with one input share them."""
        if value not in self._quantized:
            numbers = value
            if weight.factors is not None:
                numbers = self.node("Mul", [value, self.array(f"{name}.divisors", 1 / weight.factors)])
            after_gelu = name.endswith(".output.dense") and ".attention." not in name
            zero = _GELU_ZERO_POINT if after_gelu else _ZERO_POINT
            if after_gelu:
                largest = self.node("ReduceMax", [numbers], axes=[-1], keepdims=1)
                smallest_scale = -_GELU_MINIMUM / zero
            else:
                largest = self.node("ReduceMax", [self.node("Abs", [numbers])], axes=[-1], keepdims=1)
                smallest_scale = _SMALLEST_SCALE
            scale = self.node("Mul", [largest, self.number(1 / (255 - zero))])
            scale = self.node("Max", [scale, self.number(smallest_scale)])
            zero_point = self.array(f"zero_point_{zero}", np.array(zero, np.uint8))
            scaled = self.node("Div", [numbers, scale])
            codes = self.node("QuantizeLinear", [scaled, self.number(1.0), zero_point])
            self._quantized[value] = codes, scale, zero_point
        return self._quantized[value]


def _field(number: int, value: int | str | bytes) -> bytes:
    """Encode one protobuf field: a varint for an integer, otherwise length-delimited bytes."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _head(number, len(data)) + data


def _head(number: int, length: int) -> bytes:
    """Encode what stands before the bytes of a length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(length)


def _varint(value: int) -> bytes:
    value &= 0xFFFF_FFFF_FFFF_FFFF  # negative numbers travel as 64-bit two's complement
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _attribute(name: str, value: int | float | list[int]) -> bytes:
    if isinstance(value, float):
        return _field(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _field(20, 1)
    if isinstance(value, int):
        return _field(1, name) + _field(3, value) + _field(20, 2)
    return _field(1, name) + b"".join(_field(8, item) for item in value) + _field(20, 7)


def _tensor(name: str, shape: Sequence[int], kind: int) -> bytes:
    return b"".join(_field(1, size) for size in shape) + _field(2, kind) + _field(8, name)


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(_field(1, _field(1 if isinstance(size, int) else 2, size)) for size in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, sizes)))
