"""Images and other media from every Python shape, and nothing read that was not meant."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_media import FILES
from jina_client import AsyncJinaClient, JinaInputError, PartialFailureError
from jina_client.media import LARGEST
from loopback import Answer, Recorder, Sent, vector_of
from PIL import Image

CLIP = "jina-clip-v2"
OMNI = "jina-embeddings-v5-omni-small"
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF"
PNG_BASE64 = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(64)).decode()
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(64)
TOO_LARGE = b"\x89PNG\r\n\x1a\n" + bytes(LARGEST["image"])
WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + bytes(64)


def _of_item(item: Any) -> np.ndarray:
    return vector_of(item if isinstance(item, str) else repr(item), 1024)


def media_answer(sent: Sent) -> Answer:
    """A vector for each input of any kind; a PDF, which comes without a list, has three pages."""
    value = sent.body["input"]
    items = value if isinstance(value, list) else [{**value, "page": page} for page in range(3)]
    data = [
        {"index": index, "embedding": base64.b64encode(_of_item(item).astype("<f4").tobytes()).decode()}
        for index, item in enumerate(items)
    ]
    return Answer({"model": sent.body["model"], "data": data, "usage": {"total_tokens": 1}})


@pytest.fixture
def media_server(server: Recorder) -> Recorder:
    server.answer = media_answer
    return server


def _shapes(png: bytes, folder: Path) -> dict[str, Any]:
    path = folder / "picture.png"
    path.write_bytes(png)
    encoded = base64.b64encode(png).decode()
    return {
        "bytes": png,
        "bytearray": bytearray(png),
        "BytesIO": io.BytesIO(png),
        "Path": path,
        "bytes in a dict": {"image": png},
        "BytesIO in a dict": {"image": io.BytesIO(png)},
        "Path in a dict": {"image": path},
        "path as string in a dict": {"image": str(path)},
        "file address": {"image": path.as_uri()},
        "base64": {"image": encoded},
        "data URI": {"image": f"data:image/png;base64,{encoded}"},
        "old form, bytes": {"bytes": encoded},
        "old form, a data URI as url": {"url": f"data:image/png;base64,{encoded}"},
    }


SHAPES = [
    "bytes",
    "bytearray",
    "BytesIO",
    "Path",
    "bytes in a dict",
    "BytesIO in a dict",
    "Path in a dict",
    "path as string in a dict",
    "file address",
    "base64",
    "data URI",
    "old form, bytes",
    "old form, a data URI as url",
]


@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_of_any_type_is_sent_as_base64(
    client: Any, media_server: Recorder, png: bytes, tmp_path: Path, shape: str
) -> None:
    result = client.embed(["a text", _shapes(png, tmp_path)[shape]], model=CLIP)
    item = {"image": base64.b64encode(png).decode()}
    assert media_server.sent[0].body["input"] == ["a text", item]
    assert np.array_equal(result.vectors, [_of_item("a text"), _of_item(item)])


def test_a_pil_image_of_any_mode_is_sent_as_png(client: Any, media_server: Recorder) -> None:
    for mode in ("RGB", "RGBA", "L", "1", "P", "LA", "CMYK", "I;16", "F"):
        picture = Image.new(mode, (8, 6))
        client.embed([picture], model=CLIP)
        sent = base64.b64decode(media_server.sent[-1].body["input"][0]["image"])
        with Image.open(io.BytesIO(sent)) as opened:
            assert (opened.format, opened.size) == ("PNG", (8, 6))
            assert opened.mode in ("RGB", "RGBA", "L")


@pytest.mark.parametrize("form", [{"image": "https://example.com/a.png"}, {"url": "https://example.com/a.png"}])
def test_a_url_is_sent_to_the_service(client: Any, media_server: Recorder, form: dict[str, str]) -> None:
    client.embed([form], model=CLIP)
    assert media_server.sent[0].body["input"] == [{"image": "https://example.com/a.png"}]


def test_a_string_is_text_even_if_it_looks_like_a_path_or_url(
    client: Any, media_server: Recorder, png: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png)
    texts = [str(path), path.as_uri(), "https://example.com/a.png"]
    client.embed(texts, model=CLIP)
    assert media_server.sent[0].body["input"] == texts


def test_other_media_and_fused_groups(client: Any, media_server: Recorder, png: bytes) -> None:
    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    group = {"content": ["a caption", {"image": png}, {"audio": WAV}]}
    client.embed([MP4, {"video": MP4}, WAV, {"audio": io.BytesIO(WAV)}, group], model=OMNI)
    assert media_server.sent[0].body["input"] == [
        {"video": encoded(MP4)},
        {"video": encoded(MP4)},
        {"audio": encoded(WAV)},
        {"audio": encoded(WAV)},
        {"content": [{"text": "a caption"}, {"image": encoded(png)}, {"audio": encoded(WAV)}]},
    ]


def test_a_pdf_is_sent_alone_and_returns_one_vector_per_page(client: Any, media_server: Recorder) -> None:
    result = client.embed(["before", {"pdf": PDF}, "after", "last", PDF], model="jina-embeddings-v4", dimensions=1024)
    bodies = [sent.body["input"] for sent in media_server.sent]
    item = {"pdf": base64.b64encode(PDF).decode()}
    assert sorted(map(str, bodies)) == sorted(map(str, [["before"], item, ["after", "last"], item]))
    assert result.input_indices.tolist() == [0, 1, 1, 1, 2, 3, 4, 4, 4]
    expected = ["before", *({**item, "page": page} for page in range(3)), "after", "last"]
    assert np.array_equal(result.vectors[:6], [_of_item(each) for each in expected])


def test_input_indices_is_none_without_a_pdf(client: Any, media_server: Recorder, png: bytes) -> None:
    assert client.embed([png], model=CLIP).input_indices is None


@pytest.mark.parametrize(
    ("item", "options", "message"),
    [
        ({"image": b""}, {}, r"inputs\[0\] must be an image; its content is empty"),
        ({"image": b"plain text"}, {}, "its content is of an unknown type"),
        ({"image": PDF}, {}, "must be an image; its content is application/pdf"),
        (b"plain text", {}, "must be an image, PDF, video or audio file"),
        ({"image": "no such file.png"}, {}, "no file of this name exists: 'no such file.png'"),
        ({"image": "x" * 5000}, {}, "no file of this name exists"),
        ({"image": "a\0b"}, {}, "no file of this name exists"),
        ({"image": Path("no such file.png")}, {}, "cannot be read: No such file or directory"),
        ({"image": Path("/")}, {}, "must be a regular file"),
        ({"image": "file://elsewhere/a.png"}, {}, "on another machine"),
        ({"image": "data:image/png,abc"}, {}, "a data URI that is not base64-encoded"),
        ({"image": "data:image/png;base64,a*b"}, {}, "is not valid base64"),
        ({"image": "https://"}, {}, "is not a valid URL"),
        ({"image": "https://a b/"}, {}, "is not a valid URL"),
        ({"image": 7}, {}, "must be a URL, data URI, base64, path, bytes, binary file or PIL image, got int"),
        ({"image": None}, {}, "got NoneType"),
        ({"picture": b""}, {}, "must have exactly one of the keys text, image, pdf, video, audio and content"),
        ({"image": b"", "text": "a"}, {}, "must have exactly one of the keys"),
        ({}, {}, "must have exactly one of the keys"),
        ("data:image/png;base64,iVBORw0KGgo=", {}, "is a data URI or base64 of an image, .* pass {'image'"),
        (PNG_BASE64, {}, "is a data URI or base64 of an image"),
        ({"video": MP4}, {}, "is a video, and jina-clip-v2 takes image, pdf, text only"),
        (MP4, {}, "is a video, and jina-clip-v2 takes"),
        ({"content": ["a"]}, {}, "is a content group, which jina-clip-v2 does not take"),
        ({"content": []}, {"model": OMNI}, r"inputs\[0\]\['content'\] is empty"),
        ({"content": [{"pdf": PDF}]}, {"model": OMNI}, "is a pdf"),
        ({"content": [{"content": ["a"]}]}, {"model": OMNI}, "a content group inside a content group"),
        ({"image": b""}, {"model": "jina-embeddings-v3"}, "is an image, and jina-embeddings-v3 takes text only"),
        (b"", {"model": "jina-embeddings-v3"}, "must be a string, got bytes"),
        (7, {}, "must be a string, got int"),
        ([1, 2], {}, "must be a string, got list of token ids, .*: pass the text itself"),
        ("a", {"max_image_side": 0}, "max_image_side must be a whole number of 1 or more \\(pixels\\)"),
        ({"image": TOO_LARGE}, {}, "has 8.0 MB; an image may have at most 8 MB; pass max_image_side"),
    ],
)  # fmt: skip
def test_invalid_inputs_are_rejected_before_sending(
    client: Any, server: Recorder, item: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(JinaInputError, match=message):
        client.embed([item], **{"model": CLIP, **options})
    assert server.sent == []


def test_a_file_that_is_not_an_image_is_never_sent(client: Any, server: Recorder, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_text("a password")
    for item in (secret, {"image": secret}, {"image": str(secret)}, {"image": secret.as_uri()}):
        with pytest.raises(JinaInputError, match="its content is of an unknown type"):
            client.embed([item], model=CLIP)
    assert server.sent == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes and devices as files here")
def test_a_pipe_or_a_device_is_not_read(client: Any, server: Recorder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "endless"):
        with pytest.raises(JinaInputError, match="must be a regular file"):
            client.embed([{"image": tmp_path / name}], model=CLIP)
    assert server.sent == []


def test_a_single_media_item_must_be_in_a_list(client: Any, png: bytes) -> None:
    for single in (png, io.BytesIO(png), Path("a.png"), Image.new("RGB", (2, 2)), {"image": png}):
        with pytest.raises(JinaInputError, match="inputs must be a list"):
            client.embed(single, model=CLIP)


def test_a_file_deleted_before_sending_raises_without_a_retry(
    make_client: Callable[..., Any], media_server: Recorder, png: bytes, tmp_path: Path
) -> None:
    client = make_client(base_url=media_server.url, max_concurrency=1)
    path = tmp_path / "a.png"
    path.write_bytes(png)

    def answer(sent: Sent) -> Answer:
        path.unlink(missing_ok=True)
        return media_answer(sent)

    media_server.answer = answer
    with pytest.raises(PartialFailureError, match=r"inputs\[1\] cannot be read: No such file") as caught:
        client.embed(["a", path], model=CLIP, batch_size=1)
    assert isinstance(caught.value.failed[1], JinaInputError)
    assert list(caught.value.completed) == [0]


def test_large_inputs_are_split_into_several_requests(client: Any, media_server: Recorder) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 900, 3), dtype=np.uint8)
    with io.BytesIO() as buffer:
        Image.fromarray(noise).save(buffer, "PNG")
        content = buffer.getvalue()
    result = client.embed([content] * 4, model=CLIP)
    assert sorted(len(sent.body["input"]) for sent in media_server.sent) == [2, 2]
    assert len(result) == 4


@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
def test_max_image_side_shrinks_an_image(client: Any, media_server: Recorder, format_name: str) -> None:
    with io.BytesIO() as buffer:
        Image.new("RGB", (1000, 500), "green").save(buffer, format_name)
        large = buffer.getvalue()
    client.embed([large], model=CLIP, max_image_side=200)
    with Image.open(io.BytesIO(base64.b64decode(media_server.sent[0].body["input"][0]["image"]))) as sent:
        assert (sent.format, sent.size) == (format_name, (200, 100))
    client.embed([large], model=CLIP, max_image_side=1000)
    assert base64.b64decode(media_server.sent[1].body["input"][0]["image"]) == large


def test_a_rotated_photo_is_sent_upright(client: Any, media_server: Recorder) -> None:
    photograph = Image.new("RGB", (400, 200), "blue")
    exif = Image.Exif()
    exif[0x0112] = 6
    with io.BytesIO() as buffer:
        photograph.save(buffer, "JPEG", exif=exif)
        turned = buffer.getvalue()
    client.embed([turned], model=CLIP, max_image_side=100)
    with Image.open(io.BytesIO(base64.b64decode(media_server.sent[0].body["input"][0]["image"]))) as sent:
        assert sent.size == (50, 100)
    assert client.estimate_tokens([turned], model="jina-embeddings-v4") == -(-200 // 28) * -(-400 // 28) * 10


def test_a_broken_or_oversized_image_is_rejected(client: Any, server: Recorder, png: bytes) -> None:
    broken = png[: len(png) // 2]
    with pytest.raises(JinaInputError, match="cannot be read as an image"):
        client.embed([broken], model=CLIP, max_image_side=2)
    _, make = FILES["PNG: 60,000 x 60,000 pixels"]
    bomb = make()
    assert len(bomb) < 200_000
    with pytest.raises(JinaInputError, match="cannot be read as an image"):
        client.embed([bomb], model=CLIP, max_image_side=100)
    assert server.sent == []


def test_shrinking_an_image_without_pillow_raises(
    client: Any, server: Recorder, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "PIL.Image")
    with pytest.raises(JinaInputError, match=r"inputs\[0\] needs Pillow: pip install pillow"):
        client.embed([png], model=CLIP, max_image_side=2)
    assert server.sent == []


@pytest.mark.parametrize(
    ("size", "model", "tokens"),
    [
        ((750, 500), "jina-clip-v1", 12000),
        ((600, 600), "jina-clip-v1", 9000),
        ((600, 600), "jina-clip-v2", 16000),
        ((600, 600), "jina-embeddings-v4", 4840),
        ((1, 1), "jina-clip-v2", 4000),
    ],
)
def test_image_tokens_follow_the_published_formula(client: Any, size: tuple[int, int], model: str, tokens: int) -> None:
    picture = Image.new("RGB", size)
    assert client.estimate_tokens([picture], model=model) == tokens
    assert client.estimate_tokens([{"image": picture}, {"image": picture}], model=model) == 2 * tokens


def test_an_estimate_uses_the_shrunken_image(client: Any) -> None:
    picture = Image.new("RGB", (2000, 1000))
    assert client.estimate_tokens([picture], model="jina-clip-v2", max_image_side=512) == 4000


def test_text_tokens_are_estimated_with_or_without_a_tokenizer(client: Any) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 20

    class Words:
        def encode(self, text: str) -> list[int]:
            return [0] * len(text.split())

    assert client.estimate_tokens(text, model="jina-embeddings-v2-base-en", tokenizer=Words()) == 180
    assert client.estimate_tokens([text], model="jina-embeddings-v3", tokenizer=Words()) == 185  # its prefix has five
    assert 200 < client.estimate_tokens([text, text], model="jina-embeddings-v2-base-en") / 2 < 260
    assert client.estimate_tokens(["自然语言"], model="jina-embeddings-v2-base-zh") == 6


@pytest.mark.parametrize(
    ("inputs", "model", "message"),
    [
        ([{"image": "https://example.com/a.png"}], CLIP, "is a URL, whose image size is unknown"),
        ([{"pdf": PDF}], "jina-embeddings-v4", "no formula is published"),
        ([Image.new("RGB", (2, 2))], OMNI, "no formula is published"),
        (["a"], "no-such-model", "a model of the catalog"),
        ([], CLIP, "inputs is empty"),
    ],
)
def test_inputs_without_an_estimate_are_rejected(client: Any, inputs: list[Any], model: str, message: str) -> None:
    with pytest.raises(JinaInputError, match=message):
        client.estimate_tokens(inputs, model=model)


async def test_encoding_images_does_not_block_the_event_loop(media_server: Recorder) -> None:
    pictures = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (900, 900, 3), dtype=np.uint8))
        for seed in range(6)
    ]
    longest, running = 0.0, True

    async def watch() -> None:
        nonlocal longest
        loop = asyncio.get_running_loop()
        while running:
            before = loop.time()
            await asyncio.sleep(0.005)
            longest = max(longest, loop.time() - before)

    async with AsyncJinaClient(base_url=media_server.url) as client:
        watcher = asyncio.create_task(watch())
        started = asyncio.get_running_loop().time()
        await client.embed(pictures, model=CLIP, batch_size=1)
        seconds = asyncio.get_running_loop().time() - started
        running = False
        await watcher
    assert longest < seconds / 2


def test_an_image_function_is_called_when_sending(client: Any, media_server: Recorder, png: bytes) -> None:
    calls: list[int] = []

    def make() -> bytes:
        calls.append(len(media_server.sent))
        return png

    client.embed([{"image": make}, "text", {"image": lambda: Image.open(io.BytesIO(png))}], model=CLIP)
    assert calls == [0]
    sent = [
        base64.b64decode(item["image"]) for sent in media_server.sent for item in sent.body["input"] if "image" in item
    ]
    assert sent[0] == png
    assert Image.open(io.BytesIO(sent[1])).size == Image.open(io.BytesIO(png)).size


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"no picture", "must be an image"),
        (lambda: 1 / 0, "failed: ZeroDivisionError"),
        (lambda: None, "must be a URL"),
        (lambda: TOO_LARGE, "8 MB"),
    ],
)
def test_the_result_of_an_image_function_is_checked(
    client: Any, media_server: Recorder, make: Any, message: str
) -> None:
    with pytest.raises(PartialFailureError, match=message) as caught:
        client.embed([{"image": make}, "text"], model=CLIP)
    assert set(caught.value.failed) == {0}


async def test_a_cache_does_not_block_the_event_loop(media_server: Recorder, png: bytes, tmp_path: Path) -> None:
    read_started, let_go = threading.Event(), threading.Event()

    def make() -> bytes:
        read_started.set()
        assert let_go.wait(20)
        return png

    async with AsyncJinaClient(base_url=media_server.url, cache=str(tmp_path / "vectors")) as client:
        embedding = asyncio.ensure_future(client.embed([{"image": make}], model=CLIP))
        await asyncio.to_thread(read_started.wait, 20)
        let_go.set()
        assert len(await embedding) == 1
