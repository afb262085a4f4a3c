"""The kind of content, determined from its first bytes."""

from __future__ import annotations

import filetype


def mime_of(head: bytes) -> str | None:
    """Return the MIME type of content that begins with these bytes; ``None`` if it is unknown."""
    mime: str | None = filetype.guess_mime(head)
    return mime
