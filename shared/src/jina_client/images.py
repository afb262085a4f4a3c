"""The pixels of images, with Pillow: their size, and smaller copies."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .errors import JinaError, JinaInputError
from .files import MB, opened
from .memory import MemoryBudget
from .per_process import PerProcess

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")
Source: TypeAlias = "bytes | Path | Image"
"""Where an image comes from."""

MAX_IMAGE_BYTES = 8 * MB
"""Largest size of an image that is sent, in bytes; Jina publishes it."""
MAX_READ_BYTES = 256 * MB
"""Largest image file that is read in order to make it smaller."""

RESIZING = 2
"""The method of resizing. It increases when resized images change so much that their vectors do."""

_PIXELS = PerProcess(lambda: MemoryBudget(128 * MB))
# Few threads, because each keeps memory for the next image, and competes with the event loop for Python's lock.
_THREADS = PerProcess(lambda: ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="jina-client-images"))

# Pillow loads the pixels of an image when they are first used, which several threads must not do with the same image.
_LOADING = PerProcess(lambda: [threading.Lock() for _ in range(64)])

# Pillow has four bytes for a pixel in RGB.
_PIXEL_BYTES = 4
# A progressive JPEG is decoded by way of coefficients, which take up to six bytes for a pixel of its full size.
_PROGRESSIVE_PIXELS = 1.5
# The Exif tag that says how an image is rotated.
_ORIENTATION = 0x0112
_JPEG_QUALITY = 95
# Higher levels take three times as long, for files that are a tenth smaller.
_PNG_LEVEL = 1
# An image is first averaged to at least this multiple of its final size.
_REDUCING_GAP = 2.0


def room_for_pixels(count: int) -> AbstractContextManager[None]:
    """Wait in this thread until there is memory for so many more pixels in the process, and hold it for the block."""
    return _PIXELS.get().reserved(count * _PIXEL_BYTES)


def in_image_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that decodes or encodes images, in one of as many threads as there are cores, and wait for it."""
    return _THREADS.get().submit(function, *arguments).result()


def is_pillow(value: Any) -> bool:
    """Return whether a value is a PIL image, without importing Pillow."""
    # Another thread may be importing it.
    kind = getattr(sys.modules.get("PIL.Image"), "Image", None)
    return kind is not None and isinstance(value, kind)


def size_as_sent(source: Source, name: str, max_side: int | None) -> tuple[int, int]:
    """Return the width and height of an image as it is sent, in pixels.

    Raises:
        JinaInputError: Pillow is missing, or cannot read the image.
    """
    with _opened(source, name) as image, _loading(image):
        width, height = image.size
        if image.getexif().get(_ORIENTATION, 1) >= 5:
            width, height = height, width
    return (width, height) if _fits(max_side, width, height) else _fitted(width, height, max_side or 1)


def fits(source: Source, name: str, max_side: int) -> bool:
    """Return whether an image is small enough to be sent unchanged."""
    with _opened(source, name) as image:
        return _fits(max_side, *image.size)


def encoded(source: Source, name: str, max_side: int | None) -> bytes | None:
    """Return an image as JPEG or PNG, upright and at most ``max_side`` pixels wide and high.

    Returns:
        ``None`` if the image is a file that can be sent unchanged.

    Raises:
        JinaInputError: Pillow is missing, or cannot read the image.
    """
    with _opened(source, name) as image:
        if _fits(max_side, *image.size):
            if not is_pillow(source):
                return None
            size = image.size
        else:
            size = _fitted(*image.size, max_side or 1)
        lossy = image.format == "JPEG"
        pixels = image.width * image.height * _PROGRESSIVE_PIXELS if "progressive" in image.info else 0
        # Pillow decodes a JPEG at a fraction of its size. The caller's own image must not change.
        drafted = None if is_pillow(source) else image.draft(None, size)
        pixels += image.width * image.height
        with room_for_pixels(round(pixels)):
            return in_image_thread(_copy, image, size, drafted and drafted[1], lossy)


def _copy(image: Image, size: tuple[int, int], box: tuple[float, float, float, float] | None, lossy: bool) -> bytes:
    """Return a copy of an image as a file, in a plain mode and another size, with its orientation applied."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    with _loading(image):
        image.load()
    copy = _plain_mode(image).resize(size, Resampling.BICUBIC, box, _REDUCING_GAP)
    # Last, because turning the small image costs less. It has the Exif data of the large one.
    ImageOps.exif_transpose(copy, in_place=True)
    return _compress(copy, lossy=lossy)


def _loading(image: Image) -> threading.Lock:
    """Return the lock to hold while the pixels of an image are loaded, which other images seldom share."""
    locks = _LOADING.get()
    return locks[(id(image) >> 4) % len(locks)]


@contextmanager
def _opened(source: Source, name: str) -> Iterator[Image]:
    """Yield the image of a source. Pillow reads a file in pieces, as the block needs them."""
    try:
        if is_pillow(source):
            yield source  # type: ignore[misc]
            return
        pillow = _pillow(name)
        with opened(source, name, MAX_READ_BYTES) if isinstance(source, Path) else io.BytesIO(source) as file:  # type: ignore[arg-type]
            yield pillow.open(file)
    except JinaError:
        raise
    except Exception as error:  # Pillow's decoders raise errors of many types.
        raise JinaInputError(f"{name} cannot be read as an image: {str(error) or type(error).__name__}") from None


def _pillow(name: str) -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise JinaInputError(
            f"reading the pixels of {name} needs Pillow: pip install pillow (the extra jina-client[images])"
        ) from None
    return Image


def _fits(max_side: int | None, width: int, height: int) -> bool:
    return max_side is None or max(width, height) <= max_side


def _fitted(width: int, height: int, side: int) -> tuple[int, int]:
    scale = side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _plain_mode(image: Image) -> Image:
    """Convert an image to 8-bit gray, RGB or RGBA, which every service reads. Transparency is kept."""
    if image.mode in ("RGB", "RGBA", "L"):
        return image
    transparent = image.mode in ("LA", "PA") or "transparency" in image.info
    return image.convert("RGBA" if transparent else "RGB")


def _compress(image: Image, *, lossy: bool) -> bytes:
    """Return the image as PNG, or as JPEG with ``lossy`` or if the PNG is too large."""
    options: list[tuple[str, dict[str, Any]]] = [
        ("PNG", {"compress_level": _PNG_LEVEL}),
        ("JPEG", {"quality": _JPEG_QUALITY}),
    ]
    content = b""
    for format_name, settings in options[1:] if lossy else options:
        with io.BytesIO() as buffer:
            picture = image.convert("RGB") if format_name == "JPEG" and image.mode == "RGBA" else image
            picture.save(buffer, format_name, **settings)
            content = buffer.getvalue()
        if len(content) <= MAX_IMAGE_BYTES:
            break
    return content
