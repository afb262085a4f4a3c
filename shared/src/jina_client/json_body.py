"""JSON with the content of files in it, as base64.

The content of a photo is not a Python string at any time: encoding one would hold Python's lock for long, and keep
the other threads and the event loop waiting. The JSON is made with a mark in the place of each content, and joined with
the pieces of its base64 at the end. Joining them releases the lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any

import orjson
import pybase64

from .errors import JinaError

# A multiple of 3, so that the base64 of pieces is that of the whole.
_PIECE_BYTES = 3 * 2**16


class Base64:
    """A value in a payload that becomes a JSON string: a prefix, and the base64 of bytes.

    Args:
        read: returns the prefix and the bytes.
    """

    __slots__ = ("read",)

    def __init__(self, read: Callable[[], tuple[bytes, bytes]]) -> None:
        self.read = read

    def pieces(self) -> Iterator[bytes]:
        """Return the string in pieces."""
        prefix, content = self.read()
        yield prefix
        view = memoryview(content)
        for start in range(0, len(view), _PIECE_BYTES):
            yield pybase64.b64encode(view[start : start + _PIECE_BYTES])
            # Other threads get Python's lock now, not when this one has held it for 5 ms.
            time.sleep(0)


def _reject(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def json_pieces(payload: Any, default: Callable[[Any], Any] = _reject) -> Iterator[bytes]:
    """Return the JSON of a payload in pieces. This reads files.

    Args:
        payload: the value; :class:`Base64` may be anywhere in it.
        default: returns the JSON value of other objects; by default there are none.

    Raises:
        JinaInputError: a file no longer exists, or an image cannot be read.
    """
    contents: list[Base64] = []
    # No text of the payload contains it, because nobody can guess it.
    mark = token_hex(16)

    def marked(value: Any) -> Any:
        if not isinstance(value, Base64):
            return default(value)
        contents.append(value)
        return mark

    try:
        skeleton = orjson.dumps(payload, default=marked, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        if isinstance(error.__cause__, JinaError):
            raise error.__cause__ from None
        raise
    first, *others = skeleton.split(mark.encode()) if contents else [skeleton]
    yield first
    for content, following in zip(contents, others, strict=True):
        yield from content.pieces()
        yield following
