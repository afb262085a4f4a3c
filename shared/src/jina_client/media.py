"""Images, PDFs, video and audio from many Python types. Files are read when they are sent.

The kind of a file is determined from its content, not from its name. So a path from an untrusted source cannot leak
another file: a file that is not an image is never sent as one.
"""

from __future__ import annotations

import io
import os
import re
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

import filetype
import pybase64

from .errors import JinaInputError

if TYPE_CHECKING:
    from PIL.Image import Image

Kind = Literal["image", "pdf", "video", "audio"]

KINDS: tuple[Kind, ...] = ("image", "pdf", "video", "audio")

_MB = 2**20
LARGEST: dict[Kind, int] = {"image": 8 * _MB, "pdf": 8 * _MB, "video": 64 * _MB, "audio": 64 * _MB}
"""Largest size of one item in bytes. Jina publishes the limit of images and PDFs; the others bound memory use."""
# The largest image file that is read in order to make it smaller.
_LARGEST_READ = 256 * _MB
# The assumed size of an item that a function produces when it is sent.
_ASSUMED_BYTES = 2 * _MB
# Bytes that determine the kind of a file.
_HEAD = 8192
# The Exif tag that says how an image is rotated.
_ORIENTATION = 0x0112
_JPEG_QUALITY = 95

# A whole string that is a data URI of a medium, not a text about one.
_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[^\s,]*)?,\S*", re.IGNORECASE)
# The base64 of the first bytes of PNG, JPEG, GIF, RIFF, TIFF and PDF files. No long text looks like that.
_BASE64_HEADS = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "SUkqA", "TU0AK", "JVBERi0")
_BASE64 = re.compile("[A-Za-z0-9+/]+={0,2}")
_SHORTEST_FILE = 60

PDFIUM = threading.RLock()
"""Lock to hold around every call of PDFium, which is not thread-safe, even for different files."""


