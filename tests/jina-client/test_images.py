"""Images on their way to the service: resized as Pillow does, in bounded memory, and never on the event loop."""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import json
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jina_client import AsyncJinaClient, JinaInputError
from jina_client.json_body import Base64, json_pieces
from jina_client.memory import BODIES_BYTES, MemoryBudget
from loopback import Recorder, recorder
from pictures import encoded, images_of, of_media
from PIL import Image, ImageOps

CLIP = "jina-clip-v2"
SIDE = 64
ORIENTATION = 0x0112


@pytest.fixture
def server() -> Any:
    with recorder(of_media) as running:
        yield running


def photo(size: tuple[int, int] = (300, 200), mode: str = "RGB") -> Image.Image:
    """A picture with areas of different colors and some grain."""
    random = np.random.default_rng(0)
    areas = Image.fromarray(random.integers(0, 255, (6, 8, 3), dtype=np.uint8)).resize(size)
    grain = random.integers(0, 12, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(np.asarray(areas) // 12 * 11 + grain).convert(mode)


def saved(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    with io.BytesIO() as buffer:
        picture.save(buffer, kind, **options)
        return buffer.getvalue()


def thumbnail(content: bytes) -> Image.Image:
    """The same picture as Pillow makes it: upright first, every pixel decoded."""
    with Image.open(io.BytesIO(content)) as opened:
        picture = ImageOps.exif_transpose(opened)
        picture = picture.convert("RGB") if picture.mode == "P" else picture
        picture.thumbnail((SIDE, SIDE), reducing_gap=None)
        return picture


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of the pixels, of 255."""
    assert one.size == other.size
    pixels = [np.asarray(picture.convert("RGBA").convert("RGBa"), float) for picture in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).mean())


FILES = {
    "JPEG": saved(photo(), quality=90),
    "progressive JPEG": saved(photo(), progressive=True, quality=90),
    "gray JPEG": saved(photo(mode="L"), quality=90),
    "large JPEG, decoded at an eighth": saved(photo((1000, 700)), quality=90),
    "JPEG of odd size": saved(photo((271, 133)), quality=90),
    "PNG": saved(photo(), "PNG"),
    "PNG with a palette": saved(photo().quantize(), "PNG"),
    "WebP": saved(photo(), "WEBP", quality=95),
    "TIFF": saved(photo(), "TIFF"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_resized_image_is_the_thumbnail_of_pillow(client: Any, server: Recorder, name: str) -> None:
    client.embed([FILES[name]], model=CLIP, max_image_side=SIDE)
    [sent] = images_of(server)
    assert difference(sent, thumbnail(FILES[name])) < 3
    assert sent.format == ("JPEG" if "JPEG" in name else "PNG")
    assert sent.mode == ("L" if "gray" in name else "RGB")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_applied(client: Any, server: Recorder, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    files = [saved(photo(), exif=exif, quality=90), saved(photo(), "PNG", exif=exif)]
    client.embed(files, model=CLIP, max_image_side=SIDE)
    for content, sent in zip(files, images_of(server), strict=True):
        assert difference(sent, thumbnail(content)) < 3
        assert ORIENTATION not in sent.getexif()


def test_transparency_is_kept(client: Any, server: Recorder) -> None:
    picture = photo()
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    content = saved(picture, "PNG")
    client.embed([content], model=CLIP, max_image_side=SIDE)
    [sent] = images_of(server)
    assert (sent.format, sent.mode) == ("PNG", "RGBA")
    assert difference(sent, thumbnail(content)) < 1


def test_the_callers_own_image_does_not_change(client: Any, server: Recorder) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    content = saved(photo(), exif=exif, quality=90)
    with Image.open(io.BytesIO(content)) as picture:
        client.embed([picture], model=CLIP, max_image_side=SIDE)
        client.embed([picture], model=CLIP)
        assert (picture.size, picture.getexif()[ORIENTATION]) == ((300, 200), 6)
    assert [sent.size for sent in images_of(server)] == [(43, 64), (200, 300)]


def test_several_requests_may_have_the_same_lazily_opened_image(client: Any, server: Recorder) -> None:
    with Image.open(io.BytesIO(saved(photo((600, 400)), "PNG"))) as picture:
        client.embed([picture] * 6, model=CLIP, max_image_side=SIDE, batch_size=1)
    assert len({sent.body["input"][0]["image"] for sent in server.sent}) == 1


@pytest.mark.parametrize(("call", "options"), [("embed", {"max_image_side": SIDE}), ("estimate_tokens", {})])
def test_an_error_while_pixels_are_read_names_the_input(client: Any, call: str, options: dict[str, Any]) -> None:
    damaged = bytearray(saved(photo(), "PNG"))
    damaged[damaged.index(b"IDAT") + 4] ^= 0xFF
    with pytest.raises(JinaInputError, match=r"inputs\[0\] cannot be read as an image"):
        getattr(client, call)([{"image": bytes(damaged)}], model=CLIP, **options)


def test_a_cached_vector_of_an_image_is_found_without_resizing(
    make_client: Callable[..., Any], server: Recorder, tmp_path: Path
) -> None:
    client = make_client(base_url=server.url, cache=str(tmp_path / "vectors"))
    large, small = FILES["PNG"], encoded("red")
    for _ in range(2):
        client.embed([large, {"image": lambda: large}, small], model=CLIP, max_image_side=SIDE)
    assert len(server.sent) == 1
    client.embed([small], model=CLIP)
    assert len(server.sent) == 1
    client.embed([large], model=CLIP, max_image_side=SIDE + 1)
    client.embed([large], model=CLIP)
    assert len(server.sent) == 3


# Memory.


def test_requests_with_images_wait_for_memory(make_client: Callable[..., Any], server: Recorder) -> None:
    content = encoded("red")
    in_flight = BODIES_BYTES // (2 * 2**20 * 4 // 3)  # The client assumes 2 MB for the result of a function.
    full = threading.Barrier(in_flight, timeout=20)

    def answer(sent: Any) -> Any:
        full.wait()
        return of_media(sent)

    server.answer = answer
    client = make_client(base_url=server.url, max_concurrency=64)
    client.embed([{"image": lambda: content}] * (2 * in_flight), model=CLIP, batch_size=1)
    assert server.most_in_flight == in_flight


def test_a_budget_grants_in_order_what_fits_and_more_only_alone() -> None:
    woken: list[str] = []
    budget = MemoryBudget(10)
    first, large, last = (budget.queue(size, lambda size=size: woken.append(size)) for size in (4, 20, 1))
    assert budget.acquire(first)
    assert not budget.acquire(last)  # It would fit, but is not the first.
    assert not budget.acquire(large)
    woken.clear()
    budget.release(first)
    assert woken == [20]
    assert budget.acquire(large)
    assert not budget.acquire(last)
    budget.release(large)
    assert budget.acquire(last)
    budget.release(last)
    assert (budget.fitting(3), budget.fitting(20)) == (3, 1)
    with budget.reserved(10):
        assert not budget.acquire(waiting := budget.queue(1, lambda: None))
    assert budget.acquire(waiting)


async def test_an_input_is_freed_without_a_garbage_collection(server: Recorder) -> None:
    class Picture:
        def __call__(self) -> bytes:
            return encoded("red")

    references: list[weakref.ref[Picture]] = []

    def inputs() -> Iterator[Any]:
        for _ in range(3):
            picture = Picture()
            references.append(weakref.ref(picture))
            yield {"image": picture}

    gc.disable()
    try:
        async with AsyncJinaClient(base_url=server.url) as client:
            async for first, _ in client.embed_stream(inputs(), model=CLIP, batch_size=1):
                # What was yielded before is the input that is freed for certain.
                assert [reference() for reference in references[:first]] == [None] * first
        assert len(references) == 3
    finally:
        gc.enable()


# JSON.


@given(
    st.lists(
        st.one_of(st.text(), st.binary(), st.tuples(st.sampled_from([0, 1, 2, 3]), st.just(3 * 2**16))), max_size=5
    )
)
@settings(max_examples=20)
def test_json_in_pieces_is_that_of_the_whole(values: list[Any]) -> None:
    contents = [bytes(sum(value)) if isinstance(value, tuple) else value for value in values]
    payload = {
        "input": [
            value if isinstance(value, str) else Base64(lambda value=value: (b"data:,", value)) for value in contents
        ]
    }
    expected = [value if isinstance(value, str) else f"data:,{base64.b64encode(value).decode()}" for value in contents]
    assert json.loads(b"".join(json_pieces(payload))) == {"input": expected}


# The event loop.


class WaitingPath:
    """A path that another thread than the one that asks for it must let go."""

    def __init__(self, path: Path) -> None:
        self.asked, self.let_go = threading.Event(), threading.Event()
        self._path = path

    def __fspath__(self) -> str:
        self.asked.set()
        assert self.let_go.wait(20)
        return str(self._path)


async def _streamed(client: AsyncJinaClient, inputs: list[Any]) -> None:
    async for _ in client.embed_stream(inputs, model=CLIP):
        pass


CALLS: dict[str, Callable[[AsyncJinaClient, list[Any]], Awaitable[Any]]] = {
    "embed": lambda client, inputs: client.embed(inputs, model=CLIP),
    "embed_stream": _streamed,
    "embed_multi_vector": lambda client, inputs: client.embed_multi_vector(inputs, model="jina-embeddings-v4"),
    "rerank": lambda client, inputs: client.rerank("a", inputs, model="jina-reranker-m0"),
    "classify": lambda client, inputs: client.classify(inputs, ["a", "b"], model=CLIP),
    "estimate_tokens": lambda client, inputs: client.estimate_tokens(inputs, model=CLIP),
}


@pytest.mark.parametrize("call", CALLS)
async def test_the_event_loop_runs_while_a_file_is_opened(tmp_path: Path, call: str) -> None:
    (tmp_path / "picture.txt").write_text("no picture")
    path = WaitingPath(tmp_path / "picture.txt")
    async with AsyncJinaClient(base_url="http://127.0.0.1:9/v1") as client:
        running = asyncio.ensure_future(CALLS[call](client, [path]))
        await asyncio.to_thread(path.asked.wait, 20)
        path.let_go.set()
        with pytest.raises(ValueError, match="its content is of an unknown type"):
            await running


def test_a_large_body_arrives_with_its_length(client: Any, server: Recorder) -> None:
    content = saved(photo((700, 700)), "PNG")
    assert len(content) > 3 * 2**18
    client.embed([content], model=CLIP)
    [sent] = server.sent
    assert base64.b64decode(sent.body["input"][0]["image"]) == content
    assert "transfer-encoding" not in sent.headers
