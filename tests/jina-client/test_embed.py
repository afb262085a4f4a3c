"""Embedding: what is sent, what comes back, and that no answer is believed unchecked."""

from __future__ import annotations

import base64
import re
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest
from jina_client import (
    JinaClient,
    JinaConnectionError,
    JinaInputError,
    JinaResponseError,
    PartialFailureError,
    PermissionDeniedError,
)
from loopback import Answer, Recorder, Sent, embeddings, vector_of

TEXTS = [f"text number {number}" for number in range(300)]


def test_vectors_are_in_input_order(client: Any) -> None:
    result = client.embed(TEXTS)
    assert result.vectors.dtype == np.float32
    assert np.array_equal(result.vectors, np.stack([vector_of(text) for text in TEXTS]))
    assert len(result) == len(list(result)) == len(result.tolist()) == 300


def test_a_request_has_at_most_batch_size_inputs(client: Any, server: Recorder) -> None:
    client.embed(TEXTS, batch_size=100)
    assert sorted(len(sent.body["input"]) for sent in server.sent) == [100, 100, 100]


def test_usage_is_summed_over_requests_and_calls(client: Any) -> None:
    assert client.embed(TEXTS, batch_size=100).usage.total_tokens == 900
    client.embed(["two words"])
    assert client.usage.total_tokens == 902


def test_floats_are_requested_as_base64(client: Any, server: Recorder) -> None:
    client.embed(["a"])
    assert server.sent[0].body["embedding_type"] == "base64"
    assert server.sent[0].headers["accept-encoding"] == "identity"


def test_base64_equals_float(client: Any) -> None:
    assert np.array_equal(client.embed(["a"], embedding_type="base64").vectors, client.embed(["a"]).vectors)


def test_binary_vectors_are_packed_bytes(client: Any) -> None:
    expected = np.packbits(vector_of("a") > 0)
    ubinary = client.embed(["a"], embedding_type="ubinary").vectors
    binary = client.embed(["a"], embedding_type="binary").vectors
    assert ubinary.dtype == np.uint8
    assert np.array_equal(ubinary[0], expected)
    assert binary.dtype == np.int8
    assert np.array_equal(binary[0].astype(int), expected.astype(int) - 128)


def test_a_task_is_always_sent_to_a_model_with_adapters(client: Any, server: Recorder) -> None:
    client.embed(["a"], model="jina-embeddings-v3")
    assert server.sent[0].body["task"] == "retrieval.passage"


