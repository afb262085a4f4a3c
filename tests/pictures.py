"""Pictures for tests, and a server's response to requests that contain pictures."""

from __future__ import annotations

import base64
import io
from typing import Any

from loopback import Answer, Recorder, Sent, vector_of
from PIL import Image, ImageDraw, ImageFont


def of_media(sent: Sent) -> Answer:
    """Return a correct response to a request with media; the vector of an item is that of its base64."""
    assert sent.body["embedding_type"] == "base64"
    data = []
    for index, item in enumerate(sent.body["input"]):
        content = item if isinstance(item, str) else item["image"]
        vector = vector_of(content, sent.body.get("dimensions") or 1024)
        data.append({"index": index, "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode()})
    # The last comes first: answers are put in order by their index.
    return Answer({"model": sent.body["model"], "usage": {"total_tokens": 10 * len(data)}, "data": data[::-1]})


def encoded(color: str, size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    """Return a picture of one color."""
    with io.BytesIO() as buffer:
        Image.new("RGB", size, color).save(buffer, kind)
        return buffer.getvalue()


def written(line: str) -> bytes:
    """Return a picture of a line of text, as large as the line, which the embedded engine can read."""
    font = ImageFont.load_default(30)
    picture = Image.new("RGB", (int(font.getlength(line)) + 30, 60), "white")
    ImageDraw.Draw(picture).text((15, 12), line, "black", font)
    with io.BytesIO() as buffer:
        picture.save(buffer, "PNG")
        return buffer.getvalue()


def images_of(server: Recorder) -> list[Image.Image]:
    """Return the pictures that a server received, in order."""
    items: list[Any] = [item for sent in server.sent for item in sent.body["input"]]
    return [Image.open(io.BytesIO(base64.b64decode(item["image"]))) for item in items]
