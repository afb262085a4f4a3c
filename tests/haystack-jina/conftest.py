"""Pictures and a PDF on disk, and a server that embeds whatever it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Recorder, recorder
from pictures import encoded, of_media
from PIL import Image


@pytest.fixture
def media_server() -> Iterator[Recorder]:
    with recorder(of_media) as running:
        yield running


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of pictures, with a secret one beside it; the pages of the PDF are 100, 200 and 300 points wide."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "red.png").write_bytes(encoded("red"))
    (folder / "blue.jpg").write_bytes(encoded("blue", kind="JPEG"))
    (folder / "large.png").write_bytes(encoded("green", (800, 400)))
    (folder / "notes.txt").write_text("no picture")
    pages = [Image.new("RGB", (width, 2 * width), "white") for width in (100, 200, 300)]
    pages[0].save(folder / "pages.pdf", save_all=True, append_images=pages[1:], resolution=72)
    (tmp_path / "secret.png").write_bytes(encoded("black"))
    return folder
