"""The text on each page of a PDF: its text layer, else what is read in a picture of the page."""

from __future__ import annotations

import threading

from .pictures import TextReader, UnreadableMedium

MAX_PAGES = 100
# Pixels for one of PDF's points of 1/72 inch: about 150 dots an inch, unless the page is a poster.
_SCALE = 2.0
_LONGEST_SIDE = 2500

# The library is not safe to use by several threads.
_reading = threading.Lock()


def page_texts(data: bytes, reader: TextReader) -> list[str]:
    """The text of each page of a PDF.

    Args:
        data: the file.
        reader: for pages without a text layer.

    Raises:
        UnreadableMedium: it is no PDF, is locked, has too many pages, or has a page without any text.
    """
    import pypdfium2  # type: ignore[import-untyped]

    with _reading:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError:
            raise UnreadableMedium("It is no PDF that can be opened without a password") from None
        try:
            if not 1 <= len(document) <= MAX_PAGES:
                raise UnreadableMedium(f"The PDF has {len(document)} pages: 1 to {MAX_PAGES} are read")
            return [_page_text(document, number, reader) for number in range(len(document))]
        finally:
            document.close()


def _page_text(document: object, number: int, reader: TextReader) -> str:
    import pypdfium2

    try:
        page = document[number]  # type: ignore[index]
        layer = page.get_textpage().get_text_range().strip()
        if layer:
            return str(layer.replace("\r\n", "\n"))
        scale = min(_SCALE, _LONGEST_SIDE / max(page.get_size()))
        picture = page.render(scale=scale).to_pil().convert("RGB")
    except pypdfium2.PdfiumError:
        raise UnreadableMedium(f"Page {number + 1} of the PDF cannot be read") from None
    try:
        return reader.text_of(picture)
    except UnreadableMedium as error:
        raise UnreadableMedium(f"Page {number + 1} of the PDF: {error}") from None
