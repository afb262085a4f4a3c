"""Services of open weights: each is spoken to in its own form, strictly checked, and answers in its own."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jina_client import JinaInputError, RequestTooLargeError
from jina_client.quantization import quantize
from loopback import Answer, Recorder, Sent, vector_of

QUERY = "Represent the query for retrieving evidence documents: "
PASSAGE = "Represent the document for retrieval: "


def _openai(sent: Sent) -> Answer:
    data = []
    for index, item in enumerate(sent.body["input"]):
        vector = vector_of(item, sent.body.get("dimensions", 1024))
        encoded = base64.b64encode(vector.astype("<f4").tobytes()).decode()
        data.append({"object": "embedding", "index": index, "embedding": encoded})
    return Answer({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}})


def _scores(texts: list[str]) -> list[tuple[int, float]]:
    return sorted(((index, len(text) / 10) for index, text in enumerate(texts)), key=lambda pair: -pair[1])


FIELDS = {
    "vllm": {
        "/v1/embeddings": {"model", "input", "encoding_format", "dimensions", "truncate_prompt_tokens"},
        "/v1/rerank": {"model", "query", "documents", "top_n", "truncate_prompt_tokens"},
    },
    "infinity": {
        "/v1/embeddings": {"model", "input", "encoding_format", "dimensions", "modality"},
        "/v1/rerank": {"model", "query", "documents", "top_n", "return_documents"},
    },
    "tei": {
        "/v1/embeddings": {"model", "input", "encoding_format", "dimensions"},
        "/embed": {"inputs", "normalize", "truncate", "dimensions"},
        "/rerank": {"query", "texts", "raw_scores", "return_text", "truncate"},
    },
}


def _service(dialect: str) -> Callable[[Sent], Answer]:
    def answer(sent: Sent) -> Answer:
        known = FIELDS[dialect].get(sent.path)
        if known is None or set(sent.body) - known:
            return Answer({"error": f"unknown: {sent.path} {sorted(sent.body)}"}, 422)
        if sent.path == "/v1/embeddings":
            return _openai(sent)
        if sent.path == "/embed":
            return Answer([vector_of(text).astype(float).tolist() for text in sent.body["inputs"]])
        if sent.path == "/rerank":
            scores = _scores(sent.body["texts"])
            return Answer([{"index": index, "score": score} for index, score in scores])
        scores = _scores(sent.body["documents"])[: sent.body.get("top_n")]
        results = [{"index": index, "relevance_score": score} for index, score in scores]
        if dialect == "vllm":
            for item in results:
                item["document"] = {"text": "…", "multi_modal": None}  # type: ignore[assignment]
        return Answer({"id": "x", "results": results, "usage": {"total_tokens": 2}})

    return answer


@pytest.fixture(params=list(FIELDS))
def dialect(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def speaker(dialect: str, server: Recorder, make_client: Callable[..., Any]) -> Any:
    server.answer = _service(dialect)
    return make_client(base_url=server.url, dialect=dialect, max_retries=0)


def test_the_task_becomes_a_prefix_and_the_model_a_hub_name(speaker: Any, server: Recorder) -> None:
    documents = speaker.embed(["one", "two", "three"], batch_size=2)
    query = speaker.embed(["one"], task="retrieval.query")
    assert np.array_equal(documents.vectors, [vector_of(PASSAGE + text) for text in ("one", "two", "three")])
    assert np.array_equal(query.vectors, [vector_of(QUERY + "one")])
    assert {sent.body["model"] for sent in server.sent} == {"jinaai/jina-embeddings-v3"}
    assert documents.usage.total_tokens == 6
    assert "authorization" not in server.sent[0].headers


def test_the_client_truncates_and_packs_vectors(speaker: Any) -> None:
    assert speaker.embed(["one"], dimensions=64).vectors.shape == (1, 64)
    expected = np.stack([vector_of(PASSAGE + "one")])
    for kind in ("binary", "ubinary"):
        assert np.array_equal(speaker.embed(["one"], embedding_type=kind).vectors, quantize(expected, kind))


def test_a_custom_model_name_is_sent_unchanged(speaker: Any, server: Recorder) -> None:
    speaker.embed(["one"], model="my-model")
    assert (server.sent[0].body["model"], server.sent[0].body["input"]) == ("my-model", ["one"])


@pytest.mark.parametrize("top_n", [None, 2, 9])
def test_documents_are_reranked(speaker: Any, top_n: int | None) -> None:
    documents = ["a", "ccc", "bb"]
    ranked = speaker.rerank("q", documents, top_n=top_n).results
    assert [(each.index, each.document) for each in ranked] == [(1, "ccc"), (2, "bb"), (0, "a")][:top_n]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda client: client.embed(["a"], late_chunking=True), "does not support late_chunking"),
        (lambda client: client.embed_multi_vector(["a"]), "does not support input_type"),
        (lambda client: client.classify(["a"], ["x", "y"]), "does not support classify"),
        (lambda client: client.segment("a"), "does not support segment"),
        (lambda client: client.batches.create(["a"]), "does not support batch"),
        (
            lambda client: client.rerank("q", ["a"], model="jina-reranker-v3", max_doc_length=5),
            "does not support max_doc",
        ),
        (lambda client: client.embed([{"pdf": "https://e.com/a"}], model="jina-embeddings-v4"), "kind pdf"),
    ],
)
def test_unsupported_options_are_rejected_before_sending(
    speaker: Any, server: Recorder, call: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(JinaInputError, match=message):
        call(speaker)
    assert server.sent == []


def test_only_infinity_takes_images_and_they_are_sent_separately(
    speaker: Any, dialect: str, server: Recorder, png: bytes
) -> None:
    inputs = ["a text", png, {"image": "https://example.com/a.png"}]
    if dialect != "infinity":
        with pytest.raises(JinaInputError, match="accepts text only"):
            speaker.embed(inputs, model="jina-clip-v2")
        return
    result = speaker.embed(inputs, model="jina-clip-v2")
    uri = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    bodies = {sent.body["modality"]: sent.body["input"] for sent in server.sent}
    assert bodies == {"text": ["a text"], "image": [uri, "https://example.com/a.png"]}
    assert np.array_equal(result.vectors, [vector_of(each) for each in ["a text", *bodies["image"]]])


@pytest.mark.parametrize("options", [{"normalized": False}, {"truncate": True}])
def test_text_embeddings_inference_receives_normalize_and_truncate(
    make_client: Callable[..., Any], server: Recorder, options: dict[str, Any]
) -> None:
    server.answer = _service("tei")
    client = make_client(base_url=server.url.removesuffix("/v1"), dialect="tei", max_retries=0)
    assert np.array_equal(client.embed(["one"], **options).vectors, [vector_of(PASSAGE + "one")])
    assert (server.sent[0].body["normalize"], server.sent[0].body["truncate"]) == (
        options.get("normalized", True),
        options.get("truncate", False),
    )


def test_vllm_truncates_on_request(make_client: Callable[..., Any], server: Recorder) -> None:
    server.answer = _service("vllm")
    client = make_client(base_url=server.url, dialect="vllm", max_retries=0)
    client.embed(["one"], truncate=True)
    client.rerank("q", ["a"], truncation=True)
    assert [sent.body["truncate_prompt_tokens"] for sent in server.sent] == [-1, -1]


@pytest.mark.parametrize(
    "body",
    [
        {"error": "batch size 600 > 32", "error_type": "Validation"},
        {"object": "error", "message": "batch size 600 > 32", "type": "BadRequestError", "code": 413},
        {"error": {"message": "batch size 600 > 32", "type": "BadRequestError", "param": None, "code": 413}},
    ],
)
def test_errors_of_other_services_are_parsed(speaker: Any, server: Recorder, body: dict[str, Any]) -> None:
    server.answer = lambda sent: Answer(body, 413)
    with pytest.raises(RequestTooLargeError, match="batch size 600 > 32"):
        speaker.embed(["a"])


def test_an_unknown_dialect_is_rejected(make_client: Callable[..., Any], server: Recorder) -> None:
    with pytest.raises(JinaInputError, match="dialect must be one of jina, vllm, infinity, tei"):
        make_client(base_url=server.url, dialect="openai")
