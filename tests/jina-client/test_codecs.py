"""Bits and bytes: every layout is read back to what it was made from."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jina_client import JinaInputError
from jina_client.protocol import EmbedRequest
from jina_client.quantization import hamming, quantize, to_ubinary, unpack

FINITE = st.floats(-10, 10, width=32)
VECTORS = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=FINITE)


def _request(embedding_type: Any, dimensions: int) -> EmbedRequest:
    return EmbedRequest.build("a-model-of-any-length", {"dimensions": dimensions, "embedding_type": embedding_type})


def _answer(items: list[Any]) -> dict[str, Any]:
    return {"data": [{"index": index, "embedding": item} for index, item in enumerate(items)]}


@given(VECTORS)
def test_base64_preserves_floats_exactly(vectors: np.ndarray) -> None:
    sent = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
    read = _request("float", vectors.shape[1]).decode(_answer(sent), range(len(vectors)))
    assert read.dtype == np.float32
    assert np.array_equal(read, vectors)


@given(VECTORS)
def test_json_numbers_preserve_floats_exactly(vectors: np.ndarray) -> None:
    sent = [[float(number) for number in row] for row in vectors]
    assert np.array_equal(_request("float", vectors.shape[1]).decode(_answer(sent), range(len(vectors))), vectors)


@given(VECTORS)
def test_both_binary_layouts_contain_the_signs(vectors: np.ndarray) -> None:
    dimensions = vectors.shape[1]
    ubinary = np.packbits(vectors > 0, axis=1)
    read = _request("ubinary", dimensions).decode(_answer(ubinary.astype(float).tolist()), range(len(vectors)))
    offset = _request("binary", dimensions).decode(_answer((ubinary.astype(float) - 128).tolist()), range(len(vectors)))
    assert np.array_equal(read, ubinary)
    assert np.array_equal(unpack(read, dimensions), vectors > 0)
    assert np.array_equal(unpack(offset, dimensions), vectors > 0)


@given(VECTORS)
def test_quantize_is_packbits_and_binary_is_that_minus_128(vectors: np.ndarray) -> None:
    expected = np.packbits(vectors > 0, axis=1)
    assert np.array_equal(quantize(vectors, "ubinary"), expected)
    assert np.array_equal(quantize(vectors, "binary").astype(int), expected.astype(int) - 128)
    assert np.array_equal(to_ubinary(quantize(vectors, "binary")), expected)


def test_the_layout_is_the_one_measured_on_the_hosted_service() -> None:
    ubinary = np.array([50, 193, 128, 255], dtype=np.uint8)
    assert np.array_equal(quantize(unpack(ubinary).astype(float), "binary"), [-78, 65, 0, 127])


def test_zero_becomes_a_0_bit() -> None:
    assert unpack(quantize([0.0, -0.0, 1e-30, -1.0], "ubinary"), 4).tolist() == [0, 0, 1, 0]


@given(st.data())
def test_hamming_counts_differing_signs_in_any_mix_of_layouts(data: st.DataObject) -> None:
    dimensions = data.draw(st.integers(1, 40))
    signs = hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.just(dimensions)), elements=st.sampled_from([-1, 1]))
    queries, corpus = data.draw(signs), data.draw(signs)
    expected = [[int((query != row).sum()) for row in corpus] for query in queries]
    results = hamming(quantize(queries, "binary"), quantize(corpus, "ubinary"))
    assert results.tolist() == expected
    assert hamming(quantize(queries, "ubinary")[0], quantize(corpus, "binary")).tolist() == expected[0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: quantize([[1.0, float("nan")]], "binary"),
        lambda: quantize([[1.0]], "int4"),  # type: ignore[arg-type]
        lambda: quantize([["a"]], "binary"),
        lambda: quantize(1.0, "binary"),
        lambda: unpack([1, 2, 3]),
        lambda: hamming(np.zeros((1, 2), np.uint8), np.zeros((1, 3), np.uint8)),
        lambda: hamming(np.zeros((1, 2), np.uint8), np.zeros(2, np.uint8)),
    ],
)
def test_invalid_arguments_are_rejected(call: Any) -> None:
    with pytest.raises(JinaInputError):
        call()
