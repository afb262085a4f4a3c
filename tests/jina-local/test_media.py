"""Images and PDFs: the text in them is embedded, ranked and classified, and what has none is refused."""

from __future__ import annotations

import base64
import io
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm
from jina_client.integration import MODELS
from jina_local.errors import RequestError
from jina_local.media import reader as media_reader
from jina_local.media.pictures import MAX_PIXELS, decode
from jina_local.media.pool import MediaPool
from jina_local.media.reader import MAX_BYTES
from jina_local.media.workers import media_pool
from jina_local.validation.inputs import InputItem
from PIL import Image, ImageDraw, ImageFont

CLIP = "jina-clip-v2"
LINES = ["Invoice number 4711", "The amount is due in thirty days", "Thank you for your order"]

# The orientation 6: to be turned by 90 degrees clockwise.
TURNED = Image.Exif()
TURNED[0x0112] = 6


def drawing(
    lines: list[str], size: tuple[int, int] = (560, 200), ink: str = "black", ground: Any = "white", mode: str = "RGB"
) -> Image.Image:
    picture = Image.new(mode, size, ground)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(28)
    for number, line in enumerate(lines):
        draw.text((40, 20 + number * 48), line, fill=ink, font=font)
    return picture


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def bomb(width: int, height: int) -> bytes:
    """A small PNG file that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))


def pdf(*pages: list[str], scanned: bool = False) -> bytes:
    """A PDF whose pages have a text layer, or are pictures of text."""
    if scanned:
        first, *others = (drawing(lines) for lines in pages)
        return saved(first, "PDF", save_all=True, append_images=others)
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    numbers = []
    for lines in pages:
        lines_of_text = b" ".join(b"(%s) Tj 0 -20 Td" % line.encode() for line in lines)
        content = b"BT /F1 14 Tf 50 700 Td %s ET" % lines_of_text
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
        numbers.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(pages), b" ".join(numbers))
    body = b"%PDF-1.4\n"
    offsets = []
    for number, each in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (size, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def locked(data: bytes) -> bytes:
    """A PDF that says it is encrypted, with a password that nobody knows."""
    lock = (
        b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <"
        + b"00" * 32
        + b"> /U <"
        + b"11" * 32
        + b"> >> /ID [<00> <00>]"
    )
    return data.replace(b"trailer <<", b"trailer << " + lock)


TEXT = "Invoice 4711\nDue in thirty days"
INVOICE = coded(saved(drawing(TEXT.splitlines(), (320, 120))))


@pytest.fixture(scope="module")
def reader() -> MediaPool:
    return media_pool()


def vectors(body: Any) -> Any:
    return np.array([item["embedding"] for item in body["data"]])


def of_text(post: Any, text: str, model: str = CLIP) -> Any:
    return vectors(post("embeddings", model=model, input=text)[1])[0]


def refusal(post: Any, value: Any, model: str = CLIP) -> tuple[str, str, str]:
    """The field, type and message that an input is refused with."""
    status, body = post("embeddings", model=model, input=value)
    assert status == 422, body
    [error] = body["errors"]
    return error["field"], error["type"], error["message"]


# What is read.


@pytest.mark.parametrize(
    "picture",
    [
        saved(drawing(LINES)),
        saved(drawing(LINES), "JPEG", quality=70),
        saved(drawing(LINES), "WEBP"),
        saved(drawing(LINES), "GIF"),
        saved(drawing(LINES), "TIFF"),
        saved(drawing(LINES).convert("L")),
        saved(drawing(LINES, ink="white", ground="navy")),
        saved(drawing(LINES, ground=(0, 0, 0, 0), mode="RGBA")),
        saved(drawing(LINES, ground=(0, 0, 0, 0), mode="RGBA").quantize()),
        saved(drawing(LINES).rotate(90, expand=True), "JPEG", exif=TURNED),
    ],
    ids=["PNG", "JPEG", "WebP", "GIF", "TIFF", "gray", "light on dark", "transparent", "palette", "turned by its EXIF"],
)
def test_all_lines_of_a_page_are_read(reader: MediaPool, picture: bytes) -> None:
    assert reader.texts("image", picture)[0].splitlines() == LINES


def test_a_banner_is_read(reader: MediaPool) -> None:
    assert reader.texts("image", saved(drawing(["Summer sale: half price"], (560, 80)))) == ["Summer sale: half price"]


def test_an_image_has_the_vector_of_its_text(post: Any) -> None:
    status, body = post("embeddings", model=CLIP, input=[{"image": INVOICE}])
    assert status == 200
    assert np.array_equal(vectors(body)[0], of_text(post, TEXT))
    assert body["usage"] == post("embeddings", model=CLIP, input=TEXT)[1]["usage"]


@pytest.mark.parametrize("model", [CLIP, "jina-clip-v1", "jina-embeddings-v4", "jina-embeddings-v5-omni-small"])
def test_every_model_that_takes_images_does(post: Any, model: str) -> None:
    status, body = post("embeddings", model=model, input=[{"image": INVOICE}, "a text"])
    assert (status, len(body["data"])) == (200, 2)


def test_an_image_may_have_six_forms(post: Any) -> None:
    data = INVOICE
    forms = [
        {"image": data},
        {"image": f"data:image/png;base64,{data}"},
        {"image": f"DATA:image/png;charset=x;BASE64,{data}"},
        {"image": f"\n{data} "},
        {"bytes": data},
        {"url": f"data:image/png;base64,{data}"},
    ]
    status, body = post("embeddings", model=CLIP, input=forms)
    assert status == 200
    assert len(np.unique(vectors(body), axis=0)) == 1


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"], ids=["base64", "data URI"])
def test_a_bare_string_that_holds_an_image_is_an_image(post: Any, head: str) -> None:
    """jina-haystack 2.0.1 sends images this way."""
    status, body = post("embeddings", model=CLIP, input=[head + INVOICE, "a text"])
    assert status == 200
    assert np.array_equal(vectors(body)[0], of_text(post, TEXT))


def test_a_question_finds_the_page_that_answers_it(post: Any) -> None:
    pages = {
        "How do I bake bread?": ["Sourdough for beginners", "Mix flour, water and salt", "Bake at 230 degrees"],
        "When is the invoice due?": LINES,
        "Which train goes to Berlin?": ["Departures", "10:04 Intercity to Berlin", "10:15 Regional to Potsdam"],
        "How do I reset my password?": ["Account settings", "Forgot your password?", "Send a reset link by mail"],
        "Is it going to rain?": ["Weather report", "Heavy showers on Tuesday", "Sunny at the weekend"],
    }
    images = [{"image": coded(saved(drawing(lines)))} for lines in pages.values()]
    page_vectors = vectors(post("embeddings", model=CLIP, input=images)[1])
    query_vectors = vectors(post("embeddings", model=CLIP, task="retrieval.query", input=list(pages))[1])
    assert (query_vectors @ page_vectors.T).argmax(axis=1).tolist() == list(range(len(pages)))


def test_a_group_has_one_vector_of_all_its_parts(post: Any) -> None:
    model = "jina-embeddings-v5-omni-small"
    parts = [{"text": "From the archive:"}, {"image": INVOICE}, {"text": "paid"}]
    status, body = post("embeddings", model=model, input=[{"content": parts}, "another"])
    assert (status, len(body["data"])) == (200, 2)
    together = "\n".join(["From the archive:", TEXT, "paid"])
    assert np.array_equal(vectors(body)[0], of_text(post, together, model))


def test_multi_vectors_of_an_image_equal_those_of_its_text(post: Any) -> None:
    options = {"model": "jina-embeddings-v4", "return_multivector": True, "return_tokenized_input": True}
    _, of_image = post("embeddings", **options, input=[{"image": INVOICE}])
    _, of_lines = post("embeddings", **options, input=[TEXT])
    assert of_image == of_lines


# PDFs.


@pytest.mark.parametrize("scanned", [False, True], ids=["text layer", "scanned"])
def test_a_pdf_has_one_vector_for_each_page(post: Any, scanned: bool) -> None:
    file = pdf(TEXT.splitlines(), ["Annual report", "Sales rose in Asia"], scanned=scanned)
    status, body = post("embeddings", model=CLIP, input={"pdf": coded(file)})
    assert (status, [item["index"] for item in body["data"]]) == (200, [0, 1])
    assert np.array_equal(vectors(body)[0], of_text(post, TEXT))
    assert np.array_equal(vectors(body)[1], of_text(post, "Annual report\nSales rose in Asia"))


def test_a_pdf_may_be_a_data_uri(post: Any) -> None:
    file = f"data:application/pdf;base64,{coded(pdf(LINES))}"
    assert post("embeddings", model="jina-embeddings-v4", input={"pdf": file})[0] == 200


def test_a_pdf_must_be_alone(post: Any) -> None:
    field, kind, message = refusal(post, [{"pdf": coded(pdf(LINES))}])
    assert (field, kind) == ("body -> input -> 0", "unsupported_modality")
    assert "the only input" in message


def test_a_pdf_has_at_most_100_pages(post: Any) -> None:
    assert post("embeddings", model=CLIP, input={"pdf": coded(pdf(*[["x"]] * 100))})[0] == 200
    _, _, message = refusal(post, {"pdf": coded(pdf(*[["x"]] * 101))})
    assert message == "The PDF has 101 pages. Send one with 1 to 100 pages"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"no PDF", "The file is not a PDF, is damaged, or needs a password"),
        (b"%PDF-1.4\nbroken", "The file is not a PDF, is damaged, or needs a password"),
        (pdf(LINES)[:60], "The file is not a PDF, is damaged, or needs a password"),
        (locked(pdf(LINES)), "or needs a password"),
        (pdf(LINES, []), "Page 2 of the PDF: There is no text"),
        (saved(drawing([]), "PDF"), "Page 1 of the PDF: There is no text"),
    ],
    ids=["not a PDF", "only a head", "cut off", "locked", "an empty page", "a scan of nothing"],
)
def test_an_unreadable_pdf_is_rejected(post: Any, file: bytes, message: str) -> None:
    field, kind, actual_message = refusal(post, {"pdf": coded(file)})
    assert (field, kind) == ("body -> input -> pdf", "unreadable_medium")
    assert message in actual_message


# What is refused.


def test_an_image_without_text_rejects_the_request(post: Any) -> None:
    sky = saved(Image.linear_gradient("L").resize((400, 300)).convert("RGB"))
    status, body = post("embeddings", model=CLIP, input=["a text", {"image": coded(sky)}])
    [error] = body["errors"]
    assert (status, error["field"], error["type"]) == (422, "body -> input -> 1 -> image", "unreadable_medium")
    assert "no text in this picture" in error["message"]
    assert "data" not in body


def test_an_error_names_every_unreadable_file(post: Any) -> None:
    bad = [{"image": coded(b"x")}, "a text", {"image": "no base64!"}, {"image": coded(saved(drawing([])))}]
    _, body = post("embeddings", model=CLIP, input=bad)
    assert [error["field"].split(" -> ")[2] for error in body["errors"]] == ["0", "2", "3"]


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (coded(b"neither this nor that"), "unreadable_medium", "is not a readable picture"),
        (coded(saved(drawing(LINES))[:200]), "unreadable_medium", "is not a readable picture"),
        (coded(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "unreadable_medium", "is not a readable picture"),
        (coded(pdf(LINES)), "unreadable_medium", "send it as {'pdf': …}"),
        (coded(bomb(9000, 9000)), "unreadable_medium", "9000 x 9000 pixels. Send one with at most 40,000,000"),
        (coded(bomb(60000, 60000)), "unreadable_medium", "too many pixels. Send one with at most 40,000,000"),
        (coded(bytes(MAX_BYTES + 1)), "too_long", "larger than 8 MB"),
        ("", "value_error", "The file is empty"),
        ("data:image/png;base64,", "value_error", "The file is empty"),
        ("data:image/png,plain", "value_error", "A data URI must hold base64"),
        ("C:\\pictures\\cat.png", "value_error", "neither a URL nor valid base64"),
        ("http://127.0.0.1/cat.png", "fetching_not_allowed", "--allow-fetch"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else None,
)
def test_a_file_that_is_not_an_image_is_rejected(post: Any, value: str, kind: str, message: str) -> None:
    field, actual_kind, actual_message = refusal(post, {"image": value})
    assert (field, actual_kind) == ("body -> input -> image", kind)
    assert message in actual_message


def test_an_image_at_the_size_limit_is_decoded() -> None:
    side = int(MAX_PIXELS**0.5)
    # Shrunk, because all its pixels in RGB take 160 MB.
    width, height = decode(saved(Image.new("1", (side, side))), 100).size
    assert width == height <= 100


def test_text_models_reject_images(post: Any) -> None:
    field, kind, _ = refusal(post, {"image": INVOICE}, "jina-embeddings-v3")
    assert (field, kind) == ("body -> input", "unsupported_modality")


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_video_and_audio_are_rejected_with_a_reason(post: Any, kind: str) -> None:
    _, kind_of_error, message = refusal(post, {kind: "aGk="}, "jina-embeddings-v5-omni-small")
    assert kind_of_error == "unsupported_modality"
    assert f"cannot read {kind}" in message


def test_late_chunking_rejects_images(post: Any) -> None:
    image = {"image": INVOICE}
    status, body = post("embeddings", model="jina-embeddings-v4", late_chunking=True, input=["a", image])
    assert (status, body["errors"][0]["field"]) == (422, "body -> late_chunking")


# Ranking and classes.


def test_images_and_texts_are_reranked_together(post: Any) -> None:
    documents = ["Cats sleep a lot.", {"image": INVOICE}, {"text": "Bread is made of flour."}]
    status, body = post("rerank", model="jina-reranker-m0", query="When is the invoice due?", documents=documents)
    assert status == 200
    assert body["results"][0]["index"] == 1
    assert body["results"][0]["document"] == {"image": INVOICE}


def test_an_image_may_be_the_query(post: Any) -> None:
    query = {"image": coded(saved(drawing(["Where is the bakery?"])))}
    documents = ["Cats sleep a lot.", "The bakery is in the main street."]
    status, body = post("rerank", model="jina-reranker-m0", query=query, documents=documents)
    assert (status, body["results"][0]["index"]) == (200, 1)


def test_an_error_names_the_document_without_text(post: Any) -> None:
    documents = ["a", {"image": coded(saved(drawing([])))}]
    status, body = post("rerank", model="jina-reranker-m0", query="a", documents=documents)
    assert (status, body["errors"][0]["field"]) == (422, "body -> documents -> 1 -> image")


def test_images_are_classified_by_their_text(post: Any) -> None:
    match = ["The striker scored twice", "Football: final score 3 to 1"]
    images = [{"image": INVOICE}, {"image": coded(saved(drawing(match)))}]
    status, body = post("classify", model=CLIP, input=images, labels=["invoice", "football"])
    assert (status, [item["prediction"] for item in body["data"]]) == (200, ["invoice", "football"])


def test_a_classifier_learns_from_images(post: Any, ask: Any) -> None:
    texts = [("Invoice 1: please pay", "bill"), ("Goal in the last minute", "sport")] * 2
    examples = [{"image": coded(saved(drawing([text], (560, 80)))), "label": label} for text, label in texts]
    status, trained = post("train", model=CLIP, input=examples)
    assert status == 200
    name = trained["classifier_id"]
    _, body = post("classify", classifier_id=name, input=[{"image": coded(saved(drawing(["Pay this invoice"])))}])
    ask("DELETE", f"/v1/classifiers/{name}")
    assert body["data"][0]["prediction"] == "bill"


# How it is read.


def test_threads_read_the_same_text(reader: MediaPool) -> None:
    pages = [drawing([f"Page number {number}", "of one small book"]) for number in range(4)]
    files = [saved(page) for page in pages] + [pdf([f"Chapter {number}"], scanned=True) for number in range(4)]
    expected = [*(f"Page number {n}\nof one small book" for n in range(4)), *(f"Chapter {n}" for n in range(4))]
    texts: list[str] = [""] * 8

    def read(number: int) -> None:
        data = files[number]
        texts[number] = reader.texts("image" if number < 4 else "pdf", data)[0]

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == expected


def test_many_images_leave_few_threads(reader: MediaPool) -> None:
    picture = saved(drawing(["a"]))
    before = threading.active_count()
    for _ in range(20):
        list(reader.pictures("image", picture))
    assert threading.active_count() < before + 10


def test_images_for_a_vision_model_share_a_memory_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    row = MODELS[CLIP]
    image = coded(saved(Image.new("RGB", (100, 100))))
    items = [InputItem("image", image, ("input", number, "image")) for number in range(3)]
    monkeypatch.setattr(media_reader, "MAX_PIXELS_TOGETHER", 30_000)
    assert [picture.size for picture in media_reader.read_pictures(items, row).images] == [(100, 100)] * 3
    monkeypatch.setattr(media_reader, "MAX_PIXELS_TOGETHER", 29_999)
    with pytest.raises(RequestError) as caught:
        media_reader.read_pictures(items, row)
    assert (caught.value.status, caught.value.body("id")["errors"][0]["field"]) == (
        422,
        "body -> input -> 2 -> image",
    )


def test_a_vision_model_gets_rendered_pdf_pages() -> None:
    item = InputItem("pdf", coded(pdf(["first"], ["second"])), ("input", "pdf"))
    pictures = media_reader.read_pictures([item], MODELS[CLIP])
    assert [picture.size for picture in pictures.images] == [(1200, 1600)] * 2
    assert pictures.order == [True, True]


def test_without_the_extra_the_error_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "rapidocr.py").write_text("raise ModuleNotFoundError('none', name='rapidocr')")
    image = INVOICE
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import jina_local, orjson
def ask(value):
    body = orjson.dumps({{"model": "jina-clip-v2", "input": value}})
    status, _, answer = jina_local.default_app().handle("POST", "/v1/embeddings", {{}}, body)
    print(status, answer.decode() if status != 200 else "")
ask({{"image": "{image}"}})
ask("a text")
"""
    run = warm.run(["-c", code], text=True, timeout=60)
    assert run.stderr == ""
    rejection, text = run.stdout.splitlines()
    assert rejection.startswith("422")
    assert 'pip install \\"jina-local[images]\\"' in rejection
    assert text.strip() == "200"
