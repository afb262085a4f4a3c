"""Vectors as base64, read from the bytes of a response into the rows of an array.

A response of 512 vectors has 2.8 MB, nearly all of it base64. A JSON parser would copy each vector into a string first.
Here the vectors stay where they are: the parser gets the response with a short placeholder for each.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import pybase64
from numpy.typing import NDArray

from ..errors import JinaError
from .responses import parse

# The key of a vector, with the spaces that the service writes, up to the first character of the vector.
_KEY = re.compile(rb'"embedding" ?: ?"')


def parse_vectors(body: bytes) -> Any:
    """Return the JSON value of a response. Its vectors in base64 are slices of the body instead of strings.

    Anything unexpected, such as a vector in another place, is parsed as :func:`~jina_client.protocol.responses.parse`
    does.

    Raises:
        JinaConnectionError: the body is truncated, so a retry may help.
        JinaResponseError: the body is not JSON.
    """
    match = _KEY.search(body)
    # With a backslash, a vector may have escaped characters, and the key may stand inside a string.
    if match is None or b"\\" in body:
        return parse(body)
    key, view = match.group(), memoryview(body)
    pieces: list[bytes] = []
    vectors: dict[str, memoryview] = {}
    position, key_start = 0, match.start()
    while key_start >= 0:
        start = key_start + len(key)
        end = body.find(b'"', start)
        if end < 0:
            return parse(body)
        name = f"~{len(vectors)}"
        vectors[name] = view[start:end]
        pieces += (body[position:start], name.encode())
        position = end
        key_start = body.find(key, end)
    pieces.append(body[position:])
    try:
        value = parse(b"".join(pieces))
    except JinaError:
        return parse(body)
    items = value.get("data") if isinstance(value, dict) else None
    for item in items if isinstance(items, list) else ():
        vector = vectors.pop(item["embedding"], None) if _has_string(item) else None
        if vector is not None:
            item["embedding"] = vector
    # A vector in another place, or one of two in the same item, is left over.
    return parse(body) if vectors else value


def fill_rows(items: Sequence[dict[str, Any]], out: NDArray[Any]) -> int:
    """Decode vectors in base64 into the rows of a float32 array, as long as they are valid.

    Args:
        items: the items of a response, in the order of the rows.
        out: the array, with one row per item.

    Returns:
        The number of rows filled. The item after them has another form or another length.
    """
    if sys.byteorder != "little" or not out.flags.c_contiguous:
        return 0
    target, size = out.data.cast("B"), out.shape[1] * out.itemsize
    for row, item in enumerate(items):
        value = item.get("embedding")
        if not isinstance(value, (memoryview, str)):
            return row
        try:
            decoded = pybase64.b64decode(value, validate=True)
        except ValueError:
            return row
        if len(decoded) != size:
            return row
        target[row * size : (row + 1) * size] = decoded
    return len(items)


def _has_string(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("embedding"), str)