def test_normalized_is_always_sent_to_a_model_that_takes_it(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer(embeddings(sent, 768))
    client.embed(["a"], model="jina-embeddings-v2-base-en")
    assert server.sent[0].body["normalized"] is True


def test_options_are_sent_unchanged(client: Any, server: Recorder) -> None:
    client.embed(["a"], task="text-matching", dimensions=64, normalized=False, truncate=True)
    body = server.sent[0].body
    assert (body["task"], body["dimensions"], body["normalized"], body["truncate"]) == (
        "text-matching",
        64,
        False,
        True,
    )


def test_a_numpy_integer_is_sent_as_a_number(client: Any, server: Recorder) -> None:
    client.embed(["a"], dimensions=np.int64(64))
    assert server.sent[0].body["dimensions"] == 64


def test_an_unknown_model_and_its_options_are_sent_unchanged(client: Any, server: Recorder) -> None:
    client.embed(["a"], model="jina-embeddings-v9", task="a-new-task", dimensions=16)
    assert server.sent[0].body == {
        "model": "jina-embeddings-v9",
        "embedding_type": "base64",
        "task": "a-new-task",
        "dimensions": 16,
        "input": ["a"],
    }


def test_a_model_may_have_its_hub_prefix(client: Any, server: Recorder) -> None:
    client.embed(["a"], model="jinaai/jina-embeddings-v3")
    assert server.sent[0].body["model"] == "jina-embeddings-v3"


def test_late_chunking_sends_all_inputs_in_one_request(client: Any, server: Recorder) -> None:
    client.embed(TEXTS, late_chunking=True)
    assert [len(sent.body["input"]) for sent in server.sent] == [300]
    assert server.sent[0].body["late_chunking"] is True


def test_chunks_of_different_documents_never_share_a_request(client: Any, server: Recorder) -> None:
    results = client.embed_chunked([["a1", "a2"], ["b1"], ["c1", "c2", "c3"]])
    assert sorted(sent.body["input"] for sent in server.sent) == [["a1", "a2"], ["b1"], ["c1", "c2", "c3"]]
    assert [len(result) for result in results] == [2, 1, 3]
    assert np.array_equal(results[2].vectors[1], vector_of("c2"))


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ([], {}, "inputs is empty"),
        ("one text", {}, "inputs must be a list, got a str"),
        (None, {}, "inputs must be a list, got None"),
        ({"a", "b"}, {}, "inputs must be a list, got a set"),
        (["a", None], {}, r"inputs\[1\] must be a string, got None"),
        (["a", 7], {}, r"inputs\[1\] must be a string, got int"),
        (["\ud800"], {}, r"inputs\[0\] contains a lone surrogate"),
        (["a"], {"task": "retrieval"}, "it has: retrieval.query, retrieval.passage"),
        (["a"], {"model": "jina-embeddings-v2-base-en", "task": "retrieval.query"}, "has no tasks"),
        (["a"], {"dimensions": 1025}, "1 to 1024 dimensions"),
        (["a"], {"dimensions": 0}, "1 or more"),
        (["a"], {"dimensions": True}, "1 or more"),
        (["a"], {"model": "jina-embeddings-v2-base-en", "dimensions": 64}, "always gives 768"),
        (["a"], {"model": "jina-embeddings-v4", "normalized": True}, "does not take normalized"),
        (["a"], {"model": "jina-embeddings-v5-text-small", "late_chunking": True}, "does not take late_chunking"),
        (["a"], {"model": "jina-reranker-v3"}, "is a model for rerank"),
        (["a"], {"model": "jina-colbert-v2"}, "is a model for multi-vector and rerank"),
        (["a"], {"model": ""}, "model must be a model id"),
        (["a"], {"model": None}, "model must be a model id"),
        (["a"], {"embedding_type": "int8"}, "one of float, base64, binary, ubinary"),
        (["a"], {"truncate": "yes"}, "True or False"),
        (["a"], {"batch_size": 0}, "from 1 to 512"),
        (["a"], {"batch_size": 513}, "from 1 to 512"),
        (["a"], {"late_chunking": True, "batch_size": 8}, "leave batch_size out"),
    ],
)
def test_bad_input_is_rejected_before_sending(
    client: Any, server: Recorder, inputs: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(JinaInputError, match=message):
        client.embed(inputs, **options)
    assert server.sent == []


def _change(change: Any) -> Any:
    def answer(sent: Sent) -> Answer:
        body = embeddings(sent)
        changed = change(body)
        return Answer(body if changed is None else changed)

    return answer


def _set(item: int, **values: Any) -> Any:
    return _change(lambda body: body["data"][item].update(values))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (_change(lambda body: body["data"].pop() and None), "expected 3 vectors, got 2"),
        (_change(lambda body: body["data"].append(dict(body["data"][0]))), "expected 3 vectors, got 4"),
        (_set(1, index=0), "index 0"),
        (_set(1, index=None), "index None"),
        (_set(1, index=3), "index 3"),
        (_set(1, index=True), "index True"),
        (_set(1, embedding=base64.b64encode(bytes(4 * 1023)).decode()), "has length 1023"),
        (_set(1, embedding=base64.b64encode(bytes(4 * 1024 - 1)).decode()), "cannot be read"),
        (_set(1, embedding="not base64!"), "cannot be read"),
        (_set(1, embedding=[0.5] * 1023), "has length 1023"),
        (_set(1, embedding=[0.5, None] * 512), "not a number|list of numbers"),
        (_set(1, embedding=[[0.5] * 1024]), "not a number|list of numbers"),
        (_set(1, embedding=None), "cannot be read"),
        (_set(1, embedding=base64.b64encode(np.full(1024, np.nan, "<f4").tobytes()).decode()), "input 1 holds a NaN"),
        (_set(1, embedding=base64.b64encode(np.full(1024, np.inf, "<f4").tobytes()).decode()), "infinity"),
        (_change(lambda body: {"data": None}), "no list of objects"),
        (_change(lambda body: {"data": ["a", "b", "c"]}), "no list of objects"),
        (_change(lambda body: {"results": []}), "no list of objects"),
        (_change(lambda body: [1, 2]), "JSON list"),
        (_change(lambda body: b"<html>hello</html>"), "not JSON"),
    ],
)
def test_an_invalid_response_raises(client: Any, server: Recorder, answer: Any, message: str) -> None:
    server.answer = answer
    with pytest.raises((JinaResponseError, PartialFailureError), match=message) as caught:
        client.embed(["a", "b", "c"])
    if isinstance(caught.value, PartialFailureError):
        # The vectors of the others are right, and paid for.
        assert list(caught.value.failed) == [1]
        assert isinstance(caught.value.failed[1], JinaResponseError)
        for index, text in ((0, "a"), (2, "c")):
            assert np.array_equal(caught.value.completed[index], vector_of(text))
    assert len(server.sent) == 1