class Media:
    """One image, PDF, video or audio recording.

    Attributes:
        kind: the kind of content.
        name: the input's name in error messages, such as ``inputs[3]``.
        url: the address from which the service fetches the content; ``None`` if the client sends the content.

    Args:
        value: a string (a URL, data URI, base64, ``file://`` address or path), a ``Path``, bytes, a binary file, a PIL
            image, or a function that returns one of these. The function is called each time the item is sent, from
            any thread, and its result is checked then.
        kind: the expected kind; ``None`` determines it from the content.
        name: the input's name in error messages.
        max_side: longer side in pixels above which an image is made smaller before it is sent.

    Raises:
        JinaInputError: unreadable content, another kind of content than ``kind``, or content that is too large.
    """

    __slots__ = ("_max_side", "_source", "kind", "name", "url")

    def __init__(self, value: Any, kind: Kind | None, name: str, max_side: int | None = None) -> None:
        self.name = name
        self.url: str | None = None
        self._max_side = max_side
        self._source: bytes | str | Path | Image | Callable[[], Any] = b""
        if isinstance(value, str):
            value = self._from_string(value, kind or "image")
        if self.url is not None:
            self.kind: Kind = kind or "image"
            return
        if callable(value) and kind is not None and not is_media(value):
            self._source, self.kind = value, kind
            return
        if isinstance(value, os.PathLike):
            value = Path(os.fsdecode(value))
        elif isinstance(value, io.BytesIO):
            value = value.getvalue()
        elif hasattr(value, "read"):
            value = value.read()
        if isinstance(value, (bytearray, memoryview)):
            value = bytes(value)
        if not isinstance(value, (bytes, Path)) and not is_pillow(value):
            raise JinaInputError(
                f"{name} must be a URL, data URI, base64, path, bytes, binary file or PIL image, "
                f"got {type(value).__name__}"
            )
        self._source = value
        self.kind = self._check_content(kind)

    @property
    def size(self) -> int:
        """The approximate number of bytes in a request."""
        source = self._source
        if self.url is not None:
            return len(self.url)
        if callable(source):
            return _ASSUMED_BYTES * 4 // 3
        if isinstance(source, Path):
            return source.stat().st_size * 4 // 3
        if isinstance(source, bytes):
            return len(source) * 4 // 3
        width, height = source.size  # type: ignore[union-attr]
        return width * height * 2

    def pixels(self) -> tuple[int, int]:
        """Return the width and height of an image as it is sent, in pixels.

        Raises:
            JinaInputError: the service fetches the image, so its size is unknown; or Pillow cannot read it.
        """
        if self.url is not None:
            raise JinaInputError(
                f"{self.name} is a URL, whose image size is unknown to the client; pass the image itself"
            )
        if callable(self._source):
            return self._produce().pixels()
        image = self._open()
        width, height = image.size
        if image.getexif().get(_ORIENTATION, 1) >= 5:
            width, height = height, width
        if self._max_side is None or max(width, height) <= self._max_side:
            return width, height
        return _fitted(width, height, self._max_side)

    def data(self) -> bytes:
        """Return the bytes to send.

        Raises:
            JinaInputError: a file that no longer exists or has grown, an unreadable image, or an error of the function
                that produces the item.
        """
        if callable(self._source):
            return self._produce().data()
        if self.kind == "image" and (self._max_side is not None or is_pillow(self._source)):
            content = self._encode_image()
        elif isinstance(self._source, Path):
            content = _read(self._source, self.name, LARGEST[self.kind])
        else:
            content = self._source  # type: ignore[assignment]
        _check_size(len(content), self.kind, self.name)
        return content

    def base64(self) -> str:
        """Return the bytes to send as base64."""
        return pybase64.b64encode_as_string(self.data())

    def data_uri(self) -> str:
        """Return the bytes to send as a data URI."""
        content = self.data()
        mime = filetype.guess_mime(content[:_HEAD]) or "application/octet-stream"
        return f"data:{mime};base64,{pybase64.b64encode_as_string(content)}"

    def wire(self) -> dict[str, str]:
        """Return the item in the form of Jina's API: the URL, or base64 without a prefix."""
        return {self.kind: self.url if self.url is not None else self.base64()}

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"

    def _from_string(self, value: str, kind: Kind) -> Any:
        """Set ``url`` from a URL, or convert any other string to bytes or a path."""
        scheme = value[:8].lower()
        if scheme.startswith(("http://", "https://")):
            if not urlsplit(value).hostname or any(character.isspace() for character in value):
                raise JinaInputError(f"{self.name} is not a valid URL: {value[:100]!r}")
            self.url = value
            return None
        if scheme.startswith("data:"):
            head, comma, content = value.partition(",")
            if not comma or not head.lower().endswith(";base64"):
                raise JinaInputError(f"{self.name} is a data URI that is not base64-encoded: {value[:50]!r}")
            return self._from_base64(content, kind)
        if scheme.startswith("file://"):
            parts = urlsplit(value)
            if parts.netloc not in ("", "localhost"):
                raise JinaInputError(f"{self.name} is the address of a file on another machine: {value[:100]!r}")
            return Path(url2pathname(parts.path))
        if _looks_like_base64(value):
            return self._from_base64(value, kind)
        try:
            is_file = Path(value).is_file()
        except (OSError, ValueError):
            is_file = False
        if not is_file:
            raise JinaInputError(
                f"{self.name} is neither a URL, a data URI nor the base64 of a file, and no file of this name exists: "
                f"{value[:100]!r}"
            )
        return Path(value)

    def _from_base64(self, text: str, kind: Kind) -> bytes:
        limit = _LARGEST_READ if self._max_side is not None else LARGEST[kind]
        if len(text) * 3 // 4 > limit + 2:
            raise _too_large(len(text) * 3 // 4, kind, self.name)
        try:
            return pybase64.b64decode(text, validate=True)
        except ValueError as error:
            raise JinaInputError(f"{self.name} is not valid base64: {error}") from None

    def _check_content(self, kind: Kind | None) -> Kind:
        """Return the kind of the content. Check its size too, unless the client may still make it smaller."""
        source = self._source
        if is_pillow(source):
            if kind not in (None, "image"):
                raise JinaInputError(f"{self.name} must be a {kind} file, got a PIL image; pass it as {{'image': …}}")
            return "image"
        head = source[:_HEAD] if isinstance(source, bytes) else _read(source, self.name, _HEAD, whole=False)  # type: ignore[arg-type]
        mime = filetype.guess_mime(head) if head else None
        actual = _kind_of(mime)
        # Video and audio files share containers.
        if actual is None or (kind not in (None, actual) and {kind, actual} != {"video", "audio"}):
            content = mime or ("empty" if not head else "of an unknown type")
            expected = "PDF" if kind == "pdf" else kind or "image, PDF, video or audio file"
            raise JinaInputError(
                f"{self.name} must be {'an' if expected[0] in 'ai' else 'a'} {expected}; its content is {content}"
                + (f" ({source})" if isinstance(source, Path) else "")
            )
        kind = kind or actual
        if self._max_side is None or kind != "image":
            _check_size(len(source) if isinstance(source, bytes) else source.stat().st_size, kind, self.name)  # type: ignore[union-attr]
        return kind

    def _produce(self) -> Media:
        try:
            return Media(self._source(), self.kind, self.name, self._max_side)  # type: ignore[operator]
        except JinaInputError:
            raise
        except Exception as error:  # The caller's function may raise anything.
            raise JinaInputError(f"the function for {self.name} failed: {error!r}") from error

    def _open(self) -> Image:
        if is_pillow(self._source):
            return self._source  # type: ignore[return-value]
        pillow = _pillow(self.name)
        source = self._source
        content = _read(source, self.name, _LARGEST_READ) if isinstance(source, Path) else source
        try:
            image: Image = pillow.open(io.BytesIO(content))  # type: ignore[arg-type]
        except Exception as error:  # Pillow's decoders raise errors of many types.
            raise JinaInputError(f"{self.name} cannot be read as an image: {error}") from None
        return image

    def _encode_image(self) -> bytes:
        """Return an image of at most ``max_side`` pixels: unchanged if it is small enough, else as JPEG or PNG."""
        image = self._open()
        from PIL import ImageOps  # After _open(), whose error says how to install Pillow.

        small = self._max_side is None or max(image.size) <= self._max_side
        if small and not is_pillow(self._source):
            source = self._source
            return _read(source, self.name, _LARGEST_READ) if isinstance(source, Path) else source  # type: ignore[return-value]
        lossy = image.format == "JPEG"
        try:
            image = ImageOps.exif_transpose(image)
            if not small:
                assert self._max_side is not None
                # Before the pixels are decoded: Pillow can decode a JPEG at a fraction of its size.
                image.draft(None, (self._max_side, self._max_side))
                image = _plain_mode(image).resize(_fitted(*image.size, self._max_side))
            return _compress(_plain_mode(image), lossy=lossy)
        except (OSError, ValueError, SyntaxError, MemoryError) as error:
            raise JinaInputError(f"{self.name} cannot be read as an image: {error}") from None


def is_pillow(value: Any) -> bool:
    """Return whether a value is a PIL image, without importing Pillow."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


def is_media(value: Any) -> bool:
    """Return whether a value has a type that :class:`Media` accepts, other than a string."""
    return isinstance(value, (os.PathLike, bytes, bytearray, memoryview)) or hasattr(value, "read") or is_pillow(value)


def kind_of_string(text: str) -> Kind | None:
    """Return the kind of medium that a whole string is, as a data URI or base64; ``None`` for a text."""
    if text[:5].lower() == "data:":
        match = _DATA_URI.fullmatch(text)
        return None if match is None else _kind_of(match[1].lower())
    if len(text) < _SHORTEST_FILE or not text.startswith(_BASE64_HEADS) or not _BASE64.fullmatch(text):
        return None
    return _kind_of(filetype.guess_mime(pybase64.b64decode(text[: _HEAD // 4 * 4][: len(text) // 4 * 4])))


def _kind_of(mime: str | None) -> Kind | None:
    main = (mime or "").partition("/")[0]
    kinds: dict[str, Kind] = {"image": "image", "video": "video", "audio": "audio"}
    return "pdf" if mime == "application/pdf" else kinds.get(main)


def _looks_like_base64(text: str) -> bool:
    """Return whether a string is the base64 of a file of a known type. No path is."""
    head = text[: _HEAD // 4 * 4]
    if len(head) < 16:
        return False
    try:
        return _kind_of(filetype.guess_mime(pybase64.b64decode(head[: len(head) // 4 * 4], validate=True))) is not None
    except ValueError:
        return False


def _read(path: Path, name: str, limit: int, *, whole: bool = True) -> bytes:
    """Return at most ``limit`` bytes of a regular file; with ``whole``, raise if the file is longer."""
    try:
        # Checked before opening, because opening a pipe blocks until someone writes to it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise JinaInputError(f"{name} must be a regular file, not a folder, pipe or device: {path}")
        with path.open("rb") as file:
            content = file.read(limit + whole)
    except OSError as error:
        raise JinaInputError(f"{name} cannot be read: {error.strerror or error} ({path})") from None
    if whole and len(content) > limit:
        raise JinaInputError(f"{name} is larger than the limit of {limit // _MB} MB: {path}; split or shrink the file")
    return content


def _check_size(size: int, kind: Kind, name: str) -> None:
    if size > LARGEST[kind]:
        raise _too_large(size, kind, name)


def _too_large(size: int, kind: Kind, name: str) -> JinaInputError:
    advice = "; pass max_image_side to make it smaller" if kind == "image" else ""
    article = "an" if kind in ("image", "audio") else "a"
    return JinaInputError(
        f"{name} has {size / _MB:.1f} MB; {article} {kind} may have at most {LARGEST[kind] // _MB} MB{advice}"
    )


def _pillow(name: str) -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise JinaInputError(
            f"reading the pixels of {name} needs Pillow: pip install pillow (the extra jina-client[images])"
        ) from None
    return Image


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
    options: list[tuple[str, dict[str, Any]]] = [("PNG", {}), ("JPEG", {"quality": _JPEG_QUALITY})]
    content = b""
    for format_name, settings in options[1:] if lossy else options:
        with io.BytesIO() as buffer:
            picture = image.convert("RGB") if format_name == "JPEG" and image.mode == "RGBA" else image
            picture.save(buffer, format_name, **settings)
            content = buffer.getvalue()
        if len(content) <= LARGEST["image"]:
            break
    return content
