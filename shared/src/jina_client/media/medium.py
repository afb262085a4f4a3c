"""One image, PDF, video or audio recording."""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pybase64

from .. import media
from ..errors import JinaInputError
from ..files import HEAD_BYTES, MB, content_of, head_of
from ..images import MAX_IMAGE_BYTES, MAX_READ_BYTES, RESIZING, Source, encoded, fits, is_pillow, size_as_sent
from ..json_body import Base64

Kind = Literal["image", "pdf", "video", "audio"]

KINDS: tuple[Kind, ...] = ("image", "pdf", "video", "audio")

LARGEST: dict[Kind, int] = {"image": MAX_IMAGE_BYTES, "pdf": 8 * MB, "video": 64 * MB, "audio": 64 * MB}
"""Largest size of one item in bytes. Jina publishes the limit of images and PDFs; the others bound memory use."""
# The assumed size of an item that a function produces when it is sent.
_ASSUMED_BYTES = 2 * MB

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

    __slots__ = ("_max_side", "_size", "_source", "kind", "name", "url")

    def __init__(self, value: Any, kind: Kind | None, name: str, max_side: int | None = None) -> None:
        self.name = name
        self.url: str | None = None
        self._max_side = max_side
        self._size: int
        self._source: Source | Callable[[], Any] = b""
        if isinstance(value, str):
            value = self._from_string(value, kind or "image")
        if self.url is not None:
            self.kind: Kind = kind or "image"
            self._size = len(self.url)
            return
        if callable(value) and kind is not None and not is_media(value):
            self._source, self.kind = value, kind
            self._size = self._bounded(_ASSUMED_BYTES)
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
        self.kind, size = self._check_content(value, kind)
        self._size = self._bounded(size)

    @property
    def size(self) -> int:
        """The approximate number of bytes in a request."""
        return self._size * 4 // 3

    @property
    def held(self) -> int:
        """The number of bytes that are in memory; those of files are not."""
        return len(self._source) if isinstance(self._source, bytes) else 0

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
        return size_as_sent(self._source, self.name, self._max_side)

    def data(self) -> bytes:
        """Return the bytes to send.

        Raises:
            JinaInputError: a file that no longer exists or has grown, an unreadable image, or an error of the function
                that produces the item.
        """
        source = self._source
        if callable(source):
            return self._produce().data()
        content = None
        if self.kind == "image" and (self._max_side is not None or is_pillow(source)):
            content = encoded(source, self.name, self._max_side)
        if content is None:
            content = self._content(source, LARGEST[self.kind])
        _check_size(len(content), self.kind, self.name)
        return content

    def base64(self) -> Base64:
        """Return the bytes to send as base64, which is made when the request is."""
        return Base64(lambda: (b"", self.data()))

    def data_uri(self) -> Base64:
        """Return the bytes to send as a data URI, which is made when the request is."""

        def read() -> tuple[bytes, bytes]:
            content = self.data()
            mime = media.mime_of(content[:HEAD_BYTES]) or "application/octet-stream"
            return f"data:{mime};base64,".encode(), content

        return Base64(read)

    def wire(self) -> dict[str, str | Base64]:
        """Return the item in the form of Jina's API: the URL, or base64 without a prefix."""
        return {self.kind: self.url if self.url is not None else self.base64()}

    def identity(self) -> dict[str, str | Base64]:
        """Return a value like that of :meth:`wire` that is the same for equal inputs, without resizing an image."""
        return {self.kind: self.url if self.url is not None else Base64(self._original)}

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
        limit = MAX_READ_BYTES if self._max_side is not None else LARGEST[kind]
        if len(text) * 3 // 4 > limit + 2:
            raise _too_large(len(text) * 3 // 4, kind, self.name)
        try:
            return pybase64.b64decode(text, validate=True)
        except ValueError as error:
            raise JinaInputError(f"{self.name} is not valid base64: {error}") from None

    def _check_content(self, source: Source, kind: Kind | None) -> tuple[Kind, int]:
        """Return the kind of the content and its size. Check the size, unless the client may still make it smaller."""
        if isinstance(source, bytes):
            head, size = source[:HEAD_BYTES], len(source)
        elif isinstance(source, Path):
            head, size = head_of(source, self.name)
        elif kind in (None, "image"):
            return "image", source.width * source.height * 2
        else:
            raise JinaInputError(f"{self.name} must be a {kind} file, got a PIL image; pass it as {{'image': …}}")
        mime = media.mime_of(head) if head else None
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
            _check_size(size, kind, self.name)
        return kind, size

    def _bounded(self, size: int) -> int:
        """Return the approximate size of the item as it is sent: a resized image has about a byte for each pixel."""
        return size if self._max_side is None or self.kind != "image" else min(size, self._max_side**2)

    def _original(self) -> tuple[bytes, bytes]:
        """Return the bytes to send, or how they are made and from what."""
        source = self._source
        if callable(source):
            return self._produce()._original()
        if self._max_side is None or self.kind != "image" or is_pillow(source):
            return b"", self.data()
        content = self._content(source, MAX_READ_BYTES)
        if fits(content, self.name, self._max_side):
            return b"", content
        return b"resized to %d pixels, method %d:" % (self._max_side, RESIZING), content

    def _content(self, source: Source, limit: int) -> bytes:
        """Return the bytes of a source that is not a PIL image."""
        return content_of(source, self.name, limit) if isinstance(source, Path) else cast(bytes, source)

    def _produce(self) -> Media:
        try:
            return Media(self._source(), self.kind, self.name, self._max_side)  # type: ignore[operator]
        except JinaInputError:
            raise
        except Exception as error:  # The caller's function may raise anything.
            raise JinaInputError(f"the function for {self.name} failed: {error!r}") from error


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
    return _kind_of(media.mime_of(pybase64.b64decode(text[: HEAD_BYTES // 4 * 4][: len(text) // 4 * 4])))


def _kind_of(mime: str | None) -> Kind | None:
    main = (mime or "").partition("/")[0]
    kinds: dict[str, Kind] = {"image": "image", "video": "video", "audio": "audio"}
    return "pdf" if mime == "application/pdf" else kinds.get(main)


def _looks_like_base64(text: str) -> bool:
    """Return whether a string is the base64 of a file of a known type. No path is."""
    head = text[: HEAD_BYTES // 4 * 4]
    if len(head) < 16:
        return False
    try:
        return _kind_of(media.mime_of(pybase64.b64decode(head[: len(head) // 4 * 4], validate=True))) is not None
    except ValueError:
        return False


def _check_size(size: int, kind: Kind, name: str) -> None:
    if size > LARGEST[kind]:
        raise _too_large(size, kind, name)


def _too_large(size: int, kind: Kind, name: str) -> JinaInputError:
    advice = "; pass max_image_side to make it smaller" if kind == "image" else ""
    article = "an" if kind in ("image", "audio") else "a"
    return JinaInputError(
        f"{name} has {size / MB:.1f} MB; {article} {kind} may have at most {LARGEST[kind] // MB} MB{advice}"
    )
