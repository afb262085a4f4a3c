"""JinaDocumentImageEmbedder: where images come from, what is sent of them, and whose vector is whose."""

from __future__ import annotations

import asyncio
import base64
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.dataclasses import ByteStream
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.jina import JinaDocumentImageEmbedder, JinaTextEmbedder
from jina_client import JinaArgumentError, JinaInputError, PartialFailureError
from jina_client.media import PDFIUM
from loopback import Answer, Recorder, Sent, vector_of
from pictures import encoded, images_of, of_media, written


def _at(path: Any, **meta: Any) -> Document:
    return Document(content=str(path), meta={"file_path": str(path), **meta})


def _runs(embedder: JinaDocumentImageEmbedder) -> list[Any]:
    return [embedder.run, lambda documents: asyncio.run(embedder.run_async(documents))]


def _vector(content: bytes) -> np.ndarray:
    return vector_of(base64.b64encode(content).decode())


@pytest.mark.parametrize("way", [0, 1])
def test_images_come_from_paths_byte_streams_blobs_and_meta(media_server: Recorder, pictures: Path, way: int) -> None:
    red, green = (pictures / "red.png").read_bytes(), encoded("green")
    documents = [
        _at(pictures / "red.png"),
        Document(blob=ByteStream(green, mime_type="image/png")),
        Document(content="a stream", meta={"file_path": ByteStream(red)}),
        Document(content="a path", meta={"file_path": pictures / "blue.jpg"}),
    ]
    embedder = JinaDocumentImageEmbedder(base_url=media_server.url)
    output = _runs(embedder)[way](documents)
    contents = [red, green, red, (pictures / "blue.jpg").read_bytes()]
    for document, original, content in zip(output["documents"], documents, contents, strict=True):
        assert np.array_equal(document.embedding, _vector(content))
        assert (document.id, document.content, original.embedding) == (original.id, original.content, None)
    assert output["documents"][0].meta["embedding_source"] == {"type": "image", "file_path_meta_field": "file_path"}
    assert output["meta"] == {"model": "jina-clip-v2", "usage": {"prompt_tokens": 40, "total_tokens": 40}}
    assert "embedding_source" not in documents[0].meta


def test_images_are_sent_as_in_the_published_schema(media_server: Recorder, pictures: Path) -> None:
    JinaDocumentImageEmbedder(base_url=media_server.url).run([_at(pictures / "red.png")])
    assert media_server.sent[0].body["input"] == [
        {"image": base64.b64encode((pictures / "red.png").read_bytes()).decode()}
    ]


def test_vectors_are_placed_by_their_index(media_server: Recorder, pictures: Path) -> None:
    # The server answers the last first.
    documents = [_at(pictures / "red.png"), _at(pictures / "blue.jpg"), _at(pictures / "large.png")]
    for run in _runs(JinaDocumentImageEmbedder(base_url=media_server.url)):
        for document in run(documents)["documents"]:
            assert np.array_equal(document.embedding, _vector(Path(document.content).read_bytes()))


@pytest.mark.parametrize("size", [None, (150, 1000)])
def test_pages_of_a_pdf_are_rendered(media_server: Recorder, pictures: Path, size: Any) -> None:
    documents = [_at(pictures / "pages.pdf", page_number=number) for number in (3, 1)]
    blob = ByteStream((pictures / "pages.pdf").read_bytes(), mime_type="application/pdf")
    documents.append(Document(blob=blob, meta={"page_number": 2}))
    embedder = JinaDocumentImageEmbedder(base_url=media_server.url, image_size=size)
    assert all(document.embedding for document in embedder.run(documents)["documents"])
    sent = images_of(media_server)
    assert {image.format for image in sent} == {"JPEG"}
    expected = [150] * 3 if size else [1250, 417, 833]
    assert [image.width for image in sent] == pytest.approx(expected, abs=2)
    assert all(image.height == pytest.approx(2 * image.width, abs=4) for image in sent)


