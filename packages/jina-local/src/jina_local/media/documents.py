"""Read the text on each page of a PDF: its text layer, or by OCR if the page has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from .pictures import UnreadableMediumError

MAX_PAGES = 100
# Pixels per PDF point of 1/72 inch: about 150 dots per inch, and less for a poster.
_SCALE = 2.0
_LONGEST_SIDE = 2500


def page_texts(data: bytes, text_of: Callable[[Any], str]) -> Iterator[str]:
    """Yield the text of each page of a PDF.

    Args:
        data: Content of the file.
        text_of: Reads the text in the picture of a page without a text layer.

    Raises:
        UnreadableMediumError: The file is not a PDF, is locked, has too many pages, or has a page without text.
    """
    for number, page in _pages(data):
        with _name_page(number):
            yield _text_layer(page) or text_of(_picture(page))


def page_pictures(data: bytes) -> Iterator[Any]:
    """Yield a picture of each page of a PDF as a ``PIL.Image``.

    Args:
        data: Content of the file.

    Raises:
        UnreadableMediumError: The file is not a PDF, is locked, or has too many pages.
    """
    for number, page in _pages(data):
        with _name_page(number):
            picture = _picture(page)
        yield picture


def _pages(data: bytes) -> Iterator[tuple[int, Any]]:
    import pypdfium2  # type: ignore[import-untyped]

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError:
        raise UnreadableMediumError(
            "The file is not a PDF, is damaged, or needs a password. Send a PDF that opens without one"
        ) from None
    with closing(document):
        pages = len(document)
        if not 1 <= pages <= MAX_PAGES:
            raise UnreadableMediumError(f"The PDF has {pages} pages. Send one with 1 to {MAX_PAGES} pages")
        for number in range(pages):
            with _name_page(number):
                page = document[number]
            with closing(page):
                yield number, page


@contextmanager
def _name_page(number: int) -> Iterator[None]:
    """Add the page's number to the message of an error."""
    import pypdfium2

    try:
        yield
    except pypdfium2.PdfiumError:
        raise UnreadableMediumError(f"Page {number + 1} of the PDF cannot be read") from None
    except UnreadableMediumError as error:
        raise UnreadableMediumError(f"Page {number + 1} of the PDF: {error}") from None


def _text_layer(page: Any) -> str:
    with closing(page.get_textpage()) as layer:
        return str(layer.get_text_range()).strip().replace("\r\n", "\n")


def _picture(page: Any) -> Any:
    with closing(page.render(scale=min(_SCALE, _LONGEST_SIDE / max(page.get_size())))) as bitmap:
        # A copy, because closing the bitmap releases its memory.
        return bitmap.to_pil().convert("RGB").copy()
