"""Vectors as base64, read from the bytes of a response into the rows of an array.

A response of 512 vectors has 2.8 MB, nearly all of it base64. A JSON parser would copy each vector into a string first.
Here they are decoded where they stand, and the parser gets the response with a short placeholder for each.
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
_PLACEHOLDER = b"~"


def parse_vectors(body: bytes) -> Any:
    """Return the JSON value of a response. Its vectors in base64 are their decoded bytes instead of strings.

    Anything unexpected, such as a vector in another place or invalid base64, is parsed as
    :func:`~jina_client.protocol.responses.parse` does.

    Raises:
        JinaConnectionError: the body is truncated, so a retry may help.
        JinaResponseError: the body is not JSON.
    """
    match = _KEY.search(body)
    # With a backslash, a vector may have escaped characters, and the key may stand inside a string.
    if match is None or b"\\" in body:
        return parse(body)
    key, view, find = match.group(), memoryview(body), body.find
    between: list[bytes] = []
    vectors: list[bytes] = []
    position, key_start = 0, match.start()
    try:
        while key_start >= 0:
            start = key_start + len(key)
            end = find(b'"', start)
            vectors.append(pybase64.b64decode(view[start:end], validate=True))
            between.append(body[position:start])
            position = end
            key_start = find(key, end)
        rest = _PLACEHOLDER.join((*between, body[position:]))
        value = parse(rest)
    except (ValueError, JinaError):
        return parse(body)
    items = value.get("data") if isinstance(value, dict) else None
    # The items have the placeholders in the order of the vectors if each has one, and nothing else looks like one.
    if not isinstance(items, list) or not len(items) == len(vectors) == rest.count(b'"%b"' % _PLACEHOLDER):
        return parse(body)
    if not all(map(_has_placeholder, items)):
        return parse(body)
    for item, vector in zip(items, vectors, strict=True):
        item["embedding"] = vector
    return value


def fill_rows(items: Sequence[dict[str, Any]], out: NDArray[Any]) -> int:
    """Write vectors that :func:`parse_vectors` has decoded to the rows of a float32 array, as long as they fit.

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
        if type(value) is not bytes or len(value) != size:
            return row
        target[row * size : (row + 1) * size] = value
    return len(items)


def _has_placeholder(item: Any) -> bool:
    return isinstance(item, dict) and item.get("embedding") == "~"
