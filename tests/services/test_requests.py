"""The requests to each service, and the parsing of its errors."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from clients import all_of
from jina_client import (
    AuthenticationError,
    BadRequestError,
    JinaInputError,
    JinaResponseError,
    NotFoundError,
    PartialFailureError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
)
from jina_client.dialects import DIALECTS
from jina_client.models import MODELS
from loopback import Answer, Recorder
from services.stand_ins import LONG, STAND_INS, raw, unit
from services.table import PNG, WAV

QUERY = MODELS["jina-embeddings-v3"].prefixes["retrieval.query"]
PASSAGE = MODELS["jina-embeddings-v3"].prefixes["retrieval.passage"]
OMNI = "jina-embeddings-v5-omni-small"
PNG_URI = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
OPEN_WEIGHTS = ("vllm", "infinity", "tei")


@pytest.mark.parametrize("service", OPEN_WEIGHTS)
def test_the_task_becomes_the_models_own_prefix(client_of: Any, server: Recorder, service: str) -> None:
    client = client_of(service)
    client.embed(["one", "two"])
    client.embed(["one"], task="retrieval.query")
    field = "inputs" if service == "tei" else "input"
    assert [sent.body[field] for sent in server.sent] == [[PASSAGE + "one", PASSAGE + "two"], [QUERY + "one"]]


@pytest.mark.parametrize("service", ["vllm", "infinity"])
def test_a_model_of_the_catalog_has_its_name_on_the_hub(client_of: Any, server: Recorder, service: str) -> None:
    client_of(service).embed(["one"])
    server.answer = lambda sent: Answer({"data": [{"index": 0, "embedding": [1.0, 0.0]}]})
    client_of(service, dialect=service)
    assert server.sent[0].body["model"] == "jinaai/jina-embeddings-v3"


@pytest.mark.parametrize("service", OPEN_WEIGHTS)
def test_a_model_outside_the_catalog_keeps_its_name_and_gets_no_prefix(
    make_client: Any, server: Recorder, service: str
) -> None:
    vectors = [[3.0, 4.0]]
    rows = [{"index": 0, "embedding": vectors[0]}]
    server.answer = lambda sent: Answer(vectors if sent.path == "/embed" else {"data": rows})
    client = make_client(base_url=server.url, dialect=service, max_retries=0)
    results = client.embed(["one"], model="my-model").vectors
    [sent] = server.sent
    assert sent.body.get("model", "my-model") == "my-model"
    assert sent.body.get("input") or sent.body.get("inputs") == ["one"]
    # Infinity's vectors are scaled, whatever the model.
    np.testing.assert_allclose(results, [[0.6, 0.8]] if service == "infinity" else vectors, rtol=1e-6)


def test_normalized_false_keeps_the_truncated_vectors_of_infinity(client_of: Any) -> None:
    expected = unit(raw(PASSAGE + "one"))[:64]
    vectors = client_of("infinity").embed(["one"], dimensions=64, normalized=False).vectors
    np.testing.assert_allclose(vectors, [expected], rtol=1e-6)
    assert np.linalg.norm(vectors) < 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"truncate": False}, "always truncates long texts: leave truncate=False out"),
        ({"normalized": False}, "always returns vectors of length 1 without dimensions="),
    ],
)
def test_options_that_infinity_lacks_are_rejected(client_of: Any, server: Recorder, options: Any, message: str) -> None:
    with pytest.raises(JinaInputError, match=message):
        client_of("infinity").embed(["a"], **options)
    assert server.sent == []


def test_a_text_that_infinity_truncates_is_reported_once_per_call(client_of: Any) -> None:
    client = client_of("infinity")
    with pytest.warns(UserWarning, match=r"inputs\[1\] \(and 1 more\) has about 11,2") as caught:
        client.embed(["a", LONG, LONG])
    assert len(caught) == 1
    with pytest.warns(UserWarning, match=r"documents\[1\] has about"):
        client.rerank("q", ["a", LONG], model="jina-reranker-v2-base-multilingual")


def test_a_text_that_infinity_may_truncate_is_not_reported(client_of: Any, recwarn: Any) -> None:
    client_of("infinity").embed([LONG], truncate=True)
    client_of("infinity").embed(["a word " * 1000])
    assert not recwarn.list


def test_infinity_receives_media_in_separate_requests_of_32(client_of: Any, server: Recorder) -> None:
    client_of("infinity").embed(["a text", *[PNG] * 40], model="jina-clip-v2")
    sizes = sorted((sent.body["modality"], len(sent.body["input"])) for sent in server.sent)
    assert sizes == [("image", 8), ("image", 32), ("text", 1)]


def test_text_embeddings_inference_receives_normalize_and_truncate(client_of: Any, server: Recorder) -> None:
    client = client_of("tei")
    assert client.embed(["one"]).usage.total_tokens == 3
    client.embed(["one"], normalized=False, truncate=True, dimensions=8)
    bodies = [{name: sent.body[name] for name in sent.body if name != "inputs"} for sent in server.sent]
    assert bodies == [
        {"normalize": True, "truncate": False},
        {"normalize": False, "truncate": True, "dimensions": 8},
    ]


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/v1/embeddings"])
def test_text_embeddings_inference_works_with_and_without_v1(client_of: Any, server: Recorder, suffix: str) -> None:
    client_of("tei", base_url=server.url.removesuffix("/v1") + suffix).embed(["one"])
    assert server.sent[0].path == "/embed"


def test_an_operator_may_raise_the_limit_of_inputs(client_of: Any, server: Recorder) -> None:
    client = client_of("tei")
    client.embed(["one"] * 40)
    client.rerank("q", ["one"] * 40, model="jina-reranker-v2-base-multilingual")
    sizes = [len(sent.body.get("inputs") or sent.body["texts"]) for sent in server.sent]
    assert sorted(sizes) == [8, 8, 32, 32]
    server.answer = lambda sent: Answer([[1.0] * 1024] * len(sent.body["inputs"]))
    client.embed(["one"] * 40, batch_size=40)
    assert len(server.sent) == 5


def test_a_stated_limit_of_inputs_is_kept(client_of: Any, server: Recorder) -> None:
    assert client_of("tei").embed(["one"] * 100, batch_size=100).vectors.shape == (100, 1024)
    assert max(len(sent.body["inputs"]) for sent in server.sent[1:]) <= 32


def test_vllm_truncates_on_request(client_of: Any, server: Recorder) -> None:
    client = client_of("vllm")
    client.embed(["one"], truncate=True)
    client.rerank("q", ["a"], truncation=True, model="jina-reranker-v2-base-multilingual")
    assert [sent.body["truncate_prompt_tokens"] for sent in server.sent] == [-1, -1]


def test_the_on_prem_server_receives_media_in_its_own_form(client_of: Any, server: Recorder) -> None:
    inputs = ["a", PNG, {"image": "https://e.com/a.png"}, {"video": "https://e.com/a.mp4"}, {"audio": WAV}]
    client_of("on-prem").embed([*inputs, {"content": ["a", {"image": PNG}]}], model=OMNI)
    image = {"type": "image_url", "image_url": {"url": PNG_URI}}
    [sent] = server.sent
    assert sent.body["input"] == [
        "a",
        image,
        {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}},
        {"type": "video_url", "video_url": "https://e.com/a.mp4"},
        {"type": "audio_base64", "audio_base64": f"data:audio/x-wav;base64,{base64.b64encode(WAV).decode()}"},
        {"content": [{"type": "text", "text": "a"}, image]},
    ]


@pytest.mark.parametrize("part", ["plain", "grouped"])
def test_the_on_prem_server_takes_no_recording_by_url(client_of: Any, server: Recorder, part: str) -> None:
    recording = {"audio": "https://e.com/a.wav"}
    item = recording if part == "plain" else {"content": ["a", recording]}
    with pytest.raises(JinaInputError, match=r"inputs\[1\] by its URL: pass the recording itself"):
        client_of("on-prem").embed(["a", item], model=OMNI)
    assert server.sent == []


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.rerank({"image": PNG}, ["a"], model="jina-reranker-m0"),
        lambda client: client.rerank("q", ["a"] * 700 + [{"image": PNG}], model="jina-reranker-m0"),
        lambda client: client.embed([{"pdf": "https://e.com/a.pdf"}], model="jina-embeddings-v4"),
        lambda client: client.train(["a"], ["b"]) if hasattr(client, "train") else client.classifiers.list(),
        lambda client: client.batches.get("b"),
        lambda client: client.web.read("https://e.com"),
        lambda client: client.embed_multi_vector(["a"], endpoint="multi-vector"),
    ],
)
def test_options_that_the_on_prem_server_lacks_are_rejected(client_of: Any, server: Recorder, call: Any) -> None:
    with pytest.raises(JinaInputError):
        call(client_of("on-prem"))
    assert server.sent == []


def test_the_on_prem_server_receives_no_null_fields(client_of: Any, server: Recorder) -> None:
    client = client_of("on-prem")
    client.embed(["a"], task=None, dimensions=None, normalized=None, truncate=None)
    client.rerank("q", ["a"], truncation=None, top_n=None)
    assert all(value is not None for sent in server.sent for value in sent.body.values())


@pytest.mark.parametrize("service", ["infinity", "sagemaker"])
def test_a_vector_of_length_1_keeps_its_bits(client_of: Any, service: str) -> None:
    vectors = client_of(service).embed(["one"]).vectors
    assert np.array_equal(vectors, [unit(raw(PASSAGE + "one")).astype(np.float32)])


@pytest.mark.parametrize("model", ["jina-embeddings-v2-base-en", "jina-clip-v1", "jina-clip-v2"])
def test_normalized_false_returns_the_raw_vectors_of_a_package(
    make_client: Any, client_of: Any, server: Recorder, model: str
) -> None:
    client = client_of("sagemaker")
    row = [3.0, 4.0, *[0.0] * (MODELS[model].dimensions - 2)]
    server.answer = lambda sent: Answer({"data": [{"embedding": row}], "parameters": {}})
    assert client.embed(["one"], model=model).vectors[0, :2].tolist() == pytest.approx([0.6, 0.8])
    assert client.embed(["one"], model=model, normalized=False).vectors[0, :2].tolist() == [3.0, 4.0]
    assert "normalized" not in server.sent[-1].body["parameters"]


@pytest.mark.parametrize("service", STAND_INS)
def test_bad_input_does_not_fail_good_input(client_of: Any, service: str) -> None:
    if service == "infinity":
        return
    with pytest.raises(PartialFailureError) as failure:
        client_of(service).embed(["a", LONG, "b"])
    assert (sorted(failure.value.completed), list(failure.value.failed)) == ([0, 2], [1])
    assert "Input text exceeds the model's maximum of 8192 tokens." in str(failure.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (404, NotFoundError),
        (413, RequestTooLargeError),
        (422, BadRequestError),
        (429, RateLimitError),
        (500, ServerError),
        (503, ServerError),
    ],
)
@pytest.mark.parametrize("service", STAND_INS)
def test_an_error_of_a_service_is_read(
    client_of: Any, server: Recorder, service: str, status: int, error: type[Exception]
) -> None:
    client, stand_in = client_of(service), STAND_INS[service]
    is_aws = service == "sagemaker"
    headers = {"x-amzn-errortype": "ModelError"} if is_aws else {}
    answer = Answer(stand_in.error(status, "it is so"), 424 if is_aws else status, headers)
    server.answer = lambda sent: answer
    with pytest.raises(error) as raised:
        client.embed(["a"])
    assert raised.value.message == "it is so"  # type: ignore[attr-defined]


def test_a_response_of_another_service_names_its_dialect(make_client: Any, server: Recorder) -> None:
    client = make_client(base_url=server.url, max_retries=0)
    vector = {"index": 0, "embedding": [1.0] * 1024}
    for body, dialect in (
        ([[1.0] * 1024], "tei"),
        ({"data": [vector], "parameters": {}}, "sagemaker"),
        ({"id": "embd-1", "data": [vector]}, "vllm"),
        ({"id": "infinity-1", "data": [vector]}, "infinity"),
    ):
        server.answer = lambda sent, body=body: Answer(body)
        with pytest.raises(JinaResponseError, match=f"pass dialect='{dialect}'"):
            client.embed(["a"])
    server.answer = lambda sent: Answer([{"index": 0, "score": 0.5}])
    with pytest.raises(JinaResponseError, match=r"comes from text-embeddings-inference.*pass dialect='tei'"):
        client.rerank("q", ["a"])


def test_images_sent_to_the_on_prem_server_without_its_dialect_raise(client_of: Any) -> None:
    client = client_of("on-prem", dialect="jina")
    assert client.embed(["a"]).vectors.shape == (1, 1024)
    with pytest.raises(JinaResponseError, match=r"comes from Jina's on-prem server, .* pass dialect='on-prem'"):
        client.rerank("q", ["a", {"image": PNG}], model="jina-reranker-m0")
    with pytest.raises(BadRequestError, match="comes from Jina's on-prem server: pass dialect='on-prem'"):
        client.embed([PNG], model="jina-clip-v2")


def test_a_response_in_jinas_form_to_another_dialect_is_an_error(client_of: Any, server: Recorder) -> None:
    client = client_of("tei")
    server.answer = lambda sent: Answer({"data": [{"index": 0, "embedding": [1.0] * 1024}]})
    with pytest.raises(JinaResponseError, match="expected a list, got dict"):
        client.embed(["a"])


def test_a_response_without_lost_options_needs_no_dialect(make_client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer({"id": "embd-1", "data": [{"index": 0, "embedding": [1.0, 0.0]}]})
    client = make_client(base_url=server.url, max_retries=0)
    assert client.embed(["a"], model="my-model").vectors.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("service", ["infinity", "tei"])
def test_a_service_without_v1_is_not_told_to_add_it(client_of: Any, server: Recorder, service: str) -> None:
    client = client_of(service)
    server.answer = lambda sent: Answer({"detail": "Not Found"}, 404)
    with pytest.raises(NotFoundError, match="check base_url=") as raised:
        client.embed(["a"])
    assert "end in /v1" not in str(raised.value)


def test_an_unknown_dialect_lists_the_known_ones(make_client: Any, server: Recorder) -> None:
    for dialect in ("openai", "vLLM", ["vllm"], 7):
        with pytest.raises(JinaInputError, match=f"dialect must be one of {', '.join(DIALECTS)}"):
            make_client(base_url=server.url, dialect=dialect)


@pytest.mark.parametrize("service", ["on-prem", *OPEN_WEIGHTS])
def test_a_stream_names_an_input_that_the_service_rejects(client_of: Any, service: str) -> None:
    client = client_of(service)
    inputs = ["a", "b", {"pdf": "https://e.com/a.pdf"}]
    with pytest.raises(JinaInputError, match=r"inputs\[2\] of kind pdf"):
        all_of(client, inputs, model="jina-embeddings-v4")


def test_the_cache_key_includes_the_dialect(client_of: Callable[..., Any], tmp_path: Any, server: Recorder) -> None:
    host = server.url.removesuffix("/v1")
    cached = client_of("jina", cache=tmp_path / "cache")
    cached.embed(["a"])
    client_of("vllm", cache=tmp_path / "cache", base_url=f"{host}/v1").embed(["a"])
    assert len(server.sent) == 2
