"""Images, PDFs, video and audio from many Python types. Files are read when they are sent.

The kind of a file is determined from its content, not from its name. So a path from an untrusted source cannot leak
another file: a file that is not an image is never sent as one.
"""

from typing import TYPE_CHECKING

from ..lazy import load_on_use

if TYPE_CHECKING:
    from .detection import mime_of
    from .medium import KINDS, LARGEST, PDFIUM, Kind, Media, is_media, kind_of_string

__all__ = ["KINDS", "LARGEST", "PDFIUM", "Kind", "Media", "is_media", "kind_of_string", "mime_of"]

load_on_use(
    __name__,
    {
        ".detection": "mime_of",
        ".medium": "KINDS LARGEST PDFIUM Kind Media is_media kind_of_string",
    },
)
