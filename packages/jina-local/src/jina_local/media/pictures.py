"""The text in a picture, read by rapidocr (PP-OCR on onnxruntime), whose models come with its package."""

from __future__ import annotations

import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Before onnxruntime is imported by whoever comes first.
from .. import runtime

MAX_PIXELS = 40_000_000
"""More is refused before it is decoded: a small file can hold a huge picture."""

# The library reads nothing larger, and takes more memory to make it smaller.
_LONGEST_SIDE = 2000

# No other of Pillow's decoders sees what was sent: some, such as the one for EPS, run other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


class UnreadableMedium(Exception):
    """Why there is no text to embed, in words for whoever sent the medium."""


class TextReader:
    """Reads text in pictures. It may be used by several threads at once.

    Pictures are decoded and read one after another by one thread of its own, so that the memory is bounded however many
    are sent at once: each thread that computed would keep 50 MB of what it once needed.

    Args:
        threads: how many threads compute; by default one for each core this process may use.

    Raises:
        ImportError: the extra ``images`` is not installed.
    """

    def __init__(self, threads: int | None = None) -> None:
        import PIL  # noqa: F401
        import pypdfium2  # type: ignore[import-untyped]  # noqa: F401
        from rapidocr import RapidOCR

        settings = {
            # Text upside down is not worth a third network on every line.
            "Global.use_cls": False,
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": max(1, min(threads or runtime.cores(), runtime.cores())),
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            # A banner is not blown up to the detector's usual size.
            "Det.limit_type": "max",
            "Det.limit_side_len": 1280,
        }
        self._read: Any = RapidOCR(params=settings)
        self._reading = ThreadPoolExecutor(1, "jina-local-reader")

    def text(self, data: bytes) -> str:
        """The lines of text in a picture file, from top to bottom.

        Raises:
            UnreadableMedium: it is no picture, too large a one, or has no text in it.
        """
        return self._reading.submit(lambda: self._text_of(decode(data, _LONGEST_SIDE))).result()

    def text_of(self, picture: Any) -> str:
        """The lines of text in a ``PIL.Image``; raises as :meth:`text` does."""
        return self._reading.submit(self._text_of, picture).result()

    def _text_of(self, picture: Any) -> str:
        import numpy as np

        # The library reads arrays as OpenCV has them: blue first.
        found = self._read(np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]))
        lines = [line.strip() for line in found.txts or ()]
        text = "\n".join(line for line in lines if line)
        if not text:
            raise UnreadableMedium(
                "There is no text in this picture, and the stand-in reads nothing else. It gives no made-up vector"
            )
        return text


def decode(data: bytes, longest_side: int | None = None) -> Any:
    """A picture file as a ``PIL.Image`` in RGB, turned as its camera says, transparent parts white.

    Args:
        data: the file.
        longest_side: pixels; a larger picture is made smaller.

    Raises:
        UnreadableMedium: it is no picture, or has too many pixels.
    """
    from PIL import Image, ImageOps

    if data.startswith(b"%PDF-"):
        raise UnreadableMedium("It is a PDF: send it as {'pdf': …}, the only input of its request")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise UnreadableMedium(f"The picture has {width} x {height} pixels: at most {MAX_PIXELS:,} are read")
            if longest_side is not None:
                opened.thumbnail((longest_side, longest_side))
            turned = ImageOps.exif_transpose(opened)
            if not turned.has_transparency_data:
                return turned.convert("RGB")
            turned = turned.convert("RGBA")
    except UnreadableMedium:
        raise
    except Image.DecompressionBombError:
        raise UnreadableMedium(f"The picture has too many pixels: at most {MAX_PIXELS:,} are read") from None
    except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to.
        raise UnreadableMedium(f"It is no picture that can be decoded ({type(error).__name__})") from None
    background = Image.new("RGB", turned.size, "white")
    background.paste(turned, mask=turned)
    return background


_readers: dict[int, TextReader] = {}
_making: dict[int, threading.Lock] = {}


def text_reader(threads: int | None = None) -> TextReader:
    """The process's own reader, made at the first call."""
    process = os.getpid()
    if process not in _readers:
        with _making.setdefault(process, threading.Lock()):
            if process not in _readers:
                _readers[process] = TextReader(threads)
    return _readers[process]
