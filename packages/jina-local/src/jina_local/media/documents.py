"""The text on each page of a PDF: its text layer, else what is read in a picture of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from jina_client.media import PDFIUM

from .pictures import TextReader, UnreadableMedium

MAX_PAGES = 100
# Pixels for one of PDF's points of 1/72 inch: about 150 dots an inch, unless the page is a poster.
_SCALE = 2.0
_LONGEST_SIDE = 2500


def page_texts(data: bytes, reader: TextReader, check: Callable[[], None] = lambda: None) -> list[str]:
    """The text of each page of a PDF.

    Args:
        data: the file.
        reader: for pages without a text layer.
        check: called before each page; it may end the reading by raising.

    Raises:
        UnreadableMedium: it is no PDF, is locked, has too many pages, or has a page without any text.
    """
    texts = []
    with _opened(data) as (document, pages):
        for number in range(pages):
            check()
            with _readable(number):
                with PDFIUM, closing(document[number]) as page:
                    layer = _text_layer(page)
                    picture = None if layer else _picture(page)
                texts.append(layer or reader.text_of(picture))
    return texts


def page_pictures(data: bytes) -> Iterator[Any]:
    """A picture of each page of a PDF, as ``PIL.Image``; raises as :func:`page_texts` does."""
    with _opened(data) as (document, pages):
        for number in range(pages):
            with _readable(number), PDFIUM, closing(document[number]) as page:
                picture = _picture(page)
            yield picture


@contextmanager
def _opened(data: bytes) -> Iterator[tuple[Any, int]]:
    """A document and the number of its pages."""
    import pypdfium2  # type: ignore[import-untyped]

    with PDFIUM:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError:
            raise UnreadableMedium("It is no PDF that can be opened without a password") from None
        pages = len(document)
    try:
        if not 1 <= pages <= MAX_PAGES:
            raise UnreadableMedium(f"The PDF has {pages} pages: 1 to {MAX_PAGES} are read")
        yield document, pages
    finally:
        with PDFIUM:
            document.close()


@contextmanager
def _readable(number: int) -> Iterator[None]:
    """Name the page that cannot be read."""
    import pypdfium2

    try:
        yield
    except pypdfium2.PdfiumError:
        raise UnreadableMedium(f"Page {number + 1} of the PDF cannot be read") from None
    except UnreadableMedium as error:
        raise UnreadableMedium(f"Page {number + 1} of the PDF: {error}") from None


def _text_layer(page: Any) -> str:
    with closing(page.get_textpage()) as layer:
        return str(layer.get_text_range()).strip().replace("\r\n", "\n")


def _picture(page: Any) -> Any:
    with closing(page.render(scale=min(_SCALE, _LONGEST_SIDE / max(page.get_size())))) as bitmap:
        # A copy, because the bitmap's memory ends with it.
        return bitmap.to_pil().convert("RGB").copy()
