"""Measure the largest values of the engine's hidden channels, which int8 quantization needs.

The script runs the float32 network over docstrings of the standard library and writes ``activation_maxima.npy``. The
values belong to the pinned weights, so they change only when those do.
"""

from __future__ import annotations

import argparse
import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jina_local
import numpy as np
from jina_local import onnx_graph
from jina_local.encoder import Encoder
from jina_local.int8_weights import MAXIMA_FILE
from jina_local.runtime import open_session
from jina_local.weights import find_model_files

_MODULES = ("argparse", "email", "json", "statistics", "urllib", "zipfile")


def docstrings() -> Iterator[str]:
    """Yield the docstrings of some modules."""
    root = Path(sysconfig.get_path("stdlib"))
    for name in _MODULES:
        for path in sorted([root / f"{name}.py", *(root / name).glob("*.py")]):
            if path.is_file():
                for node in ast.walk(ast.parse(path.read_bytes())):
                    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                        yield from filter(None, [ast.get_docstring(node)])


def main() -> None:
    """Write the file."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    files = find_model_files()
    tensors = onnx_graph.read_header(files.weights)
    shape = onnx_graph.read_shape(files.config, tensors)
    graph = _Recording(tensors, files.weights.name)
    hidden, bias = onnx_graph._embeddings(graph, shape), onnx_graph._attention_bias(graph)
    for layer in range(shape.layers):
        hidden = onnx_graph._block(graph, shape, f"encoder.layer.{layer}", hidden, bias)
    session = open_session(graph.serialize(graph.inputs, shape.dimensions), files.weights.parent)
    encoder = Encoder(files, precision="float32")
    maxima = np.zeros((shape.layers, 2, shape.dimensions), np.float32)
    texts = list(docstrings())
    for ids in encoder.tokenize(texts):
        row = np.array([[101, *ids[: encoder.window], 102]])
        values = session.run(None, {"input_ids": row, "attention_mask": np.ones_like(row)})
        largest = np.array([np.abs(value[0]).max(axis=0) for value in values])
        np.maximum(maxima, largest.reshape(maxima.shape), out=maxima)
    path = Path(jina_local.__file__).parent / MAXIMA_FILE
    np.save(path, maxima.astype(np.float16))
    print(f"wrote {path.name}: the largest values of {maxima.size:,} channels in {len(texts)} docstrings")


class _Recording(onnx_graph._Graph):
    """Collects the inputs of attention and of the feed-forward layers, in order."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.inputs: list[str] = []

    def linear(self, value: str, name: str) -> str:
        if name.endswith((".query", ".intermediate.dense")):
            self.inputs.append(value)
        return super().linear(value, name)


if __name__ == "__main__":
    main()
