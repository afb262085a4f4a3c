"""Quantization against plain references, for every float type, length and shape."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jina_client import JinaInputError, estimate_storage
from jina_client.quantization import (
    Ranges,
    calibrate,
    dequantize,
    estimate_cosine,
    hamming,
    quantize,
    rescore,
    truncate,
    unpack,
)

DTYPES = st.sampled_from([np.float16, np.float32, np.float64, np.longdouble])


@st.composite
def matrices(draw: st.DrawFn, rows: int | None = None, columns: int | None = None) -> Any:
    dtype = draw(DTYPES)
    shape = (rows or draw(st.integers(2, 6)), columns or draw(st.integers(1, 20)))
    return draw(hnp.arrays(np.float16, shape, elements=st.floats(-100, 100, width=16))).astype(dtype)


def _byte(value: float, low: float, high: float) -> int:
    """One number, in Python's own arithmetic; round() takes halves to even, as IEEE does."""
    clipped = min(max(float(value), low), high)
    return round((clipped - low) / (high - low) * 255) if high > low else 0


@given(matrices(), st.data())
def test_a_value_is_quantized_to_the_nearest_of_255_steps(vectors: np.ndarray, data: st.DataObject) -> None:
    sample = data.draw(matrices(columns=vectors.shape[1]))
    low = [min(map(float, column)) for column in sample.T]
    high = [max(map(float, column)) for column in sample.T]
    expected = [[_byte(*each) for each in zip(row, low, high, strict=True)] for row in vectors]
    ranges = calibrate(sample)
    assert quantize(vectors, "uint8", ranges).tolist() == expected
    assert (quantize(vectors, "int8", ranges).astype(int) + 128).tolist() == expected
    assert quantize(vectors[0], "uint8", [low, high]).tolist() == expected[0]


@given(matrices())
def test_dequantized_values_are_within_half_a_step(vectors: np.ndarray) -> None:
    ranges = calibrate(vectors)
    half = (ranges.maximum - ranges.minimum) / 255 / 2
    for precision in ("int8", "uint8"):
        results = dequantize(quantize(vectors, precision), ranges)
        assert (np.abs(results - vectors.astype(float)) <= half + 1e-4).all()


@given(matrices(), st.data())
def test_truncated_vectors_are_normalized(vectors: np.ndarray, data: st.DataObject) -> None:
    dimensions = data.draw(st.integers(1, vectors.shape[1]))
    results = truncate(vectors, dimensions)
    assert results.shape == (len(vectors), dimensions)
    assert results.dtype == vectors.dtype
    for row, cut in zip(vectors, results, strict=True):
        length = math.sqrt(sum(float(value) ** 2 for value in row[:dimensions]))
        expected = [float(value) / length if length else 0.0 for value in row[:dimensions]]
        assert np.allclose(cut.astype(float), expected, atol=2e-3 if cut.dtype == np.float16 else 1e-6)


def test_extreme_numbers_are_truncated_correctly() -> None:
    for scale in (1e-40, 0.5e38):
        assert np.allclose(truncate(np.array([3 * scale, 4 * scale, 1], np.float32), 2), [0.6, 0.8], atol=1e-4)


@given(st.integers(1, 130), st.data())
def test_any_number_of_dimensions_can_be_packed(dimensions: int, data: st.DataObject) -> None:
    signs = hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(dimensions)), elements=st.sampled_from([-1, 1]))
    queries, corpus = data.draw(signs), data.draw(signs)
    codes = quantize(corpus, "ubinary")
    assert codes.shape == (len(corpus), math.ceil(dimensions / 8))
    assert np.array_equal(unpack(codes, dimensions), corpus > 0)
    expected = [[sum(left != right) for right in corpus] for left in queries]
    assert hamming(quantize(queries, "binary"), codes).tolist() == expected
    cosines = [[math.cos(math.pi * distance / dimensions) for distance in row] for row in expected]
    assert np.allclose(estimate_cosine(quantize(queries, "ubinary"), codes, dimensions), cosines, atol=1e-5)


def test_the_cosine_estimated_from_bits_is_close_to_the_true_one() -> None:
    generator = np.random.default_rng(0)
    query = generator.standard_normal(4096)
    for share in (0.0, 0.5, 0.9, 0.99):
        vector = share * query + (1 - share) * generator.standard_normal(4096)
        cosine = query @ vector / np.linalg.norm(query) / np.linalg.norm(vector)
        estimate = estimate_cosine(quantize(query, "ubinary"), quantize(vector[None], "ubinary"))
        assert abs(estimate[0] - cosine) < 0.08


