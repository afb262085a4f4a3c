"""Decode pictures, and read their text with rapidocr (PP-OCR on onnxruntime), whose package contains its models."""

from __future__ import annotations

import io
from typing import Any

MAX_PIXELS = 40_000_000
"""Maximum size of a picture. Larger ones are rejected before decoding: a small file can hold a huge picture."""

# rapidocr shrinks larger pictures itself, with more memory.
_LONGEST_SIDE = 2000

# The detector reads a picture at this size; larger ones need more memory than a worker may use.
_DETECTOR_SIDE = 960

# Transparent pictures are composed and shrunk in strips of this many pixels.
_STRIP_PIXELS = 1_000_000

# Pillow's other decoders never see a file: some, such as the one for EPS, run other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


class UnreadableMediumError(Exception):
    """A medium cannot be read. The message gives the caller the reason."""


class TextReader:
    """Reads text in pictures, in a process that uses onnxruntime for nothing else. Not thread-safe.

    Args:
        threads: Threads that compute one picture; defaults to one per core that this process may use.

    Raises:
        ImportError: The extra ``images`` is not installed.
    """

    def __init__(self, threads: int | None = None) -> None:
        # Imported first, because it configures onnxruntime before rapidocr imports it.
        from .. import runtime

        runtime.disable_spinning()
        from rapidocr import RapidOCR

        settings = {
            # Upside-down text is too rare for a third network on every line.
            "Global.use_cls": False,
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": max(1, min(threads or runtime.cores(), runtime.cores())),
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            # Keeps the detector from enlarging a banner to its usual size.
            "Det.limit_type": "max",
            "Det.limit_side_len": _DETECTOR_SIDE,
            # One line at a time: a batch of long lines takes several times the memory.
            "Rec.rec_batch_num": 1,
        }
        self._read: Any = RapidOCR(params=settings)

    def text_of(self, picture: Any) -> str:
        """Return the lines of text in a ``PIL.Image``, from top to bottom.

        Raises:
            UnreadableMediumError: The picture contains no text.
        """
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


def decode_for_reading(data: bytes) -> Any:
    """Decode a picture file, and shrink it to the size in which its text is read; see :func:`decode`."""
    return decode(data, _LONGEST_SIDE)


def decode(data: bytes, longest_side: int | None = None) -> Any:
    """Decode a picture file.

    Args:
        data: Content of the file.
        longest_side: Maximum width and height in pixels; larger pictures are shrunk. ``None`` keeps the size.

    Returns:
        A ``PIL.Image`` in RGB, rotated by its EXIF orientation, with transparent parts in white.

    Raises:
        UnreadableMediumError: The file is not a picture, or has too many pixels.
        MemoryError: The picture needs more memory than the process may use.
    """
    from PIL import Image, ImageOps

    if data.startswith(b"%PDF-"):
        raise UnreadableMediumError("The file is a PDF: send it as {'pdf': …}, the only input of its request")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                message = f"The picture has {width} x {height} pixels. Send one with at most {MAX_PIXELS:,} pixels"
                raise UnreadableMediumError(message)
            if longest_side is not None:
                # A JPEG is decoded at a reduced size.
                image.draft("RGB", (longest_side, longest_side))
            orientation = image.getexif().get(_ORIENTATION)
            opaque = _opaque(image, max(1, -(-max(image.size) // longest_side)) if longest_side else 1)
        if longest_side is not None:
            opaque.thumbnail((longest_side, longest_side))
        if orientation in _ROTATED:
            opaque.getexif()[_ORIENTATION] = orientation
            opaque = ImageOps.exif_transpose(opaque)
    except (UnreadableMediumError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise UnreadableMediumError(
            f"The picture has too many pixels. Send one with at most {MAX_PIXELS:,} pixels"
        ) from None
    except Exception as error:  # Pillow's decoders raise all kinds of errors for a broken file.
        message = f"The file is not a readable picture ({type(error).__name__}). Send a PNG, JPEG, GIF or WebP file"
        raise UnreadableMediumError(message) from None
    return opaque


_ORIENTATION = 0x0112
_ROTATED = range(2, 9)


def _opaque(image: Any, factor: int) -> Any:
    """Convert a picture to RGB on white, and shrink it by a whole factor, with little memory beside the picture's."""
    from PIL import Image

    image.load()
    if not image.has_transparency_data and factor == 1:
        return image.convert("RGB")
    width, height = image.size
    result = Image.new("RGB", (-(-width // factor), -(-height // factor)), "white")
    rows = max(1, _STRIP_PIXELS // width // factor) * factor
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(height, top + rows)))
        if "transparency" in image.info:
            strip.info["transparency"] = image.info["transparency"]
        if strip.has_transparency_data:
            pixels = strip.convert("RGBA")
            strip = Image.new("RGB", pixels.size, "white")
            strip.paste(pixels, mask=pixels)
        else:
            strip = strip.convert("RGB")
        result.paste(strip.reduce(factor) if factor > 1 else strip, (0, top // factor))
    return result
