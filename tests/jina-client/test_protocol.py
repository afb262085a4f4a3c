"""The endpoints beside embeddings and rerank: what is sent, and what is made of each answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jina_client import (
    JinaArgumentError,
    JinaClient,
    JinaInputError,
    JinaResponseError,
    JinaStatusError,
    JinaTimeoutError,
    NotFoundError,
)
from jina_client.addresses import endpoint_url
from jina_client.protocol import MultiVectorRequest, SegmentRequest
from jina_client.quantization import unpack
from loopback import Answer, Recorder, Sent, vector_of


def _encoded(vector: np.ndarray) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _rows(text: str, dimensions: int = 128) -> np.ndarray:
    return np.stack([vector_of(word, dimensions) for word in text.split()])


def _multi_vectors(sent: Sent) -> Answer:
    """A vector for each word, last input first."""
    data = [
        {
            "object": "embeddings",
            "index": index,
            "embeddings": [_encoded(row) for row in _rows(text, sent.body.get("dimensions", 128))],
            **({"tokenized_input": text.split()} if sent.body.get("return_tokenized_input") else {}),
        }
        for index, text in enumerate(sent.body["input"])
    ]
    return Answer({"model": sent.body["model"], "data": data[::-1], "usage": {"total_tokens": 5}})


TEXTS = ["one two three", "four", "five six"]


def test_multi_vectors_are_in_input_order(client: Any, server: Recorder) -> None:
    server.answer = _multi_vectors
    result = client.embed_multi_vector(TEXTS, batch_size=2, dimensions=96)
    assert [array.shape for array in result] == [(3, 96), (1, 96), (2, 96)]
    assert all(np.array_equal(array, _rows(text, 96)) for array, text in zip(result, TEXTS, strict=True))
    assert (result.model, result.usage.total_tokens, result.tokens) == ("jina-colbert-v2", 10, None)
    bodies = sorted((sent.body for sent in server.sent), key=lambda body: len(body["input"]))
    assert bodies[0] == {
        "model": "jina-colbert-v2",
        "embedding_type": "base64",
        "dimensions": 96,
        "input_type": "document",
        "input": ["five six"],
    }
    assert {sent.path for sent in server.sent} == {"/v1/embeddings"}


def test_colbert_v1_uses_the_multi_vector_endpoint(client: Any, server: Recorder) -> None:
    server.answer = _multi_vectors
    client.embed_multi_vector(["a query"], input_type="query", endpoint="multi-vector")
    assert server.sent[0].path == "/v1/multi-vector"
    assert server.sent[0].body["input_type"] == "query"


def test_v4_returns_multi_vectors_with_tokens(client: Any, server: Recorder) -> None:
    server.answer = _multi_vectors
    result = client.embed_multi_vector(
        TEXTS, model="jina-embeddings-v4", input_type="query", return_tokenized_input=True
    )
    assert list(result.tokens) == [tuple(text.split()) for text in TEXTS]
    body = server.sent[0].body
    assert (body["task"], body["return_multivector"], body["return_tokenized_input"]) == ("retrieval.query", True, True)
    assert "input_type" not in body
    client.embed_multi_vector(TEXTS, model="jina-embeddings-v4", task="code.passage")
    assert server.sent[1].body["task"] == "code.passage"


@settings(max_examples=40)
@given(st.integers(1, 6), st.sampled_from([64, 96, 128]), st.sampled_from(["strings", "lists", "one string"]))
def test_float_multi_vectors_are_decoded_from_every_form(tokens: int, dimensions: int, form: str) -> None:
    rows = np.random.default_rng(tokens).standard_normal((tokens, dimensions)).astype(np.float32)
    forms: dict[str, Any] = {
        "strings": [_encoded(row) for row in rows],
        "lists": rows.astype(float).tolist(),
        "one string": _encoded(rows),
    }
    request = MultiVectorRequest.build("jina-colbert-v2", {"dimensions": dimensions})
    ((read, names),) = request.decode({"data": [{"index": 0, "embeddings": forms[form]}]}, range(1))
    assert np.array_equal(read, rows)
    assert names == ()


@pytest.mark.parametrize("kind", ["binary", "ubinary"])
def test_binary_multi_vectors_are_decoded(client: Any, server: Recorder, kind: str) -> None:
    rows = _rows("a b c")
    bits = np.packbits(rows > 0, axis=1).astype(float) - (128 if kind == "binary" else 0)
    server.answer = lambda sent: Answer({"data": [{"index": 0, "embeddings": bits.tolist()}]})
    (array,) = client.embed_multi_vector(["a b c"], embedding_type=kind)
    assert server.sent[0].body["embedding_type"] == kind
    assert np.array_equal(unpack(array), rows > 0)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"embedding": [1.0]}, "expected a list of vectors"),
        ({"embeddings": []}, "expected a list of vectors"),
        ({"embeddings": [[0.0] * 128, [0.0] * 64]}, "cannot be read"),
        ({"embeddings": [[0.0] * 64]}, "vectors of length 64, expected 128"),
        ({"embeddings": [_encoded(np.full(128, np.nan))]}, "NaN"),
        ({"embeddings": "AAAA"}, "cannot be read"),
    ],
)
def test_an_invalid_multi_vector_raises(client: Any, server: Recorder, item: dict[str, Any], message: str) -> None:
    server.answer = lambda sent: Answer({"data": [{"index": 0, **item}]})
    with pytest.raises(JinaResponseError, match=message):
        client.embed_multi_vector(["a"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimensions": 100}, "gives 64 or 96 or 128 dimensions, got 100"),
        ({"input_type": "passage"}, "input_type must be one of query, document"),
        ({"model": "jina-embeddings-v3"}, "not multi-vector; use one of: jina-embeddings-v4, jina-colbert"),
        ({"model": "jina-embeddings-v4", "dimensions": 128}, "leave dimensions out"),
        ({"task": "retrieval.query"}, "has no tasks"),
        ({"return_tokenized_input": True}, "does not take return_tokenized_input"),
        ({"truncate": True}, "does not take truncate"),
        ({"endpoint": "rerank"}, "endpoint must be one of"),
    ],
)
def test_an_invalid_multi_vector_option_is_rejected(
    client: Any, server: Recorder, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(JinaInputError, match=message):
        client.embed_multi_vector(["a"], **options)
    assert server.sent == []


@pytest.mark.parametrize("bare", [True, False])
def test_sparse_vectors_are_decoded_from_both_published_forms(client: Any, server: Recorder, bare: bool) -> None:
    scores = [{"cat": 1.5, "nap": 0.25}, {}]
    items: list[Any] = [{"index": 1, "embedding": scores[1]}, {"index": 0, "embedding": scores[0]}]
    server.answer = lambda sent: Answer(
        {"data": scores if bare else items, "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}}
    )
    result = client.embed_sparse(["a cat naps", ""])
    assert list(result) == scores
    assert (result.usage.total_tokens, result.usage.prompt_tokens) == (5, 3)
    assert server.sent[0].body == {"model": "elser-v2", "task": "retrieval.passage", "input": ["a cat naps", ""]}


def _classes(sent: Sent) -> Answer:
    """Each input belongs to the first label of each group that it holds."""
    labels = sent.body.get("labels", ["cat", "dog"])

    def ranked(text: str, names: list[str]) -> list[dict[str, Any]]:
        first = next((name for name in names if name in text), names[0])
        return [{"label": name, "score": 0.75 if name == first else 0.25 / (len(names) - 1)} for name in names]

    data = []
    for index, text in enumerate(sent.body["input"]):
        groups = {name: ranked(text, names) for name, names in labels.items()} if isinstance(labels, dict) else None
        results = groups or {"": ranked(text, labels)}
        best = {name: max(scores, key=lambda each: each["score"]) for name, scores in results.items()}
        predicted: Any = {name: each["label"] for name, each in best.items()}
        scored: Any = {name: each["score"] for name, each in best.items()}
        if groups is None:
            predicted, scored = predicted[""], scored[""]
        data.append({"index": index, "prediction": predicted, "score": scored, "predictions": groups or results[""]})
    return Answer({"usage": {"total_tokens": 4}, "data": data[::-1]})


def test_zero_shot_classification_is_batched(client: Any, server: Recorder) -> None:
    server.answer = _classes
    result = client.classify(["a dog", "a cat", "a dog again"], ["cat", "dog"], batch_size=2)
    assert [each.prediction for each in result] == ["dog", "cat", "dog"]
    assert [(each.index, each.score) for each in result] == [(0, 0.75), (1, 0.75), (2, 0.75)]
    assert [label.label for label in result[0].predictions] == ["dog", "cat"]
    assert result.usage.total_tokens == 8
    assert server.sent[0].body.keys() == {"model", "labels", "input"}


def test_labels_may_be_grouped(client: Any, server: Recorder) -> None:
    server.answer = _classes
    labels = {"animal": ["cat", "dog"], "mood": ["happy", "sad"]}
    (only,) = client.classify(["a sad dog"], labels)
    assert only.prediction == {"animal": "dog", "mood": "sad"}
    assert only.score == {"animal": 0.75, "mood": 0.75}
    assert only.predictions["mood"][0].label == "sad"


def test_few_shot_classification_works_without_a_list_of_scores(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer({"data": [{"index": 0, "prediction": "dog", "score": 0.9}]})
    (only,) = client.classify(["a dog"], classifier_id="an-id")
    assert (only.prediction, only.predictions) == ("dog", ())
    assert server.sent[0].body == {"classifier_id": "an-id", "input": ["a dog"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "pass either labels= .* or classifier_id="),
        ({"labels": ["a", "b"], "classifier_id": "x"}, "and not both"),
        ({"labels": []}, "labels is empty"),
        ({"labels": "cat"}, "labels must be a list"),
        ({"labels": ["a", ""]}, r"labels\[1\] must be a non-empty string"),
        ({"labels": ["a", "b", "a"]}, "labels contains 'a' twice"),
        ({"labels": list(map(str, range(513)))}, "at most 512 labels, got 513"),
        ({"labels": {str(group): ["a"] for group in range(9)}}, "1 to 8 groups, got 9"),
        ({"labels": {"g": list(map(str, range(65)))}}, r"labels\['g'\] may have at most 64 labels"),
        ({"labels": ["a"], "model": "jina-reranker-v3"}, "is a model for rerank"),
        ({"labels": ["a"], "model": "jina-embeddings-v5-omni-small"}, "is a model for embeddings, not classify"),
        ({"classifier_id": " "}, "classifier_id must be a string"),
    ],
)
def test_an_invalid_classification_call_is_rejected(
    client: Any, server: Recorder, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(JinaInputError, match=message):
        client.classify(["a text"], **arguments)
    assert server.sent == []


@pytest.mark.parametrize(
    "item",
    [
        {"index": 0, "score": 0.5},
        {"index": 0, "prediction": "a", "score": None},
        {"index": 0, "prediction": "a", "score": 0.5, "predictions": [{"label": 1, "score": 1}]},
        {"index": 1, "prediction": "a", "score": 0.5},
    ],
)
def test_an_invalid_classification_response_raises(client: Any, server: Recorder, item: dict[str, Any]) -> None:
    server.answer = lambda sent: Answer({"data": [item]})
    with pytest.raises(JinaResponseError):
        client.classify(["a"], ["a", "b"])


def test_a_classifier_can_be_trained_and_updated(client: Any, server: Recorder, png: bytes) -> None:
    server.answer = lambda sent: Answer(
        {"classifier_id": "an-id", "num_samples": len(sent.body["input"]), "usage": {"total_tokens": 9}}
    )
    trained = client.classifiers.train([("a cat", "cat"), {"text": "a dog", "label": "dog"}])
    assert (trained.classifier_id, trained.num_samples, trained.usage.total_tokens) == ("an-id", 2, 9)
    assert server.sent[0].body == {
        "model": "jina-embeddings-v3",
        "access": "private",
        "num_iters": 10,
        "input": [{"text": "a cat", "label": "cat"}, {"text": "a dog", "label": "dog"}],
    }
    client.classifiers.train([({"image": png}, "cat")], classifier_id="an-id", num_iters=3)
    assert server.sent[1].body == {
        "classifier_id": "an-id",
        "num_iters": 3,
        "input": [{"image": base64.b64encode(png).decode(), "label": "cat"}],
    }


@pytest.mark.parametrize(
    ("examples", "options", "message"),
    [
        ([], {}, "examples is empty"),
        ([("a", "x"), ("b", "x")], {}, "at least two labels"),
        (["a"], {}, r"examples\[0\] must be a pair"),
        ([("a", 1)], {}, r"examples\[0\] has label 1"),
        ([("a", "x"), (7, "y")], {}, r"examples\[1\] must be a string"),
        ([(str(index), str(index)) for index in range(513)], {}, "at most 512 items per call, got 513"),
        ([("a", "x"), ("b", "y")], {"access": "secret"}, "access must be one of private, public"),
        ([("a", "x"), ("b", "y")], {"num_iters": 0}, "num_iters must be"),
        ([("a", "x"), ("b", "y")], {"model": "jina-code-embeddings-0.5b"}, "not train"),
        ([({"image": b""}, "x"), ("b", "y")], {}, "is an image, and jina-embeddings-v3 takes text only"),
    ],
)
def test_invalid_training_examples_are_rejected(
    client: Any, server: Recorder, examples: list[Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(JinaInputError, match=message):
        client.classifiers.train(examples, **options)
    assert server.sent == []


@pytest.mark.parametrize(("status", "requests"), [(429, 2), (503, 2), (500, 1), (504, 1)])
def test_training_and_batch_jobs_are_retried_only_if_nothing_happened(
    make_client: Callable[..., Any], server: Recorder, status: int, requests: int
) -> None:
    server.answer = lambda sent: Answer({"detail": "no"}, status, {"Retry-After": "0"})
    client = make_client(base_url=server.url, max_retries=1)
    for act in (lambda: client.classifiers.train([("a", "x"), ("b", "y")]), lambda: client.batches.create(["a"])):
        server.sent.clear()
        with pytest.raises(JinaStatusError) as caught:
            act()
        assert caught.value.status_code == status
        assert len(server.sent) == requests


CLASSIFIER = {
    "classifier_id": "an-id",
    "user_id": "me",
    "model": "jina-embeddings-v3",
    "labels": ["cat", "dog"],
    "access": "private",
    "updated_number": 1,
    "used_number": 7,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-02T00:00:00Z",
    "used_at": None,
    "is_active": True,
    "is_latest": True,
    "metadata_": {},
}


def test_classifiers_can_be_listed_and_deleted(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer([CLASSIFIER] if sent.method == "GET" else {})
    (only,) = client.classifiers.list()
    assert (only.classifier_id, only.labels, only.used_number, only.used_at) == ("an-id", ("cat", "dog"), 7, None)
    assert client.classifiers.delete("an id/..") is None
    assert [(sent.method, sent.path) for sent in server.sent] == [
        ("GET", "/v1/classifiers"),
        ("DELETE", "/v1/classifiers/an%20id%2F.."),
    ]
    server.answer = lambda sent: Answer(b"", 204)
    client.classifiers.delete("another")
    server.answer = lambda sent: Answer({"detail": {"message": "none", "code": "RESOURCE_NOT_FOUND"}}, 404)
    with pytest.raises(NotFoundError, match="none"):
        client.classifiers.delete("a third")


def _segments(sent: Sent) -> Answer:
    """Chunks are lines, tokens are words."""
    text, chunks, positions, start = sent.body["content"], [], [], 0
    for line in text.splitlines(keepends=True):
        chunks.append(line)
        positions.append([start, start + len(line)])
        start += len(line)
    answer: dict[str, Any] = {
        "num_tokens": len(text.split()),
        "tokenizer": sent.body["tokenizer"],
        "usage": {"tokens": 0},
        "num_chunks": len(chunks),
    }
    if sent.body["return_chunks"]:
        answer |= {"chunks": chunks, "chunk_positions": positions}
    if sent.body["return_tokens"]:
        words = [[[word, [len(word)]] for word in chunk.split()] for chunk in chunks]
        answer["tokens"] = words if sent.body["return_chunks"] else [word for line in words for word in line]
    return Answer(answer)


def test_a_text_is_segmented_into_chunks_with_positions_and_tokens(client: Any, server: Recorder) -> None:
    server.answer = _segments
    result = client.segment("one two\nthree", return_tokens=True, max_chunk_length=50)
    assert list(result) == ["one two\n", "three"]
    assert result.positions == ((0, 8), (8, 13))
    assert result.tokens == ((("one", (3,)), ("two", (3,))), (("three", (5,)),))
    assert (len(result), result.num_tokens, result.tokenizer) == (2, 3, "cl100k_base")
    assert server.sent[0].body == {
        "content": "one two\nthree",
        "tokenizer": "cl100k_base",
        "return_chunks": True,
        "return_tokens": True,
        "max_chunk_length": 50,
    }
    flat = client.segment("one two\nthree", return_tokens=True, return_chunks=False, head=2)
    assert (flat.chunks, flat.tokens) == ((), ((("one", (3,)), ("two", (3,)), ("three", (5,))),))


def test_positions_in_a_long_text_refer_to_the_whole_text(client: Any, server: Recorder) -> None:
    server.answer = _segments
    text = "".join(f"line {number} of a long text\n" for number in range(8000))
    result = client.segment(text)
    assert len(server.sent) == 4
    assert all(len(sent.body["content"]) < 64_000 for sent in server.sent)
    assert "".join(result.chunks) == text
    assert all(text[start:end] == chunk for chunk, (start, end) in zip(result, result.positions, strict=True))
    assert result.num_tokens == len(text.split())


@given(st.integers(1, 200_000), st.sampled_from(["x", "word ", "line\n", "a\n\n"]))
@settings(max_examples=30)
def test_the_parts_of_a_text_join_to_the_text(length: int, unit: str) -> None:
    text = (unit * (length // len(unit) + 1))[:length]
    parts = SegmentRequest.build().parts(text)
    assert "".join(parts) == text
    assert all(0 < len(part) < 64_000 for part in parts)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "text is empty"),
        (None, {}, "text must be a string, got None"),
        ("a", {"tokenizer": "bert"}, "tokenizer must be one of cl100k_base"),
        ("a", {"max_chunk_length": 0}, "max_chunk_length must be"),
        ("a", {"head": 1, "tail": 1}, "and not both"),
        ("a" * 64_000, {"head": 1}, "must have fewer than 64,000: shorten it first"),
        ("a", {"return_chunks": 1}, "True or False"),
    ],
)
def test_an_invalid_segmentation_call_is_rejected(
    client: Any, server: Recorder, text: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(JinaInputError, match=message):
        client.segment(text, **options)
    assert server.sent == []


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"num_tokens": 1},
        {"num_tokens": 1, "chunks": ["a"], "chunk_positions": []},
        {"num_tokens": 1, "chunks": ["a"], "chunk_positions": [[0, "x"]]},
    ],
)
def test_an_invalid_segmentation_response_raises(client: Any, server: Recorder, answer: dict[str, Any]) -> None:
    server.answer = lambda sent: Answer(answer)
    with pytest.raises(JinaResponseError):
        client.segment("a")


def test_segmentation_uses_its_own_host() -> None:
    client = JinaClient(base_url="https://segment.jina.ai", api_key="k")
    assert endpoint_url(client.settings.root, "segment") == "https://segment.jina.ai/"
    assert endpoint_url(JinaClient(api_key="k").settings.root, "segment") == "https://api.jina.ai/v1/segment"


def test_the_models_of_the_service_are_listed(client: Any, server: Recorder) -> None:
    full = {
        "id": "jina-ai/jina-embeddings-v3",
        "name": "Jina Embeddings v3",
        "hugging_face_id": "jinaai/jina-embeddings-v3",
        "input_modalities": ["text"],
        "output_modalities": ["embeddings"],
        "context_length": 8192,
        "pricing": {"prompt": "0.00000002"},
    }
    of_vllm = {"id": "jinaai/jina-embeddings-v3", "object": "model", "owned_by": "vllm", "max_model_len": 8192}
    server.answer = lambda sent: Answer({"object": "list", "data": [full, of_vllm]})
    first, second = client.models.list()
    assert first.id == second.id == "jina-embeddings-v3"
    assert first.context_length == second.context_length == 8192
    assert first.details["pricing"]["prompt"] == "0.00000002"
    server.answer = lambda sent: Answer(full)
    assert client.models.get("jina-ai/jina-embeddings-v3") == first
    assert [(sent.method, sent.path) for sent in server.sent] == [
        ("GET", "/v1/models"),
        ("GET", "/v1/models/jina-embeddings-v3"),
    ]
    assert "content-type" not in server.sent[0].headers


class BatchService:
    """A service of batch jobs: each question finds a job one step further."""

    steps = ("pending", "processing", "processing", "completed")

    def __init__(self) -> None:
        self.asked = 0
        self.lines: list[dict[str, Any]] = []

    def __call__(self, sent: Sent) -> Answer:
        if sent.path.endswith("/output"):
            return Answer(b"\n".join(json.dumps(self._line(line)).encode() for line in self.lines) + b"\n")
        if sent.path.endswith("/errors"):
            return Answer(b'{"custom_id": "bad", "error": "too long"}\n')
        if sent.method == "POST":
            self.lines = sent.body["input"]
            return Answer(self._job("pending"))
        if sent.method == "DELETE":
            return Answer(self._job("cancelled"))
        if "/batches" in sent.path:
            return Answer([self._job("completed")])
        self.asked += 1
        return Answer(self._job(self.steps[min(self.asked, 3)]))

    def _job(self, status: str) -> dict[str, Any]:
        total = len(self.lines)
        stats = {"total": total, "completed": total if status == "completed" else 0, "failed": 0, "total_tokens": 42}
        created = "2026-01-01T00:00:00Z"
        return {"batch_id": "b/1", "status": status, "model": "m", "created_at": created, "stats": stats}

    @staticmethod
    def _line(line: dict[str, Any]) -> dict[str, Any]:
        vector = vector_of(line["body"]["input"], 8).astype(float).tolist()
        return {"custom_id": line["custom_id"], "response": {"body": {"data": [{"index": 0, "embedding": vector}]}}}


def test_a_batch_job_returns_vectors(client: Any, server: Recorder) -> None:
    server.answer = BatchService()
    job = client.batches.create(["one", "two"], ids=["x", "y"], dimensions=8)
    assert (job.id, job.status, job.is_finished) == ("b/1", "pending", False)
    assert server.sent[0].body == {
        "model": "jina-embeddings-v5-text-small",
        "task": "retrieval",
        "dimensions": 8,
        "normalized": True,
        "input": [{"custom_id": "x", "body": {"input": "one"}}, {"custom_id": "y", "body": {"input": "two"}}],
    }
    done = client.batches.wait(job.id, poll_interval=0.01, show_progress=True)
    assert (done.status, done.total, done.completed, done.usage.total_tokens) == ("completed", 2, 2, 42)
    vectors = client.batches.output(job.id).vectors()
    assert list(vectors) == ["x", "y"]
    assert np.array_equal(vectors["y"], vector_of("two", 8))
    assert client.batches.errors(job.id) == [{"custom_id": "bad", "error": "too long"}]
    assert client.batches.cancel(job.id).status == "cancelled"
    assert [each.id for each in client.batches.list(limit=5)] == ["b/1"]
    assert [(sent.method, sent.path) for sent in server.sent[-4:]] == [
        ("GET", "/v1/batch/b%2F1/output"),
        ("GET", "/v1/batch/b%2F1/errors"),
        ("DELETE", "/v1/batch/b%2F1"),
        ("GET", "/v1/batches?limit=5"),
    ]


def test_waiting_for_a_batch_job_times_out(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer({"batch_id": "b", "status": "processing", "model": "m", "created_at": ""})
    with pytest.raises(JinaTimeoutError, match=r"batch job b is processing after 0\.05 s"):
        client.batches.wait("b", poll_interval=0.01, timeout=0.05)


@pytest.mark.parametrize(
    "line",
    [
        {"custom_id": "x", "embedding": [1.0, 2.0]},
        {"custom_id": "x", "data": [{"embedding": [1.0, 2.0]}]},
        {"custom_id": "x", "body": {"data": [{"embedding": [1.0, 2.0]}]}},
        {"custom_id": "x", "response": {"data": [{"embedding": [1.0, 2.0]}]}},
        {"custom_id": "x", "response": {"status_code": 200, "body": {"data": [{"embedding": [1.0, 2.0]}]}}},
    ],
)
def test_an_output_line_is_read_in_each_likely_form(client: Any, server: Recorder, line: dict[str, Any]) -> None:
    server.answer = lambda sent: Answer(line)
    output = client.batches.output("b")
    assert output.lines == (line,)
    assert output.vectors()["x"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("line", [{"custom_id": "x"}, {"embedding": [1.0]}, {"custom_id": "x", "embedding": ["a"]}])
def test_an_output_line_without_a_vector_raises(client: Any, server: Recorder, line: dict[str, Any]) -> None:
    server.answer = lambda sent: Answer(line)
    with pytest.raises(JinaResponseError):
        client.batches.output("b").vectors()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "pass either inputs= or input_url="),
        ({"inputs": ["a"], "input_url": "https://e.com/a"}, "and not both"),
        ({"inputs": []}, "inputs is empty"),
        ({"inputs": ["a", "b"], "ids": ["x", "x"]}, "2 different strings"),
        ({"inputs": ["a"] * 10_001}, "at most 10,000 texts per job, got 10,001"),
        ({"input_url": "file:///etc/passwd"}, "input_url must be a URL"),
        ({"input_url": "https://e.com/a", "ids": ["x"]}, "ids= needs inputs="),
        ({"inputs": ["a"], "webhook_url": "ftp://e.com"}, "webhook_url must be a URL"),
        ({"inputs": ["a"], "task": "retrieval.query"}, "task must be one of retrieval, text-matching"),
        ({"inputs": ["a"], "model": "jina-embeddings-v3"}, "not batch"),
    ],
)
def test_an_invalid_batch_job_is_rejected(
    client: Any, server: Recorder, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(JinaInputError, match=message):
        client.batches.create(**arguments)
    assert server.sent == []


@pytest.mark.parametrize(
    ("method", "options", "field", "value"),
    [
        ("embed", {"encoding_type": "ubinary"}, "embedding_type", "ubinary"),
        ("embed", {"encoding_format": "binary"}, "embedding_type", "binary"),
        ("embed", {"task_type": "separation"}, "task", "separation"),
        ("embed", {"output_dimensionality": 64}, "dimensions", 64),
        ("embed", {"output_dimension": 64}, "dimensions", 64),
        ("embed", {"truncation": True}, "truncate", True),
        ("rerank", {"top_k": 1}, "top_n", 1),
        ("rerank", {"truncate": True}, "truncation", True),
        ("rerank", {"max_tokens_per_doc": 9, "model": "jina-reranker-v3"}, "max_doc_length", 9),
    ],
)
def test_options_have_aliases(
    client: Any, server: Recorder, method: str, options: dict[str, Any], field: str, value: Any
) -> None:
    arguments = (["a"],) if method == "embed" else ("query", ["a"])
    getattr(client, method)(*arguments, **options)
    assert server.sent[0].body[field] == value


def test_duplicate_and_unknown_options_are_rejected(client: Any, server: Recorder) -> None:
    with pytest.raises(JinaArgumentError, match="another name of embedding_type"):
        client.embed(["a"], encoding_type="binary", embedding_type="binary")
    with pytest.raises(JinaArgumentError, match="another name of embedding_type"):
        client.embed(["a"], encoding_type="binary", encoding_format="binary")
    with pytest.raises(JinaArgumentError, match="embed has no argument 'dimension'; did you mean 'dimensions'"):
        client.embed(["a"], dimension=2)
    with pytest.raises(TypeError):
        client.rerank("q", ["a"], topn=2)
    assert server.sent == []