@settings(max_examples=50)
@given(st.data())
def test_rescoring_sorts_the_candidates_by_their_dot_product(data: st.DataObject) -> None:
    corpus = data.draw(matrices(columns=9)).astype(np.float32)
    queries = data.draw(matrices(rows=2, columns=9)).astype(np.float32)
    candidates = data.draw(st.permutations(range(len(corpus))).map(lambda order: order[:3]))
    for decoded, stored, ranges in (
        (corpus, corpus, None),
        (dequantize(quantize(corpus, "int8"), calibrate(corpus)), quantize(corpus, "int8"), calibrate(corpus)),
        (np.where(corpus > 0, 1, -1) / np.sqrt(np.float32(9)), quantize(corpus, "binary"), None),
    ):
        indices, scores = rescore(queries, [candidates, candidates], stored, k=2, ranges=ranges)
        for query, best, values in zip(queries, indices, scores, strict=True):
            reference = sorted((float(decoded[index] @ query) for index in candidates), reverse=True)[:2]
            assert np.allclose(values, reference, rtol=1e-4, atol=1e-2)
            assert np.allclose(decoded[best] @ query, values, rtol=1e-4, atol=1e-2)


def test_rescoring_accepts_fewer_candidates_than_requested() -> None:
    indices, scores = rescore([1.0, 0.0], [2, -1, 0], [[0.1, 1], [9, 9], [0.5, 1]], k=3)
    assert indices.tolist() == [2, 0, -1]
    assert scores.tolist() == [0.5, pytest.approx(0.1), -np.inf]


def test_ranges_can_be_saved_and_pickled(tmp_path: Path) -> None:
    ranges = calibrate(np.random.default_rng(0).standard_normal((10, 5)))
    ranges.save(tmp_path / "ranges")
    assert Ranges.load(tmp_path / "ranges") == pickle.loads(pickle.dumps(ranges)) == ranges
    assert hash(Ranges.load(tmp_path / "ranges")) == hash(ranges)
    with pytest.raises(ValueError, match="read-only"):
        ranges.minimum[0] = 0


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps([1])])
def test_loading_ranges_from_another_file_raises(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ranges").write_bytes(content)
    with pytest.raises(JinaInputError, match="is not a file of"):
        Ranges.load(tmp_path / "ranges")


@pytest.mark.parametrize(
    ("encoding", "gb", "gib"), [("float", 768, 715.26), ("int8", 192, 178.81), ("binary", 24, 22.35)]
)
def test_storage_of_250_million_vectors_matches_the_published_figures(encoding: str, gb: float, gib: float) -> None:
    estimate = estimate_storage(250_000_000, 768, encoding)
    assert estimate.gb == gb
    assert round(estimate.gib, 2) == gib
    assert str(estimate) == f"{gb:.2f} GB ({gib} GiB)"


def test_storage_counts_whole_bytes_for_each_vector() -> None:
    assert estimate_storage(10, 9, "ubinary").bytes == 20


FLOATS = np.eye(3)
CODES = np.zeros((3, 2), np.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantize(FLOATS[0], "int8"), "single vector"),
        (lambda: quantize(FLOATS, "binary", calibrate(FLOATS)), "ranges apply to"),
        (lambda: quantize(np.eye(4), "int8", calibrate(FLOATS)), "3 dimensions of ranges, got 4"),
        (lambda: quantize(FLOATS, "int8", np.eye(3)), "shape \\(2, dims\\)"),
        (lambda: quantize(FLOATS, "int8", [[1, 1, 1], [0, 0, 0]]), "no maximum below"),
        (lambda: quantize([[1.0, 2.0], [1.0]], "int8"), "different lengths"),
        (lambda: calibrate(FLOATS[:1]), "at least 2"),
        (lambda: calibrate([[np.inf], [1.0]]), "NaN or an infinity"),
        (lambda: calibrate([[1e308], [-1e308]]), "finite"),
        (lambda: dequantize(FLOATS, calibrate(FLOATS)), "uint8 or int8"),
        (lambda: dequantize(CODES, calibrate(FLOATS)), "3 dimensions of ranges, got shape"),
        (lambda: truncate(FLOATS, 4), "from 1 to 3"),
        (lambda: truncate(FLOATS, 0), "from 1 to 3"),
        (lambda: unpack(CODES, 17), "from 9 to 16 .for codes of 2 bytes., got 17"),
        (lambda: unpack(CODES, "9"), "got '9'"),
        (lambda: unpack(CODES, 8), "from 9 to 16 .*got 8"),
        (lambda: unpack(np.uint8(3)), "shape"),
        (lambda: hamming(CODES, CODES.astype(int)), "uint8"),
        (lambda: estimate_cosine(CODES, CODES, 20), "got 20"),
        (lambda: rescore(FLOATS, [0, 1], FLOATS), "candidates must be indices"),
        (lambda: rescore(FLOATS[0], [0, 3], FLOATS), "indices below 3, the rows of corpus; got 3"),
        (lambda: rescore(FLOATS[0], [0], np.eye(4)), "4 dimensions of corpus, got 3"),
        (lambda: rescore(FLOATS[0], [0], FLOATS, k=0), "k must be"),
        (lambda: estimate_storage(1, 1, "float8"), "encoding must be one of"),
        (lambda: estimate_storage(-1, 1), "count"),
    ],
)
def test_an_error_names_the_invalid_argument(call: Any, message: str) -> None:
    with pytest.raises(JinaInputError, match=message):
        call()