def test_a_vector_of_the_wrong_length_raises(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer(embeddings(Sent(sent.path, sent.headers, {**sent.body, "dimensions": 32})))
    with pytest.raises(JinaResponseError, match="has length 32, expected 64"):
        client.embed(["a"], dimensions=64)


@pytest.mark.parametrize("number", [256.0, -1.0, 3.5])
def test_a_number_that_is_not_a_byte_raises(client: Any, server: Recorder, number: float) -> None:
    server.answer = _set(0, embedding=[number] * 128)
    with pytest.raises(JinaResponseError, match="outside 0 to 255"):
        client.embed(["a"], embedding_type="ubinary")


def test_shuffled_responses_are_put_in_order(client: Any, server: Recorder) -> None:
    server.answer = _change(lambda body: body["data"].reverse())
    assert np.array_equal(client.embed(["a", "b", "c"]).vectors[0], vector_of("a"))


def test_responses_without_index_keep_their_order(client: Any, server: Recorder) -> None:
    server.answer = _change(lambda body: [item.pop("index") for item in body["data"]] and None)
    assert np.array_equal(client.embed(["a", "b"]).vectors[1], vector_of("b"))


def test_a_response_with_plain_numbers_is_accepted(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer(
        embeddings(Sent(sent.path, sent.headers, {**sent.body, "embedding_type": "float"}))
    )
    assert np.array_equal(client.embed(["a"]).vectors[0], vector_of("a"))


@pytest.mark.parametrize("usage", [None, {}, {"total_tokens": None}, "seven"])
def test_missing_usage_counts_as_zero(client: Any, server: Recorder, usage: Any) -> None:
    server.answer = _change(lambda body: body.update(usage=usage))
    assert client.embed(["a"]).usage.total_tokens == 0


def test_a_truncated_response_is_a_connection_error(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer(b'{"data": [{"ind')
    with pytest.raises(JinaConnectionError, match="broke off after 15 bytes"):
        client.embed(["a"])


def test_an_error_names_the_callers_input_index(client: Any, server: Recorder) -> None:
    def answer(sent: Sent) -> Answer:
        body = embeddings(sent)
        if "text number 250" in sent.body["input"]:
            body["data"][sent.body["input"].index("text number 250")]["embedding"] = "AAAA"
        return Answer(body)

    server.answer = answer
    with pytest.raises(PartialFailureError, match="input 250: the vector of input 250 ") as caught:
        client.embed(TEXTS, batch_size=100)
    assert list(caught.value.failed) == [250]
    assert len(server.sent) == 3


def test_a_status_error_lists_the_inputs_of_its_request(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer({}, 403)
    with pytest.raises(PermissionDeniedError) as caught:
        client.embed(TEXTS, batch_size=100)
    assert len(caught.value.__notes__) == 1
    assert re.fullmatch(r"in the request for inputs \d+ to \d*99 \(counted from 0\)", caught.value.__notes__[0])


REQUEST_OF_THE_PROGRAM = ContextVar("REQUEST_OF_THE_PROGRAM", default="")


def test_threads_see_the_context_variables_of_the_caller(server: Recorder) -> None:
    seen = []
    options: dict[str, Any] = {"on_attempt": lambda attempt: seen.append(REQUEST_OF_THE_PROGRAM.get())}
    with JinaClient(base_url=server.url, **options) as client:
        token = REQUEST_OF_THE_PROGRAM.set("7")
        client.embed(TEXTS[:3], batch_size=1)
        list(client.embed_stream(TEXTS[:2], batch_size=1))
        REQUEST_OF_THE_PROGRAM.reset(token)
        client.embed(TEXTS[:2], batch_size=1)
    assert seen == ["7"] * 5 + [""] * 2