def test_large_images_are_shrunk_to_image_size(media_server: Recorder, pictures: Path) -> None:
    documents = [_at(pictures / "large.png"), _at(pictures / "red.png")]
    JinaDocumentImageEmbedder(base_url=media_server.url, image_size=(200, 50)).run(documents)
    assert [image.size for image in images_of(media_server)] == [(100, 50), (40, 30)]
    # What fits is sent as it is.
    small = media_server.sent[0].body["input"][1]["image"]
    assert base64.b64decode(small) == (pictures / "red.png").read_bytes()


def test_paths_are_relative_to_the_root(media_server: Recorder, pictures: Path) -> None:
    embedder = JinaDocumentImageEmbedder(base_url=media_server.url, root_path=str(pictures), file_path_meta_field="at")
    (pictures / "inner").mkdir()
    paths = ["red.png", "inner/../red.png", str(pictures / "red.png")]
    output = embedder.run([Document(content=path, meta={"at": path}) for path in paths])
    assert all(document.embedding for document in output["documents"])


@pytest.mark.parametrize("path", ["../secret.png", "link.png", "inner/../../secret.png", "/etc/passwd", "a\0b", "loop"])
def test_paths_outside_the_root_are_rejected(media_server: Recorder, pictures: Path, path: str) -> None:
    (pictures / "link.png").symlink_to(pictures.parent / "secret.png")
    (pictures / "loop").symlink_to(pictures / "loop")
    embedder = JinaDocumentImageEmbedder(base_url=media_server.url, root_path=str(pictures))
    for run in _runs(embedder):
        with pytest.raises(JinaInputError, match="the Document with id"):
            run([_at(path)])
    assert media_server.sent == []


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({}, "no meta field 'file_path', and no blob"),
        ({"file_path": "absent.png"}, "names a file that does not exist"),
        ({"file_path": "notes.txt"}, "must be an image"),
        ({"file_path": "."}, "names a file that does not exist"),
        ({"file_path": 7}, "no path"),
        ({"file_path": "pages.pdf"}, "counted from 1"),
        ({"file_path": "pages.pdf", "page_number": 0}, "has pages 1 to 3"),
        ({"file_path": "pages.pdf", "page_number": 4}, "has pages 1 to 3"),
        ({"file_path": "pages.pdf", "page_number": "1"}, "counted from 1"),
        ({"file_path": "broken.pdf", "page_number": 1}, "cannot be read"),
    ],
)
def test_a_document_without_an_image_is_named_by_its_id(
    media_server: Recorder, pictures: Path, meta: dict[str, Any], message: str
) -> None:
    (pictures / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    document = Document(content="x", meta=meta)
    for size in (None, (100, 100)):
        embedder = JinaDocumentImageEmbedder(base_url=media_server.url, root_path=str(pictures), image_size=size)
        with pytest.raises(JinaInputError, match=message) as caught:
            embedder.run([_at("red.png"), document])
        assert document.id in str(caught.value)
    assert media_server.sent == []


def test_one_document_that_fails_does_not_fail_the_others(
    media_server: Recorder, pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(sent: Sent) -> Answer:
        if any(item["image"] == bad for item in sent.body["input"]):
            return Answer({"detail": {"message": "Failed to encode image"}}, 400)
        return of_media(sent)

    bad = base64.b64encode((pictures / "blue.jpg").read_bytes()).decode()
    media_server.answer = answer
    documents = [
        _at(pictures / "red.png"),
        replace(_at(pictures / "absent.png"), embedding=[1.0]),
        _at(pictures / "blue.jpg"),
        _at(pictures / "large.png"),
    ]
    embedder = JinaDocumentImageEmbedder(base_url=media_server.url, raise_on_failure=False, max_retries=0)
    for run in _runs(embedder):
        output = run(documents)
        assert [document.embedding is not None for document in output["documents"]] == [True, False, False, True]
        assert set(output["meta"]["failed"]) == {documents[1].id, documents[2].id}
        assert "Failed to encode" in output["meta"]["failed"][documents[2].id]
        assert "embedding_source" not in output["documents"][1].meta
    assert "2 of 4 Documents have no embedding" in caplog.text
    with pytest.raises(PartialFailureError) as caught:
        JinaDocumentImageEmbedder(base_url=media_server.url, max_retries=0).run([documents[0], *documents[2:]])
    assert (set(caught.value.completed), set(caught.value.failed)) == ({0, 2}, {1})


def test_an_empty_list_returns_every_socket_without_a_request(media_server: Recorder) -> None:
    nothing = {"documents": [], "meta": {"model": "jina-clip-v2", "usage": {"prompt_tokens": 0, "total_tokens": 0}}}
    for run in _runs(JinaDocumentImageEmbedder(base_url=media_server.url)):
        assert run([]) == nothing
    assert media_server.sent == []


@pytest.mark.parametrize("value", ["a", ["a"], None, [Document(content="a"), 1]])
def test_input_that_is_not_a_list_of_documents_is_a_type_error(media_server: Recorder, value: Any) -> None:
    for run in _runs(JinaDocumentImageEmbedder(base_url=media_server.url)):
        with pytest.raises(JinaArgumentError) as caught:
            run(value)
        assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("size", [(0, 1), (1,), "large", (1.5, 2), 100])
def test_an_invalid_image_size_is_rejected(size: Any) -> None:
    with pytest.raises(JinaInputError, match="image_size"):
        JinaDocumentImageEmbedder(image_size=size)


class _WaitingPath:
    """A path that another thread than the one that asks for it must let go."""

    def __init__(self, path: Path) -> None:
        self.asked, self.let_go = threading.Event(), threading.Event()
        self._path = path

    def __fspath__(self) -> str:
        self.asked.set()
        assert self.let_go.wait(20)
        return str(self._path)


def test_the_event_loop_runs_while_images_are_read(media_server: Recorder, pictures: Path) -> None:
    path = _WaitingPath(pictures / "red.png")

    async def main() -> Any:
        embedder = JinaDocumentImageEmbedder(base_url=media_server.url)
        run = asyncio.ensure_future(embedder.run_async([Document(meta={"file_path": path})]))
        await asyncio.to_thread(path.asked.wait, 20)
        path.let_go.set()
        return await run

    assert asyncio.run(main())["documents"][0].embedding


def test_pages_are_rendered_in_threads_one_at_a_time(media_server: Recorder, pictures: Path) -> None:
    documents = [_at(pictures / "pages.pdf", page_number=1 + number % 3) for number in range(24)]
    embedder = JinaDocumentImageEmbedder(base_url=media_server.url, batch_size=1, max_concurrency=8)
    for run in _runs(embedder):
        media_server.sent.clear()
        assert all(document.embedding for document in run(documents)["documents"])
        assert len(media_server.sent) == 24


def test_pdfium_is_called_under_one_lock(
    media_server: Recorder, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_states: list[bool] = []

    class Watched(pypdfium2.PdfDocument):
        def __init__(self, *arguments: Any) -> None:
            lock_states.append(PDFIUM._is_owned())  # type: ignore[attr-defined]
            super().__init__(*arguments)

    monkeypatch.setattr(pypdfium2, "PdfDocument", Watched)
    embedder = JinaDocumentImageEmbedder(base_url=media_server.url)
    assert embedder.run([_at(pictures / "pages.pdf", page_number=2)])["documents"][0].embedding
    assert lock_states == [True] * 2


def test_a_text_finds_its_image(tmp_path: Path) -> None:
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    for number, line in enumerate(["Departures: Berlin 10:42", "Apple pie: flour and butter"]):
        (tmp_path / f"{number}.png").write_bytes(written(line))
    indexing = Pipeline()
    indexing.add_component(
        "embedder", JinaDocumentImageEmbedder(base_url="local", root_path=str(tmp_path), image_size=(1024, 1024))
    )
    indexing.add_component("writer", DocumentWriter(store))
    indexing.connect("embedder.documents", "writer.documents")
    indexing.run({"embedder": {"documents": [_at("0.png"), _at("1.png")]}})
    querying = Pipeline()
    querying.add_component("embedder", JinaTextEmbedder(model="jina-clip-v2", base_url="local"))
    querying.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=1))
    querying.connect("embedder.embedding", "retriever.query_embedding")
    documents = querying.run({"embedder": {"text": "When does the train to Berlin leave?"}})["retriever"]["documents"]
    assert documents[0].content == "0.png"
