"""MaxSim of documents of any lengths, against three nested loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jina_client import JinaInputError
from jina_client.late_interaction import maxsim, mean_pool
from jina_client.quantization import calibrate, dequantize, quantize, unpack


def _reference(query: np.ndarray, document: np.ndarray) -> float:
    return sum(max(float(np.dot(token, other)) for other in document.astype(float)) for token in query.astype(float))


@st.composite
def texts(draw: st.DrawFn, dimensions: int, least: int = 1) -> list[np.ndarray]:
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    lengths = draw(st.lists(st.integers(1, 7), min_size=least, max_size=6))
    elements = st.floats(-4, 4, width=16)
    return [draw(hnp.arrays(np.float16, (length, dimensions), elements=elements)).astype(dtype) for length in lengths]


@given(st.data())
def test_documents_of_different_lengths_are_scored(data: st.DataObject) -> None:
    dimensions = data.draw(st.integers(1, 12))
    queries, documents = data.draw(texts(dimensions)), data.draw(texts(dimensions))
    expected = [[_reference(query, document) for document in documents] for query in queries]
    assert np.allclose(maxsim(queries, documents), expected, atol=1e-2)
    assert np.allclose(maxsim(queries[0], documents), expected[0], atol=1e-2)
    assert np.allclose(maxsim(queries[0].tolist(), [d.tolist() for d in documents]), expected[0], atol=1e-2)


@given(st.data())
def test_quantized_vectors_score_like_their_decoded_values(data: st.DataObject) -> None:
    dimensions = data.draw(st.integers(1, 12))
    (query, *_), documents = data.draw(texts(dimensions)), data.draw(texts(dimensions, 2))
    ranges = calibrate(np.concatenate(documents)) if sum(map(len, documents)) > 1 else None
    codes = [quantize(document, "int8", ranges) for document in documents]
    assert np.allclose(
        maxsim(query, codes, ranges=ranges),
        [_reference(query, dequantize(code, ranges)) for code in codes],
        atol=1e-2,
    )
    for precision in ("binary", "ubinary"):
        bits = [quantize(document, precision) for document in documents]
        signs = [(unpack(each, dimensions) * 2.0 - 1) / dimensions**0.5 for each in bits]
        assert np.allclose(maxsim(query, bits), [_reference(query, sign) for sign in signs], atol=1e-2)


def test_documents_beyond_one_block_of_tokens_are_scored() -> None:
    generator = np.random.default_rng(0)
    query = generator.standard_normal((4, 8))
    documents = [generator.standard_normal((length, 8)) for length in (33000, 1, 20000, 20000, 3)]
    assert np.allclose(maxsim(query, documents), [_reference(query, each) for each in documents], rtol=1e-4)


def test_no_documents_return_no_scores() -> None:
    assert maxsim(np.eye(2), []).shape == (0,)
    assert maxsim([np.eye(2)] * 3, []).shape == (3, 0)


def test_pooled_vectors_are_normalized_means() -> None:
    pooled = mean_pool([np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 2.0]])])
    assert np.allclose(pooled, [[0.5**0.5, 0.5**0.5], [0, 1]])
    assert pooled.dtype == np.float32
    assert np.allclose(mean_pool(np.eye(2)), pooled[0])


FLOATS = np.ones((2, 16))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: maxsim(None, [FLOATS]), "queries must be arrays"),
        (lambda: maxsim(FLOATS, None), "documents must be arrays"),
        (lambda: mean_pool("text"), "vectors must be arrays"),
        (lambda: maxsim(FLOATS, FLOATS), "pass \\[document\\]"),
        (lambda: maxsim(FLOATS, [FLOATS, FLOATS[:, :3]]), "documents\\[1\\] must have rows of 16 numbers, got 3"),
        (lambda: maxsim(FLOATS, [FLOATS, FLOATS[:0]]), "documents\\[1\\]"),
        (lambda: maxsim(FLOATS, [FLOATS, FLOATS.astype(np.uint8)]), "must be float64 as documents"),
        (lambda: maxsim(FLOATS, [FLOATS.astype(np.int8)]), "2 bytes for 16 dimensions; documents.* Pass ranges="),
        (lambda: maxsim(FLOATS, [FLOATS.astype(np.int64)]), "int64"),
        (lambda: maxsim(FLOATS.astype(np.uint8), [FLOATS]), "must be floats"),
        (lambda: maxsim(FLOATS * np.nan, [FLOATS]), "queries\\[0\\] must be finite numbers, got a NaN"),
        (lambda: maxsim([FLOATS] * 2, [FLOATS, FLOATS * np.nan]), "documents\\[1\\] must be finite numbers, got a NaN"),
        (lambda: maxsim([FLOATS, FLOATS[0]], [FLOATS]), "queries\\[1\\]"),
        (lambda: mean_pool([]), "at least one array"),
        (lambda: mean_pool([FLOATS, FLOATS[:, :3]]), "vectors\\[1\\]"),
    ],
)
def test_an_error_names_the_invalid_document(call: Any, message: str) -> None:
    with pytest.raises(JinaInputError, match=message):
        call()
