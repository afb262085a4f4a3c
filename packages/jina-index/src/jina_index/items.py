"""Ids and payloads: what SQLite stores for each item of an index."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import orjson
from jina_client import JinaInputError

Id = str | int
"""The id of an item: a string, or an integer of 64 bits."""


class StoredItem(NamedTuple):
    """One row of the table ``items``.

    Attributes:
        row: the item's row in the files.
        id: the caller's id.
        payload: the caller's payload as JSON, or ``None``.
        first_vector: the position of the item's first vector in the file of vectors.
        vectors: the number of its vectors.
    """

    row: int
    id: Id
    payload: bytes | None
    first_vector: int
    vectors: int

    @property
    def crc(self) -> int:
        """The checksum of all fields."""
        row, id, payload, first_vector, vectors = self
        text = repr((row, id, first_vector, vectors)).encode()
        return zlib.crc32(payload or b"", zlib.crc32(text))

    @property
    def columns(self) -> tuple[Any, ...]:
        """The values of the table's columns."""
        return (*self, self.crc)

    @property
    def value(self) -> Any:
        """The payload as a Python value."""
        return None if self.payload is None else orjson.loads(self.payload)


def to_json(payload: Any, name: str) -> bytes | None:
    """Return a payload as JSON; ``None`` stays ``None``.

    Args:
        payload: the value to encode.
        name: the argument that it came from, for the message.

    Raises:
        JinaInputError: JSON cannot represent the value.
    """
    if payload is None:
        return None
    try:
        return orjson.dumps(payload)
    except (TypeError, ValueError) as error:
        raise JinaInputError(
            f"{name} is not a JSON value: {error}. Pass strings, numbers, booleans, None, and lists and dicts of these"
        ) from None


def check_ids(ids: Any, name: str = "ids") -> list[Id]:
    """Return ids as a list; numpy scalars become Python values.

    Args:
        ids: the ids; all distinct.
        name: the argument that they came from, for the message.

    Raises:
        JinaInputError: not a list, an id of another type, or an id that occurs twice.
    """
    if isinstance(ids, (str, bytes)) or not isinstance(ids, Iterable):
        raise JinaInputError(f"{name} must be a list, got {ids!r}; for a single id pass [{ids!r}]")
    items: list[Id] = [id.item() if isinstance(id, np.generic) else id for id in ids]
    for place, id in enumerate(items):
        is_number = isinstance(id, int) and not isinstance(id, bool) and -(2**63) <= id < 2**63
        if not is_number and not (isinstance(id, str) and _is_utf8(id)):
            raise JinaInputError(f"{name}[{place}] must be a string or a whole number of 64 bits, got {id!r}")
    if len(set(items)) < len(items):
        duplicate = next(id for place, id in enumerate(items) if id in items[:place])
        raise JinaInputError(f"{name} holds {duplicate!r} twice; each id may occur once in a call")
    return items


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
