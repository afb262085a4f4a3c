"""Vectors as base64, decoded from the bytes of a response straight into the rows of an array.

A response of 512 vectors has 2.8 MB, nearly all of it base64. A JSON parser would copy each vector into a string first.
Here the parser gets the response with a short placeholder for each vector, and the vector stays where it is until its
row is filled.
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
_PLACEHOLDER = "~"


def parse_vectors(body: bytes | memoryview) -> Any:
    """Return the JSON value of a response. A vector in base64 is a view of its characters instead of a string.

    Anything unexpected, such as a vector in another place, is parsed as
    :func:`~jina_client.protocol.responses.parse` does.

    Raises:
        JinaConnectionError: the body is truncated, so a retry may help.
        JinaResponseError: the body is not JSON.
    """
    view = memoryview(body)
    # A view has no method to search it. It is the beginning of the object behind it.
    content: bytes | bytearray = view.obj  # type: ignore[assignment]
    match = _KEY.search(view)
    # With a backslash, a vector may have escaped characters, and the key may stand inside a string.
    if match is None or content.find(b"\\", 0, len(view)) >= 0:
        return parse(bytes(view))
    vectors, rest = _divide(view, content, match.start(), match.end())
    try:
        value = parse(rest)
    except JinaError:
        return parse(bytes(view))
    items = value.get("data") if isinstance(value, dict) else None
    # The items have the placeholders in the order of the vectors if each has one, and nothing else looks like one.
    if not isinstance(items, list) or not len(items) == len(vectors) == rest.count(b'"%b"' % _PLACEHOLDER.encode()):
        return parse(bytes(view))
    if [item.get("embedding") if type(item) is dict else None for item in items] != [_PLACEHOLDER] * len(items):
        return parse(bytes(view))
    for item, vector in zip(items, vectors, strict=True):
        item["embedding"] = vector
    return value


def _divide(view: memoryview, content: bytes | bytearray, key_start: int, start: int) -> tuple[list[memoryview], bytes]:
    """Return the strings after a key, and the body with a placeholder for each.

    Args:
        view: the response.
        content: the object that it is the beginning of.
        key_start: where the key begins for the first time.
        start: where the first string begins.
    """
    key, find, stop = bytes(view[key_start:start]), content.find, len(view)
    vectors = list[memoryview]()
    between = list[memoryview]()
    position = 0
    # A vector without an end is left to the parser, which then finds that the body is truncated.
    while key_start >= 0 and (end := find(b'"', start, stop)) >= 0:
        vectors.append(view[start:end])
        between.append(view[position:start])
        position = end
        key_start = find(key, end, stop)
        start = key_start + len(key)
    return vectors, _PLACEHOLDER.encode().join((*between, view[position:]))


def fill_rows(items: Sequence[dict[str, Any]], out: NDArray[Any]) -> int:
    """Decode vectors that :func:`parse_vectors` has found into the rows of a float32 array, as long as they fit.

    Args:
        items: the items of a response, in the order of the rows.
        out: the array, with one row per item.

    Returns:
        The number of rows filled. The item after them has another form or another length, or is not base64.
    """
    if sys.byteorder != "little" or not out.flags.c_contiguous:
        return 0
    rows, size, decode = out.data.cast("B"), out.shape[1] * out.itemsize, pybase64.b64decode
    for row, item in enumerate(items):
        value = item.get("embedding")
        if type(value) is not memoryview:
            return row
        try:
            vector = decode(value, None, True)
        except ValueError:
            return row
        if len(vector) != size:
            return row
        rows[row * size : (row + 1) * size] = vector
    return len(items)
