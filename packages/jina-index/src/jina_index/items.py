"""Ids and payloads: what SQLite stores for each item of an index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import orjson
from jina_client import JinaInputError

Id = str | int
"""The id of an item: a string, or an integer of 64 bits."""


ItemFields = tuple[int, Id, bytes | None, int, int]
"""The fields of :class:`StoredItem`."""


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
    def value(self) -> Any:
        """The payload as a Python value."""
        return None if self.payload is None else orjson.loads(self.payload)


def item_crc(row: int, id: Id, payload: bytes | None, first_vector: int, vectors: int) -> int:
    """Return the checksum of all fields of an item."""
    return crc32(payload or b"", crc32(repr((row, id, first_vector, vectors)).encode()))


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
    items: list[Id] = list(ids.tolist() if isinstance(ids, np.ndarray) else ids)
    if not _are_ids(items):
        items = [id.item() if isinstance(id, np.generic) else id for id in items]
        for place, id in enumerate(items):
            if not _are_ids([id]):
                raise JinaInputError(f"{name}[{place}] must be a string or a whole number of 64 bits, got {id!r}")
    if len(set(items)) < len(items):
        duplicate = next(id for place, id in enumerate(items) if id in items[:place])
        raise JinaInputError(f"{name} holds {duplicate!r} twice; each id may occur once in a call")
    return items


def _are_ids(items: list[Any]) -> bool:
    """Return whether all items are strings of valid Unicode or integers of 64 bits."""
    kinds = set(map(type, items))
    numbers = (
        items if kinds == {int} else [item for item in items if isinstance(item, int) and not isinstance(item, bool)]
    )
    texts = items if kinds == {str} else [item for item in items if isinstance(item, str)]
    if len(numbers) + len(texts) < len(items) or (numbers and not -(2**63) <= min(numbers) <= max(numbers) < 2**63):
        return False
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True
