"""Projected vectors keep their cosines; truncated vectors are renormalized unless the caller opts out."""

import numpy as np
import pytest
from jina_local.projection import isometry, normalize, to_dimensions

VECTORS = np.random.default_rng(7).standard_normal((20, 384)).astype(np.float32)


@pytest.mark.parametrize("full", [768, 896, 1024, 1536, 2048])
def test_the_projection_keeps_every_cosine(full: int) -> None:
    projected = to_dimensions(VECTORS, full)
    before = normalize(VECTORS)
    assert projected.shape == (20, full)
    np.testing.assert_allclose(projected @ projected.T, before @ before.T, atol=1e-6)


def test_the_projection_keeps_norms_without_normalization() -> None:
    projected = to_dimensions(VECTORS, 1024, normalized=False)
    np.testing.assert_allclose(np.linalg.norm(projected, axis=1), np.linalg.norm(VECTORS, axis=1), rtol=1e-6)


def test_columns_are_orthonormal() -> None:
    np.testing.assert_allclose(isometry(1024, 384).T @ isometry(1024, 384), np.eye(384), atol=1e-6)


def test_the_projection_is_deterministic() -> None:
    np.testing.assert_allclose(isometry(768, 384)[:2, :2], [[-0.006121, 0.0040153], [0.0192941, 0.0201369]], atol=1e-6)


def test_dimensions_truncate_the_projected_vector_and_renormalize_it() -> None:
    cut = to_dimensions(VECTORS, 1024, normalized=False)[:, :64]
    np.testing.assert_allclose(to_dimensions(VECTORS, 1024, 64), normalize(cut), atol=1e-6)


def test_a_truncated_vector_is_not_scaled_without_normalization() -> None:
    whole = to_dimensions(VECTORS, 1024, normalized=False)
    assert np.array_equal(to_dimensions(VECTORS, 1024, 64, normalized=False), whole[:, :64])


def test_a_shorter_model_gets_the_first_numbers() -> None:
    assert np.array_equal(to_dimensions(VECTORS, 128, 96, normalized=False), VECTORS[:, :96])


def test_a_projected_row_does_not_depend_on_other_rows() -> None:
    together = to_dimensions(VECTORS, 1024)
    for row in range(len(VECTORS)):
        assert np.array_equal(to_dimensions(VECTORS[row : row + 1], 1024)[0], together[row])


def test_a_zero_vector_stays_zero() -> None:
    assert not to_dimensions(np.zeros((1, 384), np.float32), 768).any()
