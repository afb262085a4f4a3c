"""Faults of the Jina classes in langchain-community that this integration does not have."""

from __future__ import annotations

import asyncio
import base64
import io
from pathlib import Path
from typing import Any

import pytest
import requests
from jina_client import BadRequestError, JinaArgumentError, JinaInputError, JinaResponseError, ServerError
from langchain_core.documents import Document
from langchain_jina import JinaEmbeddings, JinaRerank
from loopback import Answer, Recorder, Sent, right_answer
from PIL import Image

KEY = "jina_0123456789abcdef"
MODEL = "jina-embeddings-v3"


def png() -> bytes:
    with io.BytesIO() as file:
        Image.new("RGB", (2, 2)).save(file, "PNG")
        return file.getvalue()


def test_images_are_sent_as_in_the_published_schema(server: Recorder, tmp_path: Path) -> None:
    server.answer = lambda sent: right_answer(
        Sent(sent.path, sent.headers, {**sent.body, "input": [str(item) for item in sent.body["input"]]})
    )
    (tmp_path / "a.png").write_bytes(png())
    JinaEmbeddings(model="jina-clip-v2", base_url=server.url).embed_images(
        [str(tmp_path / "a.png"), "https://example.com/b.png"]
    )
    content = base64.b64encode(png()).decode()
    assert server.sent[0].body["input"] == [{"image": content}, {"image": "https://example.com/b.png"}]


def test_no_option_is_dropped_silently(server: Recorder) -> None:
    embeddings = JinaEmbeddings(model="jina-embeddings-v4", base_url=server.url, dimensions=64, task="text-matching")
    embeddings.embed_query("a")
    body = server.sent[0].body
    assert (body["model"], body["dimensions"], body["task"]) == ("jina-embeddings-v4", 64, "text-matching")
    with pytest.raises(JinaArgumentError, match="no argument 'color'"):
        JinaEmbeddings(color="red")


def test_transient_errors_are_retried(server: Recorder) -> None:
    def refusing_at_first(sent: Sent) -> Answer:
        return right_answer(sent) if len(server.sent) > 1 else Answer({}, 503, {"Retry-After": "0"})

    server.answer = refusing_at_first
    assert JinaEmbeddings(model=MODEL, base_url=server.url).embed_query("a")
    assert JinaRerank(base_url=server.url).rerank(["a"], "q")
    assert len(server.sent) == 3


def test_errors_are_typed_for_every_body(server: Recorder) -> None:
    server.answer = lambda sent: Answer(b"<html>Bad gateway</html>", 502, {"Content-Type": "text/html"})
    embeddings = JinaEmbeddings(model=MODEL, base_url=server.url, max_retries=0)
    with pytest.raises(ServerError) as failed:
        embeddings.embed_query("a")
    assert (failed.value.status_code, isinstance(failed.value, RuntimeError)) == (502, True)
    server.answer = lambda sent: Answer(
        {"detail": {"message": "no such model", "code": "X"}}, 400, {"X-Request-Id": "r"}
    )
    with pytest.raises(BadRequestError, match="no such model"):
        JinaRerank(base_url=server.url).rerank(["a"], "q")


def test_requests_have_a_timeout(server: Recorder) -> None:
    assert JinaEmbeddings(base_url=server.url)._connection().client.settings.timeout == 60
    assert JinaRerank(base_url=server.url, timeout=9)._connection().client.settings.timeout == 9


def test_a_long_list_is_split_into_requests_of_512(server: Recorder) -> None:
    vectors = JinaEmbeddings(model=MODEL, base_url=server.url, dimensions=8).embed_documents(["a"] * 2049)
    assert len(vectors) == 2049
    assert max(len(sent.body["input"]) for sent in server.sent) <= 512


def test_a_copy_keeps_every_option() -> None:
    embeddings = JinaEmbeddings(model=MODEL, dimensions=64, api_key=KEY)
    assert embeddings.model_copy(update={"dimensions": 32}).model_name == MODEL
    assert embeddings.model_copy(deep=True).dimensions == 64


