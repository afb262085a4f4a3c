"""The hosted service behaves as the client, the engine and the other tests assume: ``uv run pytest -m live``.

Needs ``JINA_API_KEY``, and costs a few thousand tokens. ``JINA_BASE_URL`` points the tests at another service, such as
the embedded engine: ``jina-local serve --port 8080 --api-key test``, and then
``JINA_API_KEY=test JINA_BASE_URL=http://127.0.0.1:8080/v1 uv run pytest -m live``.
"""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests
from jina_client import AsyncJinaClient, AuthenticationError, BadRequestError, JinaClient, JinaError, NotFoundError
from jina_client.late_interaction import maxsim
from pictures import written
from PIL import Image

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

API_KEY, BASE_URL = os.environ.get("JINA_API_KEY"), os.environ.get("JINA_BASE_URL")  # Before a fixture removes them.
URL = (BASE_URL or "https://api.jina.ai/v1").rstrip("/")
QUERY = "Where is the cat?"
TEXTS = ["The cat sleeps on the sofa.", "Stocks fell today."]
V3, COLBERT, NANO = "jina-embeddings-v3", "jina-colbert-v2", "jina-embeddings-v5-text-nano"
DIMENSIONS = {
    "jina-embeddings-v2-base-en": 768,
    V3: 1024,
    "jina-embeddings-v4": 2048,
    NANO: 768,
    "jina-embeddings-v5-text-small": 1024,
    "jina-embeddings-v5-omni-nano": 768,
    "jina-code-embeddings-0.5b": 896,
    "jina-clip-v1": 768,
    "jina-clip-v2": 1024,
}
RERANKERS = [
    "jina-reranker-v1-tiny-en",
    "jina-reranker-v2-base-multilingual",
    "jina-reranker-m0",
    "jina-reranker-v3",
    COLBERT,
]


@pytest.fixture(scope="module", autouse=True)
def service_that_responds() -> None:
    """Fail at once, and in one line, if the address or the key is wrong."""
    problem = None if URL.startswith("http") else "JINA_BASE_URL must be an http address"
    try:
        with JinaClient(api_key=API_KEY, base_url=URL, max_retries=0) as client:
            client.embed(TEXTS[:1], model=V3)
    except JinaError as error:
        problem = str(error)
    # Outside the block, because pytest would show the whole chain of exceptions for each test.
    if problem:
        pytest.fail(f"the live tests cannot use {URL}: {problem}", pytrace=False)


@pytest.fixture(scope="module")
def client() -> Iterator[JinaClient]:
    with JinaClient(api_key=API_KEY, base_url=URL, requests_per_minute=90) as client:
        yield client


