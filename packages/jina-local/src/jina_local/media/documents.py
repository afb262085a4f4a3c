"""Read the text on each page of a PDF: its text layer, or by OCR if the page has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from jina_client.integration import PDFIUM

from .pictures import TextReader, UnreadableMediumError

MAX_PAGES = 100
# Pixels per PDF point of 1/72 inch: about 150 dots per inch, and less for a poster.
_SCALE = 2.0
_LONGEST_SIDE = 2500


def page_texts(data: bytes, reader: TextReader, check: Callable[[], None] = lambda: None) -> list[str]:
    """Return the text of each page of a PDF.

    Args:
        data: Content of the file.
        reader: Reads pages without a text layer.
        check: Called before each page. It can stop the reading by raising an error.

    Raises:
        UnreadableMediumError: The file is not a PDF, is locked, has too many pages, or has a page without text.
    """
    texts = []
    with _open(data) as (document, pages):
        for number in range(pages):
            check()
            with _name_page(number):
                with PDFIUM, closing(document[number]) as page:
                    layer = _text_layer(page)
                    picture = None if layer else _picture(page)
                texts.append(layer or reader.text_of(picture))
    return texts


def page_pictures(data: bytes) -> Iterator[Any]:
    """Yield a picture of each page of a PDF as a ``PIL.Image``.

    Args:
        data: Content of the file.

    Raises:
        UnreadableMediumError: The file is not a PDF, is locked, or has too many pages.
    """
    with _open(data) as (document, pages):
        for number in range(pages):
            with _name_page(number), PDFIUM, closing(document[number]) as page:
                picture = _picture(page)
            yield picture


@contextmanager
def _open(data: bytes) -> Iterator[tuple[Any, int]]:
    """Open a document while the block runs, and yield it with its number of pages."""
    import pypdfium2  # type: ignore[import-untyped]

    with PDFIUM:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError:
            raise UnreadableMediumError("The file is no PDF that can be opened without a password") from None
        pages = len(document)
    try:
        if not 1 <= pages <= MAX_PAGES:
            raise UnreadableMediumError(f"The PDF has {pages} pages: 1 to {MAX_PAGES} are read")
        yield document, pages
    finally:
        with PDFIUM:
            document.close()


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