def test_a_reranker_keeps_ids_and_hides_the_key(server: Recorder) -> None:
    reranker = JinaRerank(base_url=server.url, jina_api_key=KEY, top_n=1)
    originals = [Document("aa", id="7", metadata={"tags": ["x"]})]
    for results in (
        reranker.compress_documents(originals, "q"),
        asyncio.run(reranker.acompress_documents(originals, "q")),
        reranker.invoke({"query": "q", "documents": originals}),
    ):
        assert (results[0].id, results[0].metadata["tags"]) == ("7", ["x"])
        # What is done to a result is not done to what was given.
        results[0].metadata["tags"].append("y")
    assert originals[0].metadata == {"tags": ["x"]}
    assert KEY not in f"{reranker!r} {reranker.model_dump()}"
    with pytest.raises(JinaArgumentError, match=r"has no argument session: .* pass client="):
        JinaRerank(session=requests.Session(), jina_api_key=KEY)


@pytest.mark.parametrize("kind", [JinaEmbeddings, JinaRerank])
def test_arguments_without_an_effect_are_rejected(kind: Any) -> None:
    assert kind(session=None, user_agent=None)
    with pytest.raises(JinaArgumentError, match="has no argument user_agent"):
        kind(user_agent="my-program")


def test_an_option_unknown_to_the_service_is_rejected(server: Recorder) -> None:
    reranker: Any = JinaRerank(base_url=server.url)
    with pytest.raises(JinaArgumentError, match="max_doc_length"):
        reranker.rerank(["a"], "q", max_chunks_per_doc=3)
    with pytest.raises(JinaArgumentError, match="max_doc_length"):
        asyncio.run(reranker.arerank(["a"], "q", max_chunks_per_doc=3))
    assert server.sent == []


def test_empty_lists_and_none_send_no_request(server: Recorder) -> None:
    embeddings: Any = JinaEmbeddings(model=MODEL, base_url=server.url)
    reranker: Any = JinaRerank(base_url=server.url)
    assert embeddings.embed_documents([]) == asyncio.run(embeddings.aembed_documents([])) == []
    assert reranker.rerank([], "q") == reranker.invoke({"query": "q", "documents": []}) == []
    for query in (None, 7):
        with pytest.raises(JinaInputError):
            embeddings.embed_query(query)
        with pytest.raises(JinaInputError):
            reranker.rerank(["a"], query)
    assert server.sent == []


def test_a_missing_vector_raises(server: Recorder) -> None:
    def short(sent: Sent) -> Answer:
        answer = right_answer(sent)
        del answer.body["data"][-1]
        return answer

    server.answer = short
    with pytest.raises(JinaResponseError):
        JinaEmbeddings(model=MODEL, base_url=server.url).embed_documents(["a", "b"])


def test_a_missing_file_is_not_sent_as_a_url(server: Recorder, tmp_path: Path) -> None:
    server.answer = lambda sent: right_answer(
        Sent(sent.path, sent.headers, {**sent.body, "input": [str(item) for item in sent.body["input"]]})
    )
    embeddings = JinaEmbeddings(model="jina-clip-v2", base_url=server.url)
    path = tmp_path / "a.png"
    with pytest.raises(JinaInputError, match="no file of this name"):
        embeddings.embed_images([str(path)])
    assert server.sent == []
    path.write_bytes(png())
    assert embeddings.embed_images([path]) == embeddings.embed_images([path.as_uri()])


def test_vectors_are_base64_and_documents_are_not_returned(server: Recorder) -> None:
    JinaEmbeddings(model=MODEL, base_url=server.url).embed_query("a")
    JinaRerank(base_url=server.url).rerank(["a"], "q")
    assert server.sent[0].body["embedding_type"] == "base64"
    assert server.sent[1].body["return_documents"] is False


@pytest.mark.parametrize("variable", ["JINA_API_KEY", "JINA_AUTH_TOKEN"])
def test_environment_variables_of_langchain_community_are_read(
    server: Recorder, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, KEY)
    JinaEmbeddings(model=MODEL, base_url=server.url).embed_query("a")
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_argument_jina_auth_token_is_the_key(server: Recorder) -> None:
    JinaEmbeddings(model=MODEL, base_url=server.url, jina_auth_token=KEY).embed_query("a")
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"
