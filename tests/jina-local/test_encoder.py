"""Token vectors are those of the published network, whatever the batch and however long the text."""

import json
import math
import struct
from itertools import cycle, islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jina_local.encoder import Encoder, multiplies_exactly, text_parts
from jina_local.int8_weights import quantize, smoothing_factors
from jina_local.weights import find_model_files
from numpy.typing import NDArray

SENTENCE = "the tower of a city is built from many small stones and nobody counts them until one of them falls"


def words(count: int) -> str:
    return " ".join(islice(cycle(SENTENCE.split()), count))


def cosine(left: NDArray[Any], right: NDArray[Any]) -> float:
    return float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))


@pytest.fixture(scope="module")
def float_encoder() -> Encoder:
    return Encoder(find_model_files(), precision="float32")


class PlainBert:
    """A second implementation of the network in numpy, in float64, straight from the weights' file."""

    def __init__(self) -> None:
        data = memoryview(np.memmap(find_model_files().weights, mode="r"))
        (length,) = struct.unpack("<Q", data[:8])
        self.tensors = {
            name: np.frombuffer(data[8 + length :][slice(*facts["data_offsets"])], "<f4").reshape(facts["shape"])
            for name, facts in json.loads(bytes(data[8 : 8 + length])).items()
            if facts.get("dtype") == "F32"
        }

    def linear(self, name: str, value: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(value @ self.tensors[f"{name}.weight"].astype(float).T + self.tensors[f"{name}.bias"])

    def norm(self, name: str, value: NDArray[Any]) -> NDArray[Any]:
        scaled = (value - value.mean(-1, keepdims=True)) / np.sqrt(value.var(-1, keepdims=True) + 1e-12)
        return np.asarray(scaled * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"])

    def __call__(self, ids: list[int]) -> NDArray[Any]:
        table = {kind: self.tensors[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position")}
        kinds = self.tensors["embeddings.token_type_embeddings.weight"]
        hidden = self.norm("embeddings.LayerNorm", table["word"][ids] + table["position"][: len(ids)] + kinds[0])
        for layer in range(6):
            at = f"encoder.layer.{layer}"
            q, k, v = (
                self.linear(f"{at}.attention.self.{part}", hidden).reshape(len(ids), 12, 32).transpose(1, 0, 2)
                for part in ("query", "key", "value")
            )
            weights = np.exp(q @ k.transpose(0, 2, 1) / math.sqrt(32))
            mixed = (weights / weights.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(ids), 384)
            hidden = self.norm(
                f"{at}.attention.output.LayerNorm", hidden + self.linear(f"{at}.attention.output.dense", mixed)
            )
            wide = self.linear(f"{at}.intermediate.dense", hidden)
            gelu = wide / 2 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
            hidden = self.norm(f"{at}.output.LayerNorm", hidden + self.linear(f"{at}.output.dense", gelu))
        return hidden


@pytest.mark.parametrize("text", ["", "Hello!", "Zürich, 東京 and a 🙂: " + words(25)])
def test_float32_token_vectors_match_a_plain_implementation(float_encoder: Encoder, text: str) -> None:
    ids = float_encoder.tokenize([text])[0]
    np.testing.assert_allclose(float_encoder.token_vectors([ids])[0], PlainBert()([101, *ids, 102]), atol=1e-5)


def test_float32_cosines_match_the_published_ones(float_encoder: Encoder) -> None:
    """The example that the model's own documentation computes with sentence-transformers."""
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    weather, sunny, stadium = float_encoder.mean_vectors(float_encoder.tokenize(texts))
    cosines = [cosine(weather, sunny), cosine(weather, stadium), cosine(sunny, stadium)]
    np.testing.assert_allclose(cosines, [0.6660, 0.1046, 0.1411], atol=5e-5)


def test_int8_vectors_are_close_to_float32_vectors(encoder: Encoder, float_encoder: Encoder) -> None:
    sequences = encoder.tokenize(["", "Hello!", "Zürich, 東京 and a 🙂", words(25), words(700), "0 " * 300])
    pairs = zip(encoder.mean_vectors(sequences), float_encoder.mean_vectors(sequences), strict=True)
    assert [cosine(*pair) for pair in pairs] == pytest.approx([1.0] * len(sequences), abs=0.008)


def test_an_int8_weight_is_within_half_a_scale() -> None:
    weight = np.random.default_rng(0).normal(size=(7, 30)).astype(np.float32)
    weight[3] = 0
    quantized = quantize(weight)
    error = quantized.codes.T * quantized.scales[:, np.newaxis] - weight
    assert quantized.codes.dtype == np.int8
    assert np.all(np.abs(error) <= 0.501 * quantized.scales[:, np.newaxis])
    assert not quantized.codes[:, 3].any()


def test_processors_with_and_without_exact_int8_products_compute_the_same_bits(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_exact = multiplies_exactly(find_model_files().weights.parent)
    monkeypatch.setattr("jina_local.encoder.multiplies_exactly", lambda _: not is_exact)
    other = Encoder(find_model_files())
    sequences = encoder.tokenize([words(30), "Hello!"])
    assert np.array_equal(encoder.mean_vectors(sequences), other.mean_vectors(sequences))


def test_smoothing_factors_do_not_change_the_layer() -> None:
    random = np.random.default_rng(0)
    weight, value = (random.normal(size=size).astype(np.float32) for size in ((8, 16), (5, 16)))
    factors = smoothing_factors(np.abs(value).max(axis=0), [weight])
    quantized = quantize(weight, factors)
    product = (value / factors) @ quantized.codes * quantized.scales
    np.testing.assert_allclose(product, value @ weight.T, atol=0.1)
    assert np.exp(np.log(factors).mean()) == pytest.approx(1)


def test_pooling_is_the_mean_over_all_tokens(encoder: Encoder) -> None:
    sequences = encoder.tokenize(["one", words(40), words(900), ""])
    expected = [vectors.mean(axis=0, dtype=float) for vectors in encoder.token_vectors(sequences)]
    np.testing.assert_allclose(encoder.mean_vectors(sequences), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["encoder", "float_encoder"])
def test_vectors_do_not_depend_on_the_batch_size(name: str, request: pytest.FixtureRequest) -> None:
    encoder: Encoder = request.getfixturevalue(name)
    sequences = encoder.tokenize([words(count) for count in (0, 1, 2, 3, 5, 8, 9, 31, 64, 130, 520, 3, 5, 8)])
    together = encoder.token_vectors(sequences)
    means = encoder.mean_vectors(sequences)
    for index, sequence in enumerate(sequences):
        assert np.array_equal(encoder.token_vectors([sequence])[0], together[index])
        assert np.array_equal(encoder.mean_vectors([sequence])[0], means[index])


@pytest.mark.parametrize("length", [509, 510, 511, 765, 766, 1300])
def test_long_texts_are_read_in_windows_that_overlap_by_half(encoder: Encoder, length: int) -> None:
    ids = encoder.tokenize([words(1400)])[0][:length]
    expected = np.full((length + 2, 384), np.nan)
    for start in range(0, max(1, length - 255), 255):
        window = encoder.token_vectors([ids[start : start + 510]])[0]
        first = start + 255 if start else 0
        expected[first + 1 : start + len(window)] = window[1 + first - start :]
        if start == 0:
            expected[0] = window[0]
    np.testing.assert_allclose(encoder.token_vectors([ids])[0], expected, atol=2e-5)


def test_a_text_is_not_cut_at_128_tokens(encoder: Encoder) -> None:
    assert len(encoder.tokenize([words(3000)])[0]) >= 3000


def test_a_long_text_is_tokenized_in_parts(encoder: Encoder) -> None:
    text = " ".join(f"Naïve café {number}: 東京タワー, [MASK] isn't\n" for number in range(8000))
    parts = list(text_parts(text))
    assert "".join(parts) == text
    assert len(parts) > 10
    assert max(map(len, parts)) < 17_000
    assert encoder.tokenize([text])[0].tolist() == [token for ids in encoder.tokenize(parts) for token in ids]  # type: ignore[attr-defined]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(st.sampled_from("aé\u0301 .,!?:;\n\t字東カ[]MASK#'-\x1c\u200d🙂"), max_size=40), st.integers(0, 9))
def test_no_token_crosses_a_cut(encoder: Encoder, text: str, size: int) -> None:
    [whole] = encoder.tokenize([text])
    parts = encoder.tokenize(text_parts(text, size))
    assert list(whole) == [token for ids in parts for token in ids]


def test_a_text_is_not_tokenized_much_beyond_the_limit(encoder: Encoder) -> None:
    [ids] = encoder.tokenize([words(60_000)], most=100)
    assert 100 < len(ids) < 10_000
