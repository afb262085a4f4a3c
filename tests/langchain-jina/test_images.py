"""Images through LangChain: from addresses and files, as documents and as queries."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jina_client import JinaClient, JinaInputError
from langchain_jina import JinaEmbeddings
from loopback import Answer, Recorder, Sent, vector_of
from pictures import written
from PIL import Image

CLIP = "jina-clip-v2"


def drawn(path: Path, text: str) -> Path:
    """An image with a line of text."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(written(text))
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A departure board, in a folder whose name has a space."""
    return drawn(tmp_path / "my pictures" / "board.png", "Departures: Berlin 10:42")


def of_anything(sent: Sent) -> Answer:
    """A vector for each input, whatever it is."""
    data = [
        {"index": index, "embedding": base64.b64encode(vector_of(json.dumps(item)).astype("<f4").tobytes()).decode()}
        for index, item in enumerate(sent.body["input"])
    ]
    return Answer({"model": CLIP, "object": "list", "usage": {"total_tokens": 1}, "data": data})


def test_every_kind_of_uri_reaches_the_wire(server: Recorder, picture: Path) -> None:
    server.answer = of_anything
    content = base64.b64encode(picture.read_bytes()).decode()
    url = "https://example.com/board.png"
    uris = [url, f"data:image/png;base64,{content}", picture.as_uri(), str(picture), picture]
    embeddings = JinaEmbeddings(model=CLIP, base_url=server.url)
    vectors = embeddings.embed_images(uris)
    assert server.sent[0].body["input"] == [{"image": url}] + [{"image": content}] * 4
    assert asyncio.run(embeddings.aembed_images(uris)) == vectors
    assert embeddings.embed_image_query(url) == asyncio.run(embeddings.aembed_image_query(url)) == vectors[0]


def test_images_have_the_task_of_their_role_and_every_option(server: Recorder, picture: Path) -> None:
    server.answer = of_anything
    embeddings = JinaEmbeddings(model="jina-embeddings-v4", base_url=server.url, dimensions=1024, batch_size=1)
    embeddings.embed_images([picture, picture])
    embeddings.embed_image_query(picture)
    assert [sent.body["task"] for sent in server.sent] == ["retrieval.passage"] * 2 + ["retrieval.query"]
    assert {sent.body["dimensions"] for sent in server.sent} == {1024}


def test_large_images_can_be_sent_smaller(server: Recorder, tmp_path: Path) -> None:
    server.answer = of_anything
    Image.new("RGB", (400, 100)).save(tmp_path / "wide.png")
    JinaEmbeddings(model=CLIP, base_url=server.url, max_image_side=200).embed_images([tmp_path / "wide.png"])
    sent = base64.b64decode(server.sent[0].body["input"][0]["image"])
    assert Image.open(io.BytesIO(sent)).size == (200, 50)


def test_a_question_finds_an_image(engine_url: str, picture: Path, tmp_path: Path) -> None:
    recipe = drawn(tmp_path / "recipe.png", "Flour, water and salt")
    embeddings = JinaEmbeddings(model=CLIP, base_url=engine_url)
    cake, board = embeddings.embed_images([recipe, picture])
    question = np.asarray(embeddings.embed_query("When does the train to Berlin leave?"))
    assert question @ board > question @ cake
    expected = JinaClient(base_url=engine_url).embed([{"image": picture}], model=CLIP).vectors[0]
    assert np.array_equal(np.asarray(board, np.float32), expected)


@pytest.mark.parametrize(
    ("uris", "message"),
    [
        ("https://example.com/a.png", "must be a list"),
        (["no-such-file.png"], r"inputs\[0\] is neither a URL.*no file of this name"),
        ([None], r"inputs\[0\] must be a URL"),
        (["https://"], "is not a valid URL"),
        ([__file__], r"inputs\[0\] must be an image"),
        (["file://another-machine/a.png"], "on another machine"),
    ],
)
def test_a_file_that_is_not_an_image_is_rejected_before_sending(server: Recorder, uris: Any, message: str) -> None:
    embeddings = JinaEmbeddings(model=CLIP, base_url=server.url)
    with pytest.raises(JinaInputError, match=message):
        embeddings.embed_images(uris)
    with pytest.raises(JinaInputError, match=message):
        asyncio.run(embeddings.aembed_images(uris))
    assert server.sent == []


def test_a_model_without_images_says_so(server: Recorder, picture: Path) -> None:
    with pytest.raises(JinaInputError, match="jina-embeddings-v3 takes text only"):
        JinaEmbeddings(model="jina-embeddings-v3", base_url=server.url).embed_image_query(picture)
    assert server.sent == []


def test_no_images_send_no_request(server: Recorder) -> None:
    embeddings = JinaEmbeddings(model=CLIP, base_url=server.url)
    assert embeddings.embed_images([]) == asyncio.run(embeddings.aembed_images([])) == []
    assert server.sent == []