def post(path: str, key: str | None = API_KEY, **fields: Any) -> requests.Response:
    """Send a request as it is, past the checks of the client."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return requests.post(f"{URL}/{path}", json=fields, headers=headers, timeout=60)


def embeddings(**fields: Any) -> dict[str, Any]:
    """Send a request for embeddings as it is, and return the content of its response."""
    response = post("embeddings", **fields)
    assert response.ok, response.text
    content: dict[str, Any] = response.json()
    return content


def picture() -> bytes:
    """A small picture of a word: images are billed by their size."""
    image = Image.open(io.BytesIO(written("Apple pie"))).convert("RGB")
    image.thumbnail((224, 224))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("model", DIMENSIONS)
def test_a_model_returns_unit_vectors_of_its_length(client: JinaClient, model: str) -> None:
    result = client.embed(TEXTS, model=model)
    assert result.vectors.shape == (2, DIMENSIONS[model])
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1), 1, atol=1e-2)
    assert result.usage.total_tokens > 0


def test_a_query_is_nearest_to_its_document(client: JinaClient) -> None:
    documents = client.embed(TEXTS, model=V3, task="retrieval.passage").vectors
    query = client.embed([QUERY], model=V3, task="retrieval.query").vectors
    assert int(np.argmax(query @ documents.T)) == 0


def test_fewer_dimensions_are_the_first_ones_scaled_to_length_1(client: JinaClient) -> None:
    full = client.embed(TEXTS, model=V3, task="text-matching").vectors
    short = client.embed(TEXTS, model=V3, task="text-matching", dimensions=128).vectors
    cut = full[:, :128] / np.linalg.norm(full[:, :128], axis=1, keepdims=True)
    np.testing.assert_allclose(short, cut, atol=1e-2)


def test_the_order_of_inputs_is_kept_over_several_requests(client: JinaClient) -> None:
    together = client.embed(TEXTS, model=V3, task="text-matching").vectors
    apart = client.embed(TEXTS, model=V3, task="text-matching", batch_size=1).vectors
    np.testing.assert_allclose(together, apart, atol=1e-2)


def test_late_chunking_changes_the_vectors_of_chunks(client: JinaClient) -> None:
    chunks = ["Berlin is the capital of Germany.", "It has 3.8 million inhabitants."]
    plain = client.embed(chunks, model=V3, task="retrieval.passage").vectors
    (late,) = client.embed_chunked([chunks], model=V3, task="retrieval.passage")
    assert late.vectors.shape == plain.shape
    assert float(late.vectors[1] @ plain[1]) < 0.99


def test_both_clients_agree(client: JinaClient) -> None:
    async def embed() -> Any:
        async with AsyncJinaClient(api_key=API_KEY, base_url=URL) as asynchronous:
            return (await asynchronous.embed(TEXTS, model=V3, task="text-matching")).vectors

    expected = client.embed(TEXTS, model=V3, task="text-matching").vectors
    np.testing.assert_allclose(asyncio.run(embed()), expected, atol=1e-2)


@pytest.mark.parametrize("encoding", ["float", "base64", "binary", "ubinary"])
def test_an_encoding_has_its_published_layout(encoding: str) -> None:
    request = {"model": V3, "task": "text-matching", "input": TEXTS[:1]}
    floats = np.array(embeddings(**request)["data"][0]["embedding"], np.float32)
    bits = np.packbits(floats > 0)
    embedding = embeddings(embedding_type=encoding, **request)["data"][0]["embedding"]
    if encoding == "float":
        np.testing.assert_allclose(embedding, floats, atol=1e-2)
    elif encoding == "base64":
        np.testing.assert_allclose(np.frombuffer(base64.b64decode(embedding), "<f4"), floats, atol=1e-2)
    else:
        # A component close to 0 may change its sign between two requests.
        values = np.array(embedding, np.int64) + (128 if encoding == "binary" else 0)
        different = np.unpackbits(values.astype(np.uint8)) != np.unpackbits(bits)
        assert values.min() >= 0
        assert values.max() <= 255
        assert different.mean() < 0.01


def test_the_client_reads_every_encoding_alike(client: JinaClient) -> None:
    options: Any = {"model": V3, "task": "text-matching"}
    floats = client.embed(TEXTS, **options).vectors
    unsigned = client.embed(TEXTS, embedding_type="ubinary", **options).vectors
    signed = client.embed(TEXTS, embedding_type="binary", **options).vectors
    np.testing.assert_array_equal(signed.astype(np.int64) + 128, unsigned.astype(np.int64))
    assert (np.unpackbits(unsigned, axis=1) != (floats > 0)).mean() < 0.01


def test_the_fields_of_an_embeddings_response() -> None:
    body = embeddings(model=V3, input=TEXTS)
    assert {"model", "object", "usage", "data"} <= set(body)
    assert (body["object"], body["model"]) == ("list", V3)
    assert [(item["object"], item["index"]) for item in body["data"]] == [("embedding", 0), ("embedding", 1)]
    assert isinstance(body["usage"]["total_tokens"], int)


@pytest.mark.parametrize("role", ["query", "document"])
def test_token_vectors_have_the_length_that_was_requested(client: JinaClient, role: Any) -> None:
    result = client.embed_multi_vector(TEXTS[:1], model=COLBERT, input_type=role, dimensions=64)
    assert result[0].shape[1] == 64
    assert len(result[0]) > 1


def test_late_interaction_finds_the_right_document(client: JinaClient) -> None:
    documents = client.embed_multi_vector(TEXTS, model=COLBERT)
    query = client.embed_multi_vector([QUERY], model=COLBERT, input_type="query")
    assert int(np.argmax(maxsim(query[0], list(documents)))) == 0


def test_sparse_vectors_have_positive_weights_of_tokens(client: JinaClient) -> None:
    (first, _) = client.embed_sparse(TEXTS)
    assert first
    assert all(weight > 0 for weight in first.values())


@pytest.mark.parametrize("model", ["jina-embeddings-v4", "jina-clip-v1"])
def test_an_image_has_a_vector_like_a_text(client: JinaClient, model: str) -> None:
    result = client.embed([picture(), "Apple pie"], model=model)
    assert result.vectors.shape == (2, DIMENSIONS[model])


@pytest.mark.parametrize("model", RERANKERS)
def test_a_reranker_puts_the_right_document_first(client: JinaClient, model: str) -> None:
    result = client.rerank(QUERY, TEXTS[::-1], model=model)
    assert [each.index for each in result.results] == [1, 0]
    assert result.results[0].relevance_score > result.results[1].relevance_score
    assert result.usage.total_tokens > 0


def test_a_reranker_returns_no_more_than_top_n(client: JinaClient) -> None:
    result = client.rerank(QUERY, TEXTS, model="jina-reranker-v2-base-multilingual", top_n=1)
    assert [each.index for each in result.results] == [0]


def test_texts_are_classified_without_training(client: JinaClient) -> None:
    result = client.classify(["I love it.", "I hate it."], ["praise", "complaint"], model=V3)
    assert [each.prediction for each in result] == ["praise", "complaint"]


def test_a_classifier_is_trained_used_listed_and_deleted(client: JinaClient) -> None:
    examples = [("I love it.", "praise"), ("How nice!", "praise"), ("I hate it.", "complaint"), ("Awful.", "complaint")]
    trained = client.classifiers.train(examples, model=V3, num_iters=2)
    try:
        result = client.classify(["I love it."], classifier_id=trained.classifier_id)
        assert result[0].prediction in {"praise", "complaint"}
        assert trained.classifier_id in {each.classifier_id for each in client.classifiers.list()}
    finally:
        client.classifiers.delete(trained.classifier_id)


def test_a_text_is_segmented_into_itself(client: JinaClient) -> None:
    text = "Bread needs flour.\n\nIt rises for an hour."
    segments = client.segment(text, max_chunk_length=20)
    assert "".join(segments.chunks) == text


def test_models_are_listed_and_described(client: JinaClient) -> None:
    ids = {each.id.rpartition("/")[2] for each in client.models.list()}
    assert V3 in ids
    assert client.models.get(V3).id.rpartition("/")[2] == V3


def test_a_batch_job_is_created_listed_and_cancelled(client: JinaClient) -> None:
    job = client.batches.create(TEXTS, model=NANO)
    try:
        assert client.batches.get(job.id).id == job.id
        assert job.id in {each.id for each in client.batches.list()}
    finally:
        client.batches.cancel(job.id)


def test_a_wrong_key_is_rejected() -> None:
    stranger = JinaClient(api_key="jina_" + "0" * 60, base_url=URL, max_retries=0)
    with stranger, pytest.raises(AuthenticationError) as caught:
        stranger.embed(["a"], model=V3)
    assert caught.value.status_code == 401


def test_a_missing_key_is_rejected() -> None:
    assert post("embeddings", key=None, model=V3, input="a").status_code == 401


def test_an_unknown_model_is_rejected() -> None:
    response = post("embeddings", model="jina-embeddings-v0", input="a")
    assert response.status_code in (400, 404, 422)
    assert "jina-embeddings-v0" in response.text or "model" in response.text


@pytest.mark.parametrize(
    "fields",
    [
        {"dimensions": 4096},
        {"task": "retrieval"},
        {"input": []},
        {"input": [""] * 513},
        {"no_such_field": 1},
    ],
    ids=["too many dimensions", "an unknown task", "no inputs", "too many inputs", "an unknown field"],
)
def test_an_invalid_request_is_rejected_with_a_message(fields: dict[str, Any]) -> None:
    response = post("embeddings", **{"model": V3, "input": "a", **fields})
    assert response.status_code in (400, 413, 422)
    assert response.json()["detail"]


def test_a_text_beyond_the_context_is_rejected(client: JinaClient) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.embed(["word " * 9000], model="jina-embeddings-v2-base-en")
    assert caught.value.status_code == 400


def test_an_unknown_path_is_not_found() -> None:
    lost = JinaClient(api_key=API_KEY, base_url=f"{URL}/nowhere", max_retries=0)
    with lost, pytest.raises(NotFoundError):
        lost.embed(["a"], model=V3)


def test_requests_in_parallel_are_all_answered(client: JinaClient) -> None:
    texts = [f"Text number {number}." for number in range(8)]
    vectors = list(itertools.chain.from_iterable(part.vectors for _, part in client.embed_stream(texts, batch_size=2)))
    assert len(vectors) == 8


if BASE_URL is None:

    def test_a_page_can_be_read(client: JinaClient) -> None:
        assert "Example Domain" in client.web.read("https://example.com").content
