"""Images, PDFs, video and audio from every Python shape, read when they are sent.

What comes from a file or from memory is checked by its content, not by its name: what is no image is never sent as one,
so that a path that came from outside cannot carry another file away.
"""

from __future__ import annotations

import io
import os
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
"""Bytes that are sent of one item. 8 MB for images and PDFs are published; the others bound the memory of a request."""
_LARGEST_READ = 256 * _MB
"""Bytes that are read of an image that is to be made smaller."""
_MADE_BYTES = 2 * _MB
"""What an image that is made when it is sent is taken to have, for planning."""
_HEAD = 8192
_JPEG_QUALITY = 95

PDFIUM = threading.RLock()
"""Held around every call of PDFium: it takes one thread of a process at a time, whoever calls and whatever the file."""


class Media:
    """One image, PDF, video or audio recording.

    Attributes:
        kind: what it is.
        name: what the caller's input is called in errors, such as ``inputs[3]``.
        url: its address, where the service is to fetch it; else ``None``.
    """

    __slots__ = ("_max_side", "_source", "kind", "name", "url")

    def __init__(self, value: Any, kind: Kind | None, name: str, max_side: int | None = None) -> None:
        """Take a value of any shape, and refuse what cannot be sent.

        Args:
            value: a URL, data URI, base64, ``file://`` address or path as string, a ``Path``, bytes, a binary file, a
                PIL image, or a function that gives one of these: it is called whenever the item is sent, from any
                thread, and its result is checked then.
            kind: what the caller says that it is; ``None`` finds out by the content.
            name: what to call the input in errors.
            max_side: pixels of the longer side above which an image is made smaller before it is sent.

        Raises:
            JinaInputError: nothing readable, another kind of content than ``kind``, or too large.
        """
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
        self.kind = self._checked(kind)

    @property
    def size(self) -> int:
        """About how many bytes it takes in a request."""
        source = self._source
        if self.url is not None:
            return len(self.url)
        if callable(source):
            return _MADE_BYTES * 4 // 3
        if isinstance(source, Path):
            return source.stat().st_size * 4 // 3
        if isinstance(source, bytes):
            return len(source) * 4 // 3
        width, height = source.size  # type: ignore[union-attr]
        return width * height * 2

    def pixels(self) -> tuple[int, int]:
        """Width and height of an image as it is sent.

        Raises:
            JinaInputError: an image that the service fetches, whose size is not known here, or one that Pillow cannot
                read.
        """
        if self.url is not None:
            raise JinaInputError(f"{self.name} is fetched by the service: its size is not known here")
        if callable(self._source):
            return self._made().pixels()
        image = self._opened()
        width, height = image.size
        if image.getexif().get(_ORIENTATION, 1) >= 5:
            width, height = height, width
        if self._max_side is None or max(width, height) <= self._max_side:
            return width, height
        return _fitted(width, height, self._max_side)

    def data(self) -> bytes:
        """The bytes that are sent.

        Raises:
            JinaInputError: a file that has gone or grown since, an image that cannot be read, or whatever a function
                raises that was to make it.
        """
        if callable(self._source):
            return self._made().data()
        if self.kind == "image" and (self._max_side is not None or is_pillow(self._source)):
            content = self._encoded()
        elif isinstance(self._source, Path):
            content = _read(self._source, self.name, LARGEST[self.kind])
        else:
            content = self._source  # type: ignore[assignment]
        _check_size(len(content), self.kind, self.name)
        return content

    def base64(self) -> str:
        """The bytes that are sent, as base64."""
        return pybase64.b64encode_as_string(self.data())

    def data_uri(self) -> str:
        """The bytes that are sent, as a data URI."""
        content = self.data()
        mime = filetype.guess_mime(content[:_HEAD]) or "application/octet-stream"
        return f"data:{mime};base64,{pybase64.b64encode_as_string(content)}"

    def wire(self) -> dict[str, str]:
        """As the published schema has it: the URL, or plain base64."""
        return {self.kind: self.url if self.url is not None else self.base64()}

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"

    def _from_string(self, value: str, kind: Kind) -> Any:
        """A URL sets ``url``; any other string becomes bytes or a path."""
        scheme = value[:8].lower()
        if scheme.startswith(("http://", "https://")):
            if not urlsplit(value).hostname or any(character.isspace() for character in value):
                raise JinaInputError(f"{self.name} is no URL that can be fetched: {value[:100]!r}")
            self.url = value
            return None
        if scheme.startswith("data:"):
            head, comma, content = value.partition(",")
            if not comma or not head.lower().endswith(";base64"):
                raise JinaInputError(f"{self.name} is a data URI without base64 content: {value[:50]!r}")
            return self._from_base64(content, kind)
        if scheme.startswith("file://"):
            parts = urlsplit(value)
            if parts.netloc not in ("", "localhost"):
                raise JinaInputError(f"{self.name} names a file on another machine: {value[:100]!r}")
            return Path(url2pathname(parts.path))
        if _looks_like_base64(value):
            return self._from_base64(value, kind)
        try:
            found = Path(value).is_file()
        except (OSError, ValueError):
            found = False
        if not found:
            raise JinaInputError(
                f"{self.name} is no URL, no data URI, no base64 of a file, and there is no file of this name: "
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
            raise JinaInputError(f"{self.name} holds base64 that cannot be read: {error}") from None

    def _checked(self, kind: Kind | None) -> Kind:
        """The kind that the content has; the size is checked too, where it is known already."""
        source = self._source
        if is_pillow(source):
            if kind not in (None, "image"):
                raise JinaInputError(f"{self.name} is a PIL image, not {kind}")
            return "image"
        head = source[:_HEAD] if isinstance(source, bytes) else _read(source, self.name, _HEAD, whole=False)  # type: ignore[arg-type]
        mime = filetype.guess_mime(head) if head else None
        found = _kind_of(mime)
        # The same containers hold video and sound.
        if found is None or (kind not in (None, found) and {kind, found} != {"video", "audio"}):
            content = mime or ("nothing" if not head else "no type that is known")
            raise JinaInputError(
                f"{self.name} is no {kind or 'image, PDF, video or audio'}: its content is {content}"
                + (f" ({source})" if isinstance(source, Path) else "")
            )
        kind = kind or found
        if self._max_side is None or kind != "image":
            _check_size(len(source) if isinstance(source, bytes) else source.stat().st_size, kind, self.name)  # type: ignore[union-attr]
        return kind

    def _made(self) -> Media:
        """What the function gives, now."""
        try:
            return Media(self._source(), self.kind, self.name, self._max_side)  # type: ignore[operator]
        except JinaInputError:
            raise
        except Exception as error:  # It is the caller's own.
            raise JinaInputError(f"{self.name} could not be made: {error!r}") from error

    def _opened(self) -> Image:
        if is_pillow(self._source):
            return self._source  # type: ignore[return-value]
        pillow = _pillow(self.name)
        source = self._source
        content = _read(source, self.name, _LARGEST_READ) if isinstance(source, Path) else source
        try:
            opened: Image = pillow.open(io.BytesIO(content))  # type: ignore[arg-type]
        except Exception as error:  # Pillow's readers raise whatever their format's code raises.
            raise JinaInputError(f"{self.name} cannot be read as an image: {error}") from None
        return opened

    def _encoded(self) -> bytes:
        """The image no larger than ``max_side``: unchanged where it is small enough, else as JPEG or PNG."""
        from PIL import ImageOps

        image = self._opened()
        small = self._max_side is None or max(image.size) <= self._max_side
        if small and not is_pillow(self._source):
            source = self._source
            return _read(source, self.name, _LARGEST_READ) if isinstance(source, Path) else source  # type: ignore[return-value]
        lossy = image.format == "JPEG"
        try:
            image = ImageOps.exif_transpose(image)
            if not small:
                assert self._max_side is not None
                # Before the pixels are touched: a JPEG can be decoded at a fraction of its size.
                image.draft(None, (self._max_side, self._max_side))
                image = _plain_mode(image).resize(_fitted(*image.size, self._max_side))
            return _compressed(_plain_mode(image), lossy=lossy)
        except (OSError, ValueError, SyntaxError, MemoryError) as error:
            raise JinaInputError(f"{self.name} cannot be read as an image: {error}") from None


_ORIENTATION = 0x0112


def is_pillow(value: Any) -> bool:
    """Whether a value is a PIL image; Pillow is not imported for the question."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


def is_media(value: Any) -> bool:
    """Whether a value is of a shape that :class:`Media` takes and that is no string."""
    return isinstance(value, (os.PathLike, bytes, bytearray, memoryview)) or hasattr(value, "read") or is_pillow(value)


def _kind_of(mime: str | None) -> Kind | None:
    main = (mime or "").partition("/")[0]
    kinds: dict[str, Kind] = {"image": "image", "video": "video", "audio": "audio"}
    return "pdf" if mime == "application/pdf" else kinds.get(main)


def _looks_like_base64(text: str) -> bool:
    """Whether a string is the base64 of something with a known beginning, which no path is."""
    head = text[: _HEAD // 4 * 4]
    if len(head) < 16:
        return False
    try:
        return _kind_of(filetype.guess_mime(pybase64.b64decode(head[: len(head) // 4 * 4], validate=True))) is not None
    except ValueError:
        return False


def _read(path: Path, name: str, limit: int, *, whole: bool = True) -> bytes:
    """A regular file's bytes, ``limit`` at most; a longer one is refused where it is wanted whole."""
    try:
        # Before it is opened, for opening a pipe waits for who writes to it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise JinaInputError(f"{name} is no regular file: {path}")
        with path.open("rb") as file:
            content = file.read(limit + whole)
    except OSError as error:
        raise JinaInputError(f"{name} cannot be read: {error.strerror or error} ({path})") from None
    if whole and len(content) > limit:
        raise JinaInputError(f"{name} is larger than the {limit // _MB} MB that can be sent: {path}")
    return content


def _check_size(size: int, kind: Kind, name: str) -> None:
    if size > LARGEST[kind]:
        raise _too_large(size, kind, name)


def _too_large(size: int, kind: Kind, name: str) -> JinaInputError:
    advice = "; pass max_image_side to send it smaller" if kind == "image" else ""
    return JinaInputError(
        f"{name} has {size / _MB:.1f} MB, and {LARGEST[kind] // _MB} MB of {kind} may be sent{advice}"
    )


def _pillow(name: str) -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise JinaInputError(
            f"{name}: the pixels of an image can only be read with Pillow: pip install pillow"
        ) from None
    return Image


def _fitted(width: int, height: int, side: int) -> tuple[int, int]:
    scale = side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _plain_mode(image: Image) -> Image:
    """An image of a mode that every service reads: a palette or 16 bits become plain colours, transparency stays."""
    if image.mode in ("RGB", "RGBA", "L"):
        return image
    transparent = image.mode in ("LA", "PA") or "transparency" in image.info
    return image.convert("RGBA" if transparent else "RGB")


def _compressed(image: Image, *, lossy: bool) -> bytes:
    """PNG, or JPEG for what came as JPEG and for what would be too large as PNG."""
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


Encoder = Callable[[Media], Any]
"""How a service takes media: :meth:`Media.wire` for Jina's."""
