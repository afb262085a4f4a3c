"""The image of a Document: a file, the Document's blob, or a page of a PDF."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from haystack import Document
from haystack.dataclasses import ByteStream
from jina_client import JinaInputError
from jina_client.integration import LARGEST, PDFIUM, Media, in_image_thread, room_for_pixels, takes_images

PAGE_NUMBER = "page_number"
"""The meta field in which Haystack's converters store the page number, counted from 1."""

_DPI = 300
_POINTS_PER_INCH = 72
_MOST_PIXELS = 25_000_000  # An A3 page at 300 dpi has 17 million.
_JPEG_QUALITY = 85
_OVERSAMPLING = 2  # Pages are rendered at this multiple of the size that they are scaled down to.
_LARGEST_SIDE = 2**30
_HEAD = 1024


class DocumentImages:
    """Find the image of each Document. Images are read, rendered and scaled down when they are sent.

    :param file_path_meta_field: The meta field with the path, or with a ByteStream. If a Document lacks the field, its
        blob is used.
    :param root_path: The folder that paths are relative to and may not leave; empty or `None` to allow every path.
    :param image_size: Width and height in pixels that larger images are scaled down to fit.
    """

    def __init__(self, file_path_meta_field: str, root_path: str | None, image_size: tuple[int, int] | None) -> None:
        self._field = file_path_meta_field
        self._root = Path(root_path).resolve() if root_path else None
        self._size = image_size
        self._pages: dict[Path, int] = {}

    def __call__(self, document: Document) -> dict[str, Any]:
        """Return the image of a Document as an input of the client. Files are opened, but not read completely.

        :raises JinaInputError: The Document has no image, its file is missing or outside `root_path`, or the page
            number of its PDF is missing or invalid.
        """
        name = f"the Document with id {document.id}"
        source, meta = self._source(document, name)
        if _is_pdf(source, name):
            return {"image": self._page(source, document.meta.get(PAGE_NUMBER, meta.get(PAGE_NUMBER)), name)}
        side = _LARGEST_SIDE if self._size else None
        picture = Media(source, "image", name, side)
        if self._size is None:
            return {"image": source}
        width, height = picture.pixels()
        scale = min(1, self._size[0] / width, self._size[1] / height)
        return {"image": Media(source, "image", name, max(1, round(max(width, height) * scale))).data}

    def has(self, document: Document) -> bool:
        """Return True if a Document names an image or contains one."""
        return document.meta.get(self._field) is not None or document.blob is not None

    def _source(self, document: Document, name: str) -> tuple[Path | bytes, dict[str, Any]]:
        """Return the path or the bytes of the image, and the meta of its ByteStream."""
        value = document.meta.get(self._field)
        if value is None:
            value = document.blob
        if isinstance(value, ByteStream):
            return value.data, value.meta
        if value is None:
            raise JinaInputError(f"{name} has no image: no meta field {self._field!r}, and no blob")
        if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
            raise JinaInputError(f"{name} has no path in its meta field {self._field!r}: {value!r}")
        path = Path(self._root or "", value)
        try:
            if self._root is not None:
                path = path.resolve()
                if not path.is_relative_to(self._root):
                    raise JinaInputError(f"{name} has the path {str(value)!r}, which leads out of {self._root}")
            if not path.is_file():
                raise JinaInputError(f"{name} names a file that does not exist: {path}")
        except (OSError, ValueError, RuntimeError) as error:
            if isinstance(error, JinaInputError):
                raise
            raise JinaInputError(f"{name} has an invalid path: {error}") from None
        return path, {}

    def _page(self, source: Path | bytes, number: Any, name: str) -> Any:
        if isinstance(number, bool) or not isinstance(number, int):
            raise JinaInputError(
                f"{name} is a PDF, and its meta field {PAGE_NUMBER!r} is {number!r}: name the page, counted from 1"
            )
        if isinstance(source, bytes):
            count = _page_count(source, name)
        else:
            if source not in self._pages:
                self._pages[source] = _page_count(source, name)
            count = self._pages[source]
        if not 1 <= number <= count:
            raise JinaInputError(f"{name} has {PAGE_NUMBER} {number}, and its PDF has pages 1 to {count}")
        return lambda: in_image_thread(_rendered, source, number, self._size, name)


