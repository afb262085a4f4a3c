"""Read the text in a picture with rapidocr (PP-OCR on onnxruntime), whose package contains its models."""

from __future__ import annotations

import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Imported first, because it configures onnxruntime before rapidocr imports it.
from .. import runtime

MAX_PIXELS = 40_000_000
"""Maximum size of a picture. Larger ones are rejected before decoding: a small file can hold a huge picture."""

# rapidocr shrinks larger pictures itself, with more memory.
_LONGEST_SIDE = 2000

# Pillow's other decoders never see a file: some, such as the one for EPS, run other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


class UnreadableMediumError(Exception):
    """A medium cannot be read. The message gives the caller the reason."""


class TextReader:
    """Reads text in pictures. Thread-safe.

    A single thread decodes and reads pictures one after another. This bounds the memory however many pictures arrive at
    the same time: each thread that computes would keep 50 MB.

    Args:
        threads: Threads that compute one picture; defaults to one per core that this process may use.

    Raises:
        ImportError: The extra ``images`` is not installed.
    """

    def __init__(self, threads: int | None = None) -> None:
        import PIL  # noqa: F401
        import pypdfium2  # type: ignore[import-untyped]  # noqa: F401
        from rapidocr import RapidOCR

        settings = {
            # Upside-down text is too rare for a third network on every line.
            "Global.use_cls": False,
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": max(1, min(threads or runtime.cores(), runtime.cores())),
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            # Keeps the detector from enlarging a banner to its usual size.
            "Det.limit_type": "max",
            "Det.limit_side_len": 1280,
        }
        self._read: Any = RapidOCR(params=settings)
        self._executor = ThreadPoolExecutor(1, "jina-local-reader")

    def text(self, data: bytes) -> str:
        """Return the lines of text in a picture file, from top to bottom.

        Raises:
            UnreadableMediumError: The file is not a picture, is too large, or contains no text.
        """
        return self._executor.submit(lambda: self._text_of(decode(data, _LONGEST_SIDE))).result()

    def text_of(self, picture: Any) -> str:
        """Return the lines of text in a ``PIL.Image``, from top to bottom.

        Raises:
            UnreadableMediumError: The picture contains no text.
        """
        return self._executor.submit(self._text_of, picture).result()

    def _text_of(self, picture: Any) -> str:
        import numpy as np

        # rapidocr expects OpenCV's channel order: blue first.
        result = self._read(np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]))
        lines = [line.strip() for line in result.txts or ()]
        text = "\n".join(line for line in lines if line)
        if not text:
            raise UnreadableMediumError(
                "There is no text in this picture, and the stand-in embeds only the text of a picture. Send a picture "
                "with text"
            )
        return text


def decode(data: bytes, longest_side: int | None = None) -> Any:
    """Decode a picture file.

    Args:
        data: Content of the file.
        longest_side: Maximum width and height in pixels; larger pictures are shrunk. ``None`` keeps the size.

    Returns:
        A ``PIL.Image`` in RGB, rotated by its EXIF orientation, with transparent parts in white.

    Raises:
        UnreadableMediumError: The file is not a picture, or has too many pixels.
    """
    from PIL import Image, ImageOps

    if data.startswith(b"%PDF-"):
        raise UnreadableMediumError("The file is a PDF: send it as {'pdf': …}, the only input of its request")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                message = f"The picture has {width} x {height} pixels: at most {MAX_PIXELS:,} are read"
                raise UnreadableMediumError(message)
            if longest_side is not None:
                image.thumbnail((longest_side, longest_side))
            upright = ImageOps.exif_transpose(image)
            if not upright.has_transparency_data:
                return upright.convert("RGB")
            upright = upright.convert("RGBA")
    except UnreadableMediumError:
        raise
    except Image.DecompressionBombError:
        raise UnreadableMediumError(f"The picture has too many pixels: at most {MAX_PIXELS:,} are read") from None
    except Exception as error:  # Pillow's decoders raise all kinds of errors for a broken file.
        message = f"The file is no picture that can be decoded ({type(error).__name__})"
        raise UnreadableMediumError(message) from None
    background = Image.new("RGB", upright.size, "white")
    background.paste(upright, mask=upright)
    return background


_readers: dict[int, TextReader] = {}
_locks: dict[int, threading.Lock] = {}


def text_reader(threads: int | None = None) -> TextReader:
    """Return the reader of this process, created at the first call.

    Args:
        threads: Threads that compute one picture, if this call creates the reader.
    """
    process = os.getpid()
    if process not in _readers:
        with _locks.setdefault(process, threading.Lock()):
            if process not in _readers:
                _readers[process] = TextReader(threads)
    return _readers[process]
