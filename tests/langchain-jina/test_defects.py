"""What LangChain's earlier integration got wrong: one test for each, named by what must not come back."""

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


def test_defect_4_images_go_out_as_the_published_schema_has_them(server: Recorder, tmp_path: Path) -> None:
    server.answer = lambda sent: right_answer(
        Sent(sent.path, sent.headers, {**sent.body, "input": [str(item) for item in sent.body["input"]]})
    )
    (tmp_path / "a.png").write_bytes(png())
    JinaEmbeddings(model="jina-clip-v2", base_url=server.url).embed_images(
        [str(tmp_path / "a.png"), "https://example.com/b.png"]
    )
    content = base64.b64encode(png()).decode()
    assert server.sent[0].body["input"] == [{"image": content}, {"image": "https://example.com/b.png"}]


def test_defect_5_no_option_is_dropped_without_a_word(server: Recorder) -> None:
    embeddings = JinaEmbeddings(model="jina-embeddings-v4", base_url=server.url, dimensions=64, task="text-matching")
    embeddings.embed_query("a")
    body = server.sent[0].body
    assert (body["model"], body["dimensions"], body["task"]) == ("jina-embeddings-v4", 64, "text-matching")
    with pytest.raises(JinaArgumentError, match="no argument 'colour'"):
        JinaEmbeddings(colour="red")


def test_defect_6_a_refusal_that_may_pass_is_sent_again(server: Recorder) -> None:
    def refusing_at_first(sent: Sent) -> Answer:
        return right_answer(sent) if len(server.sent) > 1 else Answer({}, 503, {"Retry-After": "0"})

    server.answer = refusing_at_first
    assert JinaEmbeddings(model=MODEL, base_url=server.url).embed_query("a")
    assert JinaRerank(base_url=server.url).rerank(["a"], "q")
    assert len(server.sent) == 3


def test_defect_7_errors_are_typed_whatever_their_body_is(server: Recorder) -> None:
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


def test_defect_8_there_is_a_timeout(server: Recorder) -> None:
    assert JinaEmbeddings(base_url=server.url)._connection().client.settings.timeout == 60
    assert JinaRerank(base_url=server.url, timeout=9)._connection().client.settings.timeout == 9


def test_defect_11_a_long_list_is_sent_in_requests_that_the_service_takes(server: Recorder) -> None:
    found = JinaEmbeddings(model=MODEL, base_url=server.url, dimensions=8).embed_documents(["a"] * 2049)
    assert len(found) == 2049
    assert max(len(sent.body["input"]) for sent in server.sent) <= 512


def test_defect_12_a_copy_keeps_every_option() -> None:
    embeddings = JinaEmbeddings(model=MODEL, dimensions=64, api_key=KEY)
    assert embeddings.model_copy(update={"dimensions": 32}).model_name == MODEL
    assert embeddings.model_copy(deep=True).dimensions == 64


def test_defect_13_a_reranker_keeps_ids_shows_no_key_and_never_overwrites_a_session(server: Recorder) -> None:
    reranker = JinaRerank(base_url=server.url, jina_api_key=KEY, top_n=1)
    given = [Document("aa", id="7", metadata={"tags": ["x"]})]
    for kept in (
        reranker.compress_documents(given, "q"),
        asyncio.run(reranker.acompress_documents(given, "q")),
        reranker.invoke({"query": "q", "documents": given}),
    ):
        assert (kept[0].id, kept[0].metadata["tags"]) == ("7", ["x"])
        # What is done to a result is not done to what was given.
        kept[0].metadata["tags"].append("y")
    assert given[0].metadata == {"tags": ["x"]}
    assert KEY not in f"{reranker!r} {reranker.model_dump()}"
    with pytest.raises(JinaArgumentError, match=r"has no argument session: .* pass client="):
        JinaRerank(session=requests.Session(), jina_api_key=KEY)


@pytest.mark.parametrize("kind", [JinaEmbeddings, JinaRerank])
def test_defect_13_arguments_that_have_no_meaning_here_are_refused(kind: Any) -> None:
    assert kind(session=None, user_agent=None)
    with pytest.raises(JinaArgumentError, match="has no argument user_agent"):
        kind(user_agent="my-program")


def test_defect_13_an_option_that_the_service_does_not_have_is_refused(server: Recorder) -> None:
    reranker: Any = JinaRerank(base_url=server.url)
    with pytest.raises(JinaArgumentError, match="max_doc_length"):
        reranker.rerank(["a"], "q", max_chunks_per_doc=3)
    with pytest.raises(JinaArgumentError, match="max_doc_length"):
        asyncio.run(reranker.arerank(["a"], "q", max_chunks_per_doc=3))
    assert server.sent == []


def test_defect_14_an_empty_list_costs_nothing_and_none_is_not_sent(server: Recorder) -> None:
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


def test_defect_18_an_answer_with_too_few_vectors_is_an_error(server: Recorder) -> None:
    def short(sent: Sent) -> Answer:
        answer = right_answer(sent)
        del answer.body["data"][-1]
        return answer

    server.answer = short
    with pytest.raises(JinaResponseError):
        JinaEmbeddings(model=MODEL, base_url=server.url).embed_documents(["a", "b"])


def test_defect_19_files_are_read_and_a_missing_one_is_not_sent_as_a_url(server: Recorder, tmp_path: Path) -> None:
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


def test_defect_20_vectors_travel_as_base64_and_documents_do_not_travel_back(server: Recorder) -> None:
    JinaEmbeddings(model=MODEL, base_url=server.url).embed_query("a")
    JinaRerank(base_url=server.url).rerank(["a"], "q")
    assert server.sent[0].body["embedding_type"] == "base64"
    assert server.sent[1].body["return_documents"] is False


@pytest.mark.parametrize("variable", ["JINA_API_KEY", "JINA_AUTH_TOKEN"])
def test_the_variables_of_the_earlier_integration_are_read(
    server: Recorder, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, KEY)
    JinaEmbeddings(model=MODEL, base_url=server.url).embed_query("a")
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_argument_jina_auth_token_is_the_key(server: Recorder) -> None:
    JinaEmbeddings(model=MODEL, base_url=server.url, jina_auth_token=KEY).embed_query("a")
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"