class TextOrImage:
    """Make the input of each Document: its text, or its image if it has no content and the model takes images.

    :param model: The model's id.
    :param images: Finds the image.
    :param text: Makes the text, or raises a JinaInputError.
    """

    def __init__(self, model: str, images: DocumentImages, text: Callable[[Document], str]) -> None:
        self._model = model
        self._images = images
        self._text = text

    def __call__(self, document: Document) -> Any:
        """Return the input of a Document.

        :raises JinaInputError: The Document has neither text nor a readable image that the model takes.
        """
        only_image = document.content is None and self._images.has(document)
        if only_image and takes_images(self._model):
            return self._images(document)
        try:
            return self._text(document)
        except JinaInputError as error:
            if not only_image:
                raise
            raise JinaInputError(f"{error}; it has an image, and {self._model} is not known to take images") from None


def checked_size(size: Any) -> tuple[int, int] | None:
    """Return width and height as a tuple. Saved pipelines may contain a list.

    :raises JinaInputError: The value is not a pair of positive integers.
    """
    if size is None:
        return None
    if isinstance(size, (tuple, list)) and len(size) == 2 and all(type(side) is int and side > 0 for side in size):
        return size[0], size[1]
    raise JinaInputError(f"image_size must be width and height in pixels, such as (1024, 1024), got {size!r}")


def _is_pdf(source: Path | bytes, name: str) -> bool:
    if isinstance(source, bytes):
        return b"%PDF-" in source[:_HEAD]
    try:
        with source.open("rb") as file:
            return b"%PDF-" in file.read(_HEAD)
    except OSError as error:
        raise JinaInputError(f"{name} cannot be read: {error.strerror or error} ({source})") from None


def _opened(source: Path | bytes, name: str) -> Any:
    """Return an open PDF. The caller must hold the lock until it closes the PDF."""
    try:
        import PIL  # noqa: F401 - rendering needs it later; fail before any request
        from pypdfium2 import PdfDocument, PdfiumError  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise JinaInputError(
            f"{name} is a PDF, and rendering its pages needs pypdfium2 and Pillow: pip install pypdfium2 pillow"
        ) from None
    try:
        return PdfDocument(source)
    except (PdfiumError, OSError) as error:
        raise JinaInputError(f"{name} is a PDF that cannot be read: {error}") from None


def _page_count(source: Path | bytes, name: str) -> int:
    with PDFIUM:
        document = _opened(source, name)
        try:
            return len(document)
        finally:
            document.close()


def _rendered(source: Path | bytes, number: int, size: tuple[int, int] | None, name: str) -> bytes:
    """Return a page as JPEG, at 300 dpi like Haystack's own converters, or less if that would be too large.

    If the page is scaled down to ``size``, it is rendered at no more than twice that size.
    """
    with ExitStack() as memory:
        with PDFIUM:
            document = _opened(source, name)
            try:
                page = document[number - 1]
                width, height = page.get_size()
                scale = min(_DPI / _POINTS_PER_INCH, (_MOST_PIXELS / (width * height)) ** 0.5)
                if size is not None:
                    scale = min(scale, _OVERSAMPLING * min(size[0] / width, size[1] / height))
                # Held until the page is encoded. What waits for PDFium meanwhile needs memory of its own later.
                memory.enter_context(room_for_pixels(round(width * height * scale**2)))
                image = _pixels(page.render(scale=scale))
            finally:
                document.close()
        if size is not None:
            image.thumbnail(size)
        return _jpeg(image)


def _pixels(bitmap: Any) -> Any:
    """Return a bitmap of PDFium as a PIL image in RGB, which does not share its memory, and close the bitmap."""
    image = bitmap.to_pil()
    # Pillow copies pixels of three bytes, and shares the memory of others.
    image = image if image.mode == "RGB" else image.convert("RGB")
    bitmap.close()
    return image


def _jpeg(image: Any) -> bytes:
    for quality in (_JPEG_QUALITY, _JPEG_QUALITY // 2):
        with io.BytesIO() as buffer:
            image.save(buffer, "JPEG", quality=quality)
            content = buffer.getvalue()
        if len(content) <= LARGEST["image"]:
            break
    return content
